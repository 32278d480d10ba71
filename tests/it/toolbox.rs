//! The assistant's tools, each by its door, called by a model that may say anything.

use chrono::TimeDelta;
use frontdesk::{
    context::{Client, PublicCx, RequestId, TenantCx},
    db::tables::meetings::{self, MeetingFilter},
    domain::{
        leads::LeadForm,
        visitors::{self, VisitorForm},
    },
    kernel::ids::{ConversationId, TenantId},
    tools::{self, Call},
};
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, Tenant, cluster, code,
    fake_model::{Script, calls},
    shop::{Shop, THEIRS, answers, modelled},
};

/// What a model is told of a call.
pub async fn called(cx: &TenantCx, conversation: i64, name: &str, arguments: Value) -> Value {
    let call = Call { conversation: Some(ConversationId(conversation)), name, arguments: &arguments };
    let text = tools::call(cx, call).await;
    assert!(text.chars().count() <= 6_000, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

async fn names(cx: &TenantCx) -> Vec<&'static str> {
    let own = cx.for_background();
    let declared = own.read(async |tx| tools::declared(&own, tx).await).await.expect("declared");
    declared.iter().map(|declaration| declaration.name).collect()
}

/// Monday, nine to half past ten in Chicago.
const HOURS: &str = r#"updateTenantProfile(input: { timeZone: "America/Chicago" }) { id }
    updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "10:30" }] }) { slotMinutes }"#;

