//! Takes in what Telnyx posts of a call: kept once for the tenant whose call it is, and apart where nobody can say whose.
//! Must not act on it.

use crate::{
    channels::{
        delivery::Rejection,
        telnyx::{Signature, calls::Claim},
    },
    domain::{
        calls::{Clues, Heard, Wanted},
        inbox::{Inbox, Taken},
    },
    kernel::failure::Outcome,
};

const STRANGER: Rejection = Rejection::Unsigned("The signature is of no account that is known here.");

impl Inbox<'_> {
    /// Takes in an event of a call. `wanted` is the tenant that the address names.
    ///
    /// # Errors
    /// When the database is away: the provider will try again.
    pub async fn call(&self, body: &[u8], wanted: Wanted, signature: &Signature<'_>) -> Outcome<Taken> {
        let claim = match Claim::event(body) {
            Ok(claim) => claim,
            Err(rejection) => return Ok(Taken::Rejected(rejection)),
        };
        let clues = Clues::of(claim.content(), wanted);
        match self.hear(claim, &clues, signature).await? {
            Ok(Heard::Of(door, event)) => self.keep(Some(door.tenant_id), &event.into_delivery(), None).await,
            Ok(Heard::Nobodys(Some(event))) => self.keep(None, &event.into_delivery(), None).await,
            Ok(Heard::Nobodys(None)) => Ok(Taken::Rejected(STRANGER)),
            Err(rejection) => Ok(Taken::Rejected(rejection)),
        }
    }
}
