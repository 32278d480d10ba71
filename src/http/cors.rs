//! Which pages of other websites a browser lets call (CORS). A browser asks before it says with whom it wants to talk, so any
//! website that some tenant allows is let through here; whether it is this tenant's is judged when the operation runs.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
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
    let origins = if is_open(web) {
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
            // By which a GET is let in (`http/body.rs`).
            HeaderName::from_static("x-requested-with"),
            HeaderName::from_static("apollo-require-preflight"),
            // What Apollo Client says of the program that it is in, where it is told to.
            HeaderName::from_static("apollographql-client-name"),
            HeaderName::from_static("apollographql-client-version"),
        ])
        .expose_headers([HeaderName::from_static(request_id::HEADER), header::RETRY_AFTER])
        .max_age(Duration::from_mins(10))
}

/// A page that is not let in is told nothing at all: neither which methods nor which headers it could have used.
pub(super) fn say_nothing(headers: &mut HeaderMap) {
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        for name in [
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
        ] {
            headers.remove(name);
        }
    }
}

/// Whether a page may open a socket: browsers don't ask before they do. Programs, which name no page, may.
pub(super) async fn may_open(web: &Web, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let own = || {
        let Some(page) = origin.to_str().ok().and_then(origin::normalise) else { return false };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_same_host = page.split_once("://").map(|(_, authority)| authority) == host;
        is_same_host || Some(page) == origin::normalise(&web.services.public_url)
    };
    origins.next().is_none() && (is_open(web) || own() || is_welcome(web, origin, true).await)
}

/// A development server of which nobody said whom it lets in lets in all.
fn is_open(web: &Web) -> bool {
    web.settings.cors_origins.is_empty() && web.settings.is_development
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
