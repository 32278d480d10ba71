//! Background work that keeps its log context, or says that it has none. Bare `tokio::spawn` is banned by `clippy.toml`: it loses
//! the span unsaid.

use std::{any::Any, future::Future};

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs `work` on the runtime, inside the span of the caller.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    apart(work.in_current_span())
}

/// Runs `work` on the runtime, outside of every span: for what has nothing to do with whoever set it off.
pub fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    tokio::spawn(work)
}

/// What a panic said, where it said it in words.
#[must_use]
pub fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}
