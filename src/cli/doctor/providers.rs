//! What the providers need, as far as settings tell it. Nobody is asked, and no key repeated.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    cli::doctor::{is_production, report::Area},
    config::Config,
    llm::Provider,
};

pub(super) fn look(area: &mut Area<'_>, config: &Config) {
    models(area, config);
    phones(area, config);
    google(area, config);
}

fn models(area: &mut Area<'_>, config: &Config) {
    if let Some(provider) = config.models.default {
        area.ok("model", format!("Replies are written by {}.", config.models.of(provider).model));
    } else {
        let found = "Replies are written by the built-in responder, from tenants' own FAQ.";
        area.note("model-built-in", found, "Set OPENAI_API_KEY or GEMINI_API_KEY to have a model write them.");
    }
    let keys = [
        (Provider::OpenAi, "OPENAI_API_KEY", "sk-", "api.openai.com", "openai"),
        (Provider::Gemini, "GEMINI_API_KEY", "AI", "generativelanguage.googleapis.com", "gemini"),
    ];
    for (provider, variable, prefix, host, name) in keys {
        let settings = config.models.of(provider);
        let Some(key) = &settings.key else { continue };
        let is_its_own = Url::parse(&settings.base_url).is_ok_and(|url| url.host_str() == Some(host));
        let mend = format!("Copy {variable} once more from the provider's console.");
        if is_garbled(key) {
            area.must_mend(&format!("{name}-key-garbled"), format!("{variable} holds what no key may."), mend);
        } else if is_its_own && !key.expose_secret().starts_with(prefix) {
            area.note(
                &format!("{name}-key-odd"),
                format!("{variable} does not begin as its provider's keys do."),
                mend,
            );
        }
        if is_production(config) && settings.base_url.starts_with("http://") {
            let found = format!("The key in {variable} is sent without TLS.");
            area.note(&format!("{name}-without-tls"), found, "Use an https address, unless it is in your own network.");
        }
    }
}

fn phones(area: &mut Area<'_>, config: &Config) {
    let inbox = &config.inbox;
    if inbox.telnyx_public_key.is_none() {
        let found =
            "TELNYX_PUBLIC_KEY is not set: posts of Telnyx's are believed for tenants with a key of their own alone.";
        area.note("telnyx-key-unset", found, "Copy it from Telnyx's portal: Keys & Credentials, Public Key.");
    } else {
        area.ok("telnyx", "There is a key to check Telnyx's signatures with.");
    }
    if inbox.twilio_auth_token.is_none() && inbox.twilio_shared_key.is_none() {
        let found = "Neither TWILIO_AUTH_TOKEN nor TWILIO_SHARED_KEY is set: Twilio is believed for tenants with their own alone.";
        area.note("twilio-token-unset", found, "Set one, if tenants have numbers in an account of the platform's.");
    } else {
        area.ok("twilio", "There is a secret to check Twilio's signatures with.");
    }
}

fn google(area: &mut Area<'_>, config: &Config) {
    let google = &config.google;
    if google.client.is_none() {
        if google.topic.is_some() || google.service_account.is_some() {
            let found = "GMAIL_PUBSUB_TOPIC or PUBSUB_SERVICE_ACCOUNT is set without GOOGLE_CLIENT_ID.";
            area.must_mend(
                "google-client-unset",
                found,
                "Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, or none of them.",
            );
        } else {
            let found = "No OAuth client of Google's is set: no mailbox can be connected.";
            area.note("google-unset", found, "Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET to answer mail.");
        }
        return;
    }
    match (&google.topic, &google.service_account) {
        (Some(_), Some(_)) => area.ok("google", "Mailboxes can be connected, and Gmail tells of new mail."),
        (Some(_), None) => {
            let found = "GMAIL_PUBSUB_TOPIC is set without PUBSUB_SERVICE_ACCOUNT: no push is believed.";
            area.must_mend(
                "google-pushes-unbelieved",
                found,
                "Set it to the account that the push subscription authenticates as.",
            );
        }
        (None, account) => {
            let found = "GMAIL_PUBSUB_TOPIC is not set: mailboxes are looked into every 20 minutes.";
            let mend = "Set it, and PUBSUB_SERVICE_ACCOUNT, for mail to be answered at once.";
            area.judge(account.is_some(), "google-topic-unset", found, mend);
        }
    }
    if is_production(config) && !google.redirect_uri.starts_with("https://") {
        let found = "The way back from Google's consent page is not https, which Google refuses.";
        area.must_mend(
            "google-redirect-without-tls",
            found,
            "Set PUBLIC_URL or GOOGLE_REDIRECT_URI to an https address.",
        );
    }
}

/// Whether a key can't be sent at all, or was pasted with what stood around it.
fn is_garbled(key: &SecretString) -> bool {
    key.expose_secret().chars().any(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '<' | '>'))
}
