//! Leases: a global administrator looks into a tenant, for a reason and for a while, and the tenant can read of it.

use chrono::TimeDelta;

use crate::{
    context::AdminCx,
    db::tables::{
        impersonations::{self, ImpersonationRow, NewImpersonation},
        tenants, users,
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::{ImpersonationId, TenantId},
        text,
    },
    tokens::jwt::{Bearer, VerifiedToken},
};

/// Longest lease, in minutes: a working day.
const MINUTES_MAX: i32 = 480;

/// A lease to be.
pub struct LeaseForm {
    /// The tenant to look into.
    pub tenant: TenantId,
    /// Why; the tenant's administrators read it.
    pub reason: String,
    /// For how long, in minutes.
    pub minutes: i32,
    /// Without the right to change anything.
    pub is_read_only: bool,
}

/// Gives the administrator a lease, and an access token that acts under it. The lease ends with its time, when it is ended,
/// and with the administrator's own session.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument; `NOT_FOUND` for a tenant that is not there.
pub async fn start(cx: &AdminCx, token: &VerifiedToken, form: &LeaseForm) -> Outcome<(ImpersonationRow, String)> {
    let reason = text::required("reason", &form.reason, 500)?;
    if !(1..=MINUTES_MAX).contains(&form.minutes) {
        return Err(Refusal::input("minutes", format!("`minutes` must be from 1 to {MINUTES_MAX}.")).into());
    }
    let now = cx.now();
    let lease = NewImpersonation {
        tenant_id: form.tenant,
        actor_id: token.user(),
        reason,
        is_read_only: form.is_read_only,
        started_at: now,
        expires_at: now + TimeDelta::minutes(form.minutes.into()),
    };
    cx.administer(async |tx| {
        tenants::find(tx, form.tenant).await?.ok_or_else(|| Refusal::not_found("tenant"))?;
        let actor = users::find_any(tx, token.user()).await?;
        let actor = actor.ok_or_else(|| Failure::fault("an administrator without a row"))?;
        let row = impersonations::insert(tx, &lease).await?;
        cx.audit(tx, "impersonation.start", row.id, Some(form.tenant));
        let access_token = cx.services().tokens.issue(&Bearer {
            user: actor.id,
            email: &actor.email,
            role: actor.role,
            tenant: Some(form.tenant),
            session: token.session(),
            lease: Some((row.id, row.expires_at)),
        })?;
        Ok((row, access_token))
    })
    .await
}

/// Ends a lease: its token is worth nothing from now on, and what is open under it ends. Ending one that has ended, or
/// has run out, changes nothing.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn end(cx: &AdminCx, id: ImpersonationId) -> Outcome<ImpersonationRow> {
    cx.administer(async |tx| {
        if let Some(row) = impersonations::end(tx, id, cx.now()).await? {
            cx.audit(tx, "impersonation.end", id, Some(row.tenant_id));
            return Ok(row);
        }
        let row = impersonations::find(tx, id).await?;
        row.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "No such impersonation.").into())
    })
    .await
}
