//! The operator's measurements, at `/metrics`, for the operator's scraper alone: with `METRICS_TOKEN` set, for whoever shows
//! it; without, for callers from the server's own network who come by themselves.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    http::{Web, problem::problem},
    kernel::{hosts, metrics::count},
    tokens::hmac_sha256,
};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn scrape(
    State(web): State<Arc<Web>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    match &web.settings.metrics_token {
        Some(token) if !shows(&headers, token) => {
            let refused = problem(
                StatusCode::UNAUTHORIZED,
                "Send `Authorization: Bearer` with the METRICS_TOKEN of this server.",
            );
            return ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response();
        }
        None if !is_near(peer.ip(), &headers) => {
            let said = "Measurements are for the server's own network. For others, set METRICS_TOKEN and have it sent.";
            return problem(StatusCode::FORBIDDEN, said);
        }
        Some(_) | None => {}
    }
    web.services.db.measure(&web.services.metrics);
    web.services.passwords.measure(&web.services.metrics);
    web.measure().await;
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], web.services.metrics.render()).into_response()
}

impl Web {
    /// The sockets that are open, and what is missing, as of now.
    async fn measure(&self) {
        let helpers = self.helpers().await;
        let open = count(self.sockets.len());
        self.services.metrics.record(|| {
            metrics::describe_gauge!("frontdesk_sockets_open", "WebSockets that are open.");
            metrics::gauge!("frontdesk_sockets_open").set(open);
            metrics::describe_gauge!("frontdesk_watchers", "Streams that follow a conversation.");
            metrics::gauge!("frontdesk_watchers").set(count(self.engine.watchers()));
            metrics::describe_gauge!("frontdesk_degraded", "1 for what this node has to go on without, else 0.");
            for (what, is_there) in helpers {
                metrics::gauge!("frontdesk_degraded", "what" => what).set(f64::from(is_there == Some(false)));
            }
        });
    }
}

/// Whether a caller is of the server's own network. With a proxy that says whom it was called by, who asks may be anywhere.
fn is_near(peer: IpAddr, headers: &HeaderMap) -> bool {
    let is_passed_on =
        ["x-forwarded-for", "x-real-ip", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
    !hosts::is_public(peer) && !is_passed_on
}

fn shows(headers: &HeaderMap, token: &SecretString) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    // Digests are compared: how long that takes tells nothing of the token.
    let digest = |text: &str| hmac_sha256(text.as_bytes(), b"metrics");
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && digest(shown.trim()) == digest(token.expose_secret())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_who_is_near_and_comes_by_themselves_needs_no_token() {
        let none = HeaderMap::new();
        for (peer, expected) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:10.0.0.7", true), ("203.0.113.7", false), ("2a00::1", false)]
        {
            assert_eq!(is_near(peer.parse().expect("an address"), &none), expected, "{peer}");
        }
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert!(!is_near(IpAddr::from([127, 0, 0, 1]), &headers), "{name}");
        }
    }
}
