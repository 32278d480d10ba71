//! The playground page, GraphiQL, and the files that it is made of, which `build.rs` found in `playground/dist`. Must not hold
//! data: what it shows, it asks the graph for.

use std::sync::Arc;

use async_graphql::http::GraphiQLSource;
use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::http::{Web, problem::problem};

/// A file, gzipped: every browser takes it so.
struct Asset {
    name: &'static str,
    gzipped: &'static [u8],
}

// VERSION and ASSETS.
include!(concat!(env!("OUT_DIR"), "/playground.rs"));

/// Nothing from another host, and no script that is not a file of ours. Monaco puts styles into the page as it goes.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Whether the page was there when this program was built.
pub(super) fn is_built() -> bool {
    !ASSETS.is_empty()
}

/// The page. Where it was not built, development says how to, and has GraphiQL from a public host at `?cdn` meanwhile.
pub(super) async fn page(State(web): State<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    let settings = &web.settings;
    if settings.is_development && query.as_deref() == Some("cdn") {
        return from_elsewhere();
    }
    let page = match (settings.has_playground, settings.is_development) {
        (true, _) => include_str!("page.html").replace("{version}", VERSION),
        (false, true) => include_str!("unbuilt.html").to_owned(),
        (false, false) => {
            return problem(
                StatusCode::NOT_FOUND,
                "This server was built without the playground. The graph is at /graphql.",
            );
        }
    };
    ([POLICY, (header::CACHE_CONTROL, "no-cache")], Html(page)).into_response()
}

/// One of its files. Asked for by its version, it is kept for good.
pub(super) async fn asset(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return problem(StatusCode::NOT_FOUND, "The playground has no such file.");
    };
    let is_versioned = query.as_deref().and_then(|query| query.strip_prefix("v=")) == Some(VERSION);
    let caching = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        POLICY,
        (header::CONTENT_TYPE, content_type(asset.name)),
        (header::CONTENT_ENCODING, "gzip"),
        (header::CACHE_CONTROL, caching),
    ];
    (headers, asset.gzipped).into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "ttf")) => "font/ttf",
        _ => "application/octet-stream",
    }
}

/// GraphiQL, loaded by the browser from a public host: in development only.
fn from_elsewhere() -> Response {
    let page = GraphiQLSource::build()
        .endpoint("/graphql")
        .subscription_endpoint("/graphql/ws")
        .title("Frontdesk playground")
        .finish();
    Html(page).into_response()
}
