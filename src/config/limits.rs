//! `RATE_LIMIT_…`: how often somebody may do something.

use chrono::TimeDelta;

use crate::{
    config::reader::Reader,
    context::{GuessSettings, Rate, Share, ShareSettings, VisitorSettings},
};

/// A minute: one each microsecond, which is the finest that is counted.
const MOST: u32 = 60_000_000;

/// `VISITOR_TOKEN_EXPIRE_MINUTES` and `RATE_LIMIT_VISITOR_…`.
pub(super) fn visitors(read: &mut Reader<'_>, is_production: bool) -> VisitorSettings {
    let sessions_per_address = even(read, "RATE_LIMIT_VISITOR_SESSIONS_PER_ADDRESS", 10);
    let sessions_per_tenant = even(read, "RATE_LIMIT_VISITOR_SESSIONS_PER_TENANT", 120);
    VisitorSettings {
        lifetime: TimeDelta::minutes(read.number("VISITOR_TOKEN_EXPIRE_MINUTES", 720, 5..=43_200)),
        needs_origin: is_production,
        sessions_per_address,
        sessions_per_tenant,
        messages: Rate {
            burst: read.number("RATE_LIMIT_VISITOR_BURST", 5, 1..=1_000),
            per_minute: read.number("RATE_LIMIT_VISITOR_MESSAGES", 12, 1..=6_000),
        },
        messages_per_day: read.number("RATE_LIMIT_VISITOR_MESSAGES_PER_DAY", 200, 1..=100_000),
    }
}

/// `RATE_LIMIT_LOGIN_…`.
pub(super) fn guesses(read: &mut Reader<'_>) -> GuessSettings {
    GuessSettings {
        of_an_account: even(read, "RATE_LIMIT_LOGIN_PER_ACCOUNT", 10),
        of_an_address: even(read, "RATE_LIMIT_LOGIN_PER_ADDRESS", 60),
    }
}

/// `RATE_LIMIT_…_PER_PERSON` and `…_PER_TENANT`. On somebody's own machine there are no neighbours to protect, and load tests
/// run there: it has a hundred times as much.
pub(super) fn shares(read: &mut Reader<'_>, is_production: bool) -> ShareSettings {
    let times = if is_production { 1 } else { 100 };
    let mut share = |whose: &str, [requests, cost, generations, streams]: [u32; 4]| {
        let mut most = |what: &str, default: u32| {
            read.number(&format!("RATE_LIMIT_{what}_PER_{whose}"), (default * times).min(MOST), 1..=MOST)
        };
        Share {
            requests: Rate::steady(most("REQUESTS", requests)),
            cost: Rate::steady(most("COST", cost)),
            generations: Rate::steady(most("GENERATIONS", generations)),
            streams: usize::try_from(most("STREAMS", streams)).unwrap_or(usize::MAX),
        }
    };
    ShareSettings {
        of_a_person: share("PERSON", [1_200, 600_000, 60, 100]),
        of_a_tenant: share("TENANT", [12_000, 6_000_000, 1_200, 5_000]),
    }
}

/// So many a minute, and as many at once.
fn even(read: &mut Reader<'_>, name: &str, default: u32) -> Rate {
    let per_minute = read.number(name, default, 1..=100_000);
    Rate { burst: per_minute, per_minute }
}
