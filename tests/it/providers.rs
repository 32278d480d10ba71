//! Who writes, and what is done when one can't: asked again, left out, or somebody else in its stead.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use frontdesk::llm::{Pace, Patience};
use serde_json::{Value, json};

use crate::{
    chat::{shown, with_faq},
    support::{
        Actor, Gateway, Plan,
        fake_model::{FakeModel, Script, delta, end, gemini},
    },
};

fn said(text: &str) -> Script {
    Script::Bytes(format!("{}{}", delta(text), end()))
}

fn down() -> Script {
    Script::Status(503, "<html>canary</html>".to_owned())
}

/// The waits that a server took, none of which anybody waits for.
fn recorded() -> (Pace, Arc<Mutex<Vec<Duration>>>) {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let kept = waits.clone();
    let pace = Pace::new(
        move |wait| {
            kept.lock().expect("waits").push(wait);
            Box::pin(async {})
        },
        || 0.0,
    );
    (pace, waits)
}

/// Asks in a new conversation; the last event, and the text that was shown.
async fn ask(admin: &Actor<'_>, text: &str) -> (Value, String) {
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, text).await.all().await;
    (events.last().expect("an end").clone(), shown(&events))
}

async fn set(admin: &Actor<'_>, input: &str) {
    admin.data(&format!("mutation {{ updateModelSettings(input: {{ {input} }}) {{ provider }} }}")).await;
}

