//! Being told to stop. The first process of a container hears SIGTERM only once it has said what to do then, so that is said before
//! anything that may take long. Must not know what is stopped.

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, heard since it was made.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Ends when it is told.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Does something that may be left half done, until it is told to stop.
    pub(super) async fn unless_told<T>(&mut self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        tokio::select! {
            // What is done is done.
            biased;
            done = work => done,
            () = self.told() => bail!("told to stop"),
        }
    }
}
