//! An assistant on the phone uses our tools: what a caller hears of it, and what it does.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, Tenant, cluster,
    fake_jackrabbit::{FakeJackrabbit, Script, recorded},
    fake_phones::FakePhones,
    phones::{Account, receipt, set_sms},
    telnyx::{ASSISTANT, CALL, CALLER, LINE, beginning, counted, with_line},
};

/// The recorded classes, in another year.
fn classes() -> Value {
    serde_json::from_str(&recorded().to_string().replace("2026-05-30", "2027-05-30")).expect("JSON")
}

/// A swim school that is reached by phone, and whose first call has begun.
struct School<'g> {
    gateway: &'g Gateway,
    account: Account,
    tenant: Tenant<'g>,
    admin: Actor<'g>,
}

impl<'g> School<'g> {
    async fn open(gateway: &'g Gateway) -> Self {
        let (account, tenant) = (Account::recorded(), gateway.tenant("acme").await);
        let admin = with_line(&tenant, &account, LINE, ASSISTANT).await;
        admin
            .data(
                r#"mutation {
                    updateTenantProfile(input: { businessName: "Acme Swim", timeZone: "America/Chicago" }) { id }
                    updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "10:30" }] }) { slotMinutes }
                    updateVoiceSettings(input: { jackrabbitOrgId: "990001" }) { isEnabled } }"#,
            )
            .await;
        account.asks(gateway, "dynamic-variables", &beginning(true), None).await;
        Self { gateway, account, tenant, admin }
    }

    /// What the assistant is told by a tool, in the call.
    async fn told(&self, tool: &str, asked: &Value) -> Value {
        self.account.asks(self.gateway, &format!("tools/{tool}"), asked, Some(CALL)).await
    }

    /// From now on it has a number at Telnyx to text from.
    async fn texts_from(&self, number: &str) {
        let settings = json!({ "telnyxPhoneNumber": number, "telnyxApiKey": "KEY_FAKE_0123456789" });
        set_sms(&self.admin, settings).await;
    }
}

async fn with_schedule(school: &FakeJackrabbit) -> Gateway {
    Gateway::planned(Plan { jackrabbit: Some(school.base_url.clone()), ..Plan::default() }).await
}

