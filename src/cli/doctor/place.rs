//! Where a host is: on this machine, in a network of one's own, or out on the internet. Must not know what is asked of it.

use std::{net::IpAddr, time::Duration};

use crate::kernel::hosts;

/// How long a name may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine.
    Here,
    /// In a network of one's own, or nobody knows.
    Inside,
    /// On the internet.
    Outside,
}

pub(super) async fn of(host: &str, port: u16) -> Place {
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let addresses: Vec<_> = found.into_iter().flatten().flatten().map(|address| address.ip()).collect();
    by(&addresses)
}

fn by(addresses: &[IpAddr]) -> Place {
    if addresses.iter().any(|address| hosts::is_public(*address)) {
        Place::Outside
    } else if !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback) {
        Place::Here
    } else {
        Place::Inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_public_address_is_enough_to_be_outside() {
        let place = |text: &[&str]| by(&text.iter().map(|text| text.parse().expect("an address")).collect::<Vec<_>>());
        assert_eq!(place(&["127.0.0.1", "::1"]), Place::Here);
        assert_eq!(place(&["10.0.0.7"]), Place::Inside);
        assert_eq!(place(&[]), Place::Inside);
        assert_eq!(place(&["10.0.0.7", "1.1.1.1"]), Place::Outside);
    }
}
