//! Scalars of our own.

use std::{
    fmt::{self, Display, Formatter},
    io::Write,
};

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, Timelike, Utc};

use crate::kernel::phone;

/// A phone number in E.164: a plus sign and 7 to 15 digits, such as `+15550100123`. Spaces, dots, dashes and parentheses
/// are dropped on input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneNumber(pub String);

/// A phone number in E.164: a plus sign and 7 to 15 digits, such as `+15550100123`. Spaces, dots, dashes and parentheses
/// are dropped on input.
#[Scalar(specified_by_url = "https://www.itu.int/rec/T-REC-E.164")]
impl ScalarType for PhoneNumber {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        phone::parse(&text)
            .map(Self)
            .ok_or_else(|| InputValueError::custom("a phone number has its country code, such as `+15550100123`"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A second, in nanoseconds.
const NANOS: u32 = 1_000_000_000;
/// The longest text of a moment, in bytes.
const LONGEST: usize = "2026-11-21T12:00:00.123456789Z".len();

/// A moment, as RFC 3339 in UTC, such as `2026-11-21T12:00:00Z`. Other offsets are taken on input, and turned into UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// A moment, as RFC 3339 in UTC, such as `2026-11-21T12:00:00Z`. Other offsets are taken on input, and turned into UTC.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        chrono::DateTime::parse_from_rfc3339(&text)
            .ok()
            .map(|at| at.with_timezone(&Utc))
            // What chrono can hold is more than PostgreSQL takes.
            .filter(|at| (1..=9999).contains(&at.year()))
            .map(Self)
            .ok_or_else(|| InputValueError::custom("a moment is written like `2026-11-21T12:00:00Z`"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Display for DateTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // What chrono shows a developer is RFC 3339, of a second's fraction as much as there is; it needs no text of its own for it.
        write!(f, "{:?}", self.0)
    }
}

impl DateTime {
    /// Writes it as [`Display`] does, in a tenth of the time: an answer has hundreds of them.
    pub(super) fn write_rfc3339(self, out: &mut Vec<u8>) {
        // Asked of the moment itself, each part would be moved by the offset first.
        let at = self.0.naive_utc();
        let (year, nanos) = (u32::try_from(at.year()).unwrap_or(u32::MAX), at.nanosecond());
        if year > 9999 || nanos >= NANOS {
            // Of another form: a sign before the year, a leap second. Writing into memory can't fail.
            let _ = write!(out, "{self}");
            return;
        }
        out.reserve(LONGEST);
        digits::<4>(year, out);
        out.push(b'-');
        digits::<2>(at.month(), out);
        out.push(b'-');
        digits::<2>(at.day(), out);
        out.push(b'T');
        digits::<2>(at.hour(), out);
        out.push(b':');
        digits::<2>(at.minute(), out);
        out.push(b':');
        digits::<2>(at.second(), out);
        if nanos > 0 {
            out.push(b'.');
            match nanos {
                nanos if nanos % 1_000_000 == 0 => digits::<3>(nanos / 1_000_000, out),
                nanos if nanos % 1_000 == 0 => digits::<6>(nanos / 1_000, out),
                nanos => digits::<9>(nanos, out),
            }
        }
        out.push(b'Z');
    }
}

/// Writes the last `N` digits of a number.
fn digits<const N: usize>(mut number: u32, out: &mut Vec<u8>) {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    out.extend_from_slice(&text);
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(at: chrono::DateTime<Utc>) -> Self {
        Self(at)
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_written_as_rfc_3339(micros in any::<i64>(), unit in prop::sample::select(vec![1, 1_000, 1_000_000])) {
            // Some four thousand years before and after 1970.
            let at = chrono::DateTime::from_timestamp_micros((micros / 64 + 1) / unit * unit).expect("a moment");
            prop_assert_eq!(DateTime(at).to_string(), at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            prop_assert_eq!(written(at), DateTime(at).to_string());
        }

        #[test]
        fn a_moment_is_written_at_once_as_it_is_shown(seconds in -62_135_596_800..=253_402_300_799_i64, nanos in 0..2 * NANOS) {
            // Of a leap second the nanoseconds go on counting.
            if let Some(at) = chrono::DateTime::from_timestamp(seconds, nanos) {
                prop_assert_eq!(written(at), DateTime(at).to_string());
            }
        }
    }

    fn written(at: chrono::DateTime<Utc>) -> String {
        let mut out = Vec::new();
        DateTime(at).write_rfc3339(&mut out);
        String::from_utf8(out).expect("text")
    }
}
