//! How many files the program may have open, as each connection is one. Must not know what they are.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// What is open beside connections that are taken in and those to the database: to Redis, and to models and providers for what is
/// in hand; and what the program has for itself.
const BESIDES: usize = 1_000;

/// What to do about too few.
pub(super) const MEND: &str = "Raise the hard limit (`ulimit -Hn`, LimitNOFILE= in a systemd unit, `ulimits: nofile` in a \
                               compose file), or lower MAX_CONNECTIONS.";

/// Has the program open as many as whoever started it allows at most. The log says where that is too few.
pub(super) fn make_room(config: &Config) {
    if let Some(found) = shortage(config, raised(needed(config))) {
        tracing::warn!("{found} {MEND}");
    }
}

/// How many a program may have open that is started here, at the most.
pub(super) fn most() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard)
}

/// What is wrong where no more than `most` may be open.
pub(super) fn shortage(config: &Config, most: u64) -> Option<String> {
    let (needed, connections) = (needed(config), config.http.connections);
    (most < needed).then(|| {
        format!("{most} files may be open at once; with MAX_CONNECTIONS at {connections}, {needed} of them are needed.")
    })
}

fn needed(config: &Config) -> u64 {
    let pools = if config.database.replica_url.is_some() { 2 } else { 1 };
    let all = config.http.connections + pools * config.database.pool_size + BESIDES;
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Raises the soft limit to the hard one, and gives what it is then.
fn raised(needed: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // A Mac says that there is no limit, and then takes none so high; what is needed it takes.
    let wanted = [hard, needed.max(soft).min(hard)];
    let taken = wanted.into_iter().find(|wanted| setrlimit(Resource::RLIMIT_NOFILE, *wanted, hard).is_ok());
    taken.unwrap_or(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_all_places_and_what_else_is_open() {
        let config = |replica: Option<&str>| {
            let vars = |name: &str| match name {
                "MAX_CONNECTIONS" => Some("5000".to_owned()),
                "DATABASE_POOL_SIZE" => Some("20".to_owned()),
                "DATABASE_REPLICA_URL" => replica.map(str::to_owned),
                _ => None,
            };
            Config::examined(vars).0
        };
        let alone = config(None);
        assert_eq!((shortage(&alone, 6_020), shortage(&alone, u64::MAX)), (None, None));
        insta::assert_snapshot!(
            shortage(&alone, 6_019).expect("too few"),
            @"6019 files may be open at once; with MAX_CONNECTIONS at 5000, 6020 of them are needed."
        );
        // A copy of the database has a pool of its own.
        let with_a_copy = config(Some("postgres://u@replica/d"));
        assert!(shortage(&with_a_copy, 6_039).is_some() && shortage(&with_a_copy, 6_040).is_none());
    }
}
