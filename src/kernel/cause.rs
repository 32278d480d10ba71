//! Why something failed, in few words. Must not be asked about words of others: of what a provider answers, nothing is repeated.

use std::error::Error;

/// As much of it as a line is to hold.
const MAX: usize = 200;

/// What the innermost cause says, which is the telling one: those around it say no more than what was tried.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string().chars().take(MAX).collect()
}
