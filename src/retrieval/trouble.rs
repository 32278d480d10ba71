//! Why no passages could be looked for: a word for the metrics, a line for the log, a sentence for the tenant's people. None
//! of them holds a key, a question, or a text of the provider's, which may hold either.

use std::fmt;

use crate::kernel::failure::{ErrorCode, Failure, Refusal};

/// Why no passages could be looked for.
#[derive(Debug)]
pub enum Trouble {
    /// Something is not set up.
    Unset(&'static str),
    /// The index's host is none that may be called.
    ForeignHost,
    /// Nobody answered.
    Unreachable(&'static str, String),
    /// Somebody answered with an error: the status, and their code for it where they gave one.
    Refused {
        /// Who.
        who: &'static str,
        /// The HTTP status.
        status: u16,
        /// Their own word for it.
        code: Option<String>,
    },
    /// The answer can't be read, or is not to what was asked.
    Garbled(&'static str, &'static str),
    /// It took too long.
    Late,
    /// It is the database, or ourselves.
    Ours(Failure),
}

impl Trouble {
    /// The word for what is our own.
    pub(super) const FAULT: &str = "fault";
    /// The words for what is wrong elsewhere.
    pub(super) const OUTCOMES: [&str; 6] = ["unset", "foreign_host", "unreachable", "refused", "garbled", "late"];

    /// The word for the metrics; one of few.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unset(_) => "unset",
            Self::ForeignHost => "foreign_host",
            Self::Unreachable(..) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Garbled(..) => "garbled",
            Self::Late => "late",
            Self::Ours(_) => Self::FAULT,
        }
    }

    /// Another try may go well.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(..) => true,
            Self::Refused { code: Some(code), .. } if code == "insufficient_quota" => false,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// The index may have moved, or be another one by now.
    pub(super) fn doubts_host(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::Refused { status: 401 | 403 | 404, .. })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(what) => f.write_str(what),
            Self::ForeignHost => f.write_str("the index's host is not one of Pinecone's"),
            Self::Unreachable(who, why) => write!(f, "{who} can't be reached: {why}"),
            Self::Refused { who, status, code: Some(code) } => write!(f, "{who} refused with {status} {code}"),
            Self::Refused { who, status, code: None } => write!(f, "{who} refused with {status}"),
            Self::Garbled(who, what) => write!(f, "{who} sent {what}"),
            Self::Late => f.write_str("it took too long"),
            // Logged where it is handled.
            Self::Ours(_) => f.write_str("the database failed"),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Ours(failure) => failure,
            Trouble::Refused { who, status: status @ (401 | 403), .. } => {
                upstream(format!("No passages could be looked for: {who} refused the key ({status})."))
            }
            Trouble::Refused { who, status: 400, .. } => upstream(format!(
                "No passages could be looked for: {who} refused the question (400). An index must be as wide as the \
                 server's embedding model."
            )),
            trouble => upstream(format!("No passages could be looked for: {}.", trouble.in_short())),
        }
    }
}

impl Trouble {
    /// As it is shown: without the words of a library.
    fn in_short(&self) -> String {
        match self {
            Self::Unreachable(who, _) => format!("{who} can't be reached"),
            other => other.to_string(),
        }
    }
}

fn upstream(sentence: String) -> Failure {
    Refusal::new(ErrorCode::UpstreamUnavailable, sentence).into()
}
