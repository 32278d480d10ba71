//! Customers who text: heard once, and answered once.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    support::{
        fake_model::{FakeModel, Script as ModelScript, end},
        fake_phones::Script,
        phones::{says, twilio_posts, twilio_posts_to},
        shop::{OURS, SEEN, SID, Shop, THEIRS, TOKEN, answers, carried, modelled},
    },
    toolbox::called,
};

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
async fn each_answer_goes_the_way_that_its_own_question_came() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    // Before the first is answered, they write to the other number of the business.
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    let theirs = [
        ("MessageSid", "SM1"),
        ("AccountSid", SID),
        ("From", THEIRS),
        ("To", "+15555550123"),
        ("Body", "Or on Sunday?"),
    ];
    assert_eq!(twilio_posts(&gateway, TOKEN, &theirs).await.status(), StatusCode::OK);
    gateway.work().await;
    model.script(answers("Yes."));
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    let ways = || phones.asked().into_iter().map(|sent| sent.from).collect::<Vec<_>>();
    assert_eq!(ways(), [OURS, "+15555550123"]);
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT", "CUSTOMER", "ASSISTANT"]);
    // What nobody asked for goes the way that they wrote last.
    let id = shop.admin.data("{ conversations { nodes { id } } }").await["conversations"]["nodes"][0]["id"].clone();
    let send =
        "mutation($c: ID!) { sendMessage(input: { conversationId: $c, content: \"See you.\" }) { message { role } } }";
    let said = shop.admin.ask(send, json!({ "c": id })).await;
    assert!(said.get("errors").is_none(), "{said}");
    gateway.work().await;
    assert_eq!(ways(), [OURS, "+15555550123", "+15555550123"]);
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

/// What a model was told of the conversation in its next call.
async fn told(model: &FakeModel) -> Vec<String> {
    let said = model.call().await.body["messages"].as_array().expect("messages").clone();
    said[1..].iter().map(|said| said["content"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_three_quick_texts_is_answered_by_who_knows_the_answers_before() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    // The model is away for a moment, so that all three are there before anything is answered.
    for (event, text) in [("e1", "First?"), ("e2", "Second?"), ("e3", "Third?")] {
        shop.hears(event, THEIRS, text).await;
    }
    assert!(phones.asked().is_empty() && model.calls().await > 0);
    model.scripts(["One.", "Two.", "Three."].map(answers));
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!(phones.arrived(), ["One.", "Two.", "Three."]);
    assert_eq!(told(&model).await, ["First?"]);
    assert_eq!(told(&model).await, ["First?", "One.", "Second?"]);
    assert_eq!(told(&model).await, ["First?", "One.", "Second?", "Two.", "Third?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_makes_nothing_of_is_soon_given_up_and_what_comes_next_is_answered() {
    let nothing = ModelScript::Bytes(end());
    let (phones, model, gateway) = modelled(nothing.clone()).await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    assert_eq!(model.calls().await, 2, "once more, at once");
    shop.hears("e2", THEIRS, "Hello?").await;
    assert_eq!(model.calls().await, 0, "the first is not given up yet");
    model.scripts([nothing.clone(), nothing, answers("I am here.")]);
    gateway.clock.advance(TimeDelta::minutes(1));
    gateway.work().await;
    assert_eq!((model.calls().await, phones.arrived()), (3, vec!["I am here.".to_owned()]));
    let seen = shop.seen().await[0]["messages"]["nodes"].clone();
    assert_eq!((&seen[1]["status"], &seen[3]["status"]), (&json!("FAILED"), &json!("COMPLETE")));
    gateway.clock.advance(TimeDelta::hours(1));
    assert_eq!(gateway.work().await, 0, "nobody tries again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_is_told_to_no_model_as_said() {
    let (phones, model, gateway) = modelled(ModelScript::ByHand).await;
    let shop = Shop::open(&gateway).await;
    shop.posted(&says("e1", THEIRS, OURS, "Any room on Saturday?")).await;
    let stopped = async {
        let call = model.call().await;
        let mut staff = shop.admin.watch("conversation_1", None).await;
        call.text("Yes, at").await;
        while staff.next().await.expect("more")["text"] != "Yes, at" {}
        shop.admin.data("mutation { stopReply(messageId: \"message_2\") { content } }").await
    };
    let (_, stopped) = tokio::join!(gateway.work(), stopped);
    assert_eq!((&stopped["stopReply"]["content"], phones.asked().len()), (&json!("Yes, at"), 0));
    model.script(answers("At 10."));
    shop.hears("e2", THEIRS, "When?").await;
    assert_eq!(phones.arrived(), ["At 10."]);
    assert_eq!(told(&model).await, ["Any room on Saturday?", "When?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_makes_nothing_of_behind_an_outage_is_written_anew_once_too() {
    let (phones, model, gateway) = modelled(ModelScript::Status(500, "{}".to_owned())).await;
    let shop = Shop::open(&gateway).await;
    let later = async |script: ModelScript| {
        model.script(script);
        gateway.clock.advance(TimeDelta::minutes(1));
        gateway.work().await;
        model.calls().await
    };
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    for _ in 0..2 {
        assert!(later(ModelScript::Status(500, "{}".to_owned())).await > 0, "it is asked, and away");
    }
    let nothing = ModelScript::Bytes(end());
    assert_eq!(later(nothing.clone()).await, 2, "the fourth try, and the first that gives nothing of use");
    assert_eq!(later(answers("Yes.")).await, 1);
    assert_eq!(phones.arrived(), ["Yes."]);
    // Twice running it is given up.
    model.script(nothing.clone());
    shop.hears("e2", THEIRS, "Hello?").await;
    assert_eq!(model.calls().await, 2);
    assert_eq!(later(nothing).await, 2);
    gateway.clock.advance(TimeDelta::hours(1));
    assert_eq!(gateway.work().await, 0, "nobody tries again");
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
