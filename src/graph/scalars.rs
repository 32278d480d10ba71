//! Scalars of our own.

use std::fmt::{self, Display, Formatter};

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, Utc};

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
        match value {
            Value::String(text) => {
                phone::normalise("phone", &text).map(Self).map_err(|refusal| InputValueError::custom(refusal.message))
            }
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

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
        }
    }
}
