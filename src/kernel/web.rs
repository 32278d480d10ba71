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

#[cfg(test)]
mod tests {
    use super::*;

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
