//! `AuditEntry`.

use async_graphql::{ID, InputObject, Object, Result};

use crate::{
    context::View,
    db::tables::audit::{AuditFilter as Filter, EntryRow},
    graph::{
        connection::connection,
        plain::plain,
        scalars::DateTime,
        types::{impersonation::Impersonation, nullable, search, tenant::Tenant, user::User},
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::{self, AuditId},
        vocabulary::AuditOutcome,
    },
};

/// Something that was done, or tried: by whom, for which tenant, under which lease, to what.
#[derive(Clone)]
pub struct AuditEntry {
    pub row: EntryRow,
    pub view: View,
}

impl AuditEntry {
    /// The one with this id, as far as it can be seen from here.
    pub async fn load(view: &View, id: AuditId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().entry(id).await?,
            View::Platform(cx) => cx.loaders().entry(id).await?,
        };
        Ok(row.map(|row| Self { row, view: view.clone() }))
    }
}

/// Something that was done, or tried: by whom, for which tenant, under which lease, to what.
#[Object]
impl AuditEntry {
    /// The global id, such as `audit_31`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// When.
    async fn at(&self) -> DateTime {
        self.row.at.into()
    }
    /// Who; null for the server itself, and for somebody who has left for another tenant.
    async fn actor(&self) -> Option<Result<User>> {
        nullable(async || match self.row.actor_id {
            Some(id) => Ok(User::load(&self.view, id).await?),
            None => Ok(None),
        })
        .await
    }
    /// What: `lead`, `conversation`, `visitor`, `reply`, `tool`, `meeting`, `sms`, `email`, `prompt`, `knowledge`, `settings`,
    /// `secrets`, `user`, `tenant`, `session`, `delivery` or `impersonation`, a dot, and what was done, such as `lead.create`.
    /// `impersonation.query`, `.mutation` and `.subscription` tell of an administrator of the platform who came in, with the
    /// fields they touched in `detail`.
    async fn action(&self) -> &str {
        &self.row.action
    }
    /// To what: a global id.
    async fn target(&self) -> Option<ID> {
        self.row.target.clone().map(ID)
    }
    /// An administrator of the platform did it inside the tenant.
    async fn impersonated(&self) -> bool {
        self.row.impersonated
    }
    /// The lease under which they did; null for one who named the tenant in `X-Tenant-Id`.
    async fn impersonation(&self) -> Option<Result<Impersonation>> {
        nullable(async || match self.row.impersonation_id {
            Some(id) => Ok(Impersonation::load(&self.view, id).await?),
            None => Ok(None),
        })
        .await
    }
    /// Whether it was done, or refused. Of a visit: whether it was let in. Refused changes of the tenant's own people are not
    /// recorded; refused sign-ins and visits are.
    async fn outcome(&self) -> AuditOutcome {
        self.row.outcome
    }
    /// For which tenant; null for the platform itself.
    async fn tenant(&self) -> Option<Result<Tenant>> {
        nullable(async || match self.row.tenant_id {
            Some(id) => Ok(Tenant::load(&self.view, id).await?),
            None => Ok(None),
        })
        .await
    }
    /// The request that did it; the same id stands in the answer's errors and in the logs.
    async fn request_id(&self) -> &str {
        &self.row.request_id
    }
    /// More about it: which fields a change said something of, or which a visit touched, never their values; of a sign-in, how
    /// many older sessions it ended.
    async fn detail(&self) -> Option<&str> {
        self.row.detail.as_deref()
    }
}

plain!(AuditEntry {
    "id" => id,
    "at" => at,
    "action" => action,
    "target" => target,
    "impersonated" => impersonated,
    "outcome" => outcome,
    "requestId" => request_id,
    "detail" => detail,
});

connection!(
    AuditEntryConnection, AuditEntryEdge of AuditEntry,
    "A page of the audit log.", "An entry and its place in the log."
);

/// Which entries to list.
#[derive(InputObject, Default)]
pub struct AuditFilter {
    /// Only this action (`lead.create`), or this family of actions (`lead`).
    action: Option<String>,
    /// Only what this person did.
    actor_id: Option<ID>,
    /// Only what happened after this.
    after: Option<DateTime>,
    /// Only what happened before this.
    before: Option<DateTime>,
}

impl TryFrom<AuditFilter> for Filter {
    type Error = Refusal;
    fn try_from(filter: AuditFilter) -> Result<Self, Refusal> {
        Ok(Self {
            action: search(filter.action),
            actor: filter.actor_id.map(|id| ids::parse(&id, "actorId")).transpose()?,
            after: filter.after.map(|at| at.0),
            before: filter.before.map(|at| at.0),
        })
    }
}
