//! Which hosts a tenant may have the server call: those of one provider's domain, by https, at addresses of the public
//! internet. Whatever else a tenant writes into a setting, the server's own network is not for its looking around.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The hosts of one provider, and the stand-ins for it that development and tests have on loopback.
#[derive(Debug, Clone)]
pub struct HostRule {
    domain: &'static str,
    stand_ins: Vec<SocketAddr>,
}

impl HostRule {
    /// The hosts under `domain`, and `stand_ins`, which must be none in production.
    #[must_use]
    pub fn new(domain: &'static str, stand_ins: Vec<SocketAddr>) -> Self {
        Self { domain, stand_ins }
    }

    /// A host as people write it, with or without `https://`, as it is kept: the bare name. `None` if it is not one of these.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/').to_lowercase();
        self.base(&bare).map(|_| bare)
    }

    /// The base of the addresses under a bare host, without a slash at its end. `None` if it is not one of these.
    #[must_use]
    pub fn base(&self, host: &str) -> Option<String> {
        if host.parse().is_ok_and(|address: SocketAddr| self.stand_ins.contains(&address)) {
            return Some(format!("http://{host}"));
        }
        let below = host.strip_suffix(self.domain)?.strip_suffix('.')?;
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        (host.len() <= 253 && below.split('.').all(is_label)).then(|| format!("https://{host}"))
    }
}

/// Whether an address is one of the public internet: not of this machine, its networks, or its provider's machinery, nor
/// one that some gateway would turn into such.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_benchmark = first == 198 && second & 0xfe == 18;
    let is_protocols = (first, second, third) == (192, 0, 0);
    // From 224 on: multicast, what is reserved, broadcast.
    let is_special = first == 0 || first >= 224 || is_shared || is_benchmark || is_protocols;
    !(is_special || address.is_private() || address.is_loopback() || address.is_link_local())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let of_v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        // IPv4 written as IPv6, and what gateways of two kinds translate.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            of_v4(high, low)
        }
        // Only 2000::/3 is given out, and of it Teredo hides whom it reaches.
        [0x2001, 0, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_own_network_are_told_from_public_ones() {
        let is_public = |text: &str| is_public(text.parse().expect("an address"));
        for text in
            ["1.1.1.1", "100.63.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert!(is_public(text), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "2001:0:1::1",
            "2002:a00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(text), "{text}");
        }
    }

    #[test]
    fn only_the_providers_own_hosts_are_called_and_by_https() {
        let rule = HostRule::new("pinecone.io", Vec::new());
        let kept = Some("docs-a1.svc.aped-1.pinecone.io");
        assert_eq!(rule.read(" https://Docs-a1.svc.aped-1.pinecone.io/ ").as_deref(), kept);
        assert_eq!(rule.read("docs-a1.svc.aped-1.pinecone.io").as_deref(), kept);
        assert_eq!(rule.base("a.pinecone.io").as_deref(), Some("https://a.pinecone.io"));
        let long = format!("{}.pinecone.io", "a".repeat(250));
        for text in [
            "",
            "pinecone.io",
            ".pinecone.io",
            "a..pinecone.io",
            "evilpinecone.io",
            "a.pinecone.io.evil.example",
            "a.pinecone.io.",
            "http://a.pinecone.io",
            "a.pinecone.io:443",
            "a.pinecone.io/x",
            "evil.example/a.pinecone.io",
            "evil.example#.pinecone.io",
            "evil.example?.pinecone.io",
            "user@a.pinecone.io",
            "evil.example\\.pinecone.io",
            "a b.pinecone.io",
            "ä.pinecone.io",
            "127.0.0.1:8080",
            "169.254.169.254",
            "localhost",
            "[::1]:8080",
            long.as_str(),
        ] {
            assert_eq!(rule.read(text), None, "{text}");
        }
    }

    #[test]
    fn a_stand_in_is_that_one_address_and_no_other() {
        let rule = HostRule::new("pinecone.io", vec![SocketAddr::from(([127, 0, 0, 1], 8080))]);
        assert_eq!(rule.base("127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        for text in [
            "127.0.0.1",
            "127.0.0.1:8081",
            "127.0.0.2:8080",
            "localhost:8080",
            "127.0.0.1:8080/x",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(rule.read(text), None, "{text}");
        }
    }
}
