//! One clock for all processes of a run, and stamps of it that travel in a token's text. Must not know how a token travels.

use nix::time::{ClockId, clock_gettime};

/// What a stamp begins with; nothing else that is sent holds it.
const MARK: u8 = b'~';
/// Hexadecimal digits of the time, and of the token's number.
const TIME: usize = 16;
const NUMBER: usize = 4;
/// Behind the last token's.
const LAST: u8 = b'!';

/// When a token was sent, the how manieth of its stream it is, and whether it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub sent: u64,
    pub number: u64,
    pub is_last: bool,
}

/// Nanoseconds since the machine was started.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    let [seconds, nanoseconds] = [time.tv_sec(), time.tv_nsec()].map(|part| u64::try_from(part).expect("a time"));
    seconds * 1_000_000_000 + nanoseconds
}

impl Stamp {
    /// As a token's text.
    pub fn text(self) -> String {
        let Self { sent, number, is_last } = self;
        format!("~{sent:016x}{number:04x}{}", if is_last { '!' } else { ' ' })
    }
}

/// All stamps of a text, however many tokens it was made of.
pub fn stamps(text: &[u8]) -> impl Iterator<Item = Stamp> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.iter().position(|byte| *byte == MARK)?;
        let (stamp, behind) = rest[at + 1..].split_at_checked(TIME + NUMBER + 1).expect("a whole stamp");
        rest = behind;
        let hex = |digits: &[u8]| {
            u64::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("a hexadecimal number")
        };
        let (sent, number) = (hex(&stamp[..TIME]), hex(&stamp[TIME..TIME + NUMBER]));
        Some(Stamp { sent, number, is_last: stamp[TIME + NUMBER] == LAST })
    })
}
