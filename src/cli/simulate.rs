//! `frontdesk simulate`: what a provider would post, correctly signed, to a development server, so that a channel can be tried
//! with no account anywhere. Must not know what the server does with it.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    channels::telnyx::StandIn,
    cli::http,
    config::{Config, Environment},
    kernel::{clock::Clock, json},
};

/// What to simulate.
#[derive(Subcommand)]
pub(super) enum What {
    /// A customer's text message, as Telnyx would post it.
    Sms(Sms),
}

/// A text message.
#[derive(Args)]
pub(super) struct Sms {
    /// The tenant's number, such as +15555550122.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The customer's number, such as +15555550177.
    #[arg(long, value_name = "NUMBER")]
    from: String,
    /// What the customer writes.
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    url: String,
}

/// Posts it, and says what the server made of it.
pub(super) async fn run(config: &Config, what: What) -> anyhow::Result<()> {
    let What::Sms(sms) = what;
    anyhow::ensure!(
        config.environment == Environment::Development,
        "only a development server takes what is simulated; ENVIRONMENT is production"
    );
    let account = StandIn::of(&config.secret_key).context("no key can be made of SECRET_KEY")?;
    anyhow::ensure!(
        config.inbox.telnyx_public_key == Some(account.public_key()),
        "TELNYX_PUBLIC_KEY is set, so only Telnyx itself can sign for it; unset it to simulate"
    );
    let id = Uuid::now_v7();
    let now = Clock::system().now();
    let body = event(&sms, id, &now.to_rfc3339()).to_string();
    let url = format!("{}/api/v1/telnyx/sms", sms.url.trim_end_matches('/'));
    let mut request = http::client(&url).build()?.post(&url).header("content-type", "application/json");
    for (name, value) in account.headers(&body, now.timestamp()) {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await;
    let answer = answer.map_err(|error| {
        anyhow::anyhow!("{} can't be reached ({}); is the server up?", sms.url, http::cause(&error))
    })?;
    let status = answer.status();
    if status.is_success() {
        return super::say(&format!("The server took it in (HTTP {}), as event {id}.", status.as_u16()));
    }
    let problem: Value = answer.json().await.unwrap_or_default();
    anyhow::bail!("HTTP {}: {}", status.as_u16(), json::text(&problem, "/detail").unwrap_or("no reason given"))
}

fn event(sms: &Sms, id: Uuid, at: &str) -> Value {
    json!({
        "data": {
            "event_type": "message.received",
            "id": id,
            "occurred_at": at,
            "record_type": "event",
            "payload": {
                "record_type": "message",
                "direction": "inbound",
                "id": Uuid::new_v4(),
                "type": "SMS",
                "from": { "phone_number": sms.from, "carrier": "SIMULATED", "line_type": "Wireless" },
                "to": [{ "phone_number": sms.to, "carrier": "TELNYX LLC", "line_type": "VoIP", "status": "webhook_delivered" }],
                "cc": [],
                "text": sms.text,
                "media": [],
                "received_at": at,
            },
        },
        "meta": { "attempt": 1, "delivered_to": sms.url },
    })
}
