//! `frontdesk`: arguments in, a command run, an exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// An answer is many small pieces, made on one thread and freed on another: measured in docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    frontdesk::cli::run()
}
