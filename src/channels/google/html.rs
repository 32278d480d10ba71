//! HTML as the plain text that somebody sees in it, quotes marked with `> ` as in plain mail. No browser: it only has to be read.
//! Must not fail, whatever it is given.

use crate::kernel::text::unescaped;

/// What is between these tags is not text.
const UNSEEN: &[&str] = &["script", "style", "head", "title", "template", "noscript"];
/// Tags that end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// Longest tag whose quoted attributes are looked at, in bytes.
const TAG_MAX: usize = 8 << 10;

/// The text of a page of HTML, in a time that grows as the page does.
pub(super) fn to_text(html: &str) -> String {
    let mut page = Page::default();
    let mut tags = Tags { trusted_from: usize::MAX };
    let mut rest = html;
    while let Some((text, after)) = rest.split_once('<') {
        page.say(text);
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, behind)| behind);
            continue;
        }
        // What begins no tag is a "less than" that nobody escaped.
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            page.say("<");
            rest = after;
            continue;
        }
        let (tag, behind) = tags.split(after);
        let is_end = tag.starts_with('/');
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = if UNSEEN.contains(&name.as_str()) && !is_end { tags.behind_end(behind, &name) } else { behind };
        page.tag(&name, is_end);
    }
    page.say(rest);
    page.text()
}

/// Where tags end. What was looked through for an end in vain is not looked through again: so no page takes longer than its
/// length says.
struct Tags {
    /// Quotes are looked at where no more than this is left of the page, in bytes.
    trusted_from: usize,
}

impl Tags {
    /// A tag's inside and what is behind it; a `>` in a quoted attribute does not end it.
    fn split<'t>(&mut self, text: &'t str) -> (&'t str, &'t str) {
        if text.len() <= self.trusted_from {
            let mut quote = None;
            let near = text.get(..text.floor_char_boundary(TAG_MAX)).unwrap_or_default();
            for (at, c) in near.char_indices() {
                match (quote, c) {
                    (None, '>') => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
                    (None, '"' | '\'') => quote = Some(c),
                    (Some(open), c) if c == open => quote = None,
                    _ => {}
                }
            }
            self.trusted_from = text.len() - near.len();
        }
        // One that never ends, or not soon, takes no more than itself.
        text.split_once('>').unwrap_or((text, ""))
    }

    /// What is behind the end of an unseen element.
    fn behind_end<'t>(&mut self, text: &'t str, name: &str) -> &'t str {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")) {
            let behind = text.get(from + at + 2..).unwrap_or_default();
            if behind.get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
                return self.split(behind).1;
            }
            from += at + 2;
        }
        ""
    }
}

/// The text so far, line by line.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
    line: String,
    quoted: usize,
}

impl Page {
    fn say(&mut self, text: &str) {
        let text = unescaped(text);
        let leads = text.starts_with(char::is_whitespace);
        let ends = text.ends_with(char::is_whitespace);
        for (at, word) in text.split_whitespace().enumerate() {
            let glued = at == 0 && !leads;
            if !self.line.is_empty() && !glued && !self.line.ends_with(' ') {
                self.line.push(' ');
            }
            self.line.push_str(word);
        }
        if ends && !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    fn tag(&mut self, name: &str, is_end: bool) {
        if BLOCKS.contains(&name) {
            // A `br` ends a line, also an empty one; the others end what stands there.
            if name == "br" || !self.line.trim().is_empty() {
                self.end_line();
            }
            if name == "p" && is_end {
                self.end_line();
            }
        } else if matches!(name, "td" | "th") && !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
        if name == "blockquote" {
            self.quoted = if is_end { self.quoted.saturating_sub(1) } else { (self.quoted + 1).min(9) };
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let marks = ">".repeat(self.quoted);
        let glue = if self.quoted == 0 { "" } else { " " };
        self.lines.push(format!("{marks}{glue}{}", line.trim()));
    }

    fn text(mut self) -> String {
        self.end_line();
        let mut text = String::new();
        let mut blank = 0;
        for line in &self.lines {
            blank = if line.trim().is_empty() { blank + 1 } else { 0 };
            if blank < 2 {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_see_the_same() {
        for (html, text) in [
            ("<div>Hello&nbsp;there<br>line&amp;two</div><script>x()</script>", "Hello there\nline&two"),
            ("<div>one</div><div>two</div>", "one\ntwo"),
            ("<p>one</p><p>two <b>bold</b>, and\n  more</p>", "one\n\ntwo bold, and more"),
            ("<html><head><title>T</title><style>p > a {}</style></head><body>seen</body></html>", "seen"),
            ("<!-- hidden > --><p title=\"a > b\">shown</p>", "shown"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("<ul><li>one<li>two</ul>", "one\ntwo"),
            ("1 < 2 &lt; 3 & 4", "1 < 2 < 3 & 4"),
            (
                "mine<blockquote><div>theirs</div><blockquote>older</blockquote></blockquote>",
                "mine\n> theirs\n>> older",
            ),
            ("<SCRIPT>a</Script>b<style>never ends", "b"),
            ("an <b", "an"),
            ("<a href='x>y'>z</a>", "z"),
            ("ca<b>f</b>é", "café"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn a_tag_without_an_end_takes_no_more_than_itself_and_quotes_count_again_behind_it() {
        let long = "x".repeat(TAG_MAX);
        assert_eq!(to_text(&format!("<a href='{long}>'>y")), "'>y", "too long for its quotes");
        assert_eq!(to_text(&format!("<a '>one {long} <b c='>'>two")), format!("one {long} two"));
        assert_eq!(to_text("<a '>one <b c='>two</b>"), "two", "quotes that do end");
    }

    /// Where work grew by the square of the length, each of these would take hours.
    #[test]
    fn no_page_takes_longer_than_its_length_says() {
        for piece in
            ["<a '>'", "<a '>", "<a", "<", "&", "<!--", "</", "<script></script '>'", "<td>", "<blockquote>", "a&#0;"]
        {
            for size in [512 << 10, 1 << 20] {
                let text = to_text(&piece.repeat(size / piece.len()));
                assert!(text.len() <= size * 12, "{piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_stumble(html in "([<>/!&;\"'a-z =-]|<blockquote>|</p>|<!--|&#x1F600;|é){0,80}") {
            let text = to_text(&html);
            prop_assert!(text.len() <= html.len() * 12 + 16);
        }
    }
}
