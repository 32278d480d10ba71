//! Customers who text: heard once, answered once, and left alone when they ask for it.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    support::{
        Actor, Gateway, Plan, Tenant,
        fake_model::{FakeModel, Script as ModelScript},
        fake_phones::{FakePhones, Script},
        phones::{Account, receipt, says, set_sms, twilio_posts, twilio_posts_to},
    },
    toolbox::called,
};

const OURS: &str = "+15555550122";
const THEIRS: &str = "+15555550111";
const TOKEN: &str = "12345678901234567890123456789012";
const SID: &str = "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// Everything that there is to see of the customers who texted.
const SEEN: &str =
    "{ conversations(first: 5, filter: { channel: [SMS] }, orderBy: { field: CREATED_AT, direction: ASC }) { nodes {
    status lead { phone source }
    messages(first: 30) { nodes { role status content texts { provider to content status failure } } } } } }";

/// A tenant that answers texts at Telnyx, and the providers that carry them.
struct Shop<'g> {
    gateway: &'g Gateway,
    tenant: Tenant<'g>,
    admin: Actor<'g>,
    account: Account,
}

impl<'g> Shop<'g> {
    async fn open(gateway: &'g Gateway) -> Self {
        let (tenant, account) = (gateway.tenant("acme").await, Account::new(1));
        let admin = tenant.admin().await;
        let settings = json!({ "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key(),
            "telnyxApiKey": "KEY_FAKE_0123456789", "telnyxMessagingProfileId": "profile-1",
            "twilioPhoneNumber": "+15555550123", "twilioAccountSid": SID, "twilioAuthToken": TOKEN });
        set_sms(&admin, settings).await;
        Self { gateway, tenant, admin, account }
    }

    /// Telnyx posts an event.
    async fn posted(&self, body: &str) {
        let at = self.gateway.clock.now().timestamp();
        assert_eq!(self.account.posts(self.gateway, body, at).await.status(), StatusCode::OK);
    }

    /// A customer writes, and what follows from it is done.
    async fn hears(&self, event: &str, from: &str, text: &str) {
        self.posted(&says(event, from, OURS, text)).await;
        self.gateway.work().await;
    }

    /// What an administrator sees who has just signed in: hours may have passed.
    async fn seen(&self) -> Value {
        self.gateway.sign_in("admin@acme.example").await.data(SEEN).await["conversations"]["nodes"].clone()
    }

    /// Roles of what was said with the customer who wrote first.
    async fn roles(&self) -> Vec<String> {
        let seen = self.seen().await;
        let messages = seen[0]["messages"]["nodes"].as_array().expect("messages").clone();
        messages.iter().map(|message| message["role"].as_str().expect("a role").to_owned()).collect()
    }

    async fn deliveries(&self) -> Value {
        let document = "{ webhookDeliveries { nodes { eventId status attempts lastError } } }";
        self.admin.data(document).await["webhookDeliveries"]["nodes"].clone()
    }
}

async fn carried() -> (FakePhones, Gateway) {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    (phones, gateway)
}

fn answers(text: &str) -> ModelScript {
    ModelScript::Bytes(format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}},\"finish_reason\":\"stop\"}}]}}\n\n\
         data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}}}\n\n\
         data: [DONE]\n\n",
        json!(text)
    ))
}

