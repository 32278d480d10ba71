//! Customers who text and are not to be answered: who asks for no texts, who is a machine, whose business is closed.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    fake_model::Script as ModelScript,
    fake_phones::Script,
    phones::{says, set_sms},
    shop::{OURS, Shop, THEIRS, answers, carried, modelled},
};

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
    let mut staff = shop.admin.watch("conversation_1", None).await;
    gateway.until_watched().await;
    shop.hears("e7", THEIRS, "help").await;
    assert_eq!(phones.arrived()[1], "acme Inc.: write your question here. Reply STOP for no more texts.");
    // Staff see what was answered, and what became of it.
    for role in ["CUSTOMER", "ASSISTANT"] {
        assert_eq!(staff.expect("MessageAdded").await["message"]["role"], role);
    }
    let seen = shop.seen().await[0]["messages"]["nodes"].as_array().expect("messages").last().cloned();
    let help = seen.expect("a message");
    assert_eq!((&help["content"], &help["texts"][0]["status"]), (&json!(phones.arrived()[1]), &json!("SENT")));
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
async fn the_last_word_counts_in_whichever_order_words_come() {
    let (phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    // As Telnyx sends it again when it was not heard the first time: said so many minutes ago.
    let said = async |event: &str, minutes_ago: i64, text: &str| {
        let at = gateway.clock.now() - TimeDelta::minutes(minutes_ago);
        let mut body: Value = serde_json::from_str(&says(event, THEIRS, OURS, text)).expect("JSON");
        body["data"]["payload"]["received_at"] = json!(at.to_rfc3339());
        shop.posted(&body.to_string()).await;
        gateway.work().await;
    };
    let is_answered = async |event: &str| {
        let before = phones.asked().len();
        shop.hears(event, THEIRS, "Are you open?").await;
        phones.asked().len() > before
    };
    said("e1", 10, "START").await;
    said("e2", 20, "STOP").await;
    assert!(is_answered("e3").await, "they asked for texts again after that STOP");
    said("e4", 5, "STOP").await;
    said("e5", 7, "START").await;
    assert!(!is_answered("e6").await, "they asked for none after that START");
    // The later of two counts, though the earlier one came last.
    said("e7", 1, "STOP").await;
    said("e8", 4, "STOP").await;
    said("e9", 3, "START").await;
    assert!(!is_answered("e10").await);
    // What is said to come from the future was said now.
    said("e11", -60, "START").await;
    assert!(is_answered("e12").await);
    gateway.clock.advance(TimeDelta::minutes(1));
    said("e13", 0, "STOP").await;
    assert!(!is_answered("e14").await);
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
    assert!(answer["errors"][0]["message"].as_str().expect("why").contains("updateSmsSettings"), "{answer}");
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT"]);
}
