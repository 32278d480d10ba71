//! Logs: lines for people, or one JSON object a line. `RUST_LOG` filters as usual. No line shows a phone number or a mail address.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt};

use crate::{
    cli::{
        lines::{Lines, Members},
        traces::Traces,
    },
    kernel::trace,
};

/// Starts to log what `wanted` names (`RUST_LOG`), and to take traces down where they are sent somewhere.
///
/// # Errors
/// When it was begun before.
pub(super) fn start(json: bool, wanted: Option<&str>, traces: Option<&Traces>) -> anyhow::Result<()> {
    let wanted = wanted.unwrap_or("info");
    // genai logs whole error bodies of providers, which may name keys and accounts; we log our own word on each.
    let off = if wanted.contains("genai") { "" } else { ",genai=off" };
    let filter = EnvFilter::try_new(format!("{wanted}{off}"))?;
    // Whatever else is asked for: lines do not repeat what traces show.
    let filter = filter.add_directive(format!("{}=off", trace::TARGET).parse()?);
    let registry = tracing_subscriber::registry();
    match traces {
        Some(traces) => registry.with(traces.layer()).with(lines(json).with_filter(filter)).try_init()?,
        // Where lines are all that there is, no other span is made, and each is asked about once.
        None => registry.with(lines(json)).with(filter).try_init()?,
    }
    Ok(())
}

fn lines<S: Subscriber + for<'s> LookupSpan<'s>>(json: bool) -> Box<dyn Layer<S> + Send + Sync> {
    let writer = || Redacted(std::io::stderr());
    if json {
        fmt::layer().fmt_fields(Members).event_format(Lines).with_writer(writer).boxed()
    } else {
        fmt::layer().compact().with_target(false).with_writer(writer).boxed()
    }
}

/// What a mail address and a number are shown as.
const ADDRESS: &str = "(address)";
const NUMBER: &str = "(number)";
/// A `+` with so many digits behind it is a phone number.
const DIGITS: usize = 7;

/// What every address and every number has one of.
const MARKS: [char; 3] = ['+', '@', '%'];

/// Writes lines without phone numbers and mail addresses. They should not get here at all; where a provider's or a library's own
/// words hold one, it ends here.
struct Redacted<W>(W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).ok().and_then(redacted) {
            Some(redacted) => self.0.write_all(redacted.as_bytes())?,
            None => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line without what it should not show; `None` where there is nothing of the kind. A line of JSON stays one.
fn redacted(line: &str) -> Option<String> {
    // All bytes are looked at, though the first would do: without a way out, many are at a time.
    if !line.bytes().fold(false, |so_far, byte| so_far | MARKS.contains(&byte.into())) {
        return None;
    }
    let (mut shown, mut rest) = (String::with_capacity(line.len()), line);
    while let Some((before, what, after)) = next(rest) {
        shown.push_str(before);
        shown.push_str(what);
        rest = after;
    }
    shown.push_str(rest);
    Some(shown)
}

/// What stands before the next address or number, what to show in its place, and what stands behind it.
fn next(text: &str) -> Option<(&str, &'static str, &str)> {
    for (at, mark) in text.match_indices(MARKS) {
        let (before, after) = (text.get(..at)?, text.get(at + mark.len()..)?);
        if mark == "@" {
            let (local, domain) = (tail(before), head(after, |c| c.is_alphanumeric() || ".-".contains(c)));
            if !local.is_empty() && domain.trim_matches('.').contains('.') {
                return Some((before.get(..at - local.len())?, ADDRESS, after.get(domain.len()..)?));
            }
            continue;
        }
        // A plus as it is, or as addresses write it.
        let Some(after) = (if mark == "+" { Some(after) } else { after.strip_prefix("2B") }) else { continue };
        let digits = head(after, |c| c.is_ascii_digit());
        if digits.len() >= DIGITS {
            return Some((before, NUMBER, after.get(digits.len()..)?));
        }
    }
    None
}

fn head(text: &str, is_of_it: impl Fn(char) -> bool) -> &str {
    text.find(|c| !is_of_it(c)).and_then(|end| text.get(..end)).unwrap_or(text)
}

/// What may be the first half of an address. Of an escape before it, nothing is taken away.
fn tail(before: &str) -> &str {
    let is_of_it = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let start = before.rfind(|c| !is_of_it(c)).map_or(0, |at| at + before.get(at..).map_or(1, first_length));
    let (outside, local) = before.split_at(start);
    let escape = match (outside.ends_with('\\'), local.starts_with('u')) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 5,
    };
    local.get(escape..).unwrap_or_default()
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_not_shown() {
        let shown = |line: &str| redacted(line).unwrap_or_else(|| line.to_owned());
        for (line, expected) in [
            ("The 'To' number +15555550111 is not valid", "The 'To' number (number) is not valid"),
            ("?to=%2B15555550111&x", "?to=(number)&x"),
            ("<ann.o'hara+x@mail.example.com>, and bob@example.org.", "<ann.o'(address)>, and (address)"),
            ("+15555550111 to +15555550122", "(number) to (number)"),
            ("2026-11-21T12:00:00+00:00 1 + 2 = 3 50% @work a@b", "2026-11-21T12:00:00+00:00 1 + 2 = 3 50% @work a@b"),
            ("zoë@exämple.org", "(address)"),
            ("a +1234567@example.org b", "a (number)@example.org b"),
        ] {
            assert_eq!(shown(line), expected);
        }
        for said in ["a\nbob@example.org", "a\u{1}bob@example.org", "\\bob@example.org +15555550111"] {
            let line = shown(&serde_json::json!({ "said": said }).to_string());
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON still");
            assert!(!read["said"].as_str().expect("text").contains("example.org"), "{line}");
        }
    }

    #[test]
    fn a_line_is_written_whole() {
        let mut kept = Vec::new();
        Redacted(&mut kept).write_all(b"to +15555550111\n").expect("written");
        Redacted(&mut kept).write_all(b"\xff+15555550111\n").expect("written");
        assert_eq!(kept, b"to (number)\n\xff+15555550111\n");
    }
}
