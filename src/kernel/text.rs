//! Rules for free text that comes from outside.

use crate::kernel::failure::Refusal;

/// Trims and checks a text of at most `max` characters that may not be empty.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`: empty, too long, or holding a NUL, which PostgreSQL's `text` can't store.
pub fn required(field: &'static str, text: &str, max: usize) -> Result<String, Refusal> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Refusal::input(field, format!("`{field}` must not be empty.")));
    }
    bounded(field, trimmed, max)?;
    Ok(trimmed.to_owned())
}

/// Like [`required`], but absent and blank both mean "none".
///
/// # Errors
/// As [`required`].
pub fn optional(field: &'static str, text: Option<&str>, max: usize) -> Result<Option<String>, Refusal> {
    given(text).map(|text| required(field, text, max)).transpose()
}

/// What was said, without the blanks around it: absent and blank both mean "none".
#[must_use]
pub fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn bounded(field: &'static str, text: &str, max: usize) -> Result<(), Refusal> {
    if text.contains('\0') {
        return Err(Refusal::input(field, format!("`{field}` holds a NUL character, which can't be stored.")));
    }
    let length = text.chars().count();
    if length > max {
        return Err(Refusal::input(
            field,
            format!("`{field}` is {length} characters long; at most {max} are allowed."),
        ));
    }
    Ok(())
}

/// Within so many bytes an escape of HTML ends, or is none.
const ESCAPE_MAX: usize = 32;

/// Takes the escapes of HTML back, once: what was escaped twice stays escaped once. One of a control character, which no text
/// can hold (PostgreSQL stores no NUL), stays as it is written.
#[must_use]
pub fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let near = after.get(..after.floor_char_boundary(ESCAPE_MAX)).unwrap_or_default();
        let named = near.split_once(';').and_then(|(name, _)| Some((character(name)?, after.get(name.len() + 1..)?)));
        if let Some((character, behind)) = named {
            plain.push(character);
            rest = behind;
        } else {
            plain.push('&');
            rest = after;
        }
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#').filter(|digits| digits.len() <= 8)?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(number.ok()?).filter(|c| !c.is_ascii_control() || "\t\n\r".contains(*c))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_back_once() {
        for (text, plain) in [
            ("a &amp; b", "a & b"),
            ("&amp;amp;", "&amp;"),
            ("&lt;b&gt; &quot;x&quot; &#39;y&apos; &#xe9;", "<b> \"x\" 'y' é"),
            ("R&B; x & y &", "R&B; x & y &"),
            ("&#99999999; &#xD800; &#;", "&#99999999; &#xD800; &#;"),
            ("a&#0;b&#x00;c&#8;d&#127;", "a&#0;b&#x00;c&#8;d&#127;"),
            ("a&#9;b&#10;c&#xd;", "a\tb\nc\r"),
            ("&0123456789012345678901234567890; &amp;", "&0123456789012345678901234567890; &"),
        ] {
            assert_eq!(unescaped(text), plain);
        }
    }

    #[test]
    fn escapes_that_never_end_are_not_looked_for_to_the_end() {
        let text = "&".repeat(1 << 20);
        assert_eq!(unescaped(&text), text);
    }
}
