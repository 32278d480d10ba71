//! Text messages as every provider of them has them: what came in, what became of what went out, and how one is sent. The
//! providers' own files put their words into these. Must not know tenants, nor keep anything.

mod keyword;
mod split;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::SecretString;

use crate::{
    channels::wire,
    kernel::vocabulary::{TextProvider, TextStatus},
};

pub use keyword::Keyword;
pub use split::split;

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Largest answer, in bytes.
const ANSWER_MAX: usize = 256 << 10;

/// What an event of a provider's says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A customer wrote.
    Message(Inbound),
    /// Something became of a text of ours.
    Receipt(Receipt),
    /// Nothing that concerns us.
    Nothing,
}

/// What a customer wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The provider's name for the message, where it is another than that of the event: one message may come in two events.
    pub id: Option<String>,
    /// When they wrote it, where the provider says so.
    pub at: Option<DateTime<Utc>>,
    /// The customer's number, as the provider writes it.
    pub from: String,
    /// What they wrote; empty where they sent pictures alone.
    pub text: String,
    /// What they sent with it.
    pub media: Vec<Media>,
    /// The word for the channel that the message is, if it is one.
    pub keyword: Option<Keyword>,
    /// Whether the provider has answered that word.
    pub is_answered: bool,
}

/// Something sent along with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its type, such as `image/jpeg`.
    pub content_type: String,
    /// Where the provider keeps it, for a while.
    pub url: String,
}

/// What became of a text of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's name for the text.
    pub id: String,
    /// How far it has come.
    pub status: TextStatus,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A text to be sent.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Our own name for it: the same on every try.
    pub id: uuid::Uuid,
    /// The tenant's number.
    pub from: &'a str,
    /// The customer's number.
    pub to: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// Whose account a text is sent by.
#[derive(Debug)]
pub enum Account {
    /// At Telnyx.
    Telnyx {
        /// Its API key.
        key: SecretString,
        /// The messaging profile to send under.
        profile: Option<String>,
    },
    /// At Twilio.
    Twilio {
        /// Its identifier.
        sid: String,
        /// Its auth token.
        token: SecretString,
    },
}

/// Why a text was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// It may go later; how long the provider wants to be left alone, where it says so.
    Later(String, Option<Duration>),
    /// It never will.
    Never(String),
    /// It never will, since whom it is for asked for no texts.
    OptedOut(String),
    /// Nobody knows whether it was: the answer was lost.
    Lost(String),
}

impl Unsent {
    /// Which of these it is, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Later(..) => "later",
            Self::Never(_) => "never",
            Self::OptedOut(_) => "opted_out",
            Self::Lost(_) => "lost",
        }
    }
}

/// Where the providers are.
#[derive(Debug, Clone)]
pub struct TextingSettings {
    /// `TELNYX_API_BASE_URL`, without a slash at the end.
    pub telnyx: String,
    /// `TWILIO_API_BASE_URL`, without a slash at the end.
    pub twilio: String,
    /// `TELNYX_IDEMPOTENCY_MINUTES`: how long Telnyx is trusted to know a text again that it was asked for.
    pub telnyx_remembers: TimeDelta,
    /// Where receipts of Twilio's are to be sent: our own address, without a slash at the end.
    pub public_url: String,
}

/// Sends texts. One for the whole program.
pub struct Texting {
    pub(in crate::channels) http: Client,
    pub(in crate::channels) settings: TextingSettings,
}

impl Texting {
    /// Makes the client; calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: TextingSettings) -> anyhow::Result<Self> {
        Ok(Self { http: wire::client(PATIENCE)?, settings })
    }

    /// How long Telnyx is trusted to know a text again by its idempotency key. Later, one whose answer was lost is not asked
    /// for again.
    #[must_use]
    pub fn telnyx_remembers(&self) -> TimeDelta {
        self.settings.telnyx_remembers
    }

    /// Sends a text. What comes back is the provider's name for it.
    ///
    /// # Errors
    /// [`Unsent`].
    pub async fn send(&self, account: &Account, text: &Outgoing<'_>) -> Result<String, Unsent> {
        match account {
            Account::Telnyx { key, profile } => self.by_telnyx(key, profile.as_deref(), text).await,
            Account::Twilio { sid, token } => self.by_twilio(sid, token, text).await,
        }
    }
}

impl Account {
    /// Whose it is.
    #[must_use]
    pub fn provider(&self) -> TextProvider {
        match self {
            Self::Telnyx { .. } => TextProvider::Telnyx,
            Self::Twilio { .. } => TextProvider::Twilio,
        }
    }
}

/// A provider's answer: its status, how long it wants to be left alone, and its body.
pub(in crate::channels) struct Answer {
    pub status: StatusCode,
    pub pause: Option<Duration>,
    pub body: serde_json::Value,
}

/// Asks a provider once.
pub(in crate::channels) async fn ask(who: &'static str, request: RequestBuilder) -> Result<Answer, Unsent> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        // Nothing was sent yet: the text can't have been either.
        Err(error) if error.is_connect() => {
            return Err(Unsent::Later(format!("{who} can't be reached: {}", wire::cause(error)), None));
        }
        Err(error) => return Err(Unsent::Lost(format!("{who} did not answer: {}", wire::cause(error)))),
    };
    let (status, pause) = (answer.status(), pause(&answer));
    let read = wire::body(answer, ANSWER_MAX).await;
    let lost = |why: &str| Unsent::Lost(format!("{who} answered HTTP {}, and {why}", status.as_u16()));
    let body = match read {
        Ok(Some(body)) => serde_json::from_slice(&body).unwrap_or_default(),
        // Of an error the status says enough.
        _ if !status.is_success() => serde_json::Value::Null,
        Ok(None) => return Err(lost("too much with it")),
        Err(_) => return Err(lost("broke off")),
    };
    Ok(Answer { status, pause, body })
}

fn pause(answer: &Response) -> Option<Duration> {
    let header = |name: &str| answer.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    header("retry-after-ms").map(Duration::from_millis).or_else(|| header("retry-after").map(Duration::from_secs))
}

/// A provider's words as they may be kept: one short line.
pub(in crate::channels) fn plain(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether an HTTP status says that the same request may succeed later.
pub(in crate::channels) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 425 | 429) || status.is_server_error()
}
