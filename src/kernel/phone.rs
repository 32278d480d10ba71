//! Phone numbers in E.164: a plus sign and 7 to 15 digits.

use crate::kernel::failure::Refusal;

/// Normalises a number that already has its country code: blanks, dots, dashes and parentheses are dropped, and with them the
/// `(0)` of `+44 (0)20 7946 0958`, which is dialled at home alone. A number without `+` is refused: guessing a country would
/// find the wrong person.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn normalise(field: &'static str, text: &str) -> Result<String, Refusal> {
    parse(text).ok_or_else(|| {
        Refusal::input(
            field,
            format!("`{field}` must be a phone number with its country code, such as `+15550100123`."),
        )
    })
}

/// As [`normalise`], where nobody is told of a field.
#[must_use]
pub fn parse(text: &str) -> Option<String> {
    let tight: String = text.trim().chars().filter(|c| !is_spacing(*c)).collect();
    let whole = match tight.split_once("(0)") {
        Some((code, rest)) if drops_its_zero(code) => format!("{code}{rest}"),
        _ => tight,
    };
    let kept: String = whole.chars().filter(|c| !matches!(c, '(' | ')')).collect();
    let digits = kept.strip_prefix('+').unwrap_or_default();
    let plausible = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    plausible.then_some(kept)
}

/// What sets digits apart for the eye: also the blanks and hyphens of print, and the unseen marks that a number has around it
/// when it was copied from a phone.
fn is_spacing(c: char) -> bool {
    matches!(
        c,
        ' ' | '.'
            | '-'
            | '\u{a0}'
            | '\u{ad}'
            | '\u{2000}'..='\u{2015}'
            | '\u{202a}'..='\u{202f}'
            | '\u{205f}'..='\u{2069}'
            | '\u{2212}'
            | '\u{3000}'
            | '\u{fe63}'
            | '\u{feff}'
            | '\u{ff0d}'
    )
}

/// Italy, San Marino, Ivory Coast and Congo: there a zero is part of the number.
const KEEP: [&str; 4] = ["39", "378", "225", "242"];

/// Whether this is a country code behind which a zero in parentheses is not dialled from abroad.
fn drops_its_zero(code: &str) -> bool {
    let digits = code.strip_prefix('+').unwrap_or_default();
    (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !KEEP.contains(&digits)
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
    #[test]
    fn the_zero_that_is_dialled_at_home_alone_is_dropped() {
        for text in ["+44 (0)20 7946 0958", "+44(0)2079460958", "+44 ( 0 ) 20-7946-0958"] {
            assert_eq!(normalise("phone", text).as_deref(), Ok("+442079460958"), "{text:?}");
        }
        assert_eq!(normalise("phone", "+353 (0)1 555 0123").as_deref(), Ok("+35315550123"));
        // A zero anywhere else is part of the number, and in Italy this one is.
        assert_eq!(normalise("phone", "+39 (0)6 5550 1234").as_deref(), Ok("+390655501234"));
        assert_eq!(normalise("phone", "+1 555 (0)10 0123").as_deref(), Ok("+15550100123"));
        assert!(normalise("phone", "(0)20 7946 0958").is_err(), "without a country code");
    }

    #[test]
    fn a_number_may_be_pasted_as_it_was_printed() {
        for text in [
            "+1\u{a0}555\u{a0}010\u{2011}0123",
            "+1\u{202f}555\u{2009}010\u{2013}0123",
            "\u{202a}+1\u{2212}555\u{ad}010\u{2010}0123\u{202c}",
            "\u{feff}+1 555 010 0123\u{200b}",
        ] {
            assert_eq!(normalise("phone", text).as_deref(), Ok("+15550100123"), "{text:?}");
        }
        assert_eq!(normalise("phone", "+44\u{a0}(0\u{202f})20\u{a0}7946\u{a0}0958").as_deref(), Ok("+442079460958"));
        assert!(normalise("phone", "+1555\n0100123").is_err(), "two lines are no number");
    }
}
