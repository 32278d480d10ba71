//! The closed word lists of the product. One declaration each: the same words are the Rust enum, the graph's enum
//! and the text in the database.

use crate::kernel::failure::ErrorCode;

/// A column held a word that this build does not know: the database is newer than the program.
#[derive(Debug, thiserror::Error)]
#[error("unknown word in a column of type {0}")]
pub struct UnknownWord(&'static str);

macro_rules! vocabulary {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(
                async_graphql::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash,
                diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
                serde::Serialize, serde::Deserialize,
            )]
            #[diesel(sql_type = diesel::sql_types::Text)]
            pub enum $name {
                $($(#[$word_doc])* #[serde(rename = $word)] $variant,)+
            }

            impl $name {
                /// The word as it stands in the database and in the graph.
                #[must_use]
                pub fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $word,)+ }
                }
            }

            impl std::str::FromStr for $name {
                type Err = UnknownWord;
                fn from_str(word: &str) -> Result<Self, UnknownWord> {
                    match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord(stringify!($name))) }
                }
            }

            impl diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
                fn to_sql<'b>(
                    &'b self,
                    out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
                ) -> diesel::serialize::Result {
                    <str as diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg>>::to_sql(
                        self.as_str(),
                        out,
                    )
                }
            }

            impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
                fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                    let word = std::str::from_utf8(value.as_bytes())?;
                    Ok(word.parse::<Self>()?)
                }
            }
        )+
    };
}

