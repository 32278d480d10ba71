//! What providers say when they are asked, on loopback.

use std::collections::HashMap;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
};
use tokio::net::TcpListener;

use super::{Means, Report, Verdict, examined, means, sound, sound_database};
use crate::support::{cluster, redis::Redis};

/// A provider of everything, that answers paths with these statuses where a key is shown, with 401 where none is, and with
/// words that nobody may repeat.
async fn provider(statuses: &[(&'static str, u16)]) -> String {
    let statuses: HashMap<_, _> = statuses.iter().copied().collect();
    let answer = async |State(statuses): State<HashMap<&'static str, u16>>, request: Request| {
        let has_key = ["authorization", "x-goog-api-key"].iter().any(|name| request.headers().contains_key(*name));
        let known = statuses.iter().find(|(path, _)| request.uri().path().contains(**path));
        let status = if has_key || request.uri().path().contains("certs") {
            known.map_or(404, |(_, status)| *status)
        } else {
            401
        };
        (StatusCode::from_u16(status).expect("a status"), "words of the provider's")
    };
    let router = Router::new().fallback(answer).with_state(statuses);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn asked(base: &str, plant: &str) -> Report {
    let (database, redis) = (sound_database().await, Redis::start().await);
    cluster::owner(&database).await.batch_execute(plant).await.expect("planted");
    let mut vars = sound(&database, &redis);
    for (name, path) in [
        ("OPENAI_BASE_URL", "/openai/v1"),
        ("GEMINI_BASE_URL", "/gemini/v1beta"),
        ("TELNYX_API_BASE_URL", "/telnyx/v2"),
        ("TWILIO_API_BASE_URL", "/twilio"),
        ("GOOGLE_JWKS_URL", "/certs"),
    ] {
        vars.insert(name, format!("{base}{path}"));
    }
    vars.insert("GEMINI_API_KEY", "AIza-0123456789".to_owned());
    examined(&vars, &Means { online: true, ..means() }).await
}

fn told(report: &Report) -> String {
    let lines = report.findings.iter().filter(|finding| finding.area == "online").map(|finding| {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::MustMend => "must_mend",
        };
        format!("{verdict} {}: {}\n", finding.name, finding.found)
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_that_take_our_keys_are_named() {
    let base = provider(&[
        ("/openai/v1/models", 200),
        ("/gemini/v1beta/models", 200),
        ("/messaging_profiles", 200),
        ("/Accounts/AC", 200),
        ("certs", 200),
    ]);
    let report = asked(&base.await, "").await;
    assert!(report.is_healthy(), "{report:?}");
    insta::assert_snapshot!(told(&report), @"
    ok openai-reachable: OpenAI takes OPENAI_API_KEY.
    ok gemini-reachable: Gemini takes GEMINI_API_KEY.
    ok telnyx-reachable: Telnyx takes the key of Tenant 1001 (acme).
    ok twilio-reachable: Twilio takes the token of Tenant 1001 (acme).
    ok google-reachable: Google can be reached.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_refused_are_named_by_whose_they_are() {
    let base = provider(&[
        ("/openai/v1/models", 401),
        ("/gemini/v1beta/models", 400),
        ("/messaging_profiles", 403),
        ("/Accounts/AC", 401),
        ("certs", 503),
    ]);
    let report = asked(&base.await, "").await;
    insta::assert_snapshot!(told(&report), @"
    must_mend openai-key-refused: OpenAI refuses OPENAI_API_KEY.
    must_mend gemini-key-refused: Gemini refuses GEMINI_API_KEY.
    note telnyx-key-refused: Telnyx refuses the key of Tenant 1001 (acme).
    note twilio-key-refused: Twilio refuses the token of Tenant 1001 (acme).
    note google-odd: Google can be reached, and answers with status 503.
    ");
    assert!(!report.is_healthy() && !report.json().contains("words of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_that_cannot_be_reached_are_named() {
    let report = asked("http://127.0.0.1:1", "").await;
    // The number is each system's own.
    let told = told(&report).replace(" (os error 111)", "").replace(" (os error 61)", "");
    insta::assert_snapshot!(told, @"
    must_mend openai-unreachable: OpenAI can't be reached within 5 seconds: Connection refused.
    must_mend gemini-unreachable: Gemini can't be reached within 5 seconds: Connection refused.
    must_mend telnyx-unreachable: Telnyx can't be reached within 5 seconds: Connection refused.
    must_mend twilio-unreachable: Twilio can't be reached within 5 seconds: Connection refused.
    must_mend google-unreachable: Google can't be reached within 5 seconds: Connection refused.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_to_show_it_is_enough_that_somebody_is_there() {
    let report = asked(&provider(&[("certs", 200)]).await, "UPDATE sms_settings SET is_enabled = false").await;
    insta::assert_snapshot!(told(&report), @"
    note openai-odd: OpenAI can be reached, and answers with status 404.
    note gemini-odd: Gemini can be reached, and answers with status 404.
    ok telnyx-reachable: Telnyx can be reached.
    ok twilio-reachable: Twilio can be reached.
    ok google-reachable: Google can be reached.
    ");
}
