//! Who is at the other end of the line, as far as the line itself tells, and what visitors are held to. Must not trust what
//! it says: an origin keeps pages of other websites out, and programs say what they like.

use std::net::IpAddr;

use chrono::TimeDelta;

use crate::{context::throttle::Rate, kernel::origin::Origin};

/// The other end.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address: the peer's, or what trusted proxies say it was.
    pub address: Option<IpAddr>,
    /// The website that its page is of.
    pub origin: Origin,
    /// What program it says it is (`User-Agent`), cut to 200 characters.
    pub agent: Option<String>,
}

impl Client {
    /// Nobody outside: the program's own work.
    #[must_use]
    pub fn none() -> Self {
        Self { address: None, origin: Origin::Absent, agent: None }
    }

    /// The network that its address is of.
    #[must_use]
    pub fn network(&self) -> String {
        self.address.map_or_else(|| "nowhere".to_owned(), network)
    }
}

/// What one customer of a network provider holds: an IPv4 address, or the first half of an IPv6 one.
#[must_use]
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// What website visitors are held to.
#[derive(Debug, Clone)]
pub struct VisitorSettings {
    /// How long a visitor's token lives, and the session with it unless it is renewed.
    pub lifetime: TimeDelta,
    /// Whether a session is opened only where the request says which website it comes from.
    pub needs_origin: bool,
    /// Sessions that one address may open.
    pub sessions_per_address: Rate,
    /// Sessions that may be opened at one tenant.
    pub sessions_per_tenant: Rate,
    /// Messages that one visitor may send.
    pub messages: Rate,
    /// Messages of customers that a visitor's conversation takes within 24 hours.
    pub messages_per_day: u32,
}

/// How many wrong passwords are taken.
#[derive(Debug, Clone, Copy)]
pub struct GuessSettings {
    /// For one account, wherever they come from.
    pub of_an_account: Rate,
    /// From one address, whichever account they are for.
    pub of_an_address: Rate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_as_its_owner_s_network() {
        let network = |text: &str| Client { address: text.parse().ok(), ..Client::none() }.network();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:aaaa::1"), network("2001:db8:1:2:bbbb::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }
}
