//! The replies that this node writes, or holds in line, and how to stop each. Must not know how a stop travels.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::kernel::ids::{MessageId, TenantId};

/// A reply of a tenant.
type Handle = (TenantId, MessageId);

/// What this node writes.
#[derive(Clone, Default)]
pub(super) struct Stops(Arc<Mutex<HashMap<Handle, CancellationToken>>>);

/// A reply that this node writes, while it does. Dropped also when its work panics: then the lease runs out, and
/// housekeeping ends the reply.
pub(super) struct Writing {
    stops: Stops,
    handle: Handle,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

impl Stops {
    pub(super) fn begin(&self, tenant: TenantId, reply: MessageId) -> Writing {
        let stop = CancellationToken::new();
        self.lock().insert((tenant, reply), stop.clone());
        Writing { stops: self.clone(), handle: (tenant, reply), stop }
    }

    /// Whether this node writes a reply, or holds it in line.
    pub(super) fn holds(&self, tenant: TenantId, reply: MessageId) -> bool {
        self.lock().contains_key(&(tenant, reply))
    }

    /// Stops a reply; `false` when this node does not write it.
    pub(super) fn stop(&self, tenant: TenantId, reply: MessageId) -> bool {
        let found = self.lock().get(&(tenant, reply)).cloned();
        found.inspect(CancellationToken::cancel).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.stops.lock().remove(&self.handle);
    }
}
