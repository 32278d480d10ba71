//! The places of the server: so many connections at once, and of one network so many that others find a place too. Must not know
//! what goes over a connection.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    context,
    kernel::tally::{Held, Tally},
};

/// One network may hold a quarter of the places.
const QUARTER: usize = 4;
/// However few there are, it may hold so many: a browser or two.
const FEW: usize = 10;

/// A place, and its network's part in it. Both are free again when it is dropped: with its connection, upgraded or not.
pub(super) type Place = (OwnedSemaphorePermit, Held<String>);

/// All places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    held: Arc<Tally<String>>,
    /// How many of them one network may hold.
    share: usize,
}

impl Places {
    /// So many. Behind proxies all connections are the proxies', and none is held to a share.
    pub(super) fn new(all: usize, is_behind_proxies: bool) -> Self {
        let share = if is_behind_proxies { usize::MAX } else { (all / QUARTER).max(FEW) };
        Self { free: Arc::new(Semaphore::new(all)), held: Arc::default(), share }
    }

    /// Waits for a place. `None` never, but for a semaphore that is closed.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// Whether a peer's network may hold one more, and that it does.
    pub(super) fn share(&self, peer: IpAddr) -> Option<Held<String>> {
        let network = context::network(peer);
        let judged = self.held.hold_if(vec![network.clone()], |held| match held.get(&network) {
            Some(held) if *held >= self.share => Err(()),
            _ => Ok(()),
        });
        judged.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_a_quarter_of_the_places_and_a_few_in_any_case() {
        let peer = |text: &str| text.parse::<IpAddr>().expect("an address");
        let held = |places: &Places| (0..2_000).map_while(|_| places.share(peer("203.0.113.7"))).collect::<Vec<_>>();
        for (all, share) in [(1, 10), (10, 10), (40, 10), (44, 11), (4_000, 1_000)] {
            assert_eq!(held(&Places::new(all, false)).len(), share, "of {all}");
        }
        assert_eq!(held(&Places::new(10, true)).len(), 2_000);
        let places = Places::new(10, false);
        let mut crowd = held(&places);
        assert!(places.share(peer("::ffff:203.0.113.7")).is_none() && places.share(peer("203.0.113.8")).is_some());
        crowd.pop();
        assert!(places.share(peer("203.0.113.7")).is_some(), "there is room again");
        let crowd: Vec<_> = (0..10).map(|n| places.share(peer(&format!("2001:db8:1:2::{n}")))).collect();
        assert!(crowd.iter().all(Option::is_some) && places.share(peer("2001:db8:1:2:a::1")).is_none());
        assert!(places.share(peer("2001:db8:1:3::1")).is_some());
    }
}
