//! The only mint of scopes. A proof goes in (a verified access token, a piece of the server's own work, an operator at
//! the command line), a scope comes out. Must not know how the proof travelled.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    db::{
        Db,
        scope::{Actor, AdminScope, TenantScope, Visit},
        standings::{Bearer, Rows, Said},
        tables::{
            impersonations::{self, ImpersonationRow},
            tenants::{self, TenantStanding},
            users::{self, UserRow},
            visitors::{self, VisitorRow},
        },
        tx::{Identity, Tx},
    },
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids::{self, ImpersonationId, TenantId},
        origin::{self, Origin},
        slug,
        vocabulary::Role,
    },
    tokens::{consent::ConsentToken, jwt::VerifiedToken, visitor::VisitorToken},
};

/// Where the caller stands, as the database says now.
pub enum Standing {
    /// A person of one tenant, acting in it.
    Person(TenantScope),
    /// A global administrator, and the tenant they act in, if they named one.
    Administrator(AdminScope, Option<TenantScope>),
    /// A website visitor, in their one conversation.
    Visitor(TenantScope),
}

/// Where a website visitor comes from, and which pages are our own.
pub struct Door<'a> {
    /// What the request says of it.
    pub origin: &'a Origin,
    /// How the outside reaches this server: its own pages may use its chat.
    pub own: &'a str,
}

/// A tenant as a client may name it in `X-Tenant-Id`: `1042`, `tenant_1042` or `exampleco`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantName {
    /// By number.
    Id(TenantId),
    /// By subdomain.
    Subdomain(String),
}

impl TenantName {
    /// Reads one name. A list, padding, or a second header joined by a comma is none.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if let Some(number) = ids::number(text) {
            return Ok(Self::Id(TenantId(number)));
        }
        if let Ok(id) = ids::parse::<TenantId>(text, "X-Tenant-Id") {
            return Ok(Self::Id(id));
        }
        match slug::normalise(text) {
            Ok(slug) if slug == text => Ok(Self::Subdomain(slug)),
            _ => Err(Refusal::new(
                ErrorCode::BadUserInput,
                "`X-Tenant-Id` must name one tenant: its number (1042), its id (tenant_1042) or its subdomain.",
            )),
        }
    }

    fn names(&self, tenant: &TenantStanding) -> bool {
        match self {
            Self::Id(id) => *id == tenant.id,
            Self::Subdomain(slug) => *slug == tenant.subdomain,
        }
    }
}

/// Resolves a verified token to scopes. The rows decide, not the claims: the user is active, has this role and this tenant, the
/// session still stands, and the tenant is active. Rows that were read a moment ago may serve again (`standings.rs`).
///
/// # Errors
/// `UNAUTHENTICATED`, `TENANT_INACTIVE`, or `FORBIDDEN` for a tenant that is not the caller's.
pub async fn resolve(
    db: &Db,
    token: &VerifiedToken,
    wanted: Option<&TenantName>,
    now: DateTime<Utc>,
) -> Outcome<Standing> {
    let bearer = Bearer::Person(token.user(), token.session());
    // Leases, and tenants that an administrator names, are not kept.
    let is_plain = token.lease().is_none() && (token.role() != Role::Admin || wanted.is_none());
    if is_plain && let Some(Said::Person(rows)) = db.standings.recall(&bearer) {
        return plainly(token, &rows, wanted, now);
    }
    let moment = db.standings.moment();
    let (standing, rows) = db.identify(async |tx| judge(tx, token, wanted, now).await).await?;
    db.standings.keep(bearer, moment, Said::Person(Arc::new(rows)));
    Ok(standing)
}

/// As [`resolve`], in a transaction that is open already.
///
/// # Errors
/// As [`resolve`].
pub async fn stand(
    tx: &mut Tx<Identity>,
    token: &VerifiedToken,
    wanted: Option<&TenantName>,
    now: DateTime<Utc>,
) -> Outcome<Standing> {
    Ok(judge(tx, token, wanted, now).await?.0)
}

async fn judge(
    tx: &mut Tx<Identity>,
    token: &VerifiedToken,
    wanted: Option<&TenantName>,
    now: DateTime<Utc>,
) -> Outcome<(Standing, Rows)> {
    let Some(rows) = users::with_session(tx, token.user(), token.session()).await? else {
        return Err(unauthenticated("This account or session no longer exists. Sign in again.").into());
    };
    let actor = awake(&rows, now)?;
    let (user, ..) = &rows;
    if let Some(lease) = token.lease() {
        let lease = open_lease(tx, token, lease, now).await?;
        if user.role != Role::Admin {
            return Err(unauthenticated("You are not an administrator of the platform any more.").into());
        }
        let tenant = find(tx, &TenantName::Id(lease.tenant_id)).await?;
        meant(wanted, &tenant)?;
        let visit = Visit::Lease { id: lease.id, is_read_only: lease.is_read_only };
        return Ok((Standing::Person(TenantScope { tenant: tenant.id, actor, visit: Some(visit) }), rows));
    }
    if user.role == Role::Admin
        && let Some(name) = wanted
    {
        unchanged(token, user)?;
        let acting_in = TenantScope { tenant: find(tx, name).await?.id, actor, visit: Some(Visit::Header) };
        return Ok((Standing::Administrator(AdminScope { actor }, Some(acting_in)), rows));
    }
    Ok((plainly(token, &rows, wanted, now)?, rows))
}

