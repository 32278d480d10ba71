//! Asks providers whether they can be reached, and take our keys: one harmless question each. Their words are not repeated, since
//! they may hold keys and names.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;

use crate::{
    channels::wire,
    cli::doctor::{report::Area, tenants::Account},
    config::Config,
};

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions at once.
const AT_ONCE: usize = 4;
/// How most refuse a key.
const UNAUTHORISED: &[u16] = &[401, 403];
/// As Gemini does (`API_KEY_INVALID`).
const UNAUTHORISED_OR_BAD: &[u16] = &[400, 401, 403];

/// A question to a provider.
struct Question {
    /// Begins the names of findings.
    name: &'static str,
    /// Who is asked.
    who: &'static str,
    /// Whose key it is asked with; none where a provider is asked without one.
    key: Option<String>,
    /// It is a tenant's own, and the tenant's to mend.
    is_tenants: bool,
    /// The statuses by which a key is refused.
    refuses: &'static [u16],
    /// What to do where the key is refused.
    mend: &'static str,
    request: RequestBuilder,
}

/// What came of it.
enum Answer {
    Taken,
    Refused,
    Odd(StatusCode),
    /// And why.
    Unreachable(String),
}

pub(super) async fn look(area: &mut Area<'_>, config: &Config, accounts: &[Account]) {
    let Ok(http) = wire::client(PATIENCE) else {
        return area.must_mend(
            "no-http-client",
            "No HTTP client can be made.",
            "Install the system's root certificates.",
        );
    };
    let mut all = questions(&http, config);
    all.extend(of_tenants(&http, config, accounts));
    all.extend(without_keys(&http, config, accounts));
    let asked = stream::iter(all).map(|question| async move {
        let Question { name, who, key, is_tenants, refuses, mend, request } = question;
        let answer = answer(request, key.is_some(), refuses).await;
        (name, who, key, is_tenants, mend, answer)
    });
    let answers: Vec<_> = asked.buffered(AT_ONCE).collect().await;
    for (name, who, key, is_tenants, mend, answer) in answers {
        match (answer, key) {
            (Answer::Taken, Some(key)) => area.ok(&format!("{name}-reachable"), format!("{who} takes {key}.")),
            (Answer::Taken, None) => area.ok(&format!("{name}-reachable"), format!("{who} can be reached.")),
            (Answer::Refused, key) => {
                let found = format!("{who} refuses {}.", key.as_deref().unwrap_or("to answer us"));
                area.judge(!is_tenants, &format!("{name}-key-refused"), found, mend);
            }
            (Answer::Odd(status), _) => {
                let found = format!("{who} can be reached, and answers with status {}.", status.as_u16());
                area.note(
                    &format!("{name}-odd"),
                    found,
                    "Look at the provider's status page, and at its address in the settings.",
                );
            }
            (Answer::Unreachable(why), _) => {
                let found = format!("{who} can't be reached within {} seconds: {why}.", PATIENCE.as_secs());
                let mend = "Look whether the network lets us out, and at its address in the settings.";
                area.must_mend(&format!("{name}-unreachable"), found, mend);
            }
        }
    }
}

/// With the platform's own keys.
fn questions(http: &Client, config: &Config) -> Vec<Question> {
    let mut all = Vec::new();
    let base = |url: &str| url.trim_end_matches('/').to_owned();
    let models = &config.models;
    if let Some(key) = &models.open_ai.key {
        let request = http.get(format!("{}/models", base(&models.open_ai.base_url))).bearer_auth(key.expose_secret());
        let mend = "Make another key in OpenAI's console, and set OPENAI_API_KEY.";
        let (key, refuses) = (Some("OPENAI_API_KEY".to_owned()), UNAUTHORISED);
        all.push(Question { name: "openai", who: "OpenAI", key, is_tenants: false, refuses, mend, request });
    }
    if let Some(key) = &models.gemini.key {
        let request = http
            .get(format!("{}/models?pageSize=1", base(&models.gemini.base_url)))
            .header("x-goog-api-key", key.expose_secret());
        let mend = "Make another key in Google AI Studio, and set GEMINI_API_KEY.";
        let (key, refuses) = (Some("GEMINI_API_KEY".to_owned()), UNAUTHORISED_OR_BAD);
        all.push(Question { name: "gemini", who: "Gemini", key, is_tenants: false, refuses, mend, request });
    }
    all
}

/// Those whom nobody shows a key, as far as anything is set up with them.
fn without_keys(http: &Client, config: &Config, accounts: &[Account]) -> Vec<Question> {
    let mend = "Look at its address in the settings.";
    let question = |name, who, url: String| {
        let request = http.get(url);
        Question { name, who, key: None, is_tenants: false, refuses: &[], mend, request }
    };
    let mut all = Vec::new();
    let is_at = |wanted: fn(&Account) -> bool| accounts.iter().any(wanted);
    if config.inbox.telnyx_public_key.is_some() && !is_at(|account| matches!(account, Account::Telnyx { .. })) {
        all.push(question("telnyx", "Telnyx", format!("{}/messaging_profiles", config.texting.telnyx)));
    }
    let has_twilio = config.inbox.twilio_auth_token.is_some() || config.inbox.twilio_shared_key.is_some();
    if has_twilio && !is_at(|account| matches!(account, Account::Twilio { .. })) {
        all.push(question("twilio", "Twilio", format!("{}/2010-04-01/Accounts.json", config.texting.twilio)));
    }
    if config.google.client.is_some() {
        all.push(question("google", "Google", config.google.jwks_url.clone()));
    }
    all
}

/// With keys of tenants.
fn of_tenants(http: &Client, config: &Config, accounts: &[Account]) -> Vec<Question> {
    let mend = "The tenant's administrators set another with updateSmsSettings.";
    let question = |account: &Account| match account {
        Account::Telnyx { of, key } => {
            let url = format!("{}/messaging_profiles?page[size]=1", config.texting.telnyx);
            let request = http.get(url).bearer_auth(key.expose_secret());
            let (key, refuses) = (Some(format!("the key of {of}")), UNAUTHORISED);
            Question { name: "telnyx", who: "Telnyx", key, is_tenants: true, refuses, mend, request }
        }
        Account::Twilio { of, sid, token } => {
            let url = format!("{}/2010-04-01/Accounts/{sid}.json", config.texting.twilio);
            let request = http.get(url).basic_auth(sid, Some(token.expose_secret()));
            let (key, refuses) = (Some(format!("the token of {of}")), UNAUTHORISED);
            Question { name: "twilio", who: "Twilio", key, is_tenants: true, refuses, mend, request }
        }
    };
    accounts.iter().map(question).collect()
}

async fn answer(request: RequestBuilder, has_key: bool, refuses: &[u16]) -> Answer {
    match request.send().await.map(|answer| answer.status()) {
        Ok(status) if status.is_success() => Answer::Taken,
        Ok(status) if refuses.contains(&status.as_u16()) => Answer::Refused,
        // Who is asked without a key says so, and is there.
        Ok(status) if !has_key && UNAUTHORISED.contains(&status.as_u16()) => Answer::Taken,
        Ok(status) => Answer::Odd(status),
        Err(error) => Answer::Unreachable(wire::cause(error)),
    }
}
