//! What PostgreSQL's errors mean to a caller. Must not know who asked.

use diesel::result::{DatabaseErrorKind, Error};

use crate::{
    db::tx::Mode,
    kernel::failure::{ErrorCode, Failure, Refusal},
};

/// Unique constraints that a caller can run into, with the argument at fault and the sentence for it. The sentences
/// never say whose row is in the way: it may be another tenant's.
const CONFLICTS: &[(&str, &str, &str)] = &[
    ("tenants_subdomain_key", "subdomain", "This subdomain is taken; choose another."),
    ("users_email_key", "email", "An account with this e-mail address exists already."),
    (
        "prompt_bundles_one_in_production",
        "id",
        "Another bundle was published at the same moment. Look at what is in production now, then try again.",
    ),
    ("leads_phone_key", "phone", "Another lead has this phone number."),
    ("leads_email_key", "email", "Another lead has this e-mail address."),
    (
        "sms_settings_telnyx_phone_number_key",
        "telnyxPhoneNumber",
        "This number can't be used; it is connected already.",
    ),
    (
        "sms_settings_twilio_phone_number_key",
        "twilioPhoneNumber",
        "This number can't be used; it is connected already.",
    ),
    ("voice_settings_phone_number_key", "phoneNumber", "This number can't be used; it is connected already."),
    ("email_settings_connected_address_key", "emailAddress", "This mailbox can't be used; it is connected already."),
    ("voice_settings_assistant_id_key", "assistantId", "This assistant can't be used; it is connected already."),
    (
        "meetings_no_overlap",
        "startsAt",
        "Somebody else just took this time. Ask for `availableSlots` and choose another.",
    ),
    ("prompt_bundles_version_key", "name", "Another version was made at the same moment. Try again."),
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::DatabaseError(kind, info) = &error {
            if info.message().starts_with("terminating connection") {
                return unreachable(&anyhow::Error::new(error));
            }
            let constraint = info.constraint_name().unwrap_or_default();
            if let Some((_, field, sentence)) = CONFLICTS.iter().find(|(name, ..)| *name == constraint) {
                return Refusal::conflict(field, *sentence).into();
            }
            // Diesel has no kind for a deadlock; PostgreSQL ends one of the two, and nothing of it happened.
            let is_deadlock = info.message() == "deadlock detected";
            if info.message() == "canceling statement due to statement timeout" {
                return Refusal::new(ErrorCode::QueryTooComplex, "This took too long. Ask for less at once.").into();
            }
            match kind {
                _ if is_deadlock => return simultaneous().into(),
                DatabaseErrorKind::SerializationFailure => return simultaneous().into(),
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                    return unreachable(&anyhow::Error::new(error));
                }
                _ => {}
            }
        }
        Self::Fault(anyhow::Error::new(error).context("database"))
    }
}

fn simultaneous() -> Refusal {
    Refusal::new(ErrorCode::Conflict, "Somebody else changed this at the same moment. Try again.")
}

/// The database is away: logged here, since the caller only learns that it may try again.
pub(in crate::db) fn unreachable(cause: &anyhow::Error) -> Failure {
    tracing::error!(error = %format!("{cause:#}"), "the database can't be reached");
    Refusal::new(
        ErrorCode::UpstreamUnavailable,
        "The database can't be reached just now. Nothing was changed; try again in a moment.",
    )
    .into()
}

/// PostgreSQL did not write, in a transaction that only reads.
pub(in crate::db) fn is_unwritten(failure: &Failure) -> bool {
    let Failure::Fault(fault) = failure else { return false };
    matches!(fault.downcast_ref::<Error>(), Some(Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)))
}

/// What that means to the caller. Whoever was only to read may not write; else it is the database that takes no writes, which is
/// logged here, since the caller only learns that it may try again.
pub(in crate::db) fn unwritten(mode: Mode) -> Failure {
    if mode == Mode::Read {
        return Refusal::new(ErrorCode::Forbidden, "This access is read-only.").into();
    }
    tracing::error!("the database takes no writes: it is a standby, or default_transaction_read_only is on");
    Refusal::new(
        ErrorCode::UpstreamUnavailable,
        "The database takes no changes just now. Nothing was changed; try again in a moment.",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_is_refused_is_known_by_its_kind() {
        let refused = |kind| Failure::from(Error::DatabaseError(kind, Box::new("cannot execute INSERT".to_owned())));
        assert!(is_unwritten(&refused(DatabaseErrorKind::ReadOnlyTransaction)));
        assert!(!is_unwritten(&refused(DatabaseErrorKind::CheckViolation)));
        assert!(!is_unwritten(&refused(DatabaseErrorKind::SerializationFailure)));
    }

    #[test]
    fn only_whoever_was_to_read_is_told_that_they_may_not_write() {
        let code = |mode| match unwritten(mode) {
            Failure::Refused(refusal) => refusal.code,
            Failure::Fault(fault) => panic!("{fault:#}"),
        };
        assert_eq!(code(Mode::Read), ErrorCode::Forbidden);
        assert_eq!(code(Mode::Write), ErrorCode::UpstreamUnavailable);
    }
}
