//! Addresses on the web, as far as a server should judge them.

use url::Url;

use crate::kernel::failure::Refusal;

/// Longest address, in bytes.
const MAX: usize = 2_000;

/// Checks that `text` is an http or https address. It is kept as it was written.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn address(field: &'static str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let is_one = text.len() <= MAX
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_one {
        Ok(text.to_owned())
    } else {
        Err(Refusal::input(field, format!("`{field}` must be a web address such as `https://www.example.com`.")))
    }
}

/// Checks that `text` is a pattern of a web address: one that may hold `{name}` for each of `names`, behind its host.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn pattern(field: &'static str, text: &str, names: &[&str]) -> Result<String, Refusal> {
    let plain = names.iter().fold(text.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), "x"));
    address(field, &plain)?;
    if plain.contains(['{', '}']) || fill(text.trim(), |_| None).is_none() {
        let known: Vec<_> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
        let message = format!("`{field}` may hold {} behind its host, and no other braces.", known.join(", "));
        return Err(Refusal::input(field, message));
    }
    Ok(text.trim().to_owned())
}

/// A pattern with values in the place of its names, encoded; without one, with nothing. `None` if that is no web address,
/// or if the values would decide which host it leads to.
#[must_use]
pub fn fill<'v>(pattern: &str, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    let with = |value: &dyn Fn(&str) -> String| {
        let mut parts = pattern.split('{');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            text.push_str(&value(name));
            text.push_str(rest);
        }
        Some(text)
    };
    let filled = with(&|name| value(name).map(encoded).unwrap_or_default())?;
    let [url, one, other] = [filled.clone(), with(&|_| "x".to_owned())?, with(&|_| "y".to_owned())?]
        .map(|text| Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()));
    let place = |url: &Option<Url>| {
        url.as_ref().map(|url| (url.origin(), url.username().to_owned(), url.password().map(str::to_owned)))
    };
    (url.is_some() && place(&url) == place(&one) && place(&one) == place(&other)).then_some(filled)
}

/// A text as one part of an address: all but letters, digits, `-`, `.`, `_` and `~` as `%XX`, spaces too.
#[must_use]
pub fn encoded(text: &str) -> String {
    let part = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_holds_known_names_and_never_in_its_host() {
        let check = |text: &str| pattern("url", text, &["a", "b"]);
        for text in ["https://x.example/{a}?b={b}", "https://x.example/", "http://x.example:81/#{a}{a}"] {
            assert_eq!(check(text).as_deref(), Ok(text));
        }
        for text in [
            "https://{a}/",
            "https://x.example{a}/",
            "https://x.example:8{a}/",
            "https://{a}@x.example/",
            "{a}://x.example/",
            "https://x.example/{c}",
            "https://x.example/{a",
            "https://x.example/a}",
            "https://x.example/{}",
            "{a}",
            "",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert_eq!(
            fill("https://x.example/{a}/?q={b}", |name| (name == "b").then_some("é /\u{0}&")).as_deref(),
            Some("https://x.example//?q=%C3%A9%20%2F%00%26")
        );
    }

    #[test]
    fn only_web_addresses_are_web_addresses() {
        assert_eq!(address("url", " https://example.com/a?b#c ").as_deref(), Ok("https://example.com/a?b#c"));
        for text in
            ["", "example.com", "ftp://example.com", "javascript:alert(1)", "https://", "https://a\tb.com", "http:"]
        {
            assert!(address("url", text).is_err(), "{text:?}");
        }
    }
}