async fn rows(gateway: &Gateway, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    cluster::owner(&gateway.database).await.query_one(&count, &[]).await.expect("a count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_of_classes_with_places_in_their_language() {
    let jackrabbit = FakeJackrabbit::start(Script::Rows(classes())).await;
    let gateway = with_schedule(&jackrabbit).await;
    let school = School::open(&gateway).await;
    let say = async |asked: Value| {
        let told = school.told("get-classes", &asked).await;
        assert!(!told.to_string().contains("Full class") && !told.to_string().contains("Over-enrolled"), "{told}");
        let said = told["say"].as_str().unwrap_or_else(|| panic!("nothing to say: {told}")).to_owned();
        assert!(said.chars().count() < 400, "{said}");
        said
    };
    // As its settings have it: numbers in words, days as people say them, members that are not ours.
    let asked = json!({ "level": "swim", "age": "4", "day": "Sábado", "language": "Spanish", "tenant_id": 77, "call_control_id": "x" });
    insta::assert_snapshot!(say(asked).await, @"Encontré 2 clases con lugares. Tadpole Sat 10a, sábado a las 10:00, Main Pool: 3 lugares. No ages, no end, sábado a las 10:00, Main Pool: 4 lugares.");
    insta::assert_snapshot!(say(json!({ "location": "Main", "seats": "3" })).await, @"I found 2 classes with open spots. Tadpole Sat 10a, Saturday at 10 AM, Main Pool: 3 spots. No ages, no end, Saturday at 10 AM, Main Pool: 4 spots.");
    insta::assert_snapshot!(say(json!({ "level": "karate" })).await, @"I found no class that fits.");
    // An age that can't be read is not left out: not every class fits.
    insta::assert_snapshot!(say(json!({ "age": "four and a bit" })).await, @"I'm sorry, I can't do that right now. Would you like someone to follow up with you?");
    insta::assert_snapshot!(say(json!({ "day": "someday" })).await, @"I'm sorry, I can't do that right now. Would you like someone to follow up with you?");
    // By the address alone, before any call is known; and an assistant that gives nothing at all.
    let path = format!("tools/get-classes?tenant_id={}", school.tenant.id.0);
    let told = school.account.posts_to(&gateway, &path, "", None).await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.json::<Value>().await.expect("JSON")["total"], 4);
    assert_eq!(rows(&gateway, "conversations").await, 0, "who only looks opens nothing");
    // While the school's list can't be had, it is said of when the one is that is told.
    jackrabbit.script(Script::Raw(503, "text/plain", String::new()));
    gateway.clock.advance(TimeDelta::minutes(31));
    insta::assert_snapshot!(say(json!({ "level": "minnow" })).await, @"This list is from Saturday at 6 AM, and places may have gone since. I found one class with open spots. Minnow Tue/Thu, Tuesday and Thursday at 6:45 PM, Main Pool: 1 spot.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_late_is_no_silence_and_is_there_the_next_time() {
    let jackrabbit = FakeJackrabbit::start(Script::Held(classes())).await;
    let mut plan = Plan { jackrabbit: Some(jackrabbit.base_url.clone()), ..Plan::default() };
    plan.web.voice.tool = Duration::from_millis(300);
    let gateway = Gateway::planned(plan).await;
    let school = School::open(&gateway).await;
    let begun = Instant::now();
    let told = school.told("get-classes", &json!({ "language": "es" })).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    insta::assert_json_snapshot!(told, @r#"
    {
      "error": "This did not work just now.",
      "say": "Lo siento, ahora mismo no puedo hacer eso. ¿Quiere que alguien se comunique con usted?"
    }
    "#);
    jackrabbit.go_on();
    // The first question is still being answered: the second waits for it, and asks nobody.
    let mut told = school.told("get-classes", &json!({})).await;
    while told["total"].is_null() {
        told = school.told("get-classes", &json!({})).await;
    }
    assert_eq!((told["total"].clone(), jackrabbit.count()), (json!(4), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_books_once_however_often_the_assistant_asks() {
    let gateway = Gateway::start().await;
    let school = School::open(&gateway).await;
    let free = school.told("get-available-slots", &json!({ "language": "en" })).await;
    insta::assert_snapshot!(free["say"].as_str().expect("a sentence"), @"The next free times are: Monday, November 23 at 9:00 AM; Monday, November 23 at 9:30 AM; Monday, November 23 at 10:00 AM.");
    let starts_at = free["slots"][1]["starts_at"].as_str().expect("a time").to_owned();
    let wish = json!({ "starts_at": starts_at, "name": "Ann", "title": "Trial lesson", "language": "es" });
    let booked = school.told("book-meeting", &wish).await;
    insta::assert_json_snapshot!(booked, @r#"
    {
      "booked": true,
      "starts_at": "2026-11-23T09:30:00-06:00",
      "said": "Monday, November 23 at 9:30 AM",
      "say": "Su cita quedó reservada para el lunes 23 de noviembre a las 9:30."
    }
    "#);
    let again = futures_util::future::join_all((0..8).map(|_| school.told("book-meeting", &wish))).await;
    assert!(again.iter().all(|told| *told == booked), "{again:?}");
    // Asked what is free, it is told what is theirs.
    let free = school.told("get-available-slots", &json!({})).await;
    insta::assert_snapshot!(free["say"].as_str().expect("a sentence"), @"You are already booked for Monday, November 23 at 9:30 AM. The next free times are: Monday, November 23 at 9:00 AM; Monday, November 23 at 10:00 AM.");
    // The same moment in another zone's words.
    let utc = json!({ "starts_at": "2026-11-23T15:30:00Z", "name": "Ann", "title": "Trial lesson" });
    assert_eq!(school.told("book-meeting", &utc).await["booked"], true);
    let seen = school
        .admin
        .data(
            "{ meetings { totalCount nodes { title startsAt lead { name phone source } conversation { channel } } } }",
        )
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
            "phone": "+15555550111",
            "source": "VOICE"
          },
          "conversation": {
            "channel": "VOICE"
          }
        }
      ]
    }
    "#);
    // A time that is gone, and one that was never offered: the model is told why, the caller that it did not do.
    for starts_at in ["2026-11-23T03:00:00-06:00", "soon"] {
        let told = school.told("book-meeting", &json!({ "starts_at": starts_at })).await;
        assert!(
            told["error"].is_string() && told["say"].as_str().expect("a sentence").starts_with("I'm sorry"),
            "{told}"
        );
    }
    assert_eq!((rows(&gateway, "meetings").await, rows(&gateway, "conversations").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_puts_no_number_of_theirs_on_another_and_hears_nothing_of_them() {
    let gateway = Gateway::start().await;
    let school = School::open(&gateway).await;
    let vera = r#"mutation { createLead(input: { name: "Vera", email: "vera@x.example" }) { id } }"#;
    school.admin.data(vera).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    // Nobody knows who calls: they say another's address, and then a number of their own.
    let path = format!("tools/book-meeting?tenant_id={}", school.tenant.id.0);
    for mut wish in [json!({ "email": "vera@x.example" }), json!({ "phone": CALLER })] {
        wish["starts_at"] = json!("2026-11-23T15:30:00Z");
        let told = school.account.asks(&gateway, &path, &wish, Some("v3:withheld")).await;
        assert_eq!(told["booked"], true, "{told}");
    }
    let seen = school.admin.data("{ leads { nodes { name email phone notes } } }").await;
    assert_eq!(
        seen["leads"]["nodes"],
        json!([{ "name": "Vera", "email": "vera@x.example", "phone": null, "notes": null }])
    );
    // Called from that number, the assistant knows nobody.
    let told = school.account.asks(&gateway, "dynamic-variables", &beginning(true), None).await;
    let heard = ["caller_known", "caller_name", "caller_status", "caller_next_meeting"];
    assert_eq!(heard.map(|name| told["dynamic_variables"][name].clone()), ["false", "", "", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_was_known_says_more_of_themselves_where_the_network_vouches_for_them() {
    let gateway = Gateway::start().await;
    let school = School::open(&gateway).await;
    school.admin.data(&format!(r#"mutation {{ createLead(input: {{ phone: "{CALLER}" }}) {{ id }} }}"#)).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    // Two calls show the same number, and only of the second it is sure that it is theirs.
    for (call, is_attested, name, time) in
        [("v3:doubtful", false, "Mallory", "09:00"), ("v3:sure", true, "Ann", "09:30")]
    {
        let mut begins = beginning(is_attested);
        begins["data"]["occurred_at"] = json!("2026-11-21T12:01:00Z");
        begins["data"]["payload"]["call_control_id"] = json!(call);
        school.account.asks(&gateway, "dynamic-variables", &begins, None).await;
        let wish = json!({ "starts_at": format!("2026-11-23T{time}:00-06:00"), "name": name });
        let told = school.account.asks(&gateway, "tools/book-meeting", &wish, Some(call)).await;
        assert_eq!(told["booked"], true, "{told}");
        let seen = school.admin.data("{ leads { totalCount nodes { name } } }").await;
        let known = if is_attested { json!("Ann") } else { Value::Null };
        assert_eq!(seen["leads"], json!({ "totalCount": 1, "nodes": [{ "name": known }] }), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_stands_is_never_told_as_failed() {
    let mut plan = Plan::default();
    plan.web.voice.tool = Duration::from_secs(2);
    let gateway = Gateway::planned(plan).await;
    let school = School::open(&gateway).await;
    let at = |time: &str| json!({ "starts_at": format!("2026-11-23T{time}:00-06:00") });
    let mut owner = cluster::owner(&gateway.database).await;
    // It is booked, and what comes behind it takes too long: the meeting is looked for.
    let held = owner.transaction().await.expect("a transaction");
    held.batch_execute("LOCK TABLE call_actions IN EXCLUSIVE MODE").await.expect("locked");
    let told = school.told("book-meeting", &at("09:00")).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "booked": true,
      "starts_at": "2026-11-23T09:00:00-06:00",
      "said": "Monday, November 23 at 9:00 AM",
      "say": "You are booked for Monday, November 23 at 9:00 AM."
    }
    "#);
    held.rollback().await.expect("let go");
    // It is not booked yet, and may be in a moment.
    let held = owner.transaction().await.expect("a transaction");
    held.batch_execute("LOCK TABLE meetings IN EXCLUSIVE MODE").await.expect("locked");
    let told = school.told("book-meeting", &at("09:30")).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "error": "It is not known yet whether this is booked. Do not book another time.",
      "say": "I can't tell yet whether that time is booked. Someone will confirm it with you."
    }
    "#);
    held.rollback().await.expect("let go");
    // It went on. Whoever asks again is told so.
    assert_eq!(school.told("book-meeting", &at("09:30")).await["booked"], true);
    // What can't be noted is booked all the same.
    owner.batch_execute("REVOKE INSERT ON call_actions FROM frontdesk_tenant").await.expect("revoked");
    assert_eq!(school.told("book-meeting", &at("10:00")).await["booked"], true);
    assert_eq!(rows(&gateway, "meetings").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_by_text_message_once_in_a_call() {
    let jackrabbit = FakeJackrabbit::start(Script::Rows(classes())).await;
    let phones = FakePhones::start().await;
    let plan = Plan { jackrabbit: Some(jackrabbit.base_url.clone()), settings: phones.settings(), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let school = School::open(&gateway).await;
    // Without a number to text from it can't be sent, and is said to be not.
    let told = school.told("send-link", &json!({})).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "error": "The business has no number to text from.",
      "say": "I'm sorry, I can't send a text message to this number. Would you like someone to follow up with you?"
    }
    "#);
    school.texts_from("+15555550144").await;
    let wish = json!({ "class_id": 20_000_001, "first_name": "Ann", "language": "es" });
    let told = school.told("send-link", &wish).await;
    insta::assert_json_snapshot!(told, @r#"
    {
      "sent": true,
      "say": "Le envié el enlace por mensaje de texto al número desde el que llama."
    }
    "#);
    // Once, however often, and however many at once, it is asked for; another link is another.
    let again = futures_util::future::join_all((0..8).map(|_| school.told("send-link", &wish))).await;
    assert!(again.iter().all(|again| *again == told), "{again:?}");
    school.told("send-link", &json!({ "location": "main" })).await;
    gateway.work().await;
    let sent: Vec<_> = phones.asked().into_iter().map(|sent| (sent.from, sent.to, sent.text)).collect();
    insta::assert_debug_snapshot!(sent, @r#"
    [
        (
            "+15555550144",
            "+15555550111",
            "Acme Swim: inscríbase aquí: https://app.jackrabbitclass.com/regv2.asp?id=990001&hc=&initEmpty=&hdColor=&wl=0&preLoadClassID=20000001&loc=MAIN&MFName=Ann",
        ),
        (
            "+15555550144",
            "+15555550111",
            "Acme Swim: register here: https://app.jackrabbitclass.com/regv2.asp?id=990001&loc=MAIN",
        ),
    ]
    "#);
    // What no class is, a full one, and a call of which nobody knows who called.
    let odd = school.told("send-link", &json!({ "class_id": "1" })).await;
    assert!(odd["error"].as_str().expect("an error").starts_with("There is no such class."), "{odd}");
    let path = format!("tools/send-link?tenant_id={}", school.tenant.id.0);
    for call in [None, Some("v3:unheard-of")] {
        let told = school.account.asks(&gateway, &path, &json!({}), call).await;
        assert!(told["sent"].is_null() && told["say"].as_str().expect("a sentence").starts_with("I'm sorry"), "{told}");
    }
    // Its settings may say who called, where nothing else does.
    let preset = json!({ "telnyx_end_user_target": "+15555550177" });
    assert_eq!(school.account.asks(&gateway, &path, &preset, Some("v3:unheard-of")).await["sent"], true);
    assert_eq!(school.told("send-link", &preset).await["sent"], true, "in a call that is known it says nothing");
    gateway.work().await;
    let mut to: Vec<_> = phones.asked().into_iter().map(|sent| sent.to).collect();
    to.sort_unstable();
    assert_eq!(to, [CALLER, CALLER, CALLER, "+15555550177"]);
    // Who asked for no more texts gets none.
    let stop = "INSERT INTO opt_outs (tenant_id, phone, created_at) VALUES ($1, $2, now())";
    cluster::owner(&gateway.database).await.execute(stop, &[&school.tenant.id.0, &CALLER]).await.expect("a row");
    let told = school.told("send-link", &json!({ "location": "east" })).await;
    assert_eq!(told["error"], "The caller asked for no more text messages.");
    gateway.work().await;
    assert_eq!(phones.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_the_link_that_a_caller_was_sent() {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let school = School::open(&gateway).await;
    school.texts_from("+15555550144").await;
    for _ in 0..2 {
        assert_eq!(school.told("send-link", &json!({})).await["sent"], true);
    }
    gateway.work().await;
    let calls = "{ conversations(filter: { channel: [VOICE] }) { nodes {
        messages { nodes { role content texts { to status failure } } } } } }";
    let seen = school.admin.data(calls).await["conversations"]["nodes"][0]["messages"]["nodes"].clone();
    let texts = json!([{ "to": CALLER, "status": "SENT", "failure": null }]);
    assert_eq!(seen, json!([{ "role": "ASSISTANT", "content": phones.arrived()[0], "texts": texts }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_did_not_arrive_is_not_said_to_be_sent() {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let school = School::open(&gateway).await;
    school.texts_from("+15555550144").await;
    assert_eq!(school.told("send-link", &json!({})).await["sent"], true);
    gateway.work().await;
    // They call from a landline, and say that nothing has come.
    let id = phones.asked()[0].id.clone().expect("taken");
    let lost = receipt("r1", "+15555550144", &id, "delivery_failed");
    assert_eq!(school.account.posts(&gateway, &lost, gateway.clock.now().timestamp()).await.status(), 200);
    gateway.work().await;
    insta::assert_json_snapshot!(school.told("send-link", &json!({})).await, @r#"
    {
      "error": "The text message with the link did not arrive.",
      "say": "I'm sorry, the link did not get through to the number you are calling from. A landline, for example, can't receive text messages. Would you like someone to follow up with you?"
    }
    "#);
    let told = school.told("send-link", &json!({ "language": "es" })).await;
    assert!(told["say"].as_str().expect("a sentence").starts_with("Lo siento, el enlace no llegó"));
    // Another link is sent all the same, and that one is not sent again.
    assert_eq!(school.told("send-link", &json!({ "first_name": "Ann" })).await["sent"], true);
    gateway.work().await;
    assert_eq!(phones.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_serves_the_tenant_of_the_call_or_nobody() {
    let jackrabbit = FakeJackrabbit::start(Script::Rows(classes())).await;
    let gateway = with_schedule(&jackrabbit).await;
    let school = School::open(&gateway).await;
    let (other, rival) = (Account::new(2), gateway.tenant("rival").await);
    with_line(&rival, &other, "+15555550133", "assistant-rival").await;
    let (own, theirs) = (school.tenant.id.0, rival.id.0);
    let asks = async |account: &Account, query: String, call: Option<&str>| {
        let response = account.posts_to(&gateway, &format!("tools/get-classes{query}"), "{}", call).await;
        let (status, told) = (response.status().as_u16(), response.json::<Value>().await.expect("JSON"));
        (status, told["total"].as_u64(), told["say"].as_str().unwrap_or_default().to_owned())
    };
    let found = async |account, query, call| asks(account, query, call).await.1;
    assert_eq!(found(&school.account, String::new(), Some(CALL)).await, Some(4), "its own call");
    assert_eq!(found(&school.account, format!("?tenant_id={own}"), Some(CALL)).await, Some(4));
    assert_eq!(found(&school.account, format!("?tenant_id={own}"), Some("v3:unheard-of")).await, Some(4));
    // What contradicts, names nobody, or several.
    for (query, call) in [
        (format!("?tenant_id={theirs}"), Some(CALL)),
        ("?tenant_id=everybody".to_owned(), Some(CALL)),
        (format!("?tenant_id={own}&tenant_id={own}"), None),
        (String::new(), Some("v3:unheard-of")),
        (String::new(), None),
    ] {
        let (status, total, said) = asks(&school.account, query.clone(), call).await;
        assert_eq!((status, total), (200, None), "{query} {call:?}");
        assert_eq!(said, "I'm sorry, I can't look that up on this line. Please contact the business directly.");
    }
    // A signature is worth what its own tenant's key says.
    assert_eq!(asks(&other, format!("?tenant_id={own}"), None).await.0, 403);
    assert_eq!(asks(&other, String::new(), Some(CALL)).await.0, 403);
    // What no account that we know signed is counted apart: it may be anybody's.
    let mut counts = Vec::new();
    for reason in ["unknown", "contradiction", "garbled_tenant_id", "unsigned"] {
        counts.push(counted(&gateway, &format!("frontdesk_voice_unresolved_total{{reason=\"{reason}\"")).await);
    }
    assert_eq!(counts, ["0", "1", "1", "3"]);
    let lost = json!({ "language": "es-MX" });
    let told = school.account.asks(&gateway, "tools/get-available-slots", &lost, None).await;
    assert_eq!(
        told["say"],
        "Lo siento, no puedo consultar eso en esta línea. Por favor, comuníquese directamente con el negocio."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_says_nothing_goes_where_the_operator_set_it_and_nowhere_else() {
    let platform = Account::new(9);
    let jackrabbit = FakeJackrabbit::start(Script::Rows(classes())).await;
    // The first tenant of a fresh server.
    let settings = vec![("VOICE_FALLBACK_TENANT_ID", "1001".to_owned()), ("TELNYX_PUBLIC_KEY", platform.key())];
    let plan = Plan { settings, jackrabbit: Some(jackrabbit.base_url.clone()), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let school = School::open(&gateway).await;
    assert_eq!(school.tenant.id.0, 1001);
    let asked = json!({});
    let told = school.account.asks(&gateway, "tools/get-classes", &asked, None).await;
    assert_eq!(told["total"], 4);
    assert_eq!(counted(&gateway, "frontdesk_voice_fallback_total").await, "1");
    // Another account, be it the platform's own, is not that tenant's.
    let refused = platform.posts_to(&gateway, "tools/get-classes", "{}", None).await;
    assert_eq!(refused.status(), 403);
    // What its settings or a model say of it can keep a call from there, and take it nowhere else.
    let rival = gateway.tenant("rival").await;
    with_line(&rival, &Account::new(2), "+15555550133", "assistant-rival").await;
    for elsewhere in [
        json!({ "assistant_id": "assistant-rival" }),
        json!({ "telnyx_agent_target": "+15555550133" }),
        json!({ "assistant_id": "strange" }),
    ] {
        let told = school.account.asks(&gateway, "tools/get-classes", &elsewhere, None).await;
        assert!(told["error"].is_string() && told["total"].is_null(), "{elsewhere}: {told}");
    }
    // A call of somebody's who is nobody's is not for the fall-back.
    let mut strange = beginning(true);
    strange["data"]["payload"]["assistant_id"] = json!("assistant-strange");
    strange["data"]["payload"]["telnyx_agent_target"] = json!("+15555550199");
    strange["data"]["payload"]["call_control_id"] = json!("v3:strange");
    let told = school.account.asks(&gateway, "dynamic-variables", &strange, None).await;
    assert_eq!(told["dynamic_variables"]["line_open"], "false");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_switched_off_says_so_and_does_nothing() {
    let gateway = Gateway::start().await;
    let school = School::open(&gateway).await;
    school.admin.data("mutation { updateVoiceSettings(input: { isEnabled: false }) { isEnabled } }").await;
    let said = async || {
        let wish = json!({ "starts_at": "2026-11-23T15:30:00Z" });
        let told = school.told("book-meeting", &wish).await;
        assert!(told["error"].is_string());
        told["say"].as_str().expect("a sentence").to_owned()
    };
    assert!(said().await.contains("contact the business directly"));
    school.admin.data("mutation { updateVoiceSettings(input: { isEnabled: true }) { isEnabled } }").await;
    let root = gateway.root().await;
    root.data(&format!(r#"mutation {{ deactivateTenant(id: "{}") {{ id }} }}"#, school.tenant.id)).await;
    assert!(said().await.contains("contact the business directly"));
    assert_eq!((rows(&gateway, "meetings").await, rows(&gateway, "conversations").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_assistant_sends_is_refused_with_a_problem() {
    let gateway = Gateway::start().await;
    let school = School::open(&gateway).await;
    for tool in ["send-link", "get-classes", "book-meeting", "get-available-slots"] {
        for body in ["{", "[]", "null", "7", "\"x\"", "{}{}", "\u{feff}{}"] {
            let refused = school.account.posts_to(&gateway, &format!("tools/{tool}"), body, Some(CALL)).await;
            assert_eq!(refused.status(), 400, "{tool} {body}");
            assert_eq!(refused.headers()["content-type"], "application/problem+json; charset=utf-8");
        }
        let unsigned = gateway.http.post(gateway.url(&format!("/api/v1/telnyx/tools/{tool}"))).body("{}").send().await;
        assert_eq!(unsigned.expect("an answer").status(), 403);
        let read = gateway.http.get(gateway.url(&format!("/api/v1/telnyx/tools/{tool}"))).send().await;
        assert_eq!(read.expect("an answer").status(), 405);
    }
    let unknown = school.account.posts_to(&gateway, "tools/drop-tables", "{}", Some(CALL)).await;
    assert_eq!(unknown.status(), 404);
    // Arguments that are of no use are an answer, not an error: the caller is on the line.
    for (tool, asked) in [
        ("get-available-slots", json!({ "days": 99 })),
        ("get-available-slots", json!({ "from_date": "someday" })),
        ("book-meeting", json!({})),
        ("book-meeting", json!({ "starts_at": "a\u{0}b", "email": "nobody" })),
        ("get-classes", json!({ "seats": { "a": 1 } })),
    ] {
        let told = school.told(tool, &asked).await;
        assert!(told["error"].is_string() && told["say"].is_string(), "{tool} {asked}: {told}");
    }
    assert_eq!(rows(&gateway, "meetings").await, 0);
    gateway.clock.advance(TimeDelta::minutes(1));
    assert_eq!(school.told("get-available-slots", &json!({})).await["total"], 3);
}
