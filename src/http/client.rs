//! Who is at the other end: the peer's address, or the one that trusted proxies vouch for, and the page's origin. Must not
//! believe what anybody could have written.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, header},
};

use crate::{context::Client, kernel::origin::Origin};

const FORWARDED: &str = "x-forwarded-for";

/// Reads a request. `proxies` is how many proxies of our own stand before us.
pub(super) fn of(headers: &HeaderMap, extensions: &Extensions, proxies: usize) -> Client {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let origins = headers.get_all(header::ORIGIN).iter().map(|value| value.to_str().ok());
    Client { address: address(headers, proxies).or(peer), origin: Origin::read(origins), agent: agent(headers) }
}

/// The first 200 characters of what a program says it is, where they can be read.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.chars().take(200).collect())
}

/// Each proxy adds at the right whom it was called by. So from the right, as far as our own proxies wrote it, it is true;
/// what stands to the left of that, anybody may have sent.
fn address(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lists: Vec<_> = headers.get_all(FORWARDED).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let all = lists.join(",");
    let entry = all.rsplit(',').nth(proxies.checked_sub(1)?)?.trim();
    // Some write a port behind it.
    entry.parse().ok().or_else(|| entry.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&'static str], proxies: usize) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().expect("a value"));
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
        of(&headers, &extensions, proxies).address.map(|address| address.to_string())
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let peer = Some("10.0.0.1".to_owned());
        let is = |address: &str| Some(address.to_owned());
        // Without proxies of our own, the header is anybody's word.
        assert_eq!(seen(&["1.1.1.1"], 0), peer);
        assert_eq!(seen(&[], 1), peer);
        // What the client sent stands to the left of what the proxy added.
        assert_eq!(seen(&["6.6.6.6, 203.0.113.7"], 1), is("203.0.113.7"));
        assert_eq!(seen(&["6.6.6.6", "203.0.113.7"], 1), is("203.0.113.7"));
        assert_eq!(seen(&["6.6.6.6, 203.0.113.7, 10.0.0.2"], 2), is("203.0.113.7"));
        assert_eq!(seen(&["203.0.113.7:4711"], 1), is("203.0.113.7"));
        assert_eq!(seen(&["[2001:db8::1]:4711"], 1), is("2001:db8::1"));
        // Fewer entries than proxies, or none that is an address: the peer it is.
        assert_eq!(seen(&["203.0.113.7"], 2), peer);
        assert_eq!(seen(&["203.0.113.7, unknown"], 1), peer);
    }
}
