//! Subscriptions on which nothing happens, each on a socket of its own and in a conversation of its own: what they take of memory and
//! of processor time. Must not know a table's form.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    line::{Line, Way},
    measure,
    processes::Server,
    reader::Ask,
};

/// Sockets that are being opened at once.
const AT_ONCE: usize = 32;
/// How long the program may take until it watches for all.
const PATIENCE: Duration = Duration::from_mins(5);
/// What is left over from opening them ends meanwhile.
const REST: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    pub subscriptions: usize,
    /// Those that broke off.
    pub lost: usize,
    /// Kilobytes for each.
    pub memory: f64,
    /// Seconds that it took to open them.
    pub opening: f64,
    /// Cores that all of them together keep busy while nothing happens: the server's, and PostgreSQL's.
    pub cores: f64,
    pub postgres_cores: f64,
    /// For how many seconds that was counted.
    pub window: f64,
}

/// A gauge of the program's own measurements.
async fn gauge(program: &Server, name: &str) -> String {
    let answer = reqwest::get(format!("{}/metrics", program.url)).await.expect("an answer");
    let text = answer.text().await.expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
}

/// Waits until the program watches for so many.
pub async fn until_watched(program: &Server, watchers: usize) {
    let since = Instant::now();
    loop {
        let now = gauge(program, "frontdesk_watchers").await;
        if now == watchers.to_string() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{now} of {watchers} are watched");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Reads what comes, which answers pings, until nothing does.
fn keep(mut line: Line) -> JoinHandle<()> {
    #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
    tokio::spawn(async move {
        while line.read().await {
            while line.take().await.is_some() {}
        }
    })
}

/// Opens one for each place, a token and a conversation, and looks what they cost.
pub async fn hold(
    program: &Server,
    at: SocketAddr,
    places: Vec<(String, i64)>,
    window: Duration,
    postmaster: u32,
) -> Idle {
    let subscriptions = places.len();
    let memory = || measure::memory(program.pid())[0];
    let (before, since) = (memory(), Instant::now());
    let open = |(token, conversation): (String, i64)| async move {
        let (line, _) = Ask::events(at, Way::Socket, &token, conversation).opened().await;
        line
    };
    let held: Vec<JoinHandle<()>> = stream::iter(places).map(open).buffer_unordered(AT_ONCE).map(keep).collect().await;
    until_watched(program, subscriptions).await;
    let opening = since.elapsed().as_secs_f64();
    sleep(REST).await;
    let read = || (Instant::now(), measure::cpu(program.pid()), measure::cpu_of_family(postmaster));
    let from = read();
    sleep(window).await;
    let (to, after) = (read(), memory());
    let seconds = (to.0 - from.0).as_secs_f64();
    let lost = held.iter().filter(|one| one.is_finished()).count();
    for one in held {
        one.abort();
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = subscriptions as f64;
    Idle {
        subscriptions,
        lost,
        memory: (after - before) * 1_048.576 / each,
        opening,
        cores: (to.1 - from.1) / seconds,
        postgres_cores: (to.2 - from.2) / seconds,
        window: seconds,
    }
}
