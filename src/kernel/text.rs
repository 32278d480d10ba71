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
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => required(field, text, max).map(Some),
    }
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
