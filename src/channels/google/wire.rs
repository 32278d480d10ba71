//! One call to Google: bounded in time and size, never redirected, and what went wrong told apart by what can be done about it.
//! Must not know what is asked, nor keep or log what is answered.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::channels::wire;

/// Largest answer, in bytes: mail with its text parts, attachments apart.
const ANSWER_MAX: usize = 12 << 20;

/// Why Google did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The consent was taken back, or ended. Only another one helps.
    #[error("the consent is gone: {0}")]
    Revoked(String),
    /// The access token is not good any more; another one may be.
    #[error("the access token was refused")]
    Stale,
    /// It is not there, or no longer.
    #[error("it is not there")]
    Missing,
    /// It may work later; after so long, where Google says so. What was asked for may be done all the same.
    #[error("{0}")]
    Passing(String, Option<Duration>),
    /// As [`Trouble::Passing`], and nothing was done: Google took no more requests, or could not be asked.
    #[error("{0}")]
    Undone(String, Option<Duration>),
    /// It will not work like this.
    #[error("{0}")]
    Lasting(String),
}

impl Trouble {
    /// Whether another try may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Passing(..) | Self::Undone(..))
    }
}

/// The way to Google. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
}

impl Wire {
    pub(super) fn new(patience: Duration) -> anyhow::Result<Self> {
        Ok(Self { client: wire::client(patience)? })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        Ok(self.ask_whole(request).await?.0)
    }

    /// As [`Wire::ask`], and how long the answer may be kept.
    pub(super) async fn ask_whole<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<(T, Option<Duration>), Trouble> {
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let kept = answer.headers().get(header::CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
        let wish = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = wire::body(answer, ANSWER_MAX).await.map_err(unreachable)?.ok_or_else(too_large)?;
        if !status.is_success() {
            return Err(refusal(status, wish.map(Duration::from_secs), &body));
        }
        // An answer without a word (`204`) is read as null.
        let body = if body.is_empty() { b"null".to_vec() } else { body };
        let read =
            serde_json::from_slice(&body).map_err(|_| Trouble::Lasting("an answer that can't be read".into()))?;
        Ok((read, kept))
    }
}

/// A token as a header that no log shows.
pub(super) fn bearer(token: &SecretString) -> Result<header::HeaderValue, Trouble> {
    let mut value =
        header::HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| Trouble::Stale)?;
    value.set_sensitive(true);
    Ok(value)
}

fn too_large() -> Trouble {
    Trouble::Lasting("an answer that is too large".into())
}

fn unreachable(error: reqwest::Error) -> Trouble {
    // Without a connection nothing was asked.
    let trouble = if error.is_connect() { Trouble::Undone } else { Trouble::Passing };
    trouble(format!("Google can't be reached: {}", wire::cause(error)), None)
}

/// What a refusal means. Google has two shapes of them: `{"error": "invalid_grant"}` where tokens are given, and
/// `{"error": {"code", "status", "errors": [{"reason"}]}}` elsewhere.
fn refusal(status: StatusCode, wish: Option<Duration>, body: &[u8]) -> Trouble {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = told.get("error");
    let reason = error
        .and_then(|error| error.as_str().or_else(|| error.pointer("/errors/0/reason")?.as_str()))
        .or_else(|| error?.get("status")?.as_str())
        .filter(|reason| reason.len() <= 60 && reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .unwrap_or("no reason given");
    let text = format!("Google answered {}: {reason}", status.as_u16());
    match (status.as_u16(), reason) {
        (_, "invalid_grant") => Trouble::Revoked("Google no longer accepts the consent (invalid_grant).".into()),
        (403, "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => {
            Trouble::Revoked("The consent does not cover reading and answering mail.".into())
        }
        (401, _) => Trouble::Stale,
        (404 | 410, _) => Trouble::Missing,
        (429, _) | (403, "rateLimitExceeded" | "userRateLimitExceeded" | "dailyLimitExceeded" | "quotaExceeded") => {
            Trouble::Undone(text, wish)
        }
        (408 | 500..=599, _) | (_, "internal_failure" | "server_error" | "temporarily_unavailable") => {
            Trouble::Passing(text, wish)
        }
        _ => Trouble::Lasting(text),
    }
}

/// `max-age` of a `Cache-Control`.
fn max_age(text: &str) -> Option<Duration> {
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Trouble {
        refusal(StatusCode::from_u16(status).expect("a status"), None, body.as_bytes())
    }

    #[test]
    fn what_can_be_done_about_a_refusal_follows_from_its_reason() {
        let told =
            |reason: &str| format!(r#"{{"error":{{"code":403,"status":"X","errors":[{{"reason":"{reason}"}}]}}}}"#);
        assert!(matches!(read(400, r#"{"error":"invalid_grant"}"#), Trouble::Revoked(_)));
        assert!(matches!(read(403, &told("insufficientPermissions")), Trouble::Revoked(_)));
        for undone in
            [read(403, &told("rateLimitExceeded")), read(403, &told("userRateLimitExceeded")), read(429, "{}")]
        {
            assert!(matches!(undone, Trouble::Undone(..)) && undone.may_pass(), "{undone}");
        }
        for passing in
            [read(408, ""), read(500, ""), read(503, "<html>"), read(400, r#"{"error":"temporarily_unavailable"}"#)]
        {
            assert!(matches!(passing, Trouble::Passing(..)) && passing.may_pass(), "{passing}");
        }
        assert_eq!(read(401, ""), Trouble::Stale);
        assert_eq!(read(404, ""), Trouble::Missing);
        for lasting in [read(400, ""), read(403, &told("forbidden")), read(302, "")] {
            assert!(matches!(lasting, Trouble::Lasting(_)), "{lasting}");
        }
        assert!(!read(400, r#"{"error":"token ya29.canary is bad"}"#).to_string().contains("canary"));
    }

    #[tokio::test]
    async fn what_could_not_be_asked_for_is_undone_and_what_was_not_answered_may_be_done() {
        crate::tokens::install_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let wire = Wire::new(Duration::from_secs(5)).expect("a client");
        let ask = || wire.ask::<Value>(wire.client().get(&address));
        let (lost, ()) = tokio::join!(ask(), async { drop(listener.accept().await) });
        assert!(matches!(lost, Err(Trouble::Passing(..))), "{lost:?}");
        drop(listener);
        let nobody = ask().await;
        assert!(matches!(nobody, Err(Trouble::Undone(..))), "{nobody:?}");
    }

    #[test]
    fn how_long_an_answer_may_be_kept_is_read() {
        assert_eq!(max_age("public, max-age=19801, must-revalidate"), Some(Duration::from_secs(19_801)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=soon"), None);
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", bearer(&"ya29.canary".into())).contains("canary"));
        assert_eq!(bearer(&"two\nlines".into()).err(), Some(Trouble::Stale));
    }
}
