//! Characters that a document's string writes as two escapes, as JSON does, `\ud83d\ude00`, or as one of any length, `\u{1f600}`. The
//! specification allows both (2.9.4), and the library's parser neither. Must not touch what is no string, nor any other escape.

use std::borrow::Cow;

use crate::graph::scan::tokens;

/// `\uXXXX`.
const ESCAPE: usize = 6;

/// The document with each such pair as the character that it is.
pub(super) fn joined(document: &str) -> Cow<'_, str> {
    // Nearly all documents go no further.
    let is_one = |three: &[u8]| three.eq_ignore_ascii_case(b"\\ud") || three == b"\\u{";
    if !document.as_bytes().windows(3).any(is_one) {
        return Cow::Borrowed(document);
    }
    let mut whole = String::with_capacity(document.len());
    let mut rest = document;
    for token in tokens(document).filter(|token| token.starts_with(b"\"") && !token.starts_with(b"\"\"\"")) {
        let at = token.as_ptr().addr() - rest.as_ptr().addr();
        let (Some(before), Some(text), Some(behind)) =
            (rest.get(..at), rest.get(at..at + token.len()), rest.get(at + token.len()..))
        else {
            continue;
        };
        whole.push_str(before);
        join(text, &mut whole);
        rest = behind;
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

fn join(text: &str, into: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        into.push_str(before);
        let (character, length) = match (unit(escape), escape.get(ESCAPE..).and_then(unit)) {
            _ if escape.starts_with("\\u{") => braced(escape),
            (Some(high), Some(low)) => match char::decode_utf16([high, low]).next() {
                Some(Ok(character)) if character.len_utf16() == 2 => (Some(character), 2 * ESCAPE),
                _ => (None, ESCAPE),
            },
            // A backslash, and what it escapes: that may be another one.
            _ => (None, 1 + escape.chars().nth(1).map_or(0, char::len_utf8)),
        };
        let (escaped, behind) = escape.split_at(length);
        match character {
            Some(character) => into.push(character),
            None => into.push_str(escaped),
        }
        rest = behind;
    }
    into.push_str(rest);
}

/// What `\u{X…}` at the front of a text stands for, and how long that is. What a string can't hold as it stands remains as it is.
fn braced(text: &str) -> (Option<char>, usize) {
    let behind = text.get(3..).unwrap_or_default();
    // No further than its digits go: of many that do not end, each would be read to the end of them all.
    let digits = behind.bytes().take_while(u8::is_ascii_hexdigit).count();
    let code = behind.get(..digits).filter(|_| behind.as_bytes().get(digits) == Some(&b'}'));
    let character = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
    match (character.filter(|character| !character.is_control() && !matches!(character, '"' | '\\')), code) {
        (Some(character), Some(code)) => (Some(character), 4 + code.len()),
        _ => (None, 3),
    }
}

/// What `\uXXXX` at the front of a text stands for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_character_that_it_is_and_all_else_stays() {
        for (document, expected) in [
            (r#"{ a(b: "Hi \ud83d\ude00!") }"#, "{ a(b: \"Hi 😀!\") }"),
            (
                r#"{ a(b: "\uD83D\uDE00\uD83D\uDE00", c: "ü \"\ud83d\ude00") } # ü"#,
                "{ a(b: \"😀😀\", c: \"ü \\\"😀\") } # ü",
            ),
        ] {
            assert_eq!(joined(document), expected);
        }
        assert_eq!(joined(r#"{ a(b: "\u{1F600}\u{e4}\u{00041}") }"#), "{ a(b: \"😀äA\") }");
        for document in [
            r#"{ a(b: "\u{22} \u{5c} \u{d83d} \u{110000} \u{} \u{zz} \u{41") }"#,
            "{ me { id } }",
            r#"{ a(b: "\u00fc \ud83d x \ude00\ud83d \ud83d\u0041 \ud83d") }"#,
            r#"{ a(b: "\\ud83d\\ude00") }"#,
            r#"{ a(b: """\ud83d\ude00""") } # "\ud83d\ude00""#,
            r#"{ a(b: "\ud83d\ude0"#,
            r#"{ a(b: "\ud83d\"#,
        ] {
            assert_eq!(joined(document), document);
        }
    }
}