vocabulary! {
    /// What a person may do.
    Role {
        /// A global administrator: belongs to no tenant, may act in any one at a time.
        Admin = "ADMIN",
        /// An administrator of one tenant.
        TenantAdmin = "TENANT_ADMIN",
        /// A member of one tenant's staff.
        User = "USER",
    }
    /// Where a conversation takes place.
    Channel {
        /// The chat on a web page, or the graph itself.
        Web = "WEB",
        /// Text messages.
        Sms = "SMS",
        /// Phone calls.
        Voice = "VOICE",
        /// E-mail threads.
        Email = "EMAIL",
    }
    /// How far the business got with a lead.
    LeadStatus {
        /// Nobody has been in touch yet.
        New = "NEW",
        /// Somebody has been in touch.
        Contacted = "CONTACTED",
        /// Worth pursuing.
        Qualified = "QUALIFIED",
        /// Became a customer.
        Won = "WON",
        /// Will not become a customer.
        Lost = "LOST",
    }
    /// Who answers in a conversation.
    ConversationStatus {
        /// The assistant answers.
        Bot = "BOT",
        /// A person answers; the assistant keeps silent.
        Human = "HUMAN",
        /// Finished; no more messages are taken.
        Closed = "CLOSED",
    }
    /// Who said a message.
    MessageRole {
        /// The customer.
        Customer = "CUSTOMER",
        /// The assistant.
        Assistant = "ASSISTANT",
        /// A person of the business.
        Agent = "AGENT",
        /// The platform itself.
        System = "SYSTEM",
        /// The result of a tool that the assistant called.
        Tool = "TOOL",
    }
    /// How far a message has come.
    MessageStatus {
        /// A reply that waits for its turn.
        Pending = "PENDING",
        /// A reply that is being written.
        Streaming = "STREAMING",
        /// Whole.
        Complete = "COMPLETE",
        /// Stopped on request; keeps what was written.
        Cancelled = "CANCELLED",
        /// Broken off; keeps what was written.
        Failed = "FAILED",
    }
    /// Where a prompt bundle is in its life.
    PromptStatus {
        /// Being edited; not in use.
        Draft = "DRAFT",
        /// In use. Each owner has at most one.
        Production = "PRODUCTION",
        /// Was in use, or was put away; can be published again.
        Archived = "ARCHIVED",
    }
    /// What became of something that was recorded.
    AuditOutcome {
        /// It was done.
        Done = "DONE",
        /// It was tried, and refused.
        Refused = "REFUSED",
    }
    /// Where the assistant looks for passages to answer from.
    RetrievalProvider {
        /// The tenant's knowledge documents, by full-text search.
        BuiltIn = "BUILT_IN",
        /// The tenant's own index at Pinecone.
        Pinecone = "PINECONE",
    }
    /// Who writes a tenant's replies.
    ModelProvider {
        /// Whoever the platform has chosen.
        Platform = "PLATFORM",
        /// OpenAI, or a server that is compatible with it.
        Openai = "OPENAI",
        /// Google's Gemini.
        Gemini = "GEMINI",
        /// No model: the responder that quotes the tenant's own words.
        BuiltIn = "BUILT_IN",
    }
    /// Why a reply broke off.
    ReplyFailure {
        /// The model's provider has too much to do. Worth another try in a moment.
        RateLimited = "RATE_LIMITED",
        /// The assistant is not set up rightly: a key is missing, refused or used up, or no such model exists.
        Misconfigured = "MISCONFIGURED",
        /// The provider's filter refused the question, or cut the answer.
        ContentFiltered = "CONTENT_FILTERED",
        /// The conversation is longer than the model can read.
        ContextTooLong = "CONTEXT_TOO_LONG",
        /// The model's provider can't be reached, or has a fault. Worth another try in a moment.
        Unreachable = "UNREACHABLE",
        /// The model kept everybody waiting for too long.
        TimedOut = "TIMED_OUT",
        /// The model gave nothing of use: no word, or what can't be read.
        EmptyAnswer = "EMPTY_ANSWER",
        /// The model broke off in mid-answer.
        CutOff = "CUT_OFF",
        /// The tenant's tokens of the month are used up.
        QuotaExceeded = "QUOTA_EXCEEDED",
        /// The server that wrote it stopped.
        ServerStopped = "SERVER_STOPPED",
        /// A fault of the server.
        Internal = "INTERNAL",
    }
    /// The language that the words of a tenant's documents are compared in: its endings are cut, and its small words do not
    /// count.
    SearchLanguage {
        /// None: words are compared as they are written, but for capitals.
        Simple = "SIMPLE",
        /// English.
        English = "ENGLISH",
        /// Spanish.
        Spanish = "SPANISH",
        /// French.
        French = "FRENCH",
        /// German.
        German = "GERMAN",
        /// Portuguese.
        Portuguese = "PORTUGUESE",
        /// Italian.
        Italian = "ITALIAN",
        /// Dutch.
        Dutch = "DUTCH",
        /// Danish.
        Danish = "DANISH",
        /// Norwegian.
        Norwegian = "NORWEGIAN",
        /// Swedish.
        Swedish = "SWEDISH",
        /// Finnish.
        Finnish = "FINNISH",
        /// Russian.
        Russian = "RUSSIAN",
    }
    /// How far a job has come.
    JobState {
        /// In line.
        Ready = "READY",
        /// Taken, under a lease.
        Running = "RUNNING",
        /// Given up.
        Dead = "DEAD",
    }
    /// By whom text messages are carried.
    TextProvider {
        /// Telnyx.
        Telnyx = "TELNYX",
        /// Twilio.
        Twilio = "TWILIO",
    }
    /// Who answers a tenant's text messages. Never both, so that nobody gets two replies.
    SmsAnswerer {
        /// This server.
        Frontdesk = "FRONTDESK",
        /// An assistant at Telnyx, for the number at Telnyx. What customers write is kept here all the same.
        TelnyxAssistant = "TELNYX_ASSISTANT",
    }
    /// How far a text message of ours has come.
    TextStatus {
        /// In line.
        Queued = "QUEUED",
        /// The provider is being asked.
        Sending = "SENDING",
        /// The provider, or the carrier, has it.
        Sent = "SENT",
        /// The customer's phone has it.
        Delivered = "DELIVERED",
        /// It will not arrive.
        Failed = "FAILED",
        /// The provider was asked, and what it answered was lost. It is not sent again, lest it arrive twice.
        Unknown = "UNKNOWN",
    }
    /// How a tenant's mailbox stands.
    EmailStatus {
        /// None is connected.
        NotConnected = "NOT_CONNECTED",
        /// It is read and answered from.
        Connected = "CONNECTED",
        /// Google no longer accepts the consent: connect it again.
        ReconnectNeeded = "RECONNECT_NEEDED",
    }
    /// How far a reply by mail has come.
    MailStatus {
        /// In line.
        Queued = "QUEUED",
        /// Gmail is being asked.
        Sending = "SENDING",
        /// Gmail has it.
        Sent = "SENT",
        /// It will not be sent.
        Failed = "FAILED",
    }
    /// How far the work on a delivered event has come.
    DeliveryStatus {
        /// Stored, and waiting to be worked on.
        Received = "RECEIVED",
        /// Done.
        Processed = "PROCESSED",
        /// The last try failed; it is tried again.
        Failed = "FAILED",
        /// Given up after too many tries; `retryWebhookDelivery` puts it in line again.
        Dead = "DEAD",
    }
    /// What has become of a meeting.
    MeetingStatus {
        /// It takes place, or took place.
        Booked = "BOOKED",
        /// It was called off; its time is free again.
        Cancelled = "CANCELLED",
    }
    /// Who called whom.
    CallDirection {
        /// The customer called.
        Inbound = "INBOUND",
        /// The business called.
        Outbound = "OUTBOUND",
    }
    /// What became of a call.
    CallOutcome {
        /// It was answered, and the assistant could not begin.
        AssistantFailed = "ASSISTANT_FAILED",
        /// It was held, and came to an end.
        Completed = "COMPLETED",
        /// Nobody answered.
        NoAnswer = "NO_ANSWER",
        /// The line was busy.
        Busy = "BUSY",
        /// It was turned away.
        Rejected = "REJECTED",
        /// Whoever called gave up before it was answered.
        Cancelled = "CANCELLED",
        /// It did not come about, or broke off, for a technical reason.
        Failed = "FAILED",
    }
    /// A day of the week.
    Weekday {
        /// The first by ISO 8601.
        Monday = "MONDAY",
        /// The second.
        Tuesday = "TUESDAY",
        /// The third.
        Wednesday = "WEDNESDAY",
        /// The fourth.
        Thursday = "THURSDAY",
        /// The fifth.
        Friday = "FRIDAY",
        /// The sixth.
        Saturday = "SATURDAY",
        /// The seventh.
        Sunday = "SUNDAY",
    }
    /// Why a reply ended.
    FinishReason {
        /// The model had said all.
        Stop = "STOP",
        /// The model ran into its length limit.
        Length = "LENGTH",
        /// The model asked for tools.
        ToolCalls = "TOOL_CALLS",
        /// The provider's filter cut the reply.
        ContentFilter = "CONTENT_FILTER",
        /// Somebody stopped it.
        Cancelled = "CANCELLED",
        /// It broke off.
        Error = "ERROR",
    }
}

