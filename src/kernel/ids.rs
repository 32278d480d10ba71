//! Ids. In the database a `bigint`; in Rust one type a noun, so that a lead's id can't stand where a user's
//! should; in the graph a readable global id such as `lead_81`.

use std::fmt;

use crate::kernel::failure::Refusal;

/// An id with its noun.
pub trait Typed: Copy + Send + Sync + 'static {
    /// What stands before the underscore in a global id.
    const PREFIX: &'static str;
    /// Wraps a raw number.
    fn from_raw(raw: i64) -> Self;
    /// The raw number.
    fn raw(self) -> i64;
}

/// As many as a number may have, with a sign.
const DIGITS_MAX: usize = 20;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(
                Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
                diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
                serde::Serialize, serde::Deserialize,
            )]
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            pub struct $name(pub i64);

            impl Typed for $name {
                const PREFIX: &'static str = $prefix;
                fn from_raw(raw: i64) -> Self {
                    Self(raw)
                }
                fn raw(self) -> i64 {
                    self.0
                }
            }

            impl $name {
                /// The global id. As `to_string` would write it, at once: an answer has hundreds of them.
                #[must_use]
                pub fn global(self) -> String {
                    const LEAD: &str = concat!($prefix, "_");
                    let mut text = String::with_capacity(LEAD.len() + DIGITS_MAX);
                    text.push_str(LEAD);
                    text.push_str(itoa::Buffer::new().format(self.0));
                    text
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}_{}", $prefix, self.0)
                }
            }

            impl diesel::serialize::ToSql<diesel::sql_types::BigInt, diesel::pg::Pg> for $name {
                fn to_sql<'b>(
                    &'b self,
                    out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
                ) -> diesel::serialize::Result {
                    diesel::serialize::ToSql::<diesel::sql_types::BigInt, diesel::pg::Pg>::to_sql(&self.0, out)
                }
            }

            impl diesel::deserialize::FromSql<diesel::sql_types::BigInt, diesel::pg::Pg> for $name {
                fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                    <i64 as diesel::deserialize::FromSql<diesel::sql_types::BigInt, diesel::pg::Pg>>::from_sql(value)
                        .map(Self)
                }
            }
        )+
    };
}

ids! {
    /// A business.
    TenantId = "tenant";
    /// A person who signs in.
    UserId = "user";
    /// A prompt bundle.
    BundleId = "prompt";
    /// A person who might buy.
    LeadId = "lead";
    /// A thread on one channel.
    ConversationId = "conversation";
    /// One message of a conversation.
    MessageId = "message";
    /// A row of the audit log.
    AuditId = "audit";
    /// An administrator's time-bound look into a tenant.
    ImpersonationId = "impersonation";
    /// A document that answers are found in.
    DocumentId = "document";
    /// An appointment.
    MeetingId = "meeting";
    /// An event that a provider delivered.
    DeliveryId = "delivery";
    /// A phone call.
    CallId = "call";
}

/// Reads a global id of one noun, `lead_81`. The number alone, another noun, a sign, a leading zero or spaces are
/// refused: one thing has one spelling.
///
/// # Errors
/// [`Refusal`] `BAD_USER_INPUT` naming `field` and the shape that is expected.
pub fn parse<T: Typed>(text: &str, field: &'static str) -> Result<T, Refusal> {
    text.strip_prefix(T::PREFIX)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(number)
        .map(T::from_raw)
        .ok_or_else(|| Refusal::input(field, format!("`{field}` must be an id like `{}_81`.", T::PREFIX)))
}

/// A positive number in its one spelling.
#[must_use]
pub fn number(text: &str) -> Option<i64> {
    let canonical = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_global_id_reads_back_as_written() {
        let id = LeadId(81);
        assert_eq!(parse::<LeadId>(&id.to_string(), "id"), Ok(id));
    }

    #[test]
    fn a_global_id_is_written_in_one_way() {
        for raw in [0, 1, 81, i64::MAX, i64::MIN] {
            assert_eq!(LeadId(raw).global(), LeadId(raw).to_string());
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "81",
            "lead_",
            "lead_-1",
            "lead_01",
            "lead_ 1",
            "user_81",
            "lead_1' or '1'='1",
            "lead_9223372036854775808",
            "lead_１",
            "LEAD_1",
            "lead_1\0",
        ] {
            assert!(parse::<LeadId>(text, "id").is_err(), "{text:?}");
        }
    }
}
