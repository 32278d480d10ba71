//! The audit log's one way in: in the transaction of what it records, with actor, tenant, lease and request filled in from
//! the context. Must not be called with free text from a request in `action`.

use std::fmt::Display;

use crate::{
    context::{AdminCore, PublicCx, TenantCore},
    db::{
        entry::NewEntry,
        tables::audit,
        tx::{Admin, Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
        vocabulary::AuditOutcome,
    },
};

/// The names of what a change says something of, for `detail`: never the values.
#[must_use]
pub fn said(fields: &[(&str, bool)]) -> Option<String> {
    let names: Vec<_> = fields.iter().filter(|(_, is_said)| *is_said).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl TenantCore {
    /// Records `action` on `target`, and which of its fields were changed.
    pub fn audit_change(
        &self,
        tx: &mut Tx<Tenant>,
        action: &'static str,
        target: impl Display,
        detail: Option<String>,
    ) {
        audit::record(tx, NewEntry { detail, ..self.entry(action, target) });
    }

    /// Records that `action` on `target` was tried, and what became of it.
    pub fn audit_try(&self, tx: &mut Tx<Tenant>, action: &'static str, target: impl Display, outcome: AuditOutcome) {
        audit::record(tx, NewEntry { outcome, ..self.entry(action, target) });
    }

    /// Records `action` on `target`, as the transaction ends. Where that fails, so does what it records.
    pub fn audit(&self, tx: &mut Tx<Tenant>, action: &'static str, target: impl Display) {
        audit::record(tx, self.entry(action, target));
    }

    /// Records that somebody who does not belong to the tenant came in, or tried to: `detail` says for what. In a
    /// transaction of its own, before what it records: a visit that can't be recorded does not take place.
    ///
    /// # Errors
    /// Database faults.
    pub async fn audit_visit(&self, action: &'static str, detail: String, outcome: AuditOutcome) -> Outcome<()> {
        let entry = NewEntry { detail: Some(detail), outcome, ..self.entry(action, self.scope.tenant()) };
        let tenant = Some(self.scope.tenant());
        self.services
            .db
            .identify_and_note(tenant, async |tx| {
                audit::at_door(tx, entry);
                Ok(())
            })
            .await
    }

    fn entry(&self, action: &'static str, target: impl Display) -> NewEntry {
        NewEntry {
            at: self.now(),
            tenant_id: Some(self.scope.tenant()),
            actor_id: self.scope.actor().user(),
            impersonation_id: self.scope.lease(),
            impersonated: self.scope.is_impersonated(),
            action,
            target: Some(target.to_string()),
            request_id: self.request.0.to_string(),
            detail: None,
            outcome: AuditOutcome::Done,
        }
    }
}

impl AdminCore {
    /// Records `action` on `target`; `about` is the tenant whose administrators may read of it.
    pub fn audit(&self, tx: &mut Tx<Admin>, action: &'static str, target: impl Display, about: Option<TenantId>) {
        self.audit_change(tx, action, target, about, None);
    }

    /// As [`AdminCore::audit`], and which of its fields were changed.
    pub fn audit_change(
        &self,
        tx: &mut Tx<Admin>,
        action: &'static str,
        target: impl Display,
        about: Option<TenantId>,
        detail: Option<String>,
    ) {
        let entry = NewEntry {
            at: self.now(),
            tenant_id: about,
            actor_id: self.scope.actor().user(),
            impersonation_id: None,
            impersonated: false,
            action,
            target: Some(target.to_string()),
            request_id: self.request.0.to_string(),
            detail,
            outcome: AuditOutcome::Done,
        };
        audit::record(tx, entry);
    }
}

impl PublicCx {
    /// Records what somebody did at the door, or was refused.
    pub fn audit(
        &self,
        tx: &mut Tx<Identity>,
        action: &'static str,
        user: UserId,
        tenant: Option<TenantId>,
        outcome: AuditOutcome,
    ) {
        audit::at_door(tx, self.entry(action, user, tenant, outcome));
    }

    /// Records a sign-in, and how many of the person's older sessions it ended.
    pub fn audit_login(&self, tx: &mut Tx<Identity>, user: UserId, tenant: Option<TenantId>, ended: usize) {
        let detail = (ended > 0).then(|| format!("older sessions ended: {ended}"));
        audit::at_door(tx, NewEntry { detail, ..self.entry("session.login", user, tenant, AuditOutcome::Done) });
    }

    fn entry(&self, action: &'static str, user: UserId, tenant: Option<TenantId>, outcome: AuditOutcome) -> NewEntry {
        NewEntry {
            at: self.services.clock.now(),
            tenant_id: tenant,
            actor_id: Some(user),
            impersonation_id: None,
            impersonated: false,
            action,
            target: Some(user.to_string()),
            request_id: self.request.0.to_string(),
            detail: None,
            outcome,
        }
    }
}
