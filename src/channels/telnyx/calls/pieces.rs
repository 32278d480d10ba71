//! Pieces of a body as Telnyx writes them: each is what it should be, or is not there. NULs, which no database text holds, are
//! taken out.

use serde_json::Value;

/// Longest name of a call, a number, an assistant.
const NAME_MAX: usize = 255;
/// Longest address.
const URL_MAX: usize = 2_000;
/// Most seconds of a call: a week.
const SECONDS_MAX: f64 = 604_800.0;

/// A name: short, and not blank.
pub(super) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_name = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
    is_name.then(|| text.to_owned())
}

/// A text of at most so many characters, without NULs; nothing if it is blank.
pub(super) fn words(text: &str, max: usize) -> Option<String> {
    let kept: String = text.trim().chars().filter(|c| *c != '\0').take(max).collect();
    Some(kept).filter(|kept| !kept.trim().is_empty())
}

/// Whole seconds, of a number or of its text.
pub(super) fn seconds(value: &Value) -> Option<i32> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    #[expect(clippy::cast_possible_truncation, reason = "it was just compared with what fits")]
    (0.0..=SECONDS_MAX).contains(&number).then(|| number.round() as i32)
}

/// An address as it was given.
pub(super) fn link(text: &str) -> Option<String> {
    let is_link = (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= URL_MAX
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    is_link.then(|| text.to_owned())
}

/// A member's text, if it has one.
pub(super) fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}
