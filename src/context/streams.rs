//! Which WebSockets and event streams are open on this node, and on whose account: so many of one person, so many of one tenant.
//! Must not know what they carry.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    context::shares::{Account, ShareSettings},
    kernel::{failure::Refusal, ids::TenantId},
};

/// After which it is worth looking whether one has closed, in seconds.
const RETRY: u32 = 10;

/// Which streams are open on this node, and on whose account.
#[derive(Default)]
pub struct Streams {
    open: Mutex<HashMap<Holder, usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Person(String),
    Tenant(TenantId),
    VisitorsOf(TenantId),
}

/// A stream that is open; it is counted until it is dropped.
pub struct OpenStream {
    streams: Arc<Streams>,
    holders: Vec<Holder>,
}

impl Streams {
    /// Counts one more on an account.
    ///
    /// # Errors
    /// `RATE_LIMITED` when there are as many as may be.
    pub fn open(self: &Arc<Self>, account: &Account, settings: &ShareSettings) -> Result<OpenStream, Refusal> {
        let person = (Holder::Person(account.person.clone()), settings.of_a_person.streams);
        let tenant = account.tenant.map(|tenant| (Holder::Tenant(tenant), settings.of_a_tenant.streams));
        let half = settings.of_a_tenant.streams.div_ceil(2);
        let visitors = account.tenant.filter(|_| account.visits_from.is_some());
        let visitors = visitors.map(|tenant| (Holder::VisitorsOf(tenant), half));
        let limits: Vec<_> = std::iter::once(person).chain(tenant).chain(visitors).collect();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (holder, most) in &limits {
            if open.get(holder).is_some_and(|count| count >= most) {
                let whose = match holder {
                    Holder::Person(_) => "a person",
                    Holder::Tenant(_) => "a tenant",
                    Holder::VisitorsOf(_) => "a tenant's visitors",
                };
                let message = format!("Too many open streams of {whose}: {most} at once. Close one of them first.");
                return Err(Refusal::too_fast(message, RETRY));
            }
        }
        let holders: Vec<_> = limits.into_iter().map(|(holder, _)| holder).collect();
        for holder in &holders {
            *open.entry(holder.clone()).or_default() += 1;
        }
        Ok(OpenStream { streams: self.clone(), holders })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        for holder in &self.holders {
            if let Some(count) = open.get_mut(holder) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.remove(holder);
                }
            }
        }
    }
}
