//! Phone numbers in E.164: a plus sign and 7 to 15 digits.

use crate::kernel::failure::Refusal;

/// Normalises a number that already has its country code: spaces, dots, dashes and parentheses are dropped.
/// A number without `+` is refused: guessing a country would find the wrong person.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn normalise(field: &'static str, text: &str) -> Result<String, Refusal> {
    let kept: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')')).collect();
    let digits = kept.strip_prefix('+').unwrap_or_default();
    let plausible = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if plausible {
        Ok(kept)
    } else {
        Err(Refusal::input(
            field,
            format!("`{field}` must be a phone number with its country code, such as `+15550100123`."),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_dropped_and_the_country_code_is_required() {
        assert_eq!(normalise("phone", "+1 (555) 010-0123").as_deref(), Ok("+15550100123"));
        for text in ["", "5550100123", "+0123456789", "+1", "+1555010012345678", "+1555x100123"] {
            assert!(normalise("phone", text).is_err(), "{text:?}");
        }
    }
}