/// Where somebody stands who uses their own token and comes into no tenant from outside.
fn plainly(token: &VerifiedToken, rows: &Rows, wanted: Option<&TenantName>, now: DateTime<Utc>) -> Outcome<Standing> {
    let actor = awake(rows, now)?;
    let (user, tenant, _) = rows;
    unchanged(token, user)?;
    if user.role == Role::Admin {
        return Ok(Standing::Administrator(AdminScope { actor }, None));
    }
    let Some(tenant) = tenant else {
        return Err(unauthenticated("This account belongs to no tenant yet. Ask an administrator.").into());
    };
    meant(wanted, tenant)?;
    if !tenant.is_active {
        return Err(inactive().into());
    }
    Ok(Standing::Person(TenantScope { tenant: tenant.id, actor, visit: None }))
}

/// The person, if they are active and their session stands.
fn awake((user, _, session): &Rows, now: DateTime<Utc>) -> Outcome<Actor> {
    if !user.is_active {
        return Err(unauthenticated("This account was deactivated. Ask your administrator.").into());
    }
    if session.revoked_at.is_some() || session.expires_at <= now {
        return Err(unauthenticated("This session has ended. Sign in again.").into());
    }
    Ok(Actor::Person { id: user.id, role: user.role })
}

fn unchanged(token: &VerifiedToken, user: &UserRow) -> Outcome<()> {
    if user.role != token.role() || user.tenant_id != token.tenant() {
        return Err(unauthenticated("Your role or tenant has changed since you signed in. Sign in again.").into());
    }
    Ok(())
}

/// Resolves a verified visitor's token: its session stands and is of this tenant and conversation, the tenant is active, and
/// the page that it is used from is one that the tenant allows. The conversation is there, or the session would be gone.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_visitor(
    db: &Db,
    token: &VisitorToken,
    wanted: Option<&TenantName>,
    door: &Door<'_>,
    now: DateTime<Utc>,
) -> Outcome<Standing> {
    let bearer = Bearer::Visitor(token.session());
    if let Some(Said::Visitor(rows)) = db.standings.recall(&bearer) {
        return visiting(token, &rows, wanted, door, now);
    }
    let moment = db.standings.moment();
    let Some(rows) = db.identify(async |tx| visitors::with_tenant(tx, token.session()).await).await? else {
        return Err(unauthenticated("This chat is no longer there. Start a new one with startVisitorSession.").into());
    };
    let standing = visiting(token, &rows, wanted, door, now)?;
    db.standings.keep(bearer, moment, Said::Visitor(Arc::new(rows)));
    Ok(standing)
}

fn visiting(
    token: &VisitorToken,
    (session, tenant): &(VisitorRow, TenantStanding),
    wanted: Option<&TenantName>,
    door: &Door<'_>,
    now: DateTime<Utc>,
) -> Outcome<Standing> {
    let is_its_own = session.tenant_id == token.tenant() && session.conversation_id == token.conversation();
    if !is_its_own || session.revoked_at.is_some() || session.expires_at <= now {
        return Err(unauthenticated("This chat has ended. Start a new one with startVisitorSession.").into());
    }
    meant(wanted, tenant)?;
    if !tenant.is_active {
        return Err(inactive().into());
    }
    welcome(tenant, door)?;
    let actor = Actor::Visitor { session: session.id, conversation: session.conversation_id };
    Ok(Standing::Visitor(TenantScope { tenant: tenant.id, actor, visit: None }))
}

/// The right to open a chat for a visitor of a tenant's website: the server's own, for as long as it takes to do so.
///
/// # Errors
/// `NOT_FOUND` for a tenant that is not there or not active; `FORBIDDEN` for a page that it does not allow.
pub async fn open_to_visitors(db: &Db, subdomain: &str, door: &Door<'_>) -> Outcome<TenantScope> {
    let missing = || Refusal { field: Some("subdomain"), ..Refusal::not_found("tenant") };
    // What is no subdomain is nobody's.
    let slug = slug::normalise(subdomain).map_err(|_| missing())?;
    let tenant = db.identify(async |tx| tenants::by_subdomain(tx, &slug).await).await?;
    let tenant = tenant.filter(|tenant| tenant.is_active).ok_or_else(missing)?;
    welcome(&tenant, door)?;
    Ok(server_work(tenant.id))
}

