//! One clock for all processes of a run, and stamps of it that travel in a token's text. Must not know how a token travels.

use nix::time::{ClockId, clock_gettime};

/// What a stamp begins with; nothing else that is sent holds it.
const MARK: u8 = b'~';
const DIGITS: usize = 16;

/// Nanoseconds since the machine was started.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    let [seconds, nanoseconds] = [time.tv_sec(), time.tv_nsec()].map(|part| u64::try_from(part).expect("a time"));
    seconds * 1_000_000_000 + nanoseconds
}

/// A token's text.
pub fn stamp(now: u64) -> String {
    format!("~{now:016x} ")
}

/// All stamps of a text, however many tokens it was made of.
pub fn stamps(text: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.iter().position(|byte| *byte == MARK)?;
        let digits = rest.get(at + 1..at + 1 + DIGITS).expect("a whole stamp");
        rest = &rest[at + 1 + DIGITS..];
        Some(u64::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("a stamp"))
    })
}