async fn lead_of(staff: &Actor<'_>, conversation: i64) -> Value {
    let document = format!(
        r#"{{ conversation(id: "conversation_{conversation}") {{ lead {{ id name email phone source notes }} }} }}"#
    );
    staff.data(&document).await["conversation"]["lead"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_the_tools_that_it_can_use() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let cx = gateway.inside(acme.id);
    assert_eq!(names(&cx).await, ["capture_lead"]);
    admin.data(r#"mutation { updateVoiceSettings(input: { registrationUrl: "https://acme.example/?loc={location}" }) { isEnabled } }"#).await;
    assert_eq!(names(&cx).await, ["send_registration_link", "capture_lead"]);
    admin.data(r#"mutation { updateVoiceSettings(input: { registrationUrl: null, jackrabbitOrgId: "990001" }) { isEnabled } }"#).await;
    assert_eq!(names(&cx).await, ["send_registration_link", "get_classes", "capture_lead"]);
    admin.data(&format!("mutation {{ {HOURS} }}")).await;
    let all = ["send_registration_link", "get_classes", "book_meeting", "get_available_slots", "capture_lead"];
    assert_eq!(names(&cx).await, all);
    // Another tenant has none of it, and what is not offered is not done when it is called all the same.
    let rival = gateway.tenant("rival").await;
    rival.staff().await.conversation().await;
    let cx = gateway.inside(rival.id);
    assert_eq!(names(&cx).await, ["capture_lead"]);
    for name in ["get_classes", "send_registration_link", "get_available_slots", "book_meeting"] {
        let told = called(&cx, 1, name, json!({})).await;
        assert_eq!(told, json!({ "error": "This business does not offer that." }), "{name}");
    }
    let told = called(&cx, 1, "drop_tables", json!({})).await;
    assert_eq!(told, json!({ "error": "There is no tool of this name." }));
    // A school that all share is a setting.
    let shared = Gateway::planned(Plan { shared_school: Some("990001".to_owned()), ..Plan::default() }).await;
    let tenant = shared.tenant("acme").await;
    let expected = ["send_registration_link", "get_classes", "capture_lead"];
    assert_eq!(names(&shared.inside(tenant.id)).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_says_who_they_are_and_books() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    admin.data(&format!("mutation {{ {HOURS} }}")).await;
    admin.conversation().await;
    let cx = gateway.inside(acme.id);
    let free = called(&cx, 1, "get_available_slots", json!({ "from_date": null, "days": null })).await;
    insta::assert_json_snapshot!(free, @r#"
    {
      "today": "Saturday, November 21 at 6:00 AM",
      "time_zone": "America/Chicago",
      "total": 3,
      "slots": [
        {
          "starts_at": "2026-11-23T09:00:00-06:00",
          "said": "Monday, November 23 at 9:00 AM"
        },
        {
          "starts_at": "2026-11-23T09:30:00-06:00",
          "said": "Monday, November 23 at 9:30 AM"
        },
        {
          "starts_at": "2026-11-23T10:00:00-06:00",
          "said": "Monday, November 23 at 10:00 AM"
        }
      ]
    }
    "#);
    let monday = json!({ "starts_at": free["slots"][1]["starts_at"], "title": "Trial lesson", "notes": null });
    let nobody = called(&cx, 1, "book_meeting", monday.clone()).await;
    assert!(nobody["error"].as_str().expect("an error").contains("capture_lead"), "{nobody}");
    let noted =
        called(&cx, 1, "capture_lead", json!({ "name": " Ann ", "email": null, "phone": "+1 (555) 010-0123" })).await;
    assert_eq!(noted, json!({ "noted": ["name", "phone"] }));
    let booked = called(&cx, 1, "book_meeting", monday.clone()).await;
    insta::assert_json_snapshot!(booked, @r#"
    {
      "booked": true,
      "starts_at": "2026-11-23T09:30:00-06:00",
      "said": "Monday, November 23 at 9:30 AM"
    }
    "#);
    // Called again it is the same meeting, also many times at once.
    let again = futures_util::future::join_all((0..10).map(|_| called(&cx, 1, "book_meeting", monday.clone()))).await;
    let mut stands = booked.clone();
    stands["note"] = json!("This was booked before, in this conversation. It is the same meeting.");
    assert!(again.iter().all(|told| *told == stands), "{again:?}");
    // Its time is not free any more, and is told to be this customer's.
    let free = called(&cx, 1, "get_available_slots", json!({})).await;
    let theirs = json!([{ "starts_at": "2026-11-23T09:30:00-06:00", "said": "Monday, November 23 at 9:30 AM" }]);
    assert_eq!((&free["total"], &free["already_booked"]), (&json!(2), &theirs));
    let seen = admin
        .data("{ meetings { totalCount nodes { title startsAt lead { name phone } conversation { id } } } }")
        .await;
    insta::assert_json_snapshot!(seen["meetings"], @r#"
    {
      "totalCount": 1,
      "nodes": [
        {
          "title": "Trial lesson",
          "startsAt": "2026-11-23T15:30:00Z",
          "lead": {
            "name": "Ann",
            "phone": "+15550100123"
          },
          "conversation": {
            "id": "conversation_1"
          }
        }
      ]
    }
    "#);
    // Another customer does not get the time, and is told what to do.
    admin.conversation().await;
    called(&cx, 2, "capture_lead", json!({ "email": "bob@x.example" })).await;
    assert_eq!(called(&cx, 2, "get_available_slots", json!({})).await["already_booked"], Value::Null);
    let taken = called(&cx, 2, "book_meeting", monday).await;
    assert_eq!(taken, json!({ "error": "This time is taken. Call get_available_slots and offer another." }));
    for starts in ["2026-11-23T09:10:00-06:00", "2026-11-23T09:00", "tomorrow", ""] {
        let told = called(&cx, 2, "book_meeting", json!({ "starts_at": starts, "title": null, "notes": null })).await;
        assert!(told["error"].as_str().expect("an error").contains("get_available_slots"), "{told}");
    }
    for (arguments, word) in [
        (json!({ "from_date": "soon" }), "`from_date` must be a day"),
        (json!({ "days": 0 }), "`days` must be from 1 to 14."),
        (json!({ "days": 15 }), "`days` must be from 1 to 14."),
        (json!({ "from_date": "9999-12-31", "days": 14 }), ""),
    ] {
        let told = called(&cx, 2, "get_available_slots", arguments).await;
        assert!(told["error"].as_str().map_or(told["total"] == 0, |error| error.contains(word)), "{told}");
    }
    // Nobody fills the calendar from one conversation.
    let all = ["2026-11-23T09:00:00-06:00", "2026-11-23T10:00:00-06:00", "2026-11-30T09:00:00-06:00"];
    for (before, starts) in all.into_iter().enumerate() {
        let told = called(&cx, 2, "book_meeting", json!({ "starts_at": starts })).await;
        assert_eq!(told["booked"], true, "{told}");
        let others = told["also_booked"].as_array().map_or(0, Vec::len);
        assert_eq!(others, before, "who is booked more than once hears of it: {told}");
    }
    let full = called(&cx, 2, "book_meeting", json!({ "starts_at": "2026-11-30T09:30:00-06:00" })).await;
    assert!(full["error"].as_str().expect("an error").contains("as many meetings"), "{full}");
    // All of it is in the log, in the server's own name.
    let log = admin.data(r#"{ auditLog(filter: { action: "tool" }, first: 100) { nodes { action target outcome actor { email } } } }"#).await;
    let nodes = log["auditLog"]["nodes"].as_array().expect("entries");
    assert!(nodes.iter().all(|node| node["actor"].is_null()), "{log}");
    let count = |action: &str, outcome: &str| {
        nodes.iter().filter(|node| node["action"] == action && node["outcome"] == outcome).count()
    };
    assert_eq!((count("tool.book_meeting", "DONE"), count("tool.book_meeting", "REFUSED")), (14, 7));
    assert_eq!((count("tool.capture_lead", "DONE"), count("tool.get_available_slots", "REFUSED")), (2, 3));
    assert_eq!(nodes.last().expect("the first")["target"], "conversation_1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_written_anew_hears_what_its_first_try_booked() {
    let call = |id, name, arguments| Script::Bytes(calls(&[(id, name, arguments)]));
    let books = call("call_1", "book_meeting", r#"{"starts_at":"2026-11-23T09:00:00-06:00"}"#);
    let (phones, model, gateway) = modelled(books.clone()).await;
    let shop = Shop::open(&gateway).await;
    shop.admin.data(&format!("mutation {{ {HOURS} }}")).await;
    // The first try books, and breaks off before it says so.
    model.scripts([books.clone(), Script::Status(503, "{}".to_owned())]);
    shop.hears("e1", THEIRS, "Monday at nine, please.").await;
    assert!(phones.asked().is_empty() && model.calls().await > 1);
    // The second looks for a time, and may even try to book it.
    model.scripts([call("call_2", "get_available_slots", "{}"), books, answers("Monday at nine it is.")]);
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!(phones.arrived(), ["Monday at nine it is."]);
    let mut told = Vec::new();
    for _ in 0..3 {
        let said = model.call().await.body["messages"].as_array().expect("messages").clone();
        let last = said.last().expect("something said");
        if last["role"] == "tool" {
            told.push(serde_json::from_str::<Value>(last["content"].as_str().expect("a text")).expect("JSON"));
        }
    }
    let nine = json!({ "starts_at": "2026-11-23T09:00:00-06:00", "said": "Monday, November 23 at 9:00 AM" });
    assert_eq!((told.len(), &told[0]["total"], &told[0]["already_booked"]), (2, &json!(2), &json!([nine])));
    assert_eq!((&told[1]["booked"], &told[1]["starts_at"]), (&json!(true), &nine["starts_at"]), "{told:?}");
    assert!(told[1]["note"].as_str().expect("a note").contains("booked before"), "{told:?}");
    assert_eq!(shop.admin.data("{ meetings { totalCount } }").await["meetings"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_person_stays_and_what_is_anothers_stays_theirs() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let staff = acme.staff().await;
    staff
        .data(r#"mutation { a: createLead(input: { name: "Ann", email: "ann@x.example" }) { id } b: createLead(input: { name: "Bob", phone: "+15550100200" }) { id } startConversation(input: { channel: SMS, leadId: "lead_1" }) { id } }"#)
        .await;
    let cx = gateway.inside(acme.id);
    // Filled, not replaced; and Bob's number is not taken from him.
    called(&cx, 1, "capture_lead", json!({ "name": "Anna", "email": "other@x.example", "phone": "+15550100200" }))
        .await;
    insta::assert_json_snapshot!(lead_of(&staff, 1).await, @r#"
    {
      "id": "lead_1",
      "name": "Ann",
      "email": "ann@x.example",
      "phone": null,
      "source": "WEB",
      "notes": "Phone: +15550100200\nE-mail: other@x.example"
    }
    "#);
    assert_eq!(
        staff.data(r#"{ lead(id: "lead_2") { name phone } }"#).await["lead"],
        json!({ "name": "Bob", "phone": "+15550100200" })
    );
    called(&cx, 1, "capture_lead", json!({ "phone": "+15550100100" })).await;
    assert_eq!(lead_of(&staff, 1).await["phone"], "+15550100100");
    // A conversation without a lead finds the one that is known; nothing of them is told.
    staff.conversation().await;
    let told = called(&cx, 2, "capture_lead", json!({ "phone": "+15550100200" })).await;
    assert_eq!(told, json!({ "noted": ["phone"] }));
    assert_eq!(lead_of(&staff, 2).await["name"], "Bob");
    // One that nobody knows is made, from where they came; of many at once, one.
    staff.data("mutation { startConversation(input: { channel: SMS }) { id } }").await;
    let calls = (0..10).map(|_| called(&cx, 3, "capture_lead", json!({ "name": "Cy", "email": "cy@x.example" })));
    futures_util::future::join_all(calls).await;
    let made = lead_of(&staff, 3).await;
    assert_eq!((&made["name"], &made["source"], &made["notes"]), (&json!("Cy"), &json!("SMS"), &Value::Null));
    assert_eq!(staff.data("{ leads { totalCount } }").await["leads"]["totalCount"], 3);
    // Of many who only say their names, one is noted; whoever came too late says it again, and nobody is left over.
    staff.data("mutation { startConversation(input: { channel: SMS }) { id } }").await;
    let calls = (0..10).map(|number| called(&cx, 4, "capture_lead", json!({ "name": format!("Nameless {number}") })));
    let told = futures_util::future::join_all(calls).await;
    assert!(told.iter().all(|told| told["noted"] == json!(["name"]) || said_again(told)), "{told:?}");
    assert_eq!(staff.data("{ leads { totalCount } }").await["leads"]["totalCount"], 4);
    for (arguments, word) in [
        (json!({}), "A lead needs"),
        (json!({ "name": " ", "email": null, "phone": null }), "A lead needs"),
        (json!({ "email": "nobody" }), "`email` must be an e-mail address"),
        (json!({ "phone": "555" }), "`phone` must be a phone number"),
        (json!({ "name": "x".repeat(201) }), "at most 200"),
        (json!({ "name": "x", "lead_id": "lead_2" }), "unknown field `lead_id`"),
    ] {
        let told = called(&cx, 3, "capture_lead", arguments).await;
        assert!(told["error"].as_str().expect("an error").contains(word), "{told}");
    }
    // A lead without a name, whose conversation gets one, by somebody whose address is another's.
    let made = staff.data(r#"mutation { createLead(input: { phone: "+15550100400" }) { id } }"#).await;
    let lead = made["createLead"]["id"].as_str().expect("an id");
    staff.data(&format!(r#"mutation {{ startConversation(input: {{ leadId: "{lead}" }}) {{ id }} }}"#)).await;
    called(&cx, 5, "capture_lead", json!({ "name": "Dee", "email": "ann@x.example", "phone": "+15550100400" })).await;
    insta::assert_json_snapshot!(lead_of(&staff, 5).await, { ".id" => "[id]" }, @r#"
    {
      "id": "[id]",
      "name": "Dee",
      "email": null,
      "phone": "+15550100400",
      "source": "WEB",
      "notes": "E-mail: ann@x.example"
    }
    "#);
}

/// Whether the model is told that somebody else was faster.
fn said_again(told: &Value) -> bool {
    told["error"] == "Somebody else changed this lead at the same moment. Try again."
}

/// Opens a chat on a website; what the assistant of that tenant sees of it, and its number.
async fn visit(gateway: &Gateway, tenant: &Tenant<'_>, lead: Option<LeadForm>) -> (TenantCx, i64) {
    let public =
        PublicCx { services: gateway.services.clone(), request: RequestId("test".into()), client: Client::none() };
    let form = VisitorForm { subdomain: tenant.slug.clone(), lead };
    let pass = visitors::start(&public, form).await.expect("let in");
    (pass.cx, pass.conversation.id.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_changes_nothing_of_a_lead_that_was_there_before() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    admin.data(&format!("mutation {{ {HOURS} }}")).await;
    staff.data(r#"mutation { createLead(input: { email: "ann@x.example" }) { id } }"#).await;
    let ann = staff.data(r#"{ lead(id: "lead_1") { name email phone notes updatedAt } }"#).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    let mallory = json!({ "name": "Mallory", "email": "ann@x.example", "phone": "+15550100666" });
    // By giving her address at the door, or in the chat; however often they say it.
    let claim = LeadForm { email: Some("ann@x.example".to_owned()), ..LeadForm::default() };
    for lead in [Some(claim), None] {
        let (cx, conversation) = visit(&gateway, &acme, lead).await;
        for _ in 0..2 {
            let told = called(&cx, conversation, "capture_lead", mallory.clone()).await;
            assert_eq!(told, json!({ "noted": ["name", "email", "phone"] }), "nothing tells that she is known");
        }
        assert_eq!(lead_of(&staff, conversation).await["id"], "lead_1");
    }
    assert_eq!(staff.data(r#"{ lead(id: "lead_1") { name email phone notes updatedAt } }"#).await, ann);
    // Whom nobody knew is filled in bit by bit, also when they said who they are before they wrote.
    let claim = LeadForm { name: Some("Bob".to_owned()), ..LeadForm::default() };
    for (lead, said) in [(Some(claim), json!({ "email": "bob@x.example" })), (None, json!({ "name": "Cy" }))] {
        let (cx, conversation) = visit(&gateway, &acme, lead).await;
        called(&cx, conversation, "capture_lead", said).await;
        gateway.clock.advance(TimeDelta::minutes(1));
        called(&cx, conversation, "capture_lead", json!({ "phone": format!("+1555010010{conversation}") })).await;
        let lead = lead_of(&staff, conversation).await;
        assert_eq!(lead["phone"], format!("+1555010010{conversation}"), "{lead}");
    }
    assert_eq!(staff.data("{ leads { totalCount } }").await["leads"]["totalCount"], 3);
    // The assistant books for a visitor, whose own transactions reach no calendar; their token does not either.
    let (cx, conversation) = visit(&gateway, &acme, None).await;
    assert_eq!(names(&cx).await, ["book_meeting", "get_available_slots", "capture_lead"]);
    called(&cx, conversation, "capture_lead", json!({ "phone": "+15550100200" })).await;
    let monday = json!({ "starts_at": "2026-11-23T09:00:00-06:00" });
    assert_eq!(called(&cx, conversation, "book_meeting", monday).await["booked"], true);
    assert_eq!(cx.read(async |tx| meetings::count(tx, &MeetingFilter::default()).await).await.expect("counted"), 0);
    let (visitor, _) = acme.visitor().await;
    for document in [
        "{ meetings { totalCount } }",
        r#"{ meeting(id: "meeting_1") { title } }"#,
        r#"{ node(id: "meeting_1") { id } }"#,
        r#"{ availableSlots(from: "2026-11-23T00:00:00Z", to: "2026-11-24T00:00:00Z") { startsAt } }"#,
        r#"mutation { bookMeeting(input: { startsAt: "2026-11-23T15:30:00Z" }) { id } }"#,
        r#"mutation { cancelMeeting(id: "meeting_1") { id } }"#,
    ] {
        assert_eq!(code(&visitor.query(document).await), "FORBIDDEN", "{document}");
    }
    assert_eq!(staff.data("{ meetings { totalCount } }").await["meetings"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_conversation_is_none() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (owner, thief) = (acme.admin().await, rival.admin().await);
    for admin in [&owner, &thief] {
        admin
            .data(&format!(
                r#"mutation {{ {HOURS} updateVoiceSettings(input: {{ jackrabbitOrgId: "990001" }}) {{ isEnabled }} }}"#
            ))
            .await;
    }
    owner.conversation().await;
    let canary = json!({ "name": "Canary", "email": "canary@x.example", "phone": "+15550100100" });
    called(&gateway.inside(acme.id), 1, "capture_lead", canary.clone()).await;
    let monday = json!({ "starts_at": "2026-11-23T09:00:00-06:00", "title": "Canary" });
    called(&gateway.inside(acme.id), 1, "book_meeting", monday.clone()).await;
    let everything = "{ conversations { nodes { lead { id name } updatedAt } } leads { nodes { name email phone notes } } meetings { nodes { title startsAt } } }";
    let before = owner.data(everything).await;
    // Asked for by the other tenant's assistant, it is as one that never was.
    let cx = gateway.inside(rival.id);
    for (name, arguments) in [
        ("capture_lead", json!({ "name": "Thief" })),
        ("book_meeting", monday.clone()),
        ("get_available_slots", json!({})),
        ("get_classes", json!({})),
        ("send_registration_link", json!({ "class_id": "20000001" })),
    ] {
        let foreign = called(&cx, 1, name, arguments.clone()).await;
        assert_eq!(foreign, json!({ "error": "No such conversation." }), "{name}");
        assert_eq!(foreign, called(&cx, 999_999, name, arguments).await);
    }
    assert_eq!(owner.data(everything).await, before);
    // Their own calendar and people are their own: the same time is free, the same address is nobody's.
    thief.conversation().await;
    let free = called(&cx, 2, "get_available_slots", json!({})).await;
    assert_eq!(free["slots"][0]["starts_at"], "2026-11-23T09:00:00-06:00");
    called(&cx, 2, "capture_lead", json!({ "email": "canary@x.example" })).await;
    assert_eq!(called(&cx, 2, "book_meeting", monday).await["booked"], true);
    let seen = thief.data(everything).await;
    assert_eq!(
        seen["leads"]["nodes"],
        json!([{ "name": null, "email": "canary@x.example", "phone": null, "notes": null }])
    );
    let log = owner.data(r#"{ auditLog(filter: { action: "tool" }) { nodes { action } } }"#).await;
    assert_eq!(
        log["auditLog"]["nodes"].as_array().map(Vec::len),
        Some(2),
        "the other's calls are in the other's log: {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_is_told_in_our_own_words() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    acme.staff().await.conversation().await;
    let cx = gateway.inside(TenantId(acme.id.0));
    cluster::owner(&gateway.database).await.batch_execute("ALTER TABLE leads RENAME TO canaries").await.expect("gone");
    let told = called(&cx, 1, "capture_lead", json!({ "name": "Ann" })).await;
    let sentence = "This did not work, for a reason of our own. Say so, and offer that a person follows up.";
    assert_eq!(told, json!({ "error": sentence }));
}