/// Whether a chat of the tenant's may be used from where the request comes. A request without an origin is from no page of
/// another website: a browser would have said so.
fn welcome(tenant: &TenantStanding, door: &Door<'_>) -> Outcome<()> {
    let refused = |message: String| Err(Refusal::new(ErrorCode::Forbidden, message).into());
    match door.origin {
        Origin::Absent => Ok(()),
        Origin::Page(page) if origin::normalise(door.own).as_ref() == Some(page) || tenant.allows(page) => Ok(()),
        Origin::Page(_) if tenant.allowed_origins.as_array().is_none_or(Vec::is_empty) => refused(
            "This tenant's `allowedOrigins` are empty, so no website can use its chat. An administrator of the platform adds \
             them with updateTenant."
                .to_owned(),
        ),
        Origin::Page(page) => refused(format!(
            "This tenant's `allowedOrigins` do not hold `{page}`, so its chat can't be used from there. An administrator of the \
             platform adds it with updateTenant."
        )),
        Origin::Opaque => refused(
            "The page has no origin (`Origin: null`), and none of the tenant's `allowedOrigins` can name it. Serve it from a \
             web server."
                .to_owned(),
        ),
    }
}

/// The lease that a token was issued for, if it stands: it is this person's, has not ended, and its time is not over.
async fn open_lease(
    tx: &mut Tx<Identity>,
    token: &VerifiedToken,
    lease: ImpersonationId,
    now: DateTime<Utc>,
) -> Outcome<ImpersonationRow> {
    impersonations::identified(tx, lease)
        .await?
        .filter(|row| row.actor_id == token.user() && Some(row.tenant_id) == token.tenant())
        .filter(|row| row.ended_at.is_none() && row.expires_at > now)
        .ok_or_else(|| unauthenticated("This impersonation has ended. Ask for a new one with your own token.").into())
}

/// Whoever is bound to one tenant may name it in the header, and no other.
fn meant(wanted: Option<&TenantName>, tenant: &TenantStanding) -> Outcome<()> {
    if wanted.is_some_and(|name| !name.names(tenant)) {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "`X-Tenant-Id` names a tenant that is not yours. Leave the header out.",
        )
        .into());
    }
    Ok(())
}

async fn find(tx: &mut Tx<Identity>, name: &TenantName) -> Outcome<TenantStanding> {
    let found = match name {
        TenantName::Id(id) => tenants::by_id(tx, *id).await?,
        TenantName::Subdomain(slug) => tenants::by_subdomain(tx, slug).await?,
    };
    // An administrator may look into a deactivated tenant: that is how it is looked after.
    found.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "`X-Tenant-Id` names no tenant that exists.").into())
}

fn unauthenticated(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, message)
}

/// The refusal for people of a deactivated tenant.
#[must_use]
pub fn inactive() -> Refusal {
    Refusal::new(ErrorCode::TenantInactive, "This tenant was deactivated. Ask the platform's administrators.")
}

/// The right to act in a tenant, for a person who comes back from giving a consent: they still administer it, and it is active.
///
/// # Errors
/// `UNAUTHENTICATED`, `FORBIDDEN`, `TENANT_INACTIVE`.
pub async fn consenting(db: &Db, token: &ConsentToken) -> Outcome<TenantScope> {
    db.identify(async |tx| {
        let user = users::identified(tx, token.user()).await?.filter(|user| user.is_active);
        let user = user.ok_or_else(|| unauthenticated("This account was deactivated. Ask your administrator."))?;
        let visit = match user.role {
            Role::Admin => Some(Visit::Header),
            Role::TenantAdmin if user.tenant_id == Some(token.tenant()) => None,
            Role::TenantAdmin | Role::User => {
                let message = "Only the tenant's administrators may connect its mailbox.";
                return Err(Refusal::new(ErrorCode::Forbidden, message).into());
            }
        };
        if !tenants::by_id(tx, token.tenant()).await?.is_some_and(|tenant| tenant.is_active) {
            return Err(inactive().into());
        }
        let actor = Actor::Person { id: user.id, role: user.role };
        Ok(TenantScope { tenant: token.tenant(), actor, visit })
    })
    .await
}

/// The right to administer, for whoever runs the program's own commands: they hold its keys already.
#[must_use]
pub fn operator() -> AdminScope {
    AdminScope { actor: Actor::Server }
}

/// The right to act in a tenant, for work of the server's own that names it: seeding, and ending a dead node's replies.
#[must_use]
pub fn server_work(tenant: TenantId) -> TenantScope {
    TenantScope { tenant, actor: Actor::Server, visit: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_in_three_ways_and_no_other() {
        assert_eq!(TenantName::parse("1042"), Ok(TenantName::Id(TenantId(1042))));
        assert_eq!(TenantName::parse("tenant_1042"), Ok(TenantName::Id(TenantId(1042))));
        assert_eq!(TenantName::parse("exampleco"), Ok(TenantName::Subdomain("exampleco".into())));
        for text in ["", " 1042", "1042,1043", "1042, 1042", "01042", "-1", "Example", "1042;", "user_1", "*"] {
            assert!(TenantName::parse(text).is_err(), "{text:?}");
        }
    }
}
