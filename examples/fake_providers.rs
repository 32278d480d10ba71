//! Plays the providers on loopback, with their real wire formats, and runs a program against them: nothing leaves the machine,
//! and no account is needed. What reaches a provider is printed. `make run-fakes` starts a development server like that.
//!
//! Replies are the built-in responder's, or, with `LLM_PROVIDER=openai` or `gemini` in the environment, a fake model's. Google's
//! consent is given at once, for the mailbox [`MAILBOX`]. By a POST to the address that is printed:
//!
//! - `/texts` scripts what becomes of the next texts, a JSON list of `"take"`, `"vanish"` (taken, but the answer is lost) and
//!   `{"refuse": [503, {"errors": []}]}`;
//! - `/mail` lets a customer's mail arrive: `{"from": …, "subject": …, "text": …}`, and in a thread of theirs with `"thread"`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    dead_code,
    reason = "a stand-in that can't go on says so; it prints what it hears; tests use more of it than this program does"
)]

#[path = "../tests/it/support/fake_google.rs"]
mod fake_google;
#[path = "../tests/it/support/fake_jackrabbit.rs"]
mod fake_jackrabbit;
#[path = "../tests/it/support/fake_model.rs"]
mod fake_model;
#[path = "../tests/it/support/fake_phones.rs"]
mod fake_phones;
#[path = "../tests/it/support/fake_pinecone.rs"]
mod fake_pinecone;

use std::{process::ExitCode, sync::Arc, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command};

use fake_google::{FakeGoogle, MAILBOX};
use fake_jackrabbit::FakeJackrabbit;
use fake_model::{FakeModel, Script as ModelScript};
use fake_phones::{FakePhones, Script};
use fake_pinecone::FakePinecone;

/// What the fake models answer to everything.
const ANSWER: &str = "This is a fake model's answer.";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, rest)) = arguments.split_first() else {
        println!("usage: fake_providers PROGRAM [ARGUMENT]…   such as: fake_providers frontdesk serve");
        return ExitCode::from(2);
    };
    let wanted = std::env::var("LLM_PROVIDER").unwrap_or_else(|_| "built_in".to_owned());
    let (phones, google) = (Arc::new(FakePhones::start().await), Arc::new(FakeGoogle::start().await));
    let (jackrabbit, pinecone) = (FakeJackrabbit::school().await, FakePinecone::start().await);
    let open_ai = FakeModel::start(ModelScript::Bytes(fake_model::delta(ANSWER) + &fake_model::end())).await;
    let gemini = FakeModel::start(ModelScript::Bytes(fake_model::gemini(&json!([{ "text": ANSWER }]), "STOP"))).await;
    // Embeddings, which Pinecone's tenants need, are asked for where the model is, or would be.
    let embeddings = format!("http://{}/v1", pinecone.address);
    let open_ai_url = if wanted == "openai" { open_ai.base_url.clone() } else { embeddings };
    let mut settings = google.settings();
    settings.extend([
        ("TELNYX_API_BASE_URL", phones.telnyx.clone()),
        ("TWILIO_API_BASE_URL", phones.twilio.clone()),
        ("JACKRABBIT_BASE_URL", jackrabbit.base_url.clone()),
        ("PINECONE_CONTROLLER_HOST", format!("http://{}", pinecone.address)),
        ("PINECONE_ALLOWED_HOSTS", pinecone.address.to_string()),
        ("OPENAI_BASE_URL", open_ai_url),
        ("OPENAI_API_KEY", "a-key-of-nobody".to_owned()),
        ("GEMINI_BASE_URL", gemini.gemini_url.clone()),
        ("GEMINI_API_KEY", "a-key-of-nobody".to_owned()),
        ("LLM_PROVIDER", wanted),
    ]);
    println!("Fake providers, by what leads a program to them:");
    for (name, value) in &settings {
        println!("  {name}={value}");
    }
    println!("POST to {}/texts or /mail to have something happen", controls(phones.clone(), google.clone()).await);
    let child = Command::new(program).args(rest).envs(settings).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("{program} can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut texts, mut mails) = (0, 0);
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            ended = child.wait() => {
                let is_well = ended.is_ok_and(|status| status.success());
                return if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            // The program is told by the terminal too, and ends in its own time.
            _ = tokio::signal::ctrl_c() => {}
            sent = phones.next(texts) => {
                texts += 1;
                let fate = if sent.id.is_some() { "took" } else { "refused" };
                println!("  The fake provider {fate} a text from {} to {}: {}", sent.from, sent.to, sent.text);
            }
            _ = looks.tick() => for (thread, mail) in google.sent(MAILBOX).into_iter().skip(mails) {
                mails += 1;
                println!("  The fake Gmail sent in thread {thread}:\n{}", mail.trim_end());
            }
        }
    }
}

/// Where a person has something happen.
async fn controls(phones: Arc<FakePhones>, google: Arc<FakeGoogle>) -> String {
    let script = move |Json(steps): Json<Vec<Value>>| async move {
        let read: Option<Vec<_>> = steps.iter().map(step).collect();
        let Some(scripts) = read else { return StatusCode::BAD_REQUEST };
        phones.script(scripts);
        StatusCode::NO_CONTENT
    };
    let arrive = move |Json(mail): Json<Value>| async move {
        let word = |name: &str, default: &'static str| mail[name].as_str().unwrap_or(default).to_owned();
        let (from, subject) = (word("from", "customer@example.net"), word("subject", "A question"));
        let thread = word("thread", "thread-1");
        let id = format!("<{}@mail.example.net>", uuid::Uuid::new_v4());
        let payload = fake_google::plain(&from, &subject, &id, &word("text", "When are you open?"), &[]);
        google.arrives(MAILBOX, &thread, payload);
        StatusCode::NO_CONTENT
    };
    let router = Router::new().route("/texts", post(script)).route("/mail", post(arrive));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    #[expect(clippy::disallowed_methods, reason = "a stand-in has no log context to keep")]
    tokio::spawn(async move { axum::serve(listener, router).await });
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
