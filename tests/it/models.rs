//! Providers' streams, recorded: whatever the pieces that they arrive in, the same reply is read from them.

use std::sync::Arc;

use frontdesk::{
    kernel::{
        clock::Clock,
        vocabulary::{FinishReason, ModelProvider, ReplyFailure},
    },
    llm::{
        Delta, Grounding, ModelError, ModelRequest, ModelSettings, Models, Pace, Patience, Provider, RemoteSettings,
        Said, ToolCall, Usage, Wish,
    },
    tokens,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::fake_model::{FakeModel, Script, calls, delta, end, gemini};

const OPENAI: &str = include_str!("vectors/openai-sse.json");
const GEMINI: &str = include_str!("vectors/gemini-sse.json");

/// What was read from a stream.
struct Told {
    text: String,
    calls: Vec<ToolCall>,
    end: Result<(FinishReason, Option<Usage>), ModelError>,
}

fn models(fake: &FakeModel) -> Arc<Models> {
    tokens::install_provider();
    let remote = |provider, base_url: &str| RemoteSettings {
        provider,
        base_url: base_url.to_owned(),
        key: Some("test-key".to_owned().into()),
        model: "test-model".to_owned(),
    };
    let settings = ModelSettings {
        default: Some(Provider::OpenAi),
        open_ai: remote(Provider::OpenAi, &fake.base_url),
        gemini: remote(Provider::Gemini, &fake.gemini_url),
        context_tokens: 8_000,
    };
    let pace = Pace::new(|_| Box::pin(async {}), || 0.0);
    Arc::new(Models::new(settings, &Clock::system(), pace).expect("models"))
}

async fn ask(models: &Arc<Models>, provider: ModelProvider) -> Told {
    let wish = Wish { provider, model: None, key: None, allow_fallback: false, max_output: None };
    let request = ModelRequest {
        system: "Be brief.".into(),
        turns: vec![Said::Customer("Hello".into())],
        tools: Vec::new(),
        max_output: None,
        grounding: Grounding::default(),
    };
    let patience = Patience::default();
    let mut pieces = models.line(&wish).ask(request, patience, Instant::now() + patience.whole, |_| {});
    let mut told = Told { text: String::new(), calls: Vec::new(), end: Err(ModelError::cut("nothing came")) };
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(Delta::Text(more)) => told.text.push_str(&more),
            Ok(Delta::Calls(made)) => told.calls.extend(made),
            Ok(Delta::End { finish, usage }) => told.end = Ok((finish, usage)),
            Err(error) => told.end = Err(error),
        }
    }
    told
}

/// The bytes in pieces: all at once, one by one, and of sizes by chance, which fall inside of letters and of line ends.
fn split(raw: &str) -> Vec<Vec<Vec<u8>>> {
    let bytes = raw.as_bytes();
    let mut ways = vec![vec![bytes.to_vec()], bytes.chunks(1).map(<[u8]>::to_vec).collect()];
    for seed in 1_u64..=6 {
        let (mut rest, mut pieces, mut state) = (bytes, Vec::new(), seed);
        while !rest.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = usize::try_from((state >> 33) % 61).expect("small") + 1;
            let (piece, left) = rest.split_at(size.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = left;
        }
        ways.push(pieces);
    }
    ways
}

