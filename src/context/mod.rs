//! What a resolver holds while it serves one operation: a scope, the way to the database in that scope's name, the
//! loaders bound to it, the clock and the request's id. Must not know GraphQL or HTTP.

pub mod audit;
mod client;
mod loaders;
mod origins;
mod returns;
mod shares;
mod streams;
mod throttle;
mod wave;

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tracing::{Span, field};

pub use client::{Client, GuessSettings, VisitorSettings, network};
pub use loaders::{LeadPage, Loaders, MessagePage, PlatformLoaders};
pub use origins::Origins;
pub use returns::Returns;
pub use shares::{Account, Share, ShareSettings, announce};
pub use streams::{OpenStream, Streams};
pub use throttle::{Draw, Rate, Throttle};

use crate::{
    channels::{google::Google, jackrabbit::Jackrabbit},
    db::{
        Db,
        identity::{Door, Standing},
        scope::{AdminScope, TenantScope},
        tx::{Admin, Tenant, Tx},
    },
    kernel::{clock::Clock, failure::Outcome, hosts::HostRule, metrics::Metrics},
    secrets::SecretKeys,
    tokens::{jwt::TokenKeys, password::Passwords, refresh::RefreshKeys},
};

/// What every context shares for the life of the program.
pub struct Services {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Hashing.
    pub passwords: Passwords,
    /// Access tokens.
    pub tokens: TokenKeys,
    /// Refresh tokens.
    pub refresh: RefreshKeys,
    /// How long a sign-in can be refreshed.
    pub refresh_lifetime: TimeDelta,
    /// What tenants' secrets are sealed with.
    pub secrets: SecretKeys,
    /// Schools' class schedules.
    pub jackrabbit: Jackrabbit,
    /// How the outside reaches this server, without a slash at the end (`PUBLIC_URL`).
    pub public_url: String,
    /// What website visitors are held to.
    pub visitors: VisitorSettings,
    /// How many wrong passwords are taken.
    pub guesses: GuessSettings,
    /// How much of the server one person and one tenant may have.
    pub shares: ShareSettings,
    /// The streams that are open on this node.
    pub streams: Streams,
    /// How often somebody did what is limited.
    pub throttle: Throttle,
    /// The websites that tenants allow.
    pub origins: Origins,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Rung after jobs were put in line, for this node's worker; others find them a moment later.
    pub work: Notify,
    /// The hosts that a tenant's index at Pinecone may have.
    pub pinecone_hosts: HostRule,
    /// Mailboxes.
    pub google: Google,
    /// Pages that people come back to from another service.
    pub returns: Returns,
}

/// Identifies one request in answers, audit rows and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// The context of an operation in one tenant. A handle: cloning it gives the same scope and the same loaders.
#[derive(Clone)]
pub struct TenantCx {
    core: Arc<TenantCore>,
    loaders: Arc<Loaders>,
}

/// The part that loaders need too.
pub struct TenantCore {
    scope: TenantScope,
    services: Arc<Services>,
    request: RequestId,
    only_shows: AtomicBool,
}

impl TenantCx {
    /// A context with fresh loaders.
    #[must_use]
    pub fn new(scope: TenantScope, services: Arc<Services>, request: RequestId) -> Self {
        Self::over(Arc::new(TenantCore { scope, services, request, only_shows: AtomicBool::new(false) }))
    }

    /// The same scope with fresh loaders: for each event of a subscription, whose rows must not be stale.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self::over(self.core.clone())
    }

    /// A context for work that outlives the request, in the server's own name.
    #[must_use]
    pub fn for_background(&self) -> Self {
        Self::new(self.scope.for_background(), self.services.clone(), self.request.clone())
    }

    fn over(core: Arc<TenantCore>) -> Self {
        Self { loaders: Arc::new(Loaders::new(&core)), core }
    }

    /// The loaders of this operation.
    #[must_use]
    pub fn loaders(&self) -> &Loaders {
        &self.loaders
    }
}

impl Deref for TenantCx {
    type Target = TenantCore;
    fn deref(&self) -> &TenantCore {
        &self.core
    }
}

impl TenantCore {
    /// The right to act.
    #[must_use]
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// What the program shares.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// The operation is a query: what it reads is shown, and nothing is done upon it. So it may come from a copy.
    pub fn only_shows(&self) {
        self.only_shows.store(true, Ordering::Relaxed);
    }

    /// Reads in the tenant's name.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read<T>(&self, work: impl AsyncFnOnce(&mut Tx<Tenant>) -> Outcome<T>) -> Outcome<T> {
        if self.only_shows.load(Ordering::Relaxed) {
            return self.services.db.read_copy(&self.scope, work).await;
        }
        self.services.db.read(&self.scope, work).await
    }

    /// Writes in the tenant's name, all or nothing.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write<T>(&self, work: impl AsyncFnOnce(&mut Tx<Tenant>) -> Outcome<T>) -> Outcome<T> {
        self.services.db.write(&self.scope, work).await
    }
}

