//! From headers (or a socket's connection_init) to a caller: reads the proof, has it verified and resolved. Must not look
//! at the operation.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::{
    context::RequestId,
    db::identity::{self, TenantName},
    graph::context::{Caller, Known, RequestCx},
    http::Web,
    kernel::failure::{ErrorCode, Failure, Refusal},
    tokens::jwt::VerifiedToken,
};

pub(super) const TENANT_HEADER: &str = "x-tenant-id";

/// What a caller offers: a token and the name of a tenant.
#[derive(Clone, Default)]
pub(super) struct Proof {
    token: Option<Result<Arc<VerifiedToken>, Refusal>>,
    tenant: Option<Result<TenantName, Refusal>>,
}

impl Proof {
    /// Reads `Authorization` and `X-Tenant-Id`.
    pub(super) fn from_headers(web: &Web, headers: &HeaderMap) -> Self {
        let text = |name| {
            let mut values = headers.get_all(name).iter();
            let first = values.next()?;
            // Two headers of one name: which is meant is nobody's guess to make.
            if values.next().is_some() { Some(None) } else { Some(first.to_str().ok().map(str::to_owned)) }
        };
        Self::new(web, text(header::AUTHORIZATION.as_str()), text(TENANT_HEADER))
    }

    /// Takes what was sent: outer `None` for nothing, inner `None` for something that can't be read.
    pub(super) fn new(web: &Web, authorization: Option<Option<String>>, tenant: Option<Option<String>>) -> Self {
        let token = authorization.map(|text| {
            let text = text.unwrap_or_default();
            let token = text
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim())
                .ok_or_else(|| {
                    Refusal::new(ErrorCode::Unauthenticated, "`Authorization` must be `Bearer <accessToken>`.")
                })?;
            web.services.tokens.verify(token).map(Arc::new)
        });
        let tenant = tenant.map(|text| TenantName::parse(&text.unwrap_or_default()));
        Self { token, tenant }
    }

    /// This proof, with what it lacks from `other`.
    pub(super) fn or(self, other: &Self) -> Self {
        Self { token: self.token.or_else(|| other.token.clone()), tenant: self.tenant.or_else(|| other.tenant.clone()) }
    }

    /// The token, if it was a good one.
    pub(super) fn token(&self) -> Option<&Arc<VerifiedToken>> {
        self.token.as_ref()?.as_ref().ok()
    }

    /// Asks the database where the caller stands now.
    pub(super) async fn resolve(&self, web: &Web, request: RequestId) -> RequestCx {
        let public = web.public(request);
        let caller = match self.stand(web, &public).await {
            Ok(Some(known)) => Caller::Known(Box::new(known)),
            Ok(None) => Caller::Unknown(None),
            Err(refusal) => Caller::Unknown(Some(refusal)),
        };
        RequestCx { public, caller, engine: web.engine.clone() }
    }

    async fn stand(&self, web: &Web, public: &crate::context::PublicCx) -> Result<Option<Known>, Refusal> {
        let Some(token) = &self.token else { return Ok(None) };
        let token = token.clone()?;
        let tenant = self.tenant.clone().transpose()?;
        let services = &web.services;
        match identity::resolve(&services.db, &token, tenant.as_ref(), services.clock.now()).await {
            Ok(standing) => {
                let open = public.open(standing);
                Ok(Some(Known { token, admin: open.admin, tenant: open.tenant }))
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Fault(error)) => {
                tracing::error!(error = %format!("{error:#}"), "resolving a caller");
                Err(Refusal::new(ErrorCode::Internal, "Something went wrong on our side."))
            }
        }
    }
}
