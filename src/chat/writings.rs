//! The replies that this node writes, or holds in line: how to end each, and what there is of it. Must not know how a stop
//! travels, nor who writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    chat::draft::Draft,
    kernel::ids::{MessageId, TenantId},
};

/// A reply of a tenant.
type Handle = (TenantId, MessageId);

/// Replies, by tenant.
pub(super) type ByTenant = HashMap<TenantId, Vec<(MessageId, Arc<Writing>)>>;

/// What this node writes.
#[derive(Clone, Default)]
pub(super) struct Writings(Arc<Mutex<HashMap<Handle, Arc<Writing>>>>);

/// A reply that this node writes.
#[derive(Default)]
pub(super) struct Writing {
    /// Ends it, with what was written kept.
    pub(super) stop: CancellationToken,
    /// It is not ours any more: somebody else has ended it.
    pub(super) taken: CancellationToken,
    /// What there is of it.
    pub(super) draft: Draft,
}

/// Says that this node writes a reply, for as long as it does. Dropped also when its work panics: then the lease runs out,
/// and housekeeping ends the reply.
pub(super) struct Held {
    writings: Writings,
    handle: Handle,
    /// The reply.
    pub(super) writing: Arc<Writing>,
}

impl Writings {
    pub(super) fn begin(&self, tenant: TenantId, reply: MessageId) -> Held {
        let writing = Arc::<Writing>::default();
        self.lock().insert((tenant, reply), writing.clone());
        Held { writings: self.clone(), handle: (tenant, reply), writing }
    }

    /// Whether this node writes a reply, or holds it in line.
    pub(super) fn holds(&self, tenant: TenantId, reply: MessageId) -> bool {
        self.lock().contains_key(&(tenant, reply))
    }

    /// Stops a reply; `false` when this node does not write it.
    pub(super) fn stop(&self, tenant: TenantId, reply: MessageId) -> bool {
        let found = self.lock().get(&(tenant, reply)).cloned();
        found.inspect(|writing| writing.stop.cancel()).is_some()
    }

    /// Those of some tenants, by tenant.
    pub(super) fn by_tenant(&self, are_meant: impl Fn(TenantId) -> bool) -> ByTenant {
        let mut all = ByTenant::new();
        for ((tenant, reply), writing) in self.lock().iter().filter(|((tenant, _), _)| are_meant(*tenant)) {
            all.entry(*tenant).or_default().push((*reply, writing.clone()));
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, Arc<Writing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.writings.lock().remove(&self.handle);
    }
}
