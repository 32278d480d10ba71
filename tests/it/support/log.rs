//! What the servers of this run logged: shown when a test fails, and kept to be looked through.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::fmt::TestWriter;

static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Writes to both.
pub struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        TestWriter::default().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that was logged so far, by every test of this run.
pub fn logged() -> String {
    String::from_utf8_lossy(&KEPT.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
