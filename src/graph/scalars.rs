//! Scalars of our own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, SecondsFormat, Utc};

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
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(at: chrono::DateTime<Utc>) -> Self {
        Self(at)
    }
}
