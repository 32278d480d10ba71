//! What can go wrong, told apart for good: a [`Refusal`] is an expected answer with a code and a sentence for the
//! caller; a fault is ours, is logged once where it is handled, and never shows its text to a client.

use std::borrow::Cow;

use async_graphql::Enum;

/// The code that every error of the graph carries in `extensions.code`.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub enum ErrorCode {
    /// No token, or one that is expired, forged, or no longer valid. Sign in again.
    Unauthenticated,
    /// Signed in, but not allowed to do this.
    Forbidden,
    /// The operation needs a tenant and none is resolved; a global administrator names one in `X-Tenant-Id`.
    TenantRequired,
    /// The tenant was deactivated.
    TenantInactive,
    /// No such thing, or none that you may see; the two are never told apart.
    NotFound,
    /// An argument is malformed; `extensions.field` names it where one can be named.
    BadUserInput,
    /// The change collides with what is there, for example a subdomain that is taken.
    Conflict,
    /// Too many requests; try again after `extensions.retryAfter` seconds.
    RateLimited,
    /// A quota of the tenant is spent: its tokens of the month, or the documents that it may hold.
    QuotaExceeded,
    /// A provider or the database can't be reached just now. Try again.
    UpstreamUnavailable,
    /// The document is larger or deeper than the server's limits.
    QueryTooComplex,
    /// The server has no document of this hash or id. Send the document itself: with its hash, where documents may be registered.
    PersistedQueryNotFound,
    /// The server keeps no documents by their hashes. Send the document itself.
    PersistedQueryNotSupported,
    /// The server runs documents alone that it was told of beforehand, and this is none of them.
    DocumentNotTrusted,
    /// A fault of the server; `extensions.requestId` finds it in the log.
    Internal,
}

impl ErrorCode {
    /// The code as clients read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::TenantRequired => "TENANT_REQUIRED",
            Self::TenantInactive => "TENANT_INACTIVE",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::UpstreamUnavailable => "UPSTREAM_UNAVAILABLE",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::DocumentNotTrusted => "DOCUMENT_NOT_TRUSTED",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether a look at who somebody is may come to another end a moment later: it says nothing of them. A database that takes too
    /// long is `QUERY_TOO_COMPLEX`, one whose transactions collide `CONFLICT`.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::UpstreamUnavailable | Self::Internal | Self::QueryTooComplex | Self::Conflict)
    }

    /// Reads a code back from where it was stored; anything unknown is [`ErrorCode::Internal`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        [Self::RateLimited, Self::QuotaExceeded, Self::UpstreamUnavailable, Self::BadUserInput, Self::Forbidden]
            .into_iter()
            .find(|code| code.as_str() == text)
            .unwrap_or(Self::Internal)
    }
}

/// An expected "no", worded for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of no.
    pub code: ErrorCode,
    /// A sentence a person can act on. Never holds SQL, paths or other internals.
    pub message: Cow<'static, str>,
    /// The argument at fault, in the graph's spelling.
    pub field: Option<&'static str>,
    /// Seconds after which to try again, where that is known.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, retry_after: None }
    }

    /// Bad input in the argument `field`.
    pub fn input(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(ErrorCode::BadUserInput, message) }
    }

    /// A collision on the argument `field`.
    pub fn conflict(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(ErrorCode::Conflict, message) }
    }

    /// Too much at once; worth another try after so many seconds.
    pub fn too_fast(message: impl Into<Cow<'static, str>>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(ErrorCode::RateLimited, message) }
    }

    /// The one answer for a thing that is missing and for one that belongs to somebody else.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, format!("No such {what}."))
    }
}

/// Why a piece of work did not succeed. It has no `Display` on purpose: `async-graphql` would send any `Display`
/// error that escapes by `?` to the client.
#[derive(Debug)]
pub enum Failure {
    /// An expected "no".
    Refused(Refusal),
    /// A fault of ours, or of something we stand on.
    Fault(anyhow::Error),
}

impl Failure {
    /// A fault in words, for cases that "can't happen".
    #[must_use]
    pub fn fault(message: &'static str) -> Self {
        Self::Fault(anyhow::anyhow!(message))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(fault: anyhow::Error) -> Self {
        Self::Fault(fault)
    }
}

/// The result of everything that a resolver calls.
pub type Outcome<T> = Result<T, Failure>;
