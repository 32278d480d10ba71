//! From headers (or a socket's connection_init) to a caller: reads the proof, has it verified and resolved. Must not look
//! at the operation.

use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, header};

use crate::{
    context::{Account, Client, RequestId},
    db::identity::{self, TenantName},
    graph::context::{Caller, Known, RequestCx},
    http::{Web, client},
    kernel::failure::{ErrorCode, Failure, Refusal},
    tokens::visitor::AnyToken,
};

pub(super) const TENANT_HEADER: &str = "x-tenant-id";

/// What a caller offers: a token and the name of a tenant; and where they call from.
#[derive(Clone)]
pub(super) struct Proof {
    token: Option<Result<Arc<AnyToken>, Refusal>>,
    tenant: Option<Result<TenantName, Refusal>>,
    client: Client,
}

impl Proof {
    /// Reads `Authorization` and `X-Tenant-Id`, and the line.
    pub(super) fn from_headers(web: &Web, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let text = |name| {
            let mut values = headers.get_all(name).iter();
            let first = values.next()?;
            // Two headers of one name: which is meant is nobody's guess to make.
            if values.next().is_some() { Some(None) } else { Some(first.to_str().ok().map(str::to_owned)) }
        };
        let client = client::of(headers, extensions, web.settings.trusted_proxies);
        Self::new(web, client, text(header::AUTHORIZATION.as_str()), text(TENANT_HEADER))
    }

    /// Takes what was sent: outer `None` for nothing, inner `None` for something that can't be read.
    fn new(web: &Web, client: Client, authorization: Option<Option<String>>, tenant: Option<Option<String>>) -> Self {
        let token = authorization.map(|text| {
            let text = text.unwrap_or_default();
            let token = text
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim())
                .ok_or_else(|| {
                    Refusal::new(ErrorCode::Unauthenticated, "`Authorization` must be `Bearer <accessToken>`.")
                })?;
            web.services.tokens.verify_any(token)
        });
        let tenant = tenant.map(|text| TenantName::parse(&text.unwrap_or_default()));
        Self { token, tenant, client }
    }

    /// The same caller, who says more: what they said before stands where they say nothing now.
    pub(super) fn and(&self, web: &Web, authorization: Option<Option<String>>, tenant: Option<Option<String>>) -> Self {
        let now = Self::new(web, self.client.clone(), authorization, tenant);
        let (token, tenant) = (now.token.or_else(|| self.token.clone()), now.tenant.or_else(|| self.tenant.clone()));
        Self { token, tenant, client: now.client }
    }

    /// The token, if it was a good one.
    pub(super) fn token(&self) -> Option<&Arc<AnyToken>> {
        self.token.as_ref()?.as_ref().ok()
    }

    /// On whose account they act, as far as the proof tells.
    pub(super) fn account(&self) -> Account {
        Account::of(self.token().map(|token| &**token), &self.client)
    }

    /// Asks the database where the caller stands now.
    pub(super) async fn resolve(&self, web: &Web, request: RequestId) -> RequestCx {
        let public = web.public(request, self.client.clone());
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
        let (db, now) = (&services.db, services.clock.now());
        let standing = match &*token {
            AnyToken::Person(token) => identity::resolve(db, token, tenant.as_ref(), now).await,
            AnyToken::Visitor(token) => {
                identity::resolve_visitor(db, token, tenant.as_ref(), &public.door(), now).await
            }
        };
        match standing {
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