impl ReplyFailure {
    /// The code that clients see with it.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::RateLimited => ErrorCode::RateLimited,
            Self::ContentFiltered | Self::ContextTooLong => ErrorCode::BadUserInput,
            Self::QuotaExceeded => ErrorCode::QuotaExceeded,
            Self::Internal => ErrorCode::Internal,
            Self::Misconfigured
            | Self::Unreachable
            | Self::TimedOut
            | Self::EmptyAnswer
            | Self::CutOff
            | Self::ServerStopped => ErrorCode::UpstreamUnavailable,
        }
    }

    /// Whether another try may succeed, with nobody changing anything.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::RateLimited
            | Self::Unreachable
            | Self::TimedOut
            | Self::EmptyAnswer
            | Self::CutOff
            | Self::ServerStopped
            | Self::Internal => true,
            Self::ContentFiltered | Self::ContextTooLong | Self::QuotaExceeded | Self::Misconfigured => false,
        }
    }
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Monday,
            chrono::Weekday::Tue => Self::Tuesday,
            chrono::Weekday::Wed => Self::Wednesday,
            chrono::Weekday::Thu => Self::Thursday,
            chrono::Weekday::Fri => Self::Friday,
            chrono::Weekday::Sat => Self::Saturday,
            chrono::Weekday::Sun => Self::Sunday,
        }
    }
}
