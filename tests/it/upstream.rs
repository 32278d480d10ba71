//! When the model fails: the customer's message stays, the reply is marked FAILED with what was written, and the
//! conversation goes on.

use std::time::Duration;

use frontdesk::llm::Patience;
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan,
    fake_model::{FakeModel, Script, calls, delta, end},
};

async fn impatient(base_url: String) -> Gateway {
    let short = Duration::from_secs(1);
    let patience = Patience { first_sign: short, silence: short, whole: Duration::from_mins(1), ..Patience::default() };
    Gateway::planned(Plan { model: Some(base_url), patience, ..Plan::default() }).await
}

/// The failure that a customer sees, and that the conversation goes on after it.
async fn fails(gateway: &Gateway, model: &FakeModel, admin: &Actor<'_>, script: Script) -> Value {
    model.script(script);
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await.all().await;
    let end = events.last().expect("an end").clone();
    assert_eq!(end["__typename"], "ReplyFailed", "{events:?}");
    goes_on(gateway, model, admin, &conversation).await;
    json!({ "code": end["code"], "cause": end["cause"], "reason": end["reason"], "status": end["message"]["status"], "content": end["message"]["content"] })
}

async fn goes_on(_: &Gateway, model: &FakeModel, admin: &Actor<'_>, conversation: &str) {
    model.script(Script::Bytes(format!("{}{}", delta("Better now."), end())));
    let events = admin.chat(conversation, "And now?").await.all().await;
    assert_eq!(events.last().expect("an end")["message"]["content"], "Better now.", "{events:?}");
    let data = admin
        .data(&format!(
            "{{ conversation(id: \"{conversation}\") {{ messages {{ nodes {{ role status content }} }} }} }}"
        ))
        .await;
    let nodes = data["conversation"]["messages"]["nodes"].as_array().expect("messages").clone();
    assert_eq!(nodes.len(), 4, "nothing is lost: {nodes:?}");
    assert_eq!((&nodes[0]["content"], &nodes[1]["status"]), (&json!("Hello"), &json!("FAILED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_refuses() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let mut seen = Vec::new();
    for (status, body) in [
        (401, r#"{"error":{"message":"Incorrect API key: canary-key","code":"invalid_api_key"}}"#),
        (429, r#"{"error":{"message":"Slow down, canary","code":"rate_limit_exceeded"}}"#),
        (429, r#"{"error":{"message":"canary","code":"insufficient_quota"}}"#),
        (400, r#"{"error":{"message":"canary","code":"context_length_exceeded"}}"#),
        (500, "<html>canary</html>"),
        (302, "canary"),
    ] {
        let failure = fails(&gateway, &model, &admin, Script::Status(status, body.to_owned())).await;
        assert!(!failure.to_string().contains("canary"), "{failure}");
        // As often as it was asked, the good answer aside.
        let asked = model.calls().await - 1;
        let words = ["cause", "code", "reason"].map(|field| failure[field].as_str().expect("text").to_owned());
        seen.push(format!("{status}, asked {asked}: {}", words.join(" | ")));
    }
    insta::assert_json_snapshot!(seen, @r#"
    [
      "401, asked 1: MISCONFIGURED | UPSTREAM_UNAVAILABLE | The assistant is not set up rightly: the model's provider refuses its key. Tell the business.",
      "429, asked 3: RATE_LIMITED | RATE_LIMITED | The model's provider is busy. Try again in a moment.",
      "429, asked 1: MISCONFIGURED | UPSTREAM_UNAVAILABLE | The assistant's account at the model's provider is used up. Tell the business.",
      "400, asked 1: CONTEXT_TOO_LONG | BAD_USER_INPUT | This conversation is too long for the model. Start a new one.",
      "500, asked 3: UNREACHABLE | UPSTREAM_UNAVAILABLE | The model's provider has a problem. Try again in a moment.",
      "302, asked 1: UNREACHABLE | UPSTREAM_UNAVAILABLE | The model's provider has a problem. Try again in a moment."
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_sends_garbage() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    for (what, bytes, kept, cause) in [
        ("not JSON", format!("{}data: {{broken\n\n", delta("Half ")), "Half ", "UNREACHABLE"),
        (
            "an error in mid-stream",
            format!("{}data: {{\"error\":{{\"message\":\"canary\"}}}}\n\n", delta("Half ")),
            "Half ",
            "UNREACHABLE",
        ),
        ("no end", delta("Half "), "Half ", "CUT_OFF"),
        ("nothing", String::new(), "", "CUT_OFF"),
        ("not an event stream", "<html>canary</html>".to_owned(), "", "CUT_OFF"),
        ("only an end", end(), "", "EMPTY_ANSWER"),
        (
            "a filter",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n"
                .to_owned(),
            "",
            "CONTENT_FILTERED",
        ),
    ] {
        let failure = fails(&gateway, &model, &admin, Script::Bytes(bytes)).await;
        assert_eq!(
            (&failure["status"], &failure["content"], &failure["cause"]),
            (&json!("FAILED"), &json!(kept), &json!(cause)),
            "{what}: {failure}"
        );
        assert!(!failure.to_string().contains("canary"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_done_is_an_end() {
    let bytes = format!("{}{}", delta("Whole."), end().replace("data: [DONE]\n\n", ""));
    let model = FakeModel::start(Script::Bytes(bytes)).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await.all().await;
    assert_eq!(
        events.last().expect("an end")["message"],
        json!({ "id": "message_2", "status": "COMPLETE", "content": "Whole." })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_is_whole_whatever_becomes_of_its_connection() {
    let model = FakeModel::start(Script::ByHand).await;
    let patience = Patience { usage: Duration::from_millis(300), ..Patience::default() };
    let gateway = Gateway::planned(Plan { model: Some(model.base_url.clone()), patience, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let no_done = end().replace("data: [DONE]\n\n", "");
    let (stop, _) = no_done.split_once("\n\n").expect("two frames");
    let (stop, no_done) = (format!("{}{stop}\n\n", delta("Whole.")), format!("{}{no_done}", delta("Whole.")));
    for (what, script, is_counted) in [
        ("reset before its usage", Script::Cut(stop.clone()), false),
        ("reset behind its usage", Script::Cut(no_done.clone()), true),
        ("over in the midst of its usage", Script::Bytes(format!("{stop}data: {{\"choices\":[],\"us")), false),
        ("held before its usage", Script::Held(stop.clone()), false),
        ("held behind its usage", Script::Held(no_done), true),
        ("held, and kept alive", Script::Held(format!("{stop}: keep-alive\n\n")), false),
    ] {
        model.script(script);
        let conversation = admin.conversation().await;
        let events = admin.chat(&conversation, "Hello").await.all();
        let events = tokio::time::timeout(Duration::from_secs(20), events).await.expect("an end soon");
        let end = events.last().expect("an end");
        assert_eq!(
            (&end["finishReason"], &end["message"]["content"]),
            (&json!("STOP"), &json!("Whole.")),
            "{what}: {end}"
        );
        let tokens = format!(
            "{{ conversation(id: \"{conversation}\") {{ messages(last: 1) {{ nodes {{ tokens {{ completion }} }} }} }} }}"
        );
        let tokens = admin.data(&tokens).await["conversation"]["messages"]["nodes"][0]["tokens"].clone();
        assert_eq!(tokens["completion"], if is_counted { 4 } else { 2 }, "{what}");
        assert_eq!(model.calls().await, 1, "{what}");
    }
    // One that is asked to run tools is no less whole.
    let tool = calls(&[("call_1", "capture_lead", r#"{"name":"Ann"}"#)]).replace("data: [DONE]\n\n", "");
    model.scripts([Script::Cut(tool), Script::Bytes(format!("{}{}", delta("Hello Ann."), end()))]);
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "I am Ann.").await.all().await;
    assert_eq!(events.last().expect("an end")["message"]["content"], "Hello Ann.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_to_end_that_more_comes_behind_is_none() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let every = delta("Half ").replace("\"finish_reason\":null", "\"finish_reason\":\"stop\"");
    let failure = fails(&gateway, &model, &admin, Script::Cut(every.repeat(2))).await;
    assert_eq!((&failure["cause"], &failure["content"]), (&json!("CUT_OFF"), &json!("Half Half ")), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_breaks_the_connection() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    call.text("Half ").await;
    events.expect("MessageAdded").await;
    events.expect("ReplyStarted").await;
    events.expect("ReplyDelta").await;
    call.cut().await;
    let end = events.expect("ReplyFailed").await;
    assert_eq!((&end["code"], &end["message"]["content"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("Half ")));
    goes_on(&gateway, &model, &admin, &conversation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stalls_before_and_amid_its_words() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = impatient(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    for words in [0, 1] {
        model.script(Script::ByHand);
        let conversation = admin.conversation().await;
        let events = admin.chat(&conversation, "Hello").await;
        let call = model.call().await;
        if words > 0 {
            call.text("Half ").await;
        }
        let events = events.all().await;
        let end = events.last().expect("an end");
        assert_eq!(
            (&end["__typename"], &end["code"], &end["cause"]),
            (&json!("ReplyFailed"), &json!("UPSTREAM_UNAVAILABLE"), &json!("TIMED_OUT")),
            "{end}"
        );
        // It was let go of, not only forgotten.
        call.left().await;
        goes_on(&gateway, &model, &admin, &conversation).await;
        while !model.is_idle().await {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_sends_is_a_sign_of_life_and_who_was_alive_is_not_left_out() {
    let (model, other) = (FakeModel::start(Script::ByHand).await, FakeModel::start(Script::ByHand).await);
    // From the first sign on it is let go of soon; until then nobody would wait so long here.
    let patience = Patience { silence: Duration::from_millis(300), ..Patience::default() };
    let (model_url, gemini_url) = (Some(model.base_url.clone()), Some(other.gemini_url.clone()));
    let gateway = Gateway::planned(Plan { model: model_url, gemini: gemini_url, patience, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let ask = async || {
        let conversation = admin.conversation().await;
        let events = admin.chat(&conversation, "Hello").await.all();
        let events = tokio::time::timeout(Duration::from_secs(20), events).await.expect("an end soon");
        events.last().expect("an end").clone()
    };
    let thought =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Hm.\"},\"finish_reason\":null}]}\n\n";
    for sign in [": keep-alive\n\n", thought, ":\n\n", thought, ": ping\r\n\r\n", thought] {
        model.script(Script::Held(sign.to_owned()));
        assert_eq!(ask().await["cause"], "TIMED_OUT", "{sign}");
        assert_eq!(model.calls().await, 1, "{sign}");
    }
    model.script(Script::Bytes(format!("{thought}{}{}", delta("At ten."), end())));
    assert_eq!(ask().await["message"]["content"], "At ten.");
    admin.data("mutation { updateModelSettings(input: { provider: GEMINI }) { provider } }").await;
    let thought = json!({ "candidates": [{ "content": { "parts": [{ "text": "Hm.", "thought": true }] } }] });
    other.script(Script::Held(format!("data: {thought}\r\n\r\n")));
    assert_eq!(ask().await["cause"], "TIMED_OUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
    let gateway = Gateway::with_model(format!("http://{nowhere}/v1")).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await.all().await;
    let end = events.last().expect("an end");
    assert_eq!((&end["__typename"], &end["code"]), (&json!("ReplyFailed"), &json!("UPSTREAM_UNAVAILABLE")));
    assert_eq!(end["cause"], "UNREACHABLE");
    assert!(!end.to_string().contains("127.0.0.1"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_in_mid_reply_leaves_no_reply_spinning() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    // What a dead node leaves: an open reply with its lease, and what its last heartbeat kept.
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner
        .batch_execute(
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at)
             VALUES (1001, 1, 'CUSTOMER', 'COMPLETE', 'Hello', '2026-11-21 12:00Z', '2026-11-21 12:00Z');
             INSERT INTO messages (tenant_id, conversation_id, role, status, content, reply_to_id, lease_expires_at, created_at, updated_at)
             VALUES (1001, 1, 'ASSISTANT', 'STREAMING', 'Half ', 1, '2026-11-21 12:00:09Z', '2026-11-21 12:00Z', '2026-11-21 12:00Z')",
        )
        .await
        .expect("rows");
    let mut watcher = admin.watch(&conversation, None).await;
    // Asked for is not yet there: what ends before that is told to nobody.
    while gateway.web.engine.watchers() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.web.engine.end_abandoned().await.expect("looked"), 0, "its lease stands");
    gateway.clock.advance(chrono::TimeDelta::seconds(10));
    let end = watcher.expect("ReplyFailed").await;
    assert_eq!(end["cause"], "SERVER_STOPPED");
    assert_eq!(end["message"], json!({ "id": "message_2", "status": "FAILED", "content": "Half " }));
    // It is counted by the node that ended it, since its own can't.
    let shown = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(shown.contains("frontdesk_replies_total{outcome=\"SERVER_STOPPED\"} 1\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_lets_replies_end() {
    let model = FakeModel::start(Script::ByHand).await;
    let mut gateway = Gateway::with_model(model.base_url.clone()).await;
    let database = gateway.database.clone();
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Hello").await;
    events.expect("MessageAdded").await;
    let call = model.call().await;
    call.text("One ").await;
    let stopping = async {
        call.text("two.").await;
        call.finish().await;
    };
    tokio::join!(gateway.stop(), stopping);
    let owner = crate::support::cluster::owner(&database).await;
    let row =
        owner.query_one("SELECT status, content FROM messages WHERE role = 'ASSISTANT'", &[]).await.expect("a row");
    assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, String>(1).as_str()), ("COMPLETE", "One two."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_can_not_be_kept_is_left_out() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = impatient(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    model.script(Script::Bytes(format!("{}{}{}", delta("One\0 "), delta("\0"), delta("two.") + &end())));
    let events = admin.chat(&conversation, "Hello").await.all().await;
    let end = events.last().expect("an end");
    assert_eq!((&end["__typename"], &end["message"]["content"]), (&json!("ReplyCompleted"), &json!("One two.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_can_not_be_ended_keeps_nobody_elses_from_its_end() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    admin.conversation().await;
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner
        .batch_execute(
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, lease_expires_at, created_at, updated_at)
             SELECT 1001, 3 - n, 'ASSISTANT', 'STREAMING', 'Half ', '2026-11-21 12:00:07Z', '2026-11-21 12:00Z', '2026-11-21 12:00Z'
             FROM generate_series(1, 2) n;
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
             CREATE TRIGGER refuse BEFORE UPDATE ON messages FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION refuse()",
        )
        .await
        .expect("rows");
    let mut watcher = admin.watch(&conversation, None).await;
    gateway.until_watched().await;
    gateway.clock.advance(chrono::TimeDelta::seconds(10));
    gateway.web.engine.end_abandoned().await.expect("looked");
    assert_eq!(watcher.expect("ReplyFailed").await["message"]["id"], "message_2");
}
