//! How Google is reached, and as whom.

use std::time::Duration;

use crate::{
    channels::google::{Client, GoogleSettings},
    config::reader::Reader,
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// `GOOGLE_…`, `GMAIL_PUBSUB_TOPIC`, `PUBSUB_…`. With `GOOGLE_API_BASE_URL`, all of Google is looked for there: consent, tokens,
/// Gmail, and, unless `GOOGLE_JWKS_URL` says otherwise, its keys.
pub(super) fn read(read: &mut Reader<'_>, public_url: &str) -> GoogleSettings {
    let client = match (read.text("GOOGLE_CLIENT_ID"), read.text("GOOGLE_CLIENT_SECRET")) {
        (Some(id), Some(secret)) => Some(Client { id, secret: secret.into() }),
        (Some(_), None) => read.wrong("GOOGLE_CLIENT_SECRET", "is missing beside GOOGLE_CLIENT_ID", None),
        (None, Some(_)) => read.wrong("GOOGLE_CLIENT_ID", "is missing beside GOOGLE_CLIENT_SECRET", None),
        (None, None) => None,
    };
    let base = read.url("GOOGLE_API_BASE_URL");
    let at = |googles: &str| base.clone().unwrap_or_else(|| googles.to_owned());
    let topic = read.text("GMAIL_PUBSUB_TOPIC").map(|topic| {
        if is_topic(&topic) {
            topic
        } else {
            read.wrong("GMAIL_PUBSUB_TOPIC", "must be projects/…/topics/…", topic)
        }
    });
    let public_url = public_url.trim_end_matches('/');
    GoogleSettings {
        client,
        redirect_uri: read
            .url("GOOGLE_REDIRECT_URI")
            .unwrap_or_else(|| format!("{public_url}/api/v1/email/oauth/callback")),
        accounts_url: at("https://accounts.google.com"),
        token_url: at("https://oauth2.googleapis.com"),
        gmail_url: at("https://gmail.googleapis.com"),
        jwks_url: read
            .url("GOOGLE_JWKS_URL")
            .unwrap_or_else(|| format!("{}/oauth2/v3/certs", at("https://www.googleapis.com"))),
        topic,
        audience: read.text("PUBSUB_AUDIENCE").unwrap_or_else(|| format!("{public_url}/api/v1/email/pubsub")),
        service_account: read.text("PUBSUB_SERVICE_ACCOUNT"),
        patience: PATIENCE,
    }
}

fn is_topic(text: &str) -> bool {
    let named = text.strip_prefix("projects/").and_then(|rest| rest.split_once("/topics/"));
    named.is_some_and(|(project, topic)| !project.is_empty() && !topic.is_empty() && !topic.contains('/'))
}