/// The context of an operation on the platform itself.
#[derive(Clone)]
pub struct AdminCx {
    core: Arc<AdminCore>,
    loaders: Arc<PlatformLoaders>,
}

/// What is behind an [`AdminCx`].
pub struct AdminCore {
    scope: AdminScope,
    services: Arc<Services>,
    request: RequestId,
}

impl AdminCx {
    /// A context in an administrator's name.
    #[must_use]
    pub fn new(scope: AdminScope, services: Arc<Services>, request: RequestId) -> Self {
        let core = Arc::new(AdminCore { scope, services, request });
        Self { loaders: Arc::new(PlatformLoaders::new(&core)), core }
    }

    /// The same scope with fresh loaders.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { loaders: Arc::new(PlatformLoaders::new(&self.core)), core: self.core.clone() }
    }

    /// The loaders of this operation.
    #[must_use]
    pub fn loaders(&self) -> &PlatformLoaders {
        &self.loaders
    }
}

impl Deref for AdminCx {
    type Target = AdminCore;
    fn deref(&self) -> &AdminCore {
        &self.core
    }
}

impl AdminCore {
    /// The right to administer.
    #[must_use]
    pub fn scope(&self) -> &AdminScope {
        &self.scope
    }

    /// What the program shares.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// Administers the platform, all or nothing.
    ///
    /// # Errors
    /// As [`Db::administer`].
    pub async fn administer<T>(&self, work: impl AsyncFnOnce(&mut Tx<Admin>) -> Outcome<T>) -> Outcome<T> {
        self.services.db.administer(&self.scope, work).await
    }
}

/// From where a row was seen: from inside a tenant, or from the platform.
#[derive(Clone)]
pub enum View {
    /// From inside a tenant.
    Tenant(TenantCx),
    /// From the platform.
    Platform(AdminCx),
}

impl View {
    /// Whoever looks may do what administrators of what they see may.
    #[must_use]
    pub fn administers(&self) -> bool {
        match self {
            Self::Tenant(cx) => cx.scope().administers(),
            Self::Platform(_) => true,
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.services().clock.now()
    }

    /// What the program shares.
    #[must_use]
    pub fn services(&self) -> &Services {
        match self {
            Self::Tenant(cx) => cx.services(),
            Self::Platform(cx) => cx.services(),
        }
    }
}

/// Reads by the same query from wherever a [`View`] looks. A macro, since each side has a transaction type of its own.
macro_rules! seen {
    ($view:expr, |$tx:ident| $query:expr) => {
        match $view {
            $crate::context::View::Tenant(cx) => cx.read(async |$tx| $query.await).await,
            $crate::context::View::Platform(cx) => cx.administer(async |$tx| $query.await).await,
        }
    };
}
pub(crate) use seen;

/// The context of somebody who has not signed in.
#[derive(Clone)]
pub struct PublicCx {
    /// What the program shares.
    pub services: Arc<Services>,
    /// The request.
    pub request: RequestId,
    /// Who is at the other end of the line.
    pub client: Client,
}

/// The contexts that a caller's standing opens.
pub struct Standings {
    /// For administrators of the platform.
    pub admin: Option<AdminCx>,
    /// For whoever acts in a tenant.
    pub tenant: Option<TenantCx>,
}

impl Standings {
    /// From where they see.
    #[must_use]
    pub fn view(self) -> Option<View> {
        self.tenant.map(View::Tenant).or(self.admin.map(View::Platform))
    }
}

impl PublicCx {
    /// Where a website visitor comes in.
    #[must_use]
    pub fn door(&self) -> Door<'_> {
        Door { origin: &self.client.origin, own: &self.services.public_url }
    }

    /// Opens the contexts that `standing` gives a right to.
    #[must_use]
    pub fn open(&self, standing: Standing) -> Standings {
        let tenant = |scope: TenantScope| {
            // In each line that the log has of it from here on.
            Span::current().record("tenant", field::display(scope.tenant()));
            TenantCx::new(scope, self.services.clone(), self.request.clone())
        };
        match standing {
            Standing::Person(scope) | Standing::Visitor(scope) => {
                Standings { admin: None, tenant: Some(tenant(scope)) }
            }
            Standing::Administrator(scope, acting_in) => Standings {
                admin: Some(AdminCx::new(scope, self.services.clone(), self.request.clone())),
                tenant: acting_in.map(tenant),
            },
        }
    }
}
