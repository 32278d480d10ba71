//! The audit log's one way in: in the transaction of what it records, with actor, tenant and request filled in from the
//! context. Must not be called with free text from a request in `action`.

use std::fmt::Display;

use crate::{
    context::{AdminCore, PublicCx, TenantCore},
    db::{
        tables::audit::{self, NewEntry},
        tx::{Admin, Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
    },
};

impl TenantCore {
    /// Records `action` on `target`.
    ///
    /// # Errors
    /// Database faults; the write that it records is then rolled back too.
    pub async fn audit(&self, tx: &mut Tx<Tenant>, action: &'static str, target: impl Display) -> Outcome<()> {
        let entry = NewEntry {
            at: self.now(),
            tenant_id: Some(self.scope.tenant()),
            actor_id: self.scope.actor().user(),
            impersonated: self.scope.is_impersonated(),
            action,
            target: Some(target.to_string()),
            request_id: self.request.0.to_string(),
            detail: None,
        };
        audit::in_tenant(tx, &entry).await
    }
}

impl AdminCore {
    /// Records `action` on `target`; `about` is the tenant whose administrators may read of it.
    ///
    /// # Errors
    /// As [`TenantCore::audit`].
    pub async fn audit(
        &self,
        tx: &mut Tx<Admin>,
        action: &'static str,
        target: impl Display,
        about: Option<TenantId>,
    ) -> Outcome<()> {
        let entry = NewEntry {
            at: self.now(),
            tenant_id: about,
            actor_id: self.scope.actor().user(),
            impersonated: false,
            action,
            target: Some(target.to_string()),
            request_id: self.request.0.to_string(),
            detail: None,
        };
        audit::in_platform(tx, &entry).await
    }
}

impl PublicCx {
    /// Records what somebody did at the door.
    ///
    /// # Errors
    /// As [`TenantCore::audit`].
    pub async fn audit(
        &self,
        tx: &mut Tx<Identity>,
        action: &'static str,
        user: UserId,
        tenant: Option<TenantId>,
    ) -> Outcome<()> {
        let entry = NewEntry {
            at: self.services.clock.now(),
            tenant_id: tenant,
            actor_id: Some(user),
            impersonated: false,
            action,
            target: Some(user.to_string()),
            request_id: self.request.0.to_string(),
            detail: None,
        };
        audit::at_door(tx, &entry).await
    }
}
