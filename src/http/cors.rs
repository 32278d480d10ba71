//! Which pages of other websites a browser lets call (CORS). A browser asks before it says with whom it wants to talk, so any
//! website that some tenant allows is let through here; whether it is this tenant's is judged when the operation runs.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    http::{Web, caller, request_id},
    kernel::{failure::Failure, origin},
};

/// Where websites' chats come to.
const FOR_VISITORS: &[&str] = &["/graphql", "/graphql/stream"];

/// Tokens travel in a header of their own, so no origin ever needs credentials, and none is allowed them. The origin that is
/// let in is named in the answer, whichever it is.
pub(super) fn layer(web: &Arc<Web>) -> CorsLayer {
    let settings = &web.settings;
    let origins = if settings.cors_origins.is_empty() && settings.is_development {
        AllowOrigin::mirror_request()
    } else {
        let web = web.clone();
        AllowOrigin::async_predicate(move |origin: HeaderValue, request: &axum::http::request::Parts| {
            let for_visitors = FOR_VISITORS.contains(&request.uri.path());
            async move { is_welcome(&web, &origin, for_visitors).await }
        })
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static(caller::TENANT_HEADER),
            HeaderName::from_static(request_id::HEADER),
        ])
        .expose_headers([HeaderName::from_static(request_id::HEADER), header::RETRY_AFTER])
        .max_age(Duration::from_mins(10))
}

async fn is_welcome(web: &Web, origin: &HeaderValue, for_visitors: bool) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    if web.settings.cors_origins.iter().any(|listed| listed == text) {
        return true;
    }
    let Some(page) = origin::normalise(text).filter(|_| for_visitors) else { return false };
    match web.services.origins.know(&page).await {
        Ok(is_known) => is_known,
        Err(Failure::Refused(_)) => false,
        Err(Failure::Fault(error)) => {
            tracing::error!(error = %format!("{error:#}"), "looking for allowed origins");
            false
        }
    }
}
