//! The parts that a mail is made of, and the text in them. Must not know whose mail it is.

use encoding_rs::{Encoding, UTF_8};
use serde::Deserialize;

use crate::channels::google::{html, push::decode, quotes};

/// Parts that are looked into at the most, and how deep.
const PARTS_MAX: usize = 200;
const DEPTH_MAX: usize = 20;
/// Longest part that is fetched on its own, in bytes.
const APART_MAX: u64 = 2 << 20;
/// Longest header that is read, in bytes.
const HEADER_MAX: usize = 4_000;
/// Longest text that is looked at, as HTML or plain, in bytes; of more, the beginning.
pub(super) const LOOKED_AT_MAX: usize = 512 << 10;
/// Longest plain text, in characters; of more, the beginning.
pub(super) const TEXT_MAX: usize = 15_000;
/// What a calendar says by itself of an invitation (RFC 5546): that somebody comes or does not, wants another time or the newest
/// state, and that it is called off.
const CALENDAR_METHODS: &[&str] = &["REPLY", "COUNTER", "REFRESH", "CANCEL"];

/// A part, and those in it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "mimeType", default)]
    pub(super) kind: String,
    #[serde(default)]
    filename: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    body: Content,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Content {
    data: Option<String>,
    #[serde(rename = "attachmentId")]
    apart: Option<String>,
    size: Option<u64>,
}

/// What was found of what a mail says.
#[derive(Default)]
struct Said {
    text: String,
    /// The first part that lies apart, where nothing was said before it.
    apart: Option<String>,
    parts: usize,
}

impl Part {
    /// Its words, or else the part that holds them.
    pub(super) fn words(&self) -> (Option<String>, Option<String>) {
        let mut said = Said::default();
        self.gather(&mut said, DEPTH_MAX);
        (own_words(&said.text), said.apart)
    }

    /// The words of the part that lies apart under this id.
    pub(super) fn words_apart(&self, id: &str, bytes: &[u8]) -> Option<String> {
        own_words(&self.lying_apart(id, DEPTH_MAX)?.text(bytes))
    }

    /// A header, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(cut(header.value.trim(), HEADER_MAX))
    }

    /// Whether it holds what a calendar says by itself of an invitation. The invitation is a person's.
    pub(super) fn is_of_calendar(&self) -> bool {
        self.holds_calendar(DEPTH_MAX)
    }

    fn holds_calendar(&self, depth: usize) -> bool {
        let method = self.header("Content-Type").and_then(|kind| parameter(kind, "method")).unwrap_or_default();
        if self.is("text/calendar") && CALENDAR_METHODS.iter().any(|known| method.eq_ignore_ascii_case(known)) {
            return true;
        }
        // A mail that hangs on this one is another's words.
        let is_own = depth > 0 && !self.is("message/rfc822");
        is_own && self.parts.iter().any(|part| part.holds_calendar(depth - 1))
    }

    /// Adds what it says: of alternatives the plainest that says something, else all of its parts, in the order in which they
    /// stand; a picture may lie between them. Gives whether there was anything.
    fn gather(&self, said: &mut Said, depth: usize) -> bool {
        said.parts += 1;
        // A mail that hangs on this one is another's words.
        if depth == 0 || said.parts > PARTS_MAX || said.apart.is_some() || self.is("message/rfc822") {
            return false;
        }
        if self.parts.is_empty() {
            return self.is_text() && self.say(said);
        }
        let (plain, others): (Vec<_>, Vec<_>) = self.parts.iter().partition(|part| part.is("text/plain"));
        if self.is("multipart/alternative") {
            return plain.into_iter().chain(others).any(|part| part.gather(said, depth - 1));
        }
        let before = said.text.len();
        for part in &self.parts {
            part.gather(said, depth - 1);
        }
        said.text.len() > before || said.apart.is_some()
    }

    /// Adds its own text.
    fn say(&self, said: &mut Said) -> bool {
        let room = LOOKED_AT_MAX.saturating_sub(said.text.len());
        if let Some(bytes) = self.body.data.as_deref().filter(|_| room > 0).and_then(decode) {
            let text = self.text(&bytes);
            let text = cut(text.trim_matches('\n'), room);
            if text.trim().is_empty() {
                return false;
            }
            if !said.text.is_empty() {
                said.text.push_str("\n\n");
            }
            said.text.push_str(text);
            return true;
        }
        let is_small = self.body.size.is_none_or(|size| size <= APART_MAX);
        said.apart = self.body.apart.clone().filter(|_| is_small && said.text.is_empty());
        said.apart.is_some()
    }

    /// Whether it may be what the mail says: a text that is no file.
    fn is_text(&self) -> bool {
        let is_attached = || {
            let laid = self.header("Content-Disposition").unwrap_or_default();
            laid.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("attachment"))
        };
        self.filename.is_empty() && (self.is("text/plain") || self.is("text/html")) && !is_attached()
    }

    fn lying_apart(&self, id: &str, depth: usize) -> Option<&Self> {
        if self.body.apart.as_deref() == Some(id) {
            return Some(self);
        }
        let mut parts = self.parts.iter().filter(|_| depth > 0);
        parts.find_map(|part| part.lying_apart(id, depth - 1))
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Its bytes as plain text.
    fn text(&self, bytes: &[u8]) -> String {
        let label = self.header("Content-Type").and_then(|kind| parameter(kind, "charset"));
        let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
        let bytes = bytes.get(..LOOKED_AT_MAX).unwrap_or(bytes);
        let text = encoding.decode(bytes).0.replace("\r\n", "\n").replace('\r', "");
        let text = cut(&text, LOOKED_AT_MAX);
        // Last, whatever HTML made of it: no text with a NUL can be kept.
        if self.is("text/html") { html::to_text(text) } else { text.to_owned() }.replace('\0', "")
    }
}

/// What of a text its sender wrote.
fn own_words(text: &str) -> Option<String> {
    let own = quotes::stripped(text);
    Some(cut_chars(own, TEXT_MAX).trim().to_owned()).filter(|text| !text.is_empty())
}

/// A parameter of a content type, such as its `charset`.
fn parameter<'t>(content_type: &'t str, name: &str) -> Option<&'t str> {
    let is_it = |known: &str| known.trim().eq_ignore_ascii_case(name);
    let value = content_type.split(';').filter_map(|part| part.split_once('=')).find(|(known, _)| is_it(known))?.1;
    Some(value.trim().trim_matches(['"', '\'']))
}

fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// The first so many characters.
pub(super) fn cut_chars(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