/// As [`carried`], with a model that answers `text`.
async fn modelled(script: ModelScript) -> (FakePhones, FakeModel, Gateway) {
    let (phones, model) = (FakePhones::start().await, FakeModel::start(script).await);
    let plan = Plan { settings: phones.settings(), model: Some(model.base_url.clone()), ..Plan::default() };
    (phones, model, Gateway::planned(plan).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_texts_is_answered_by_text_and_becomes_a_lead() {
    let (phones, _model, gateway) = modelled(answers("Yes, at 10.")).await;
    let shop = Shop::open(&gateway).await;
    for _ in 0..3 {
        shop.hears("event-1", THEIRS, "Any room on Saturday?").await;
    }
    insta::assert_json_snapshot!(shop.seen().await, @r#"
    [
      {
        "status": "BOT",
        "lead": {
          "phone": "+15555550111",
          "source": "SMS"
        },
        "messages": {
          "nodes": [
            {
              "role": "CUSTOMER",
              "status": "COMPLETE",
              "content": "Any room on Saturday?",
              "texts": []
            },
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "Yes, at 10.",
              "texts": [
                {
                  "provider": "TELNYX",
                  "to": "+15555550111",
                  "content": "Yes, at 10.",
                  "status": "SENT",
                  "failure": null
                }
              ]
            }
          ]
        }
      }
    ]
    "#);
    let asked = phones.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].from.as_str(), asked[0].to.as_str()), (OURS, THEIRS));
    assert_eq!(asked[0].by, "Bearer KEY_FAKE_0123456789");
    insta::assert_json_snapshot!(shop.deliveries().await, @r#"
    [
      {
        "eventId": "event-1",
        "status": "PROCESSED",
        "attempts": 1,
        "lastError": null
      }
    ]
    "#);
    // Their next message joins the same conversation.
    shop.hears("event-2", THEIRS, "Thanks!").await;
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT", "CUSTOMER", "ASSISTANT"]);
    assert_eq!(gateway.tenant("rival").await.admin().await.data(SEEN).await["conversations"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_in_two_events_is_answered_once() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let told = |event: &str, message: &str| {
        let mut body: Value = serde_json::from_str(&says(event, THEIRS, OURS, "Any room on Saturday?")).expect("JSON");
        body["data"]["payload"]["id"] = json!(message);
        body.to_string()
    };
    for event in ["event-1", "event-2"] {
        shop.posted(&told(event, "message-1")).await;
        gateway.work().await;
    }
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT"]);
    assert_eq!(phones.asked().len(), 1);
    let deliveries = shop.deliveries().await;
    let fates: Vec<_> = deliveries.as_array().expect("deliveries").iter().map(|one| one["status"].clone()).collect();
    assert_eq!(fates, ["PROCESSED", "PROCESSED"]);
    // The same words in another message are said twice.
    shop.posted(&told("event-3", "message-2")).await;
    gateway.work().await;
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT", "CUSTOMER", "ASSISTANT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_texts_says_more_of_who_they_are() {
    let (_phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.admin.data(&format!(r#"mutation {{ createLead(input: {{ phone: "{THEIRS}" }}) {{ id }} }}"#)).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    shop.hears("event-1", THEIRS, "I am Ann, ann@x.example").await;
    let cx = gateway.inside(shop.tenant.id);
    // They were known before they wrote, and the provider says that the number is theirs.
    called(&cx, 1, "capture_lead", json!({ "name": "Ann", "email": "ann@x.example" })).await;
    let lead = "{ conversation(id: \"conversation_1\") { lead { id name email phone } } }";
    let ann = json!({ "id": "lead_1", "name": "Ann", "email": "ann@x.example", "phone": THEIRS });
    assert_eq!(shop.admin.data(lead).await["conversation"]["lead"], ann);
    // It says so of this number alone: once the business has another of hers, who writes from the old one may be anybody.
    shop.admin
        .data(r#"mutation { updateLead(id: "lead_1", input: { email: null, phone: "+15555550199" }) { id } }"#)
        .await;
    called(&cx, 1, "capture_lead", json!({ "email": "mallory@x.example" })).await;
    assert_eq!(shop.admin.data(lead).await["conversation"]["lead"]["email"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_how_far_a_text_has_come_in_whichever_order_receipts_come() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.hears("event-1", THEIRS, "Hello?").await;
    let id = phones.asked()[0].id.clone().expect("sent");
    let status = async || shop.seen().await[0]["messages"]["nodes"][1]["texts"][0].clone();
    for (event, word, expected) in
        [("r1", "delivered", "DELIVERED"), ("r2", "sent", "DELIVERED"), ("r3", "queued", "DELIVERED")]
    {
        shop.posted(&receipt(event, OURS, &id, word)).await;
        gateway.work().await;
        assert_eq!(status().await["status"], expected, "{word}");
    }
    // One of a text that is not ours is waited for a little, and then let be.
    shop.posted(&receipt("r4", OURS, "somebody-elses", "delivered")).await;
    gateway.work().await;
    assert_eq!(shop.deliveries().await[0]["status"], "RECEIVED");
    gateway.clock.advance(TimeDelta::minutes(3));
    gateway.work().await;
    assert_eq!(shop.deliveries().await[0]["status"], "PROCESSED");
    shop.hears("event-2", THEIRS, "And now?").await;
    let id = phones.asked()[1].id.clone().expect("sent");
    shop.posted(&receipt("r5", OURS, &id, "delivery_failed")).await;
    gateway.work().await;
    insta::assert_json_snapshot!(shop.seen().await[0]["messages"]["nodes"][3]["texts"], @r#"
    [
      {
        "provider": "TELNYX",
        "to": "+15555550111",
        "content": "I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.",
        "status": "FAILED",
        "failure": "Undeliverable (Telnyx 40008)"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_twilio_it_goes_the_way_it_came_and_is_never_sent_twice() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let writes = async |sid: &str, text: &str| {
        let fields = [
            ("MessageSid", sid),
            ("AccountSid", SID),
            ("From", THEIRS),
            ("To", "+15555550123"),
            ("Body", text),
            ("NumMedia", "1"),
            ("MediaUrl0", "https://media.example.test/1"),
            ("MediaContentType0", "image/jpeg"),
        ];
        assert_eq!(twilio_posts(&gateway, TOKEN, &fields).await.status(), StatusCode::OK);
        gateway.work().await;
    };
    // The answer to what we asked is lost: it may have been sent, so it is not sent again.
    phones.script([Script::Vanish]);
    writes("SM1", "Look").await;
    gateway.clock.advance(TimeDelta::hours(1));
    gateway.work().await;
    let asked = phones.asked();
    assert_eq!((asked.len(), asked[0].from.as_str()), (1, "+15555550123"));
    insta::assert_json_snapshot!(shop.seen().await, @r#"
    [
      {
        "status": "BOT",
        "lead": {
          "phone": "+15555550111",
          "source": "SMS"
        },
        "messages": {
          "nodes": [
            {
              "role": "CUSTOMER",
              "status": "COMPLETE",
              "content": "Look\n[image/jpeg: https://media.example.test/1]",
              "texts": []
            },
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.",
              "texts": [
                {
                  "provider": "TWILIO",
                  "to": "+15555550111",
                  "content": "I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.",
                  "status": "UNKNOWN",
                  "failure": "The provider was asked, and its answer was lost. It may have been sent."
                }
              ]
            }
          ]
        }
      }
    ]
    "#);
    // Its receipt comes to an address that names it, and says that it was.
    let path = asked[0].mark.strip_prefix("https://chat.example.test").expect("our address");
    let id = asked[0].id.clone().expect("sent");
    let fields = [
        ("MessageSid", id.as_str()),
        ("AccountSid", SID),
        ("From", "+15555550123"),
        ("To", THEIRS),
        ("MessageStatus", "delivered"),
    ];
    assert_eq!(twilio_posts_to(&gateway, TOKEN, path, &fields).await.status(), StatusCode::OK);
    gateway.work().await;
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "DELIVERED");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_start_and_help_are_obeyed() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, " Stop. ").await;
    shop.hears("e2", THEIRS, "Are you there?").await;
    assert_eq!(phones.asked().len(), 0);
    // "Yes" is a word like any other, but for who has asked for no texts.
    shop.hears("e3", THEIRS, "yes").await;
    assert_eq!(phones.asked().len(), 0);
    shop.hears("e4", THEIRS, "Yes").await;
    assert_eq!(phones.asked().len(), 1);
    shop.hears("e5", THEIRS, "STOP").await;
    shop.hears("e6", THEIRS, "START").await;
    shop.hears("e7", THEIRS, "help").await;
    assert_eq!(phones.arrived()[1], "acme Inc.: write your question here. Reply STOP for no more texts.");
    // A word that the provider has answered is not answered twice.
    let body = json!({ "data": { "id": "e8", "event_type": "message.received", "payload": { "direction": "inbound",
        "text": "AYUDA", "autoresponse_type": "HELP", "from": { "phone_number": THEIRS }, "to": [{ "phone_number": OURS }] } } });
    shop.posted(&body.to_string()).await;
    gateway.work().await;
    assert_eq!(phones.asked().len(), 2);
    let actions = "{ auditLog { nodes { action } } }";
    let log = shop.admin.data(actions).await;
    let all: Vec<_> =
        log["auditLog"]["nodes"].as_array().expect("entries").iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(all.iter().filter(|action| **action == "sms.stop").count(), 2);
    assert_eq!(all.iter().filter(|action| **action == "sms.start").count(), 2);
    // Who is told by the provider that a customer wants no texts remembers it.
    phones.script([Script::Refuse(
        400,
        json!({ "errors": [{ "code": "40300", "title": "Blocked due to STOP message" }] }),
    )]);
    shop.hears("e9", THEIRS, "Hm").await;
    shop.hears("e10", THEIRS, "Hm?").await;
    assert_eq!(phones.asked().len(), 3);
    let last = shop.seen().await[0]["messages"]["nodes"].as_array().expect("messages").len();
    let texts = shop.seen().await[0]["messages"]["nodes"][last - 2]["texts"].clone();
    assert_eq!(texts[0]["failure"], "HTTP 400: Blocked due to STOP message (Telnyx 40300)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_assistant_is_not_to_answer_is_kept() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    set_sms(&shop.admin, json!({ "isEnabled": false })).await;
    shop.hears("e1", THEIRS, "Switched off?").await;
    set_sms(&shop.admin, json!({ "isEnabled": true, "answeredBy": "TELNYX_ASSISTANT" })).await;
    shop.hears("e2", THEIRS, "An assistant?").await;
    set_sms(&shop.admin, json!({ "answeredBy": "FRONTDESK" })).await;
    let id = shop.admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let update =
        "mutation($id: ID!, $s: ConversationStatus!) { updateConversation(id: $id, input: { status: $s }) { status } }";
    shop.admin.ask(update, json!({ "id": id, "s": "HUMAN" })).await;
    shop.hears("e3", THEIRS, "A person?").await;
    assert_eq!(shop.roles().await, ["CUSTOMER"; 3]);
    assert_eq!(phones.asked().len(), 0);
    // Whoever of the business writes here is carried to the customer's phone.
    let send = "mutation($c: ID!) { sendMessage(input: { conversationId: $c, content: \"I am.\" }) { message { role texts { status to } } reply { id } } }";
    let answer = shop.admin.ask(send, json!({ "c": id })).await;
    insta::assert_json_snapshot!(answer["data"]["sendMessage"], @r#"
    {
      "message": {
        "role": "AGENT",
        "texts": [
          {
            "status": "QUEUED",
            "to": "+15555550111"
          }
        ]
      },
      "reply": null
    }
    "#);
    gateway.work().await;
    assert_eq!(phones.arrived(), ["I am."]);
    // A conversation that was closed is opened again by who writes in it.
    shop.admin.ask(update, json!({ "id": id, "s": "CLOSED" })).await;
    shop.hears("e4", THEIRS, "One more thing").await;
    assert_eq!(shop.seen().await[0]["status"], "BOT");
    assert_eq!(phones.asked().len(), 2);
    // Of a tenant that was switched off, everything is kept, and nothing answered.
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": shop.tenant.id.to_string() })).await;
    shop.hears("e5", THEIRS, "Still there?").await;
    assert_eq!(phones.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_asked_again_and_a_customer_gets_one_text() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let busy = json!({ "errors": [{ "code": "10011", "title": "Too many requests" }] });
    phones.script([Script::Refuse(429, busy), Script::Refuse(503, Value::Null), Script::Vanish]);
    shop.hears("e1", THEIRS, "Hello?").await;
    for _ in 0..5 {
        gateway.clock.advance(TimeDelta::minutes(20));
        gateway.work().await;
    }
    let asked = phones.asked();
    // The fourth was known by its idempotency key: nothing was sent for it.
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|sent| sent.mark == asked[0].mark && !sent.mark.is_empty()));
    assert_eq!(phones.arrived().len(), 1);
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "SENT");
    // What will never go is not tried again, and the reason is there to be read.
    let wrong = json!({ "errors": [{ "code": "40305", "title": "Invalid 'from' address" }] });
    phones.script([Script::Refuse(422, wrong)]);
    shop.hears("e2", THEIRS, "And?").await;
    gateway.clock.advance(TimeDelta::hours(1));
    assert_eq!(gateway.work().await, 0);
    insta::assert_json_snapshot!(shop.seen().await[0]["messages"]["nodes"][3]["texts"], @r#"
    [
      {
        "provider": "TELNYX",
        "to": "+15555550111",
        "content": "Hello! What would you like to know about acme Inc.?",
        "status": "FAILED",
        "failure": "HTTP 422: Invalid 'from' address (Telnyx 40305)"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_always_asks_for_a_moment_does_not_use_up_the_tries_in_one() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    phones.script(std::iter::repeat_n(Script::Busy("1"), 4));
    shop.hears("e1", THEIRS, "Hello?").await;
    // It is asked again after two seconds, four, and eight; the next time is not in this half minute.
    for _ in 0..29 {
        gateway.clock.advance(TimeDelta::seconds(1));
        gateway.work().await;
    }
    assert_eq!((phones.asked().len(), phones.arrived().len()), (4, 0));
    gateway.clock.advance(TimeDelta::seconds(20));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_several_texts_in_order() {
    let long = "A sentence of the answer. ".repeat(60);
    let (phones, _model, gateway) = modelled(answers(&long)).await;
    let shop = Shop::open(&gateway).await;
    // The first part is refused for now: the second does not overtake it.
    phones.script([Script::Refuse(503, Value::Null)]);
    shop.hears("e1", THEIRS, "Tell me all").await;
    assert_eq!(phones.arrived().len(), 0);
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!(phones.arrived().len(), 2);
    assert_eq!(phones.arrived().join(" "), long.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_is_asked_again_in_the_same_reply() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Hello?").await;
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["status"], "FAILED");
    assert_eq!(phones.asked().len(), 0);
    model.script(answers("Here I am."));
    gateway.clock.advance(TimeDelta::minutes(1));
    let mut staff = shop.admin.watch("conversation_1", None).await;
    gateway.until_watched().await;
    gateway.work().await;
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT"]);
    assert_eq!(phones.arrived(), ["Here I am."]);
    // Whoever watches sees it written, though they were told of its end before.
    staff.expect("ReplyStarted").await;
    while staff.next().await.expect("more")["__typename"] != "ReplyCompleted" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_answered_meanwhile_is_not_answered_again() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    // The model is down, and somebody of the business answers; the conversation stays the assistant's.
    let id = shop.admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send = "mutation($c: ID!) { sendMessage(input: { conversationId: $c, content: \"Yes, at 10.\" }) { message { role } } }";
    let answer = shop.admin.ask(send, json!({ "c": id })).await;
    assert_eq!(answer["data"]["sendMessage"]["message"]["role"], "AGENT", "{answer}");
    gateway.work().await;
    model.script(answers("I am the assistant."));
    gateway.clock.advance(TimeDelta::minutes(1));
    assert_eq!((gateway.work().await, phones.arrived()), (1, vec!["Yes, at 10.".to_owned()]));
    gateway.clock.advance(TimeDelta::hours(1));
    assert_eq!(gateway.work().await, 0, "it is not tried again");
    // What they ask next is the assistant's again.
    shop.hears("e2", THEIRS, "And on Sunday?").await;
    assert_eq!(phones.arrived(), ["Yes, at 10.", "I am the assistant."]);
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT", "AGENT", "CUSTOMER", "ASSISTANT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_conversation_over_is_not_waited_for_by_what_comes_next() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    let id = shop.admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let update =
        "mutation($id: ID!, $s: ConversationStatus!) { updateConversation(id: $id, input: { status: $s }) { status } }";
    shop.admin.ask(update, json!({ "id": id, "s": "HUMAN" })).await;
    model.script(answers("I am the assistant."));
    gateway.clock.advance(TimeDelta::minutes(1));
    assert_eq!(gateway.work().await, 1);
    // Given back, only what comes next is answered, and at once.
    shop.admin.ask(update, json!({ "id": id, "s": "BOT" })).await;
    shop.hears("e2", THEIRS, "And on Sunday?").await;
    assert_eq!(phones.arrived(), ["I am the assistant."]);
    let seen = shop.seen().await[0]["messages"]["nodes"].clone();
    assert_eq!((&seen[1]["status"], &seen[3]["status"]), (&json!("FAILED"), &json!("COMPLETE")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_writes_without_end_is_not_answered_without_end() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    for n in 0..103 {
        shop.posted(&says(&format!("e{n}"), THEIRS, OURS, "This is an automatic reply.")).await;
    }
    gateway.work().await;
    assert_eq!(phones.asked().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_given_up_says_so_and_takes_the_rest_of_its_message_with_it() {
    let long = "A sentence of the answer. ".repeat(60);
    let (phones, _model, gateway) = modelled(answers(&long)).await;
    let shop = Shop::open(&gateway).await;
    let down =
        || Script::Refuse(503, json!({ "errors": [{ "code": "40006", "title": "Recipient server unavailable" }] }));
    phones.script(std::iter::repeat_with(down).take(12));
    shop.hears("e1", THEIRS, "Tell me all").await;
    for _ in 0..15 {
        gateway.clock.advance(TimeDelta::minutes(20));
        gateway.work().await;
    }
    assert_eq!((phones.asked().len(), phones.arrived().len()), (12, 0));
    let texts = shop.seen().await[0]["messages"]["nodes"][1]["texts"].clone();
    let fates: Vec<_> =
        texts.as_array().expect("texts").iter().map(|text| (&text["status"], &text["failure"])).collect();
    insta::assert_debug_snapshot!(fates, @r#"
    [
        (
            String("FAILED"),
            String("HTTP 503: Recipient server unavailable (Telnyx 40006)"),
        ),
        (
            String("FAILED"),
            String("An earlier part of it was not sent."),
        ),
    ]
    "#);
    // The customer writes again, and is answered.
    shop.hears("e2", THEIRS, "Hello?").await;
    assert_eq!(phones.arrived().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_lost_is_not_sent_again_where_the_provider_would_not_know_it() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    phones.script([Script::Refuse(504, Value::Null)]);
    let fields =
        [("MessageSid", "SM1"), ("AccountSid", SID), ("From", THEIRS), ("To", "+15555550123"), ("Body", "Hello?")];
    assert_eq!(twilio_posts(&gateway, TOKEN, &fields).await.status(), StatusCode::OK);
    gateway.work().await;
    gateway.clock.advance(TimeDelta::hours(1));
    gateway.work().await;
    assert_eq!(phones.asked().len(), 1);
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
    // Telnyx knows it by its key, for a while: who comes back after two hours does not ask again.
    phones.script([Script::Vanish]);
    shop.hears("e1", "+15555550112", "And you?").await;
    assert_eq!(phones.asked().len(), 2);
    gateway.clock.advance(TimeDelta::hours(2));
    gateway.work().await;
    assert_eq!(phones.asked().len(), 2);
    assert_eq!(shop.seen().await[1]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_make_a_text_new_whose_answer_was_lost() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let busy = || Script::Refuse(429, Value::Null);
    phones.script([Script::Vanish, busy(), busy()]);
    shop.hears("e1", THEIRS, "Hello?").await;
    for _ in 0..2 {
        gateway.clock.advance(TimeDelta::minutes(25));
        gateway.work().await;
        assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "SENDING");
    }
    assert_eq!(phones.asked().len(), 3);
    // An hour after it was taken, Telnyx no longer knows it: whoever asked now would have it sent again.
    phones.forgets();
    gateway.clock.advance(TimeDelta::minutes(25));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (3, 1));
    assert_eq!(shop.seen().await[0]["messages"]["nodes"][1]["texts"][0]["status"], "UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_may_have_been_sent_nobody_says_that_it_was_not() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    let wrong = |code: &str| Script::Refuse(422, json!({ "errors": [{ "code": code, "title": "No" }] }));
    // What a provider says of it later is that it does not send it now.
    for (event, from, code) in [("e1", THEIRS, "40305"), ("e2", "+15555550112", "40300")] {
        phones.script([Script::Vanish, wrong(code)]);
        shop.hears(event, from, "Hello?").await;
        gateway.clock.advance(TimeDelta::minutes(1));
        gateway.work().await;
    }
    // Nobody asks for it again once the business is closed.
    phones.script([Script::Vanish]);
    shop.hears("e3", "+15555550113", "Hello?").await;
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": shop.tenant.id.to_string() })).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (5, 3));
    let fates = "SELECT status || ': ' || failure FROM texts";
    let owner = crate::support::cluster::owner(&gateway.database).await;
    for fate in owner.query(fates, &[]).await.expect("texts") {
        let lost = "UNKNOWN: The provider was asked, and its answer was lost. It may have been sent.";
        assert_eq!(fate.get::<_, &str>(0), lost);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_switched_off_meanwhile_is_not_answered_any_more() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    // The model is away: two customers wait for their answers.
    shop.hears("e1", THEIRS, "Hello?").await;
    shop.hears("e2", "+15555550112", "Hello?").await;
    set_sms(&shop.admin, json!({ "isEnabled": false })).await;
    model.script(answers("Here I am."));
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!((phones.asked().len(), gateway.work().await), (0, 0));
    // A text in line does not go out of a business that is closed.
    set_sms(&shop.admin, json!({ "isEnabled": true })).await;
    phones.script([Script::Refuse(503, Value::Null)]);
    shop.hears("e3", THEIRS, "Hello again?").await;
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    gateway.root().await.ask(off, json!({ "id": shop.tenant.id.to_string() })).await;
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!((phones.asked().len(), phones.arrived().len()), (1, 0));
    let fate = "SELECT status || ': ' || failure FROM texts";
    let fate: String =
        crate::support::cluster::owner(&gateway.database).await.query_one(fate, &[]).await.expect("a text").get(0);
    assert_eq!(fate, "FAILED: The business is deactivated.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_short_code_is_kept_and_not_written_to() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    for (event, text) in [("e1", "Your code is 123456."), ("e2", "HELP"), ("e3", "STOP")] {
        shop.hears(event, "72404", text).await;
    }
    assert_eq!(shop.roles().await, ["CUSTOMER"; 3]);
    assert_eq!(phones.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_who_write_where_no_number_is_left_are_told() {
    let (_phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Hello?").await;
    set_sms(&shop.admin, json!({ "telnyxPhoneNumber": null })).await;
    let id = shop.admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send =
        "mutation($c: ID!) { sendMessage(input: { conversationId: $c, content: \"I am.\" }) { message { role } } }";
    let answer = shop.admin.ask(send, json!({ "c": id })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "{answer}");
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT"]);
}
