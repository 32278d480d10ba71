//! Databases of tests that are over are dropped, so that a run takes the disk of the tests that run at once, and not of all. Each
//! is ten megabytes, of which nine are PostgreSQL's own catalogue.

use std::{
    cell::RefCell,
    mem,
    sync::{LazyLock, mpsc},
};

use tokio::runtime;

use super::cluster;

thread_local! {
    /// libtest gives each test a thread of its own, which ends with it.
    static MINE: RefCell<Mine> = const { RefCell::new(Mine(Vec::new())) };
}

struct Mine(Vec<String>);

impl Drop for Mine {
    fn drop(&mut self) {
        for database in mem::take(&mut self.0) {
            // What it can't be told of stays for the next run, which looks for such.
            let _ = DROPPER.send(database);
        }
    }
}

/// Tests do not wait until a database is gone: one thread drops all.
static DROPPER: LazyLock<mpsc::Sender<String>> = LazyLock::new(|| {
    let (sender, spent) = mpsc::channel();
    std::thread::spawn(move || drop_each(&spent));
    sender
});

fn drop_each(spent: &mpsc::Receiver<String>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let postgres = runtime.block_on(cluster::owner("postgres"));
    for database in spent {
        // By force: a server that the test has not stopped may still be in it.
        let gone = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        let _ = runtime.block_on(postgres.batch_execute(&gone));
    }
}

/// To be dropped when this thread's test is over.
pub fn with_this_test(database: &str) {
    MINE.with_borrow_mut(|mine| mine.0.push(database.to_owned()));
}

/// To stay until the run is over: other tests copy it.
pub fn not_with_this_test(database: &str) {
    MINE.with_borrow_mut(|mine| mine.0.retain(|name| name != database));
}
