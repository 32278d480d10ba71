//! What can go wrong with a model, and what it means: for the customer, for another try, and for another model. A
//! provider's own text goes to the log only: it may name keys, accounts or other tenants.

use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::kernel::{cause::innermost, failure::ErrorCode, vocabulary::ReplyFailure};

/// Why a model gave no whole reply.
#[derive(Debug, Clone)]
pub struct ModelError {
    /// Which kind of failure, for clients.
    pub cause: ReplyFailure,
    /// A sentence that clients see; holds nothing of the provider's text.
    pub reason: &'static str,
    /// What really happened, for the log.
    pub detail: String,
    pub(super) again: Again,
    pub(super) standing: Standing,
    is_free: bool,
}

/// Whether the same request may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// No.
    Never,
    /// One more time, at once.
    Once,
    /// After a while; as long as the provider asked for, where it did.
    After(Option<Duration>),
}

/// How the provider stands, by what a failure says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is down.
    Down,
    /// It is well: it answered, be it with a refusal or with nonsense of its model.
    Up,
    /// Nobody knows.
    Unsaid,
}

impl ModelError {
    fn new(cause: ReplyFailure, reason: &'static str, detail: impl Into<String>) -> Self {
        use ReplyFailure::{CutOff, TimedOut, Unreachable};
        let standing = if matches!(cause, CutOff | TimedOut | Unreachable) { Standing::Down } else { Standing::Up };
        Self { cause, reason, detail: detail.into(), again: Again::Never, standing, is_free: false }
    }

    /// The code that clients see.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.cause.code()
    }

    /// Whether the provider did no work, if nothing of an answer came before: it could not be reached, or refused. Everything
    /// else is owed.
    pub(super) fn is_free(&self) -> bool {
        self.is_free
    }

    /// Whether another model may do better.
    pub(super) fn is_elsewhere_better(&self) -> bool {
        use ReplyFailure::{CutOff, EmptyAnswer, Misconfigured, RateLimited, TimedOut, Unreachable};
        matches!(self.cause, RateLimited | Misconfigured | Unreachable | TimedOut | CutOff | EmptyAnswer)
    }

    /// The same, of a reply of which not a word was written.
    #[must_use]
    pub fn bare(self) -> Self {
        let reason = "The answer broke off before its first word. Send the message again for a new one.";
        if self.cause == ReplyFailure::CutOff { Self { reason, ..self } } else { self }
    }

    pub(super) fn unreachable(detail: impl Into<String>) -> Self {
        let reason = "The model's provider has a problem. Try again in a moment.";
        Self { again: Again::After(None), is_free: true, ..Self::new(ReplyFailure::Unreachable, reason, detail) }
    }

    pub(super) fn unreadable(detail: impl Into<String>) -> Self {
        let reason = "The model sent something that can't be read. Try again in a moment.";
        Self::new(ReplyFailure::Unreachable, reason, detail)
    }

    /// The model garbled its call for a tool; it may not the next time.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        let reason = "The model sent something that can't be read. Try again in a moment.";
        Self { reason, ..Self::empty(detail) }
    }

    /// It broke off.
    #[must_use]
    pub fn cut(detail: impl Into<String>) -> Self {
        let reason = "The answer broke off. What was written is kept; send the message again for a new answer.";
        Self { again: Again::Once, ..Self::new(ReplyFailure::CutOff, reason, detail) }
    }

    /// The model ended for a reason that nobody knows.
    pub(super) fn odd(detail: impl Into<String>) -> Self {
        Self { standing: Standing::Up, ..Self::cut(detail) }
    }

    /// It took too long.
    #[must_use]
    pub fn late(detail: impl Into<String>) -> Self {
        Self::new(ReplyFailure::TimedOut, "The answer took too long. Try again in a moment.", detail)
    }

    /// It took too long, and was alive.
    pub(super) fn slow(detail: impl Into<String>) -> Self {
        Self { standing: Standing::Unsaid, ..Self::late(detail) }
    }

    pub(super) fn no_key() -> Self {
        let reason = "The assistant is not set up rightly: it has no key for the model's provider. Tell the business.";
        let detail = "no key is set for the provider that the tenant chose";
        Self { is_free: true, ..Self::new(ReplyFailure::Misconfigured, reason, detail) }
    }

    /// The provider's filter refused, or cut.
    #[must_use]
    pub fn filtered(detail: impl Into<String>) -> Self {
        let reason = "The model's provider filtered the answer. Ask in other words.";
        Self::new(ReplyFailure::ContentFiltered, reason, detail)
    }

    /// There was no answer.
    #[must_use]
    pub fn empty(detail: impl Into<String>) -> Self {
        let reason = "The model gave an empty answer. Send the message again for a new one.";
        Self { again: Again::Once, ..Self::new(ReplyFailure::EmptyAnswer, reason, detail) }
    }

    /// A refusal by HTTP status, or an error event in a stream that stands for one.
    pub(super) fn refused(status: u16, body: &str, headers: Option<&HeaderMap>) -> Self {
        use ReplyFailure::{ContextTooLong, Misconfigured, RateLimited, Unreachable};
        let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
        let (cause, reason) = match status {
            // Gemini answers a bad key with 400.
            401 | 403 => (Misconfigured, KEY_REFUSED),
            400 if says(&["API_KEY_INVALID", "API key not valid", "invalid_api_key"]) => (Misconfigured, KEY_REFUSED),
            400 | 413 | 422 if status == 413 || says(TOO_LONG) => {
                (ContextTooLong, "This conversation is too long for the model. Start a new one.")
            }
            404 => (Misconfigured, "The assistant is not set up rightly: no such model exists. Tell the business."),
            402 => (Misconfigured, USED_UP),
            429 if says(&["insufficient_quota", "PerDay"]) => (Misconfigured, USED_UP),
            400 | 422 => (Misconfigured, "The model's provider did not understand the question. Tell the business."),
            429 => (RateLimited, "The model's provider is busy. Try again in a moment."),
            _ => (Unreachable, "The model's provider has a problem. Try again in a moment."),
        };
        let is_worth_it = cause == RateLimited || (cause == Unreachable && status >= 500);
        let again = if is_worth_it { Again::After(asked_wait(body, headers)) } else { Again::Never };
        Self { again, is_free: true, ..Self::new(cause, reason, format!("HTTP {status}: {}", shorten(body))) }
    }

    /// What genai reports.
    pub(super) fn of(error: &genai::Error) -> Self {
        match error {
            genai::Error::HttpError { status, body, headers, .. } => {
                Self::refused(status.as_u16(), body, Some(headers))
            }
            genai::Error::WebStream { error, .. } => {
                if let Some(inner) = error.downcast_ref::<genai::Error>() {
                    return Self::of(inner);
                }
                // What is around it says only that something was sent.
                let detail = innermost(&**error);
                match error.downcast_ref::<reqwest::Error>() {
                    Some(error) if error.is_connect() || error.is_request() => Self::unreachable(detail),
                    _ => Self::cut(detail),
                }
            }
            other => Self::unreadable(shorten(&other.to_string())),
        }
    }
}

