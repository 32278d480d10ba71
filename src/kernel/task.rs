//! Background work that keeps its log context. Bare `tokio::spawn` is banned by `clippy.toml`: it loses the span.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs `work` on the runtime, inside the span of the caller.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    tokio::spawn(work.in_current_span())
}
