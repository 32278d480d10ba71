//! `Impersonation`.

use async_graphql::{ID, InputObject, Object, Result};

use crate::{
    context::View,
    db::tables::impersonations::ImpersonationRow,
    domain::impersonations::LeaseForm,
    graph::{
        connection::connection,
        plain::plain,
        scalars::DateTime,
        types::{tenant::Tenant, user::User},
    },
    kernel::{
        failure::{Failure, Outcome, Refusal},
        ids::{self, ImpersonationId},
    },
};

/// A lease by which an administrator of the platform looks into a tenant.
#[derive(Clone)]
pub struct Impersonation {
    pub row: ImpersonationRow,
    pub view: View,
    pub access_token: Option<String>,
}

impl Impersonation {
    /// The lease with this id, as far as it can be seen from here.
    pub async fn load(view: &View, id: ImpersonationId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().impersonation(id).await?,
            View::Platform(cx) => cx.loaders().impersonation(id).await?,
        };
        Ok(row.map(|row| Self { row, view: view.clone(), access_token: None }))
    }
}

/// A lease by which an administrator of the platform looks into a tenant.
#[Object]
impl Impersonation {
    /// The global id, such as `impersonation_4`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// The tenant that is looked into.
    async fn tenant(&self) -> Result<Tenant> {
        let tenant = Tenant::load(&self.view, self.row.tenant_id).await?;
        Ok(tenant.ok_or_else(|| Failure::fault("a lease without its tenant"))?)
    }
    /// Who looks.
    async fn actor(&self) -> Result<User> {
        let user = User::load(&self.view, self.row.actor_id).await?;
        Ok(user.ok_or_else(|| Failure::fault("a lease without its actor"))?)
    }
    /// Why.
    async fn reason(&self) -> &str {
        &self.row.reason
    }
    /// Nothing can be changed under it.
    async fn is_read_only(&self) -> bool {
        self.row.is_read_only
    }
    /// When it was given.
    async fn started_at(&self) -> DateTime {
        self.row.started_at.into()
    }
    /// When it ends by itself.
    async fn expires_at(&self) -> DateTime {
        self.row.expires_at.into()
    }
    /// Whether it is still good for looking in: neither ended nor over. It ends with the administrator's sign-in, too.
    async fn is_open(&self) -> bool {
        self.row.ended_at.is_none() && self.row.expires_at > self.view.now()
    }
    /// When it was ended by hand; null for one that ran out.
    async fn ended_at(&self) -> Option<DateTime> {
        self.row.ended_at.map(DateTime)
    }
    /// For the `Authorization: Bearer` header; only in the answer of `impersonateTenant`. Its claim `act` names the lease.
    async fn access_token(&self) -> Option<&str> {
        self.access_token.as_deref()
    }
}

plain!(Impersonation {
    "id" => id,
    "reason" => reason,
    "isReadOnly" => is_read_only,
    "startedAt" => started_at,
    "expiresAt" => expires_at,
    "isOpen" => is_open,
    "endedAt" => ended_at,
    "accessToken" => access_token,
});

connection!(
    ImpersonationConnection, ImpersonationEdge of Impersonation,
    "A page of leases.", "A lease and its place in the list."
);

/// A lease to be.
#[derive(InputObject)]
pub struct ImpersonateTenantInput {
    /// The tenant to look into.
    tenant_id: ID,
    /// Why, 1 to 500 characters; the tenant's administrators read it.
    reason: String,
    /// For how long, 1 to 480 minutes.
    #[graphql(default = 15)]
    minutes: i32,
    /// Without the right to change anything.
    #[graphql(default = true)]
    is_read_only: bool,
}

impl TryFrom<ImpersonateTenantInput> for LeaseForm {
    type Error = Refusal;
    fn try_from(input: ImpersonateTenantInput) -> Result<Self, Refusal> {
        Ok(Self {
            tenant: ids::parse(&input.tenant_id, "tenantId")?,
            reason: input.reason,
            minutes: input.minutes,
            is_read_only: input.is_read_only,
        })
    }
}
