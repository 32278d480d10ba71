//! Scopes: the right to act. A query takes a transaction, a transaction takes a scope, and a scope is made only by
//! `identity.rs` next door, from a verified proof. Fields are private, nothing is `Clone` or `Deserialize`, so a scope
//! can't be copied, forged or read from a request.
//!
//! What goes is this; the examples after it differ from it only in what is wrong with them.
//! ```
//! async fn look(db: &frontdesk::db::Db, scope: &frontdesk::db::scope::TenantScope) {
//!     let id = frontdesk::kernel::ids::LeadId(1);
//!     let _ = db.read(scope, async |tx| frontdesk::db::tables::leads::find(tx, id).await).await;
//! }
//! async fn peek(tx: &mut frontdesk::db::tx::Tx<frontdesk::db::tx::Tenant>) {
//!     let _ = frontdesk::db::tables::leads::find(tx, frontdesk::kernel::ids::LeadId(1)).await;
//! }
//! ```
//! ```compile_fail
//! // A tenant's scope can't be written down...
//! use frontdesk::db::scope::TenantScope;
//! use frontdesk::kernel::ids::TenantId;
//! let forged = TenantScope { tenant: TenantId(1) };
//! ```
//! ```compile_fail
//! // ...nor copied from one that exists...
//! fn twice(scope: &frontdesk::db::scope::TenantScope) -> frontdesk::db::scope::TenantScope {
//!     scope.clone()
//! }
//! ```
//! ```compile_fail
//! // ...nor read from a request.
//! let scope: frontdesk::db::scope::TenantScope = serde_json::from_str("{\"tenant\":1}").unwrap();
//! ```
//! ```compile_fail
//! // Administration is no licence to read a tenant's rows: this query takes a tenant's transaction.
//! async fn peek(tx: &mut frontdesk::db::tx::Tx<frontdesk::db::tx::Admin>) {
//!     let _ = frontdesk::db::tables::leads::find(tx, frontdesk::kernel::ids::LeadId(1)).await;
//! }
//! ```
//! ```compile_fail
//! // Without a scope there is no transaction, and without a transaction no query.
//! async fn peek(db: &frontdesk::db::Db) {
//!     let _ = frontdesk::db::tables::leads::find(db, frontdesk::kernel::ids::LeadId(1)).await;
//! }
//! ```
//! ```compile_fail
//! // The connection inside a transaction is out of reach.
//! async fn peek(tx: &mut frontdesk::db::tx::Tx<frontdesk::db::tx::Tenant>) {
//!     let _ = tx.conn();
//! }
//! ```

use uuid::Uuid;

use crate::kernel::{
    ids::{ConversationId, ImpersonationId, TenantId, UserId},
    vocabulary::Role,
};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    Person {
        /// Who.
        id: UserId,
        /// With which role, read from the database for this request.
        role: Role,
    },
    /// A website visitor, nameless, in their one conversation.
    Visitor {
        /// By which session.
        session: Uuid,
        /// Which conversation.
        conversation: ConversationId,
    },
    /// The server itself: background work, or an operator at the command line.
    Server,
}

impl Actor {
    /// The person, if it is one.
    #[must_use]
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::Person { id, .. } => Some(id),
            Self::Visitor { .. } | Self::Server => None,
        }
    }
}

/// How somebody who does not belong to a tenant came into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// A global administrator named it in `X-Tenant-Id`.
    Header,
    /// By a lease, with a reason and an end.
    Lease {
        /// Which.
        id: ImpersonationId,
        /// The database refuses every write under it.
        is_read_only: bool,
    },
}

/// The right to act inside one tenant.
pub struct TenantScope {
    pub(in crate::db) tenant: TenantId,
    pub(in crate::db) actor: Actor,
    pub(in crate::db) visit: Option<Visit>,
}

impl TenantScope {
    /// The one tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// A global administrator is acting inside the tenant.
    #[must_use]
    pub fn is_impersonated(&self) -> bool {
        self.visit.is_some()
    }

    /// The lease under which they do.
    #[must_use]
    pub fn lease(&self) -> Option<ImpersonationId> {
        match self.visit {
            Some(Visit::Lease { id, .. }) => Some(id),
            Some(Visit::Header) | None => None,
        }
    }

    /// Nothing may be written: every transaction in this scope's name is begun READ ONLY.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self.visit, Some(Visit::Lease { is_read_only: true, .. }))
    }

    /// May do what the tenant's administrators may.
    #[must_use]
    pub fn administers(&self) -> bool {
        match self.actor {
            Actor::Person { role, .. } => matches!(role, Role::Admin | Role::TenantAdmin),
            Actor::Visitor { .. } => false,
            Actor::Server => true,
        }
    }

    /// The one conversation that a website visitor is bound to; `None` for everybody else. The database holds every
    /// transaction in this scope's name to it.
    #[must_use]
    pub fn bound_to(&self) -> Option<ConversationId> {
        match self.actor {
            Actor::Visitor { conversation, .. } => Some(conversation),
            Actor::Person { .. } | Actor::Server => None,
        }
    }

    /// Whether this conversation is within reach: to a visitor, any but their own is as if it did not exist.
    #[must_use]
    pub fn reaches(&self, conversation: ConversationId) -> bool {
        self.bound_to().is_none_or(|own| own == conversation)
    }

    /// The same tenant, for work of the server's that outlives the request which caused it: a reply goes on when its
    /// asker is gone.
    #[must_use]
    pub fn for_background(&self) -> Self {
        Self { tenant: self.tenant, actor: Actor::Server, visit: self.visit }
    }
}

/// The right to administer the platform: tenants, accounts, the global base prompt. Reads no tenant's leads,
/// conversations or messages.
pub struct AdminScope {
    pub(in crate::db) actor: Actor,
}

impl AdminScope {
    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }
}