const KEY_REFUSED: &str =
    "The assistant is not set up rightly: the model's provider refuses its key. Tell the business.";
const USED_UP: &str = "The assistant's account at the model's provider is used up. Tell the business.";
/// How providers say that a request is longer than their model can read.
const TOO_LONG: &[&str] =
    &["context_length_exceeded", "maximum context length", "exceeds the maximum number of tokens"];

/// How long the provider asks to be left alone: `retry-after-ms`, `retry-after` in seconds or as a date, or Gemini's
/// `RetryInfo`.
fn asked_wait(body: &str, headers: Option<&HeaderMap>) -> Option<Duration> {
    let header = |name: &str| headers?.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str| text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if let Some(wait) = header("retry-after-ms").and_then(|text| text.parse().ok()).map(Duration::from_millis) {
        return Some(wait);
    }
    if let Some(text) = header(RETRY_AFTER.as_str()) {
        // A date is measured by the provider's own clock.
        let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
        return seconds(text).or_else(|| (date(text)? - header(DATE.as_str()).and_then(date)?).to_std().ok());
    }
    let body: Value = serde_json::from_str(body).ok()?;
    let error = body.get(0).unwrap_or(&body).get("error")?;
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay"))?.as_str()?;
    seconds(delay.strip_suffix('s')?)
}

/// As much of a provider's text as the log is to hold.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &str)], body: &str) -> Option<f64> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().expect("a header")));
        asked_wait(body, Some(&headers.collect())).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn what_a_provider_asks_for_is_read_in_every_form() {
        assert_eq!(wait(&[("retry-after-ms", "1500"), ("retry-after", "9")], ""), Some(1.5));
        assert_eq!(wait(&[("retry-after", "0.25")], ""), Some(0.25));
        let date = [("retry-after", "Sat, 21 Nov 2026 12:00:07 GMT"), ("date", "Sat, 21 Nov 2026 12:00:00 GMT")];
        assert_eq!(wait(&date, ""), Some(7.0));
        assert_eq!(wait(&date[..1], ""), None);
        assert_eq!(wait(&[("retry-after", "-1")], ""), None);
        let info = r#"{"error":{"code":429,"details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}"#;
        assert_eq!(wait(&[], info), Some(17.0));
        assert_eq!(wait(&[], &format!("[{info}]")), Some(17.0));
        assert_eq!(wait(&[], "<html>"), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, body, cause, is_again) in [
            (429, "{}", ReplyFailure::RateLimited, true),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, ReplyFailure::Misconfigured, false),
            (429, r#"{"quotaId":"GenerateRequestsPerDayPerProject"}"#, ReplyFailure::Misconfigured, false),
            (500, "", ReplyFailure::Unreachable, true),
            (503, "", ReplyFailure::Unreachable, true),
            (302, "", ReplyFailure::Unreachable, false),
            (401, "", ReplyFailure::Misconfigured, false),
            (400, r#"[{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}]"#, ReplyFailure::Misconfigured, false),
            (
                400,
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                ReplyFailure::ContextTooLong,
                false,
            ),
            (413, "", ReplyFailure::ContextTooLong, false),
            (404, "", ReplyFailure::Misconfigured, false),
        ] {
            let error = ModelError::refused(status, body, None);
            assert_eq!((error.cause, error.again != Again::Never), (cause, is_again), "{status} {body}");
        }
    }
}
