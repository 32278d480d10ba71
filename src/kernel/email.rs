//! E-mail addresses, as far as a server should judge them: one `@`, something on both sides, no spaces, bounded.

use crate::kernel::failure::Refusal;

/// Normalises an address: trimmed, and lower case, since accounts are unique without regard to case.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field` when it can't be an address.
pub fn normalise(field: &'static str, text: &str) -> Result<String, Refusal> {
    let address = text.trim().to_lowercase();
    let plausible = address.len() <= 254
        && !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"()".contains(c))
        && address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && domain.len() >= 3
                && domain.contains('.')
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        });
    if plausible {
        Ok(address)
    } else {
        Err(Refusal::input(field, format!("`{field}` must be an e-mail address such as `ada@example.com`.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_folded() {
        assert_eq!(normalise("email", " Ada@Example.COM ").as_deref(), Ok("ada@example.com"));
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for text in ["", "ada", "@x.com", "ada@", "a b@x.com", "a@x@y.com", "a@.com", "a\r\n@x.com", "a@x.com\0"] {
            assert!(normalise("email", text).is_err(), "{text:?}");
        }
    }
}
