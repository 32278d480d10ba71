//! The door to the scope. A resolver's way to its tenant is one of the functions here, and there is no other: what they
//! give was resolved from the caller's proof before the operation began. Must not read headers or arguments.

use std::sync::Arc;

use async_graphql::Context;

use crate::{
    chat::Engine,
    context::{AdminCx, PublicCx, TenantCx, View},
    graph::auth::Access,
    kernel::failure::{ErrorCode, Failure, Outcome, Refusal},
    tokens::{jwt::VerifiedToken, visitor::AnyToken},
};

/// Everything that one operation may use; put into the request, never built by a resolver.
pub struct RequestCx {
    /// What needs no sign-in.
    pub public: PublicCx,
    /// Who calls.
    pub caller: Caller,
    /// The chat engine.
    pub engine: Arc<Engine>,
}

/// Who calls.
pub enum Caller {
    /// Nobody that we know, and why, if a proof was offered.
    Unknown(Option<Refusal>),
    /// Somebody who signed in.
    Known(Box<Known>),
}

/// Somebody who signed in, or a website visitor.
pub struct Known {
    /// The proof.
    pub token: Arc<AnyToken>,
    /// For administrators of the platform.
    pub admin: Option<AdminCx>,
    /// For whoever acts in a tenant.
    pub tenant: Option<TenantCx>,
}

impl RequestCx {
    /// The tenant that the caller came into from outside.
    #[must_use]
    pub fn visitor(&self) -> Option<&TenantCx> {
        match &self.caller {
            Caller::Known(known) => known.tenant.as_ref().filter(|cx| cx.scope().is_impersonated()),
            Caller::Unknown(_) => None,
        }
    }

    /// Whether the caller may touch a field that requires `access`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`, or why the offered proof was refused.
    pub fn admit(&self, access: Access) -> Result<(), Refusal> {
        let known = match &self.caller {
            _ if access == Access::Public => return Ok(()),
            Caller::Unknown(Some(refusal)) => return Err(refusal.clone()),
            Caller::Unknown(None) => {
                return Err(Refusal::new(
                    ErrorCode::Unauthenticated,
                    "Sign in first: send `Authorization: Bearer <accessToken>`, or `authorization` in connection_init.",
                ));
            }
            Caller::Known(known) => known,
        };
        if matches!(*known.token, AnyToken::Visitor(_)) {
            return if access == Access::Visitor { Ok(()) } else { Err(for_people()) };
        }
        let is_admin = known.admin.is_some();
        let administers = known.tenant.as_ref().is_some_and(|cx| cx.scope().administers());
        match access {
            Access::Public | Access::Visitor | Access::User => Ok(()),
            Access::TenantAdmin if is_admin || administers => Ok(()),
            Access::Admin if is_admin => Ok(()),
            Access::TenantAdmin => {
                Err(Refusal::new(ErrorCode::Forbidden, "Only the tenant's administrators may do this."))
            }
            Access::Admin => Err(Refusal::new(ErrorCode::Forbidden, "Only the platform's administrators may do this.")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn request<'c>(ctx: &'c Context<'_>) -> Outcome<&'c RequestCx> {
    ctx.data::<RequestCx>().map_err(|_| Failure::fault("an operation without its context"))
}

fn known<'c>(ctx: &'c Context<'_>) -> Outcome<&'c Known> {
    match &request(ctx)?.caller {
        Caller::Known(known) => Ok(known),
        Caller::Unknown(refusal) => {
            Err(refusal.clone().unwrap_or_else(|| Refusal::new(ErrorCode::Unauthenticated, "Sign in first.")).into())
        }
    }
}

/// What needs no sign-in.
pub(super) fn public<'c>(ctx: &'c Context<'_>) -> Outcome<&'c PublicCx> {
    Ok(&request(ctx)?.public)
}

/// The proof of a person who signed in.
pub(super) fn token<'c>(ctx: &'c Context<'_>) -> Outcome<&'c VerifiedToken> {
    match &*known(ctx)?.token {
        AnyToken::Person(token) => Ok(token),
        AnyToken::Visitor(_) => Err(for_people().into()),
    }
}

fn for_people() -> Refusal {
    Refusal::new(
        ErrorCode::Forbidden,
        "This is a website visitor's token, which is good for the visitor's own conversation only.",
    )
}

/// The caller's proof, for what concerns their own account: an impersonation's token is not good for that.
pub(super) fn own_token<'c>(ctx: &'c Context<'_>) -> Outcome<&'c VerifiedToken> {
    let token = token(ctx)?;
    if token.lease().is_some() {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "This token is an impersonation's. Use your own for what concerns your account.",
        )
        .into());
    }
    Ok(token)
}

/// The tenant's context; `TENANT_REQUIRED` for an administrator who named none.
pub(super) fn tenant<'c>(ctx: &'c Context<'_>) -> Outcome<&'c TenantCx> {
    known(ctx)?.tenant.as_ref().ok_or_else(|| {
        Refusal::new(
            ErrorCode::TenantRequired,
            "This needs a tenant. Name one in the `X-Tenant-Id` header: its number, its id or its subdomain.",
        )
        .into()
    })
}

/// The tenant's context, for one of its administrators.
pub(super) fn administered<'c>(ctx: &'c Context<'_>) -> Outcome<&'c TenantCx> {
    request(ctx)?.admit(Access::TenantAdmin)?;
    tenant(ctx)
}

/// The platform's context.
pub(super) fn admin<'c>(ctx: &'c Context<'_>) -> Outcome<&'c AdminCx> {
    known(ctx)?
        .admin
        .as_ref()
        .ok_or_else(|| Refusal::new(ErrorCode::Forbidden, "Only the platform's administrators may do this.").into())
}

/// As [`view`], for an administrator of whichever it is.
pub(super) fn administered_view(ctx: &Context<'_>) -> Outcome<View> {
    request(ctx)?.admit(Access::TenantAdmin)?;
    view(ctx)
}

/// From where the caller sees: the tenant, or the platform for an administrator of it who acts in none.
pub(super) fn view(ctx: &Context<'_>) -> Outcome<View> {
    match &known(ctx)?.admin {
        Some(cx) if known(ctx)?.tenant.is_none() => Ok(View::Platform(cx.clone())),
        _ => Ok(View::Tenant(tenant(ctx)?.clone())),
    }
}

/// From where the caller sees their own account: also an administrator who acts in a tenant sees it from the platform.
pub(super) fn own_view(ctx: &Context<'_>) -> Outcome<View> {
    match &known(ctx)?.admin {
        Some(cx) => Ok(View::Platform(cx.clone())),
        None => Ok(View::Tenant(tenant(ctx)?.clone())),
    }
}

/// As [`administered_view`], for a write: what is read after it must not come from before it.
pub(super) fn fresh_view(ctx: &Context<'_>) -> Outcome<View> {
    Ok(match administered_view(ctx)? {
        View::Tenant(cx) => View::Tenant(cx.renewed()),
        View::Platform(cx) => View::Platform(cx.renewed()),
    })
}

/// The platform's context, if the caller administers it, in a tenant or not.
pub(super) fn admin_if_any<'c>(ctx: &'c Context<'_>) -> Outcome<Option<&'c AdminCx>> {
    Ok(known(ctx)?.admin.as_ref())
}

/// The chat engine.
pub(super) fn engine<'c>(ctx: &'c Context<'_>) -> Outcome<&'c Arc<Engine>> {
    Ok(&request(ctx)?.engine)
}