/// Every case of a file, in every way of splitting it.
async fn each_case(vectors: &str, provider: ModelProvider, check: impl Fn(&Value, &Told)) {
    let fake = FakeModel::start(Script::ByHand).await;
    let models = models(&fake);
    let vectors: Value = serde_json::from_str(vectors).expect("vectors");
    for case in vectors["cases"].as_array().expect("cases") {
        for pieces in split(case["raw"].as_str().expect("raw")) {
            fake.script(Script::Pieces(pieces));
            check(case, &ask(&models, provider).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_shut_and_a_handshake_that_fails_are_told_apart() {
    let mut fake = FakeModel::start(Script::ByHand).await;
    let unspoken = fake.base_url.replace("http://", "https://");
    let mut details = Vec::new();
    for base_url in ["http://127.0.0.1:1/v1".to_owned(), unspoken] {
        fake.base_url = base_url;
        let error = ask(&models(&fake), ModelProvider::Openai).await.end.expect_err("nobody understands");
        assert_eq!(error.cause, ReplyFailure::Unreachable);
        assert!(!error.detail.contains("error sending request"), "{}", error.detail);
        details.push(error.detail);
    }
    assert!(details[0].starts_with("Connection refused") && details[0] != details[1], "{details:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_as_recorded() {
    each_case(OPENAI, ModelProvider::Openai, |case, told| {
        let (name, expected) = (&case["name"], &case["expected"]);
        let said = |field: &str| expected[field].as_str().expect("text").to_owned();
        // A refusal is what the model says.
        assert_eq!(told.text, said("content") + &said("refusal"), "{name}");
        let calls = expected["tool_calls"].as_array().expect("calls").iter().map(|call| {
            let arguments = serde_json::from_str(call["arguments"].as_str().expect("arguments")).expect("JSON");
            json!({ "id": call["id"], "name": call["name"], "arguments": Value::clone(&arguments) })
        });
        let seen =
            told.calls.iter().map(|call| json!({ "id": call.id, "name": call.name, "arguments": call.arguments }));
        assert_eq!(seen.collect::<Vec<_>>(), calls.collect::<Vec<_>>(), "{name}");
        let finish = match expected["finish_reason"].as_str() {
            None => {
                let cause = told.end.as_ref().expect_err("no end").cause;
                let wanted =
                    if expected["error"].is_object() { ReplyFailure::Unreachable } else { ReplyFailure::CutOff };
                return assert_eq!(cause, wanted, "{name}");
            }
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("tool_calls") => FinishReason::ToolCalls,
            Some("content_filter") => FinishReason::ContentFilter,
            Some(other) => panic!("{other}"),
        };
        let count = |field: &str| i32::try_from(expected["usage"][field].as_i64().expect("a count")).expect("small");
        let usage = expected["usage"]
            .is_object()
            .then(|| Usage { prompt: count("prompt_tokens"), completion: count("completion_tokens") });
        assert_eq!(told.end.as_ref().expect("an end"), &(finish, usage), "{name}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_as_recorded() {
    each_case(GEMINI, ModelProvider::Gemini, |case, told| {
        let (name, expected) = (&case["name"], &case["expected"]);
        assert_eq!(told.text, expected["text"].as_str().expect("text"), "{name}");
        let calls = expected["function_calls"].as_array().expect("calls");
        assert_eq!(told.calls.len(), calls.len(), "{name}");
        for (seen, call) in told.calls.iter().zip(calls) {
            assert_eq!((seen.name.as_str(), &seen.arguments), (call["name"].as_str().expect("a name"), &call["args"]));
            match call["id"].as_str() {
                Some(id) => assert_eq!(seen.id, id, "{name}"),
                None => assert!(seen.id.starts_with("call#"), "{name}: one of ours"),
            }
        }
        if name == "function-call" {
            assert_eq!(told.calls[0].signature.as_deref(), Some("AQI="));
        }
        let finish = match expected["finish_reason"].as_str() {
            None => {
                let error = told.end.as_ref().expect_err("blocked");
                assert!(error.detail.contains(expected["block_reason"].as_str().expect("a reason")), "{error:?}");
                return assert_eq!(error.cause, ReplyFailure::ContentFiltered, "{name}");
            }
            // Gemini says STOP also where it calls for tools.
            Some("STOP") if calls.is_empty() => FinishReason::Stop,
            Some("STOP") => FinishReason::ToolCalls,
            Some("SAFETY") => FinishReason::ContentFilter,
            Some("MAX_TOKENS") => FinishReason::Length,
            Some(other) => panic!("{other}"),
        };
        let count = |field: &str| i32::try_from(expected["usage"][field].as_i64().unwrap_or(0)).expect("small");
        let usage = Usage { prompt: count("prompt"), completion: count("candidates") + count("thoughts") };
        assert_eq!(told.end.as_ref().expect("an end"), &(finish, Some(usage)), "{name}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_servers_do_with_calls() {
    let fake = FakeModel::start(Script::ByHand).await;
    let models = models(&fake);
    let arguments = async |frames: String| {
        fake.script(Script::Bytes(frames));
        let told = ask(&models, ModelProvider::Openai).await;
        assert_eq!(told.end.as_ref().expect("an end").0, FinishReason::ToolCalls);
        told.calls.iter().map(|call| (call.id.clone(), call.arguments.clone())).collect::<Vec<_>>()
    };
    // What is no JSON is kept as the model wrote it; nothing at all is no arguments.
    let read = arguments(calls(&[("a", "f", "{\"x\": "), ("b", "f", ""), ("c", "f", "[1]")])).await;
    assert_eq!(read, [("a".into(), json!("{\"x\":")), ("b".into(), json!({})), ("c".into(), json!([1]))]);
    // Every call numbered 0, or not at all, or without an id.
    let all_nought = calls(&[("a", "f", "{}"), ("b", "f", "{}")]).replace("\"index\":1", "\"index\":0");
    assert_eq!(arguments(all_nought).await.len(), 2);
    let no_index = calls(&[("a", "f", "{}"), ("b", "f", "{}")]).replace("\"index\":1,", "");
    assert_eq!(arguments(no_index).await.len(), 2);
    let no_id = calls(&[("", "f", "{}"), ("", "g", "{}")]);
    assert_eq!(arguments(no_id).await.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["call_0", "call_1"]);
    // A finish reason is an end, also without `[DONE]`.
    let no_done = calls(&[("a", "f", "{}")]).replace("data: [DONE]\n\n", "");
    assert_eq!(arguments(no_done).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_reason_to_end_is_none() {
    let fake = FakeModel::start(Script::ByHand).await;
    let models = models(&fake);
    let piece = delta("Hi.").replace("\"finish_reason\":null", "\"finish_reason\":\"\"");
    assert!(piece.contains("\"finish_reason\":\"\""), "{piece}");
    fake.script(Script::Bytes(piece.clone()));
    let told = ask(&models, ModelProvider::Openai).await;
    assert_eq!((told.text.as_str(), told.end.expect_err("cut").cause), ("Hi.", ReplyFailure::CutOff));
    fake.script(Script::Bytes(piece + &end()));
    let told = ask(&models, ModelProvider::Openai).await;
    assert_eq!((told.text.as_str(), told.end.expect("an end").0), ("Hi.", FinishReason::Stop));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_gemini_does() {
    let fake = FakeModel::start(Script::ByHand).await;
    let models = models(&fake);
    let read = async |frames: &[String]| {
        fake.scripts(frames.iter().cloned().map(Script::Bytes));
        ask(&models, ModelProvider::Gemini).await
    };
    let call = json!([{ "functionCall": { "name": "f" } }]);
    let in_two = gemini(&call, "").replace(",\"finishReason\":\"\"", "") + &gemini(&call, "STOP");
    let told = read(&[in_two]).await;
    assert_eq!(told.calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["call#f#0", "call#f#1"]);
    assert_eq!(told.calls[0].arguments, json!({}));
    // A call that it garbled is asked for once more, and not for ever.
    let garbled = gemini(&json!([]), "MALFORMED_FUNCTION_CALL");
    let told = read(&[garbled.clone(), gemini(&json!([{ "text": "Hi" }]), "STOP")]).await;
    assert_eq!((told.text.as_str(), told.end.is_ok()), ("Hi", true));
    let told = read(&[garbled]).await;
    assert_eq!(told.end.expect_err("garbled").cause, ReplyFailure::EmptyAnswer);
    assert_eq!(fake.calls().await, 5, "one, two and two");
    for (what, frames, cause) in [
        (
            "an error after some text",
            gemini(&json!([{ "text": "Part" }]), "").replace(",\"finishReason\":\"\"", "")
                + "data: {\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"x\"}}\r\n\r\n",
            ReplyFailure::RateLimited,
        ),
        ("a reason nobody knows", gemini(&json!([{ "text": "Part" }]), "OTHER"), ReplyFailure::CutOff),
        (
            "no end",
            gemini(&json!([{ "text": "Part" }]), "").replace(",\"finishReason\":\"\"", ""),
            ReplyFailure::CutOff,
        ),
        (
            "half a frame",
            gemini(&json!([{ "text": "Part" }]), "").replace(",\"finishReason\":\"\"", "") + "data: {\"cand",
            ReplyFailure::Unreachable,
        ),
    ] {
        let told = read(&[frames]).await;
        assert_eq!((told.text.as_str(), told.end.expect_err("broken").cause), ("Part", cause), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_name_is_sent_as_it_is() {
    let fake = FakeModel::start(Script::Bytes(format!("{}{}", delta("Hi"), end()))).await;
    let models = models(&fake);
    for (provider, name) in [(ModelProvider::Openai, "mistral-medium"), (ModelProvider::Gemini, "gemini-3-low")] {
        let wish = Wish { provider, model: Some(name.into()), key: None, allow_fallback: false, max_output: Some(99) };
        let request = ModelRequest {
            system: String::new(),
            turns: vec![
                Said::Business("We are open.".into()),
                Said::Customer("Hello".into()),
                Said::Customer("?".into()),
            ],
            tools: Vec::new(),
            max_output: Some(99),
            grounding: Grounding::default(),
        };
        let line = models.line(&wish);
        let deadline = Instant::now() + Patience::default().whole;
        line.ask(request, Patience::default(), deadline, |_| {}).collect::<Vec<_>>().await;
        let call = fake.call().await;
        if provider == ModelProvider::Openai {
            assert_eq!((&call.body["model"], &call.body["max_tokens"]), (&json!(name), &json!(99)));
            assert!(call.body.get("reasoning_effort").is_none(), "{}", call.body);
            assert_eq!(call.headers["authorization"], "Bearer test-key");
        } else {
            assert_eq!(call.path, "/v1beta/models/gemini-3-low:streamGenerateContent?alt=sse");
            assert_eq!(call.headers["x-goog-api-key"], "test-key");
            assert_eq!(call.body["generationConfig"], json!({ "maxOutputTokens": 99 }));
            // The customer begins, and the two take turns.
            let roles: Vec<_> =
                call.body["contents"].as_array().expect("contents").iter().map(|one| &one["role"]).collect();
            assert_eq!(roles, ["user", "model", "user"]);
        }
    }
}
