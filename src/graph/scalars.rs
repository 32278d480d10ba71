//! Scalars of our own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

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