/// The model that stands in the newest reply's bill.
async fn billed(admin: &Actor<'_>) -> Value {
    let newest = "{ conversations(first: 1) { nodes { messages(last: 1) { nodes { tokens { model } } } } } }";
    admin.data(newest).await["conversations"]["nodes"][0]["messages"]["nodes"][0]["tokens"]["model"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_busy_is_asked_again_when_it_wishes() {
    let model = FakeModel::start(Script::ByHand).await;
    let (pace, waits) = recorded();
    let plan = Plan { model: Some(model.base_url.clone()), pace, ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let busy = |seconds: &str| Script::Refusal(429, vec![("retry-after", seconds.to_owned())], "{}".to_owned());
    model.scripts([busy("3"), down(), said("Here I am.")]);
    assert_eq!(ask(&admin, "Hello").await.1, "Here I am.");
    assert_eq!(*waits.lock().expect("waits"), [Duration::from_secs(3), Duration::from_secs(1)]);
    assert_eq!(model.calls().await, 3);
    // Longer than a customer waits.
    model.scripts([busy("60"), said("Too late.")]);
    assert_eq!(ask(&admin, "Hello").await.0["cause"], "RATE_LIMITED");
    // Once a word was told, nobody begins anew.
    model.scripts([Script::Bytes(delta("Half ")), said("Another.")]);
    let (end, _) = ask(&admin, "Hello").await;
    assert_eq!((&end["cause"], &end["message"]["content"]), (&json!("CUT_OFF"), &json!("Half ")));
    assert_eq!(waits.lock().expect("waits").len(), 2);
    assert_eq!(model.calls().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_wait_outlasts_the_whole_reply() {
    let model = FakeModel::start(down()).await;
    let pace = Pace::new(|_| Box::pin(std::future::pending()), || 0.0);
    let patience = Patience { whole: Duration::from_millis(300), ..Patience::default() };
    let gateway =
        Gateway::planned(Plan { model: Some(model.base_url.clone()), pace, patience, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let (end, _) = ask(&admin, "Hello").await;
    assert_eq!((&end["code"], &end["cause"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("TIMED_OUT")));
    assert_eq!(model.calls().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_and_fails_is_left_out_for_a_while() {
    let model = FakeModel::start(down()).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        assert_eq!(ask(&admin, "Hello").await.0["cause"], "UNREACHABLE");
        calls.push(model.calls().await);
    }
    assert_eq!(calls, [3, 2, 0]);
    model.script(said("Back again."));
    assert_eq!(ask(&admin, "Hello").await.0["cause"], "UNREACHABLE", "its time is not over");
    gateway.clock.advance(TimeDelta::seconds(21));
    for _ in 0..2 {
        assert_eq!(ask(&admin, "Hello").await.1, "Back again.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_off_before_the_first_word_is_asked_again_and_then_another_one_writes() {
    let (model, other) = (FakeModel::start(Script::ByHand).await, FakeModel::start(Script::ByHand).await);
    let plan = Plan { model: Some(model.base_url.clone()), gemini: Some(other.gemini_url.clone()), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let admin = gateway.tenant("acme").await.admin().await;
    set(&admin, "allowFallback: true").await;
    let stands_in = Script::Bytes(gemini(&json!([{ "text": "I stand in." }]), "STOP"));
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\n\n";
    for (what, script) in [
        ("a comment, and a reset", Script::Cut(": keep-alive\n\n".to_owned())),
        ("whose words they are, and a reset", Script::Cut(role.to_owned())),
        ("nothing at all", Script::Bytes(String::new())),
        ("no stream", Script::Status(200, r#"{"error":{"message":"canary"}}"#.to_owned())),
        ("only an end", Script::Bytes(end())),
    ] {
        model.scripts([script.clone(), said("Here I am.")]);
        assert_eq!(ask(&admin, "Hello").await.1, "Here I am.", "{what}");
        model.script(script);
        other.script(stands_in.clone());
        assert_eq!(ask(&admin, "Hello").await.1, "I stand in.", "{what}");
        assert_eq!((model.calls().await, other.calls().await), (4, 1), "{what}");
    }
    // Gemini's errors may come as they are, in the place of frames.
    set(&admin, "provider: GEMINI").await;
    other.script(Script::Bytes("{\n  \"error\": {\n    \"code\": 503\n  }\n}\n".to_owned()));
    model.script(said("I stand in too."));
    assert_eq!(ask(&admin, "Hello").await.1, "I stand in too.");
    assert_eq!((other.calls().await, model.calls().await), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_breaks_off_and_breaks_off_is_left_out_too() {
    let model = FakeModel::start(Script::Cut(": keep-alive\n\n".to_owned())).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let (end, _) = ask(&admin, "Hello").await;
    assert_eq!(
        (&end["cause"], &end["reason"]),
        (
            &json!("CUT_OFF"),
            &json!("The answer broke off before its first word. Send the message again for a new one.")
        )
    );
    let mut calls = vec![model.calls().await];
    for _ in 0..3 {
        ask(&admin, "Hello").await;
        calls.push(model.calls().await);
    }
    assert_eq!(calls, [2, 2, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_tenant_allows_it_another_one_writes() {
    let (model, other) = (FakeModel::start(down()).await, FakeModel::start(Script::ByHand).await);
    other.script(Script::Bytes(gemini(&json!([{ "text": "I stand in." }]), "STOP")));
    let plan = Plan { model: Some(model.base_url.clone()), gemini: Some(other.gemini_url.clone()), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let admin = with_faq(&gateway).await;
    assert_eq!(ask(&admin, "Is an anvil heavy?").await.0["cause"], "UNREACHABLE");
    assert!(other.is_idle().await, "not unless it is allowed");
    set(&admin, "allowFallback: true").await;
    assert_eq!(ask(&admin, "Is an anvil heavy?").await.1, "I stand in.");
    assert_eq!(billed(&admin).await, "test-gemini");
    let usage =
        "{ usage(from: \"2026-11-21T00:00:00Z\", to: \"2026-11-22T00:00:00Z\") { byModel { model promptTokens } } }";
    assert_eq!(admin.data(usage).await["usage"]["byModel"], json!([{ "model": "test-gemini", "promptTokens": 9 }]));
    // And at last the built-in responder, who needs nobody.
    other.script(Script::Status(400, r#"[{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}]"#.to_owned()));
    assert!(ask(&admin, "Is an anvil heavy?").await.1.contains("heavy"));
    assert_eq!(billed(&admin).await, "built-in");
    // What one refuses to answer, nobody else is asked.
    set(&admin, "provider: GEMINI").await;
    other.script(Script::Bytes("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n".to_owned()));
    assert_eq!(ask(&admin, "Is an anvil heavy?").await.0["cause"], "CONTENT_FILTERED");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_a_customer_waiting_is_let_go_and_another_one_writes() {
    let model = FakeModel::start(Script::ByHand).await;
    let short = Patience { first_sign: Duration::from_millis(300), ..Patience::default() };
    let gateway =
        Gateway::planned(Plan { model: Some(model.base_url.clone()), patience: short, ..Plan::default() }).await;
    let admin = with_faq(&gateway).await;
    set(&admin, "allowFallback: true").await;
    assert!(ask(&admin, "Is an anvil heavy?").await.1.contains("heavy"));
    model.call().await.left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_key_and_model_are_used_for_it_alone() {
    let (model, other) = (FakeModel::start(said("Hi.")).await, FakeModel::start(Script::ByHand).await);
    other.script(Script::Bytes(gemini(&json!([{ "text": "Hi." }]), "STOP")));
    let plan = Plan { model: Some(model.base_url.clone()), gemini: Some(other.gemini_url.clone()), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (ours, theirs) = (acme.admin().await, rival.admin().await);
    set(&ours, r#"provider: OPENAI, model: "large", openaiApiKey: "sk-canary-0123456789", geminiApiKey: "g-canary", maxOutputTokens: 77"#)
        .await;
    ask(&ours, "Hello").await;
    let call = model.call().await;
    assert_eq!(call.headers["authorization"], "Bearer sk-canary-0123456789");
    assert_eq!((&call.body["model"], &call.body["max_tokens"]), (&json!("large"), &json!(77)));
    assert_eq!(billed(&ours).await, "large");
    ask(&theirs, "Hello").await;
    let call = model.call().await;
    assert_eq!(
        (&call.headers["authorization"], &call.body["model"]),
        (&"Bearer test-key".parse().expect("a value"), &json!("test-model"))
    );
    // Each key goes to its own provider.
    set(&ours, "provider: GEMINI").await;
    ask(&ours, "Hello").await;
    let call = other.call().await;
    assert_eq!(
        (call.headers["x-goog-api-key"].as_bytes(), call.path.contains("/test-gemini:")),
        (&b"g-canary"[..], true)
    );
    // The platform's choice goes by the platform's key, and the built-in responder by none.
    set(&ours, "provider: PLATFORM").await;
    ask(&ours, "Hello").await;
    assert_eq!(model.call().await.headers["authorization"], "Bearer test-key");
    set(&ours, "provider: BUILT_IN").await;
    ask(&ours, "Hello").await;
    assert!(model.is_idle().await && other.is_idle().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_any_key_is_a_setting_to_mend() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    set(&admin, "provider: GEMINI").await;
    let (end, _) = ask(&admin, "Is an anvil heavy?").await;
    assert_eq!((&end["code"], &end["cause"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("MISCONFIGURED")));
    set(&admin, "allowFallback: true").await;
    assert!(ask(&admin, "Is an anvil heavy?").await.1.contains("heavy"));
    // A key that was sealed under another SECRET_KEY is no reason to use the platform's.
    set(&admin, r#"openaiApiKey: "sk-canary", provider: OPENAI, allowFallback: false"#).await;
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner.batch_execute("UPDATE tenant_secrets SET sealed = '\\x0102'").await.expect("damaged");
    assert_eq!(ask(&admin, "Hello").await.0["cause"], "INTERNAL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_carried_along_a_redirect() {
    let (model, elsewhere) = (FakeModel::start(Script::ByHand).await, FakeModel::start(said("Got you.")).await);
    let location = format!("{}/chat/completions", elsewhere.base_url);
    model.script(Script::Refusal(307, vec![("location", location)], String::new()));
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    assert_eq!(ask(&admin, "Hello").await.0["cause"], "UNREACHABLE");
    assert!(elsewhere.is_idle().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_told_as_much_of_the_past_as_fits() {
    let model = FakeModel::start(said("Noted.")).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    for letter in ["a", "b", "c"] {
        admin.chat(&conversation, &letter.repeat(15_000)).await.all().await;
    }
    let (_, _, last) = (model.call().await, model.call().await, model.call().await);
    let told = last.body["messages"].as_array().expect("messages")[1..].iter();
    let told: Vec<_> = told.map(|message| message["content"].as_str().expect("text").to_owned()).collect();
    let begins: Vec<_> = told.iter().map(|text| &text[..1]).collect();
    assert_eq!(begins, ["a", "N", "b", "N", "c"]);
    // 8,000 tokens: the oldest is cut, the question is whole.
    assert!(told[0].ends_with("[… cut: too long]") && told[0].len() < 2_000, "{}", told[0].len());
    assert_eq!(told[4].len(), 15_000);
    assert!(told.iter().map(String::len).sum::<usize>() <= 32_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gemini_refuses_is_told_by_its_cause() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::planned(Plan { gemini: Some(model.gemini_url.clone()), ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let error = |code: u16, detail: &Value| {
        Script::Status(
            code,
            json!([{ "error": { "code": code, "message": "canary", "details": [detail] } }]).to_string(),
        )
    };
    let mut seen = Vec::new();
    for (what, script) in [
        ("a bad key", error(400, &json!({ "reason": "API_KEY_INVALID" }))),
        ("an unknown model", error(404, &json!({}))),
        ("too long", error(400, &json!("The input token count (9) exceeds the maximum number of tokens allowed (8)."))),
        ("busy for long", error(429, &json!({ "retryDelay": "37s" }))),
        ("used up for today", error(429, &json!({ "quotaId": "GenerateRequestsPerDayPerProject" }))),
        (
            "a blocked prompt",
            Script::Bytes("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n".to_owned()),
        ),
        ("a blocked answer", Script::Bytes(gemini(&json!([{ "text": "Part" }]), "SAFETY"))),
        ("thoughts alone", Script::Bytes(gemini(&json!([]), "MAX_TOKENS"))),
        ("no end", Script::Bytes("data: {\"candidates\":[]}\r\n\r\n".to_owned())),
    ] {
        model.script(script);
        let (end, _) = ask(&admin, "Hello").await;
        assert!(!end.to_string().contains("canary"), "{end}");
        let told = ["cause", "code", "reason"].map(|field| end[field].as_str().expect("text").to_owned());
        let asked = model.calls().await;
        seen.push(format!("{what}, asked {asked}: {}", told.join(" | ")));
    }
    insta::assert_json_snapshot!(seen, @r#"
    [
      "a bad key, asked 1: MISCONFIGURED | UPSTREAM_UNAVAILABLE | The assistant is not set up rightly: the model's provider refuses its key. Tell the business.",
      "an unknown model, asked 1: MISCONFIGURED | UPSTREAM_UNAVAILABLE | The assistant is not set up rightly: no such model exists. Tell the business.",
      "too long, asked 1: CONTEXT_TOO_LONG | BAD_USER_INPUT | This conversation is too long for the model. Start a new one.",
      "busy for long, asked 1: RATE_LIMITED | RATE_LIMITED | The model's provider is busy. Try again in a moment.",
      "used up for today, asked 1: MISCONFIGURED | UPSTREAM_UNAVAILABLE | The assistant's account at the model's provider is used up. Tell the business.",
      "a blocked prompt, asked 1: CONTENT_FILTERED | BAD_USER_INPUT | The model's provider filtered the answer. Ask in other words.",
      "a blocked answer, asked 1: CONTENT_FILTERED | BAD_USER_INPUT | The model's provider filtered the answer. Ask in other words.",
      "thoughts alone, asked 2: EMPTY_ANSWER | UPSTREAM_UNAVAILABLE | The model gave an empty answer. Send the message again for a new one.",
      "no end, asked 2: CUT_OFF | UPSTREAM_UNAVAILABLE | The answer broke off before its first word. Send the message again for a new one."
    ]
    "#);
}
