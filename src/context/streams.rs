//! Which WebSockets and event streams are open on this node, and on whose account: so many of one person, so many of one tenant.
//! Must not know what they carry.

use std::sync::Arc;

use crate::{
    context::shares::{Account, ShareSettings, VISITORS},
    kernel::{
        failure::Refusal,
        ids::TenantId,
        tally::{Held, Tally},
    },
};

/// After which it is worth looking whether one has closed, in seconds.
const RETRY: u32 = 10;

/// Which streams are open on this node, and on whose account.
#[derive(Default)]
pub struct Streams {
    open: Arc<Tally<Holder>>,
}

/// A stream that is open; it is counted until it is dropped.
pub type OpenStream = Held<Holder>;

/// On whose account a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Whoever opened it.
    Person(String),
    /// Their tenant.
    Tenant(TenantId),
    /// All visitors of a tenant's website.
    VisitorsOf(TenantId),
}

impl Streams {
    /// Counts one more on an account.
    ///
    /// # Errors
    /// `RATE_LIMITED` when there are as many as may be.
    pub fn open(&self, account: &Account, settings: &ShareSettings) -> Result<OpenStream, Refusal> {
        let (a_person, a_tenant) = (settings.of_a_person, settings.of_a_tenant);
        let person = (Holder::Person(account.person.clone()), a_person.streams);
        let tenant = account.tenant.map(|tenant| (Holder::Tenant(tenant), a_tenant.streams));
        let visitors = account.tenant.filter(|_| account.visits_from.is_some());
        let visitors = visitors.map(|tenant| (Holder::VisitorsOf(tenant), a_tenant.part(VISITORS).streams));
        let limits: Vec<_> = std::iter::once(person).chain(tenant).chain(visitors).collect();
        let holders = limits.iter().map(|(holder, _)| holder.clone()).collect();
        self.open.hold_if(holders, |open| {
            let full = limits.iter().find(|(holder, most)| open.get(holder).is_some_and(|count| count >= most));
            let Some((holder, most)) = full else { return Ok(()) };
            let whose = match holder {
                Holder::Person(_) => "a person",
                Holder::Tenant(_) => "a tenant",
                Holder::VisitorsOf(_) => "a tenant's visitors",
            };
            let message = format!("Too many open streams of {whose}: {most} at once. Close one of them first.");
            Err(Refusal::too_fast(message, RETRY))
        })
    }
}
