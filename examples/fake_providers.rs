//! Plays the providers on loopback, with their real wire formats, and runs a program against them: nothing leaves the machine,
//! and no account is needed. What reaches a provider is printed. `make run-fakes` starts a development server like that.
//!
//! What a provider does with the next texts is scripted by a POST to `/script` of the address that is printed: a JSON list of
//! `"take"`, `"vanish"` (taken, but the answer is lost) and `{"refuse": [503, {"errors": []}]}`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    dead_code,
    reason = "a stand-in that can't go on says so; it prints what it hears; tests use more of it than this program does"
)]

#[path = "../tests/it/support/fake_jackrabbit.rs"]
mod fake_jackrabbit;
#[path = "../tests/it/support/fake_phones.rs"]
mod fake_phones;

use std::{process::ExitCode, sync::Arc};

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, process::Command};

use fake_jackrabbit::FakeJackrabbit;
use fake_phones::{FakePhones, Script};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, rest)) = arguments.split_first() else {
        println!("usage: fake_providers PROGRAM [ARGUMENT]…   such as: fake_providers frontdesk serve");
        return ExitCode::from(2);
    };
    let phones = Arc::new(FakePhones::start().await);
    let jackrabbit = FakeJackrabbit::school().await;
    let script = scripted(phones.clone()).await;
    println!("Fake providers: Telnyx {}, Twilio {}, Jackrabbit {}", phones.telnyx, phones.twilio, jackrabbit.base_url);
    println!("Script what they do with the next texts by a POST to {script}/script");
    let child = Command::new(program)
        .args(rest)
        .env("TELNYX_API_BASE_URL", &phones.telnyx)
        .env("TWILIO_API_BASE_URL", &phones.twilio)
        .env("JACKRABBIT_BASE_URL", &jackrabbit.base_url)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("{program} can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut told = 0;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let is_well = ended.is_ok_and(|status| status.success());
                return if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            // The program is told by the terminal too, and ends in its own time.
            _ = tokio::signal::ctrl_c() => {}
            sent = phones.next(told) => {
                told += 1;
                let fate = if sent.id.is_some() { "took" } else { "refused" };
                println!("  The fake provider {fate} a text from {} to {}: {}", sent.from, sent.to, sent.text);
            }
        }
    }
}

/// Where scripts come in.
async fn scripted(phones: Arc<FakePhones>) -> String {
    let script = move |Json(steps): Json<Vec<Value>>| async move {
        let read: Option<Vec<_>> = steps.iter().map(step).collect();
        let Some(scripts) = read else { return StatusCode::BAD_REQUEST };
        phones.script(scripts);
        StatusCode::NO_CONTENT
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    #[expect(clippy::disallowed_methods, reason = "a stand-in has no log context to keep")]
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/script", post(script))).await });
    base
}

fn step(step: &Value) -> Option<Script> {
    match step.as_str() {
        Some("take") => Some(Script::Take),
        Some("vanish") => Some(Script::Vanish),
        Some(_) => None,
        None => {
            let refusal = step.get("refuse")?.as_array()?;
            let status = u16::try_from(refusal.first()?.as_u64()?).ok().filter(|status| (400..600).contains(status))?;
            Some(Script::Refuse(status, refusal.get(1).cloned().unwrap_or_default()))
        }
    }
}
