//! Many streams at once: started one after the other, watched while all are open, and followed to their ends. Must not know a table's
//! form.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    clock,
    line::Way,
    measure,
    reader::{Ask, Heard, Progress},
    upstream,
};

/// How long all may take to begin, and to end once the last token was sent.
const PATIENCE: Duration = Duration::from_mins(3);
/// After the last has begun.
const REST: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

/// Whose processor time is counted.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Where the model is.
    pub model: String,
    /// Nobody's, where the model itself is read.
    pub server: Option<u32>,
    pub postmaster: u32,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    pub streams: usize,
    /// Those that gave all of their tokens, in order, and their end.
    pub whole: usize,
    /// Of those that did not, what one said.
    pub trouble: Option<String>,
    /// For how long all were open, which is what the rest is of, in seconds.
    pub window: f64,
    pub tokens_per_second: f64,
    /// Milliseconds from a token's being sent to its being read: half of all, 99 of a hundred, all.
    pub late: [f64; 3],
    pub late_over_sockets: Option<[f64; 3]>,
    pub late_over_sse: Option<[f64; 3]>,
    /// The same of all tokens, also while others began and ended.
    pub late_ever: [f64; 3],
    /// Milliseconds from a question to the first token.
    pub first: [f64; 3],
    /// Microseconds of a core for each token: the server's, and PostgreSQL's.
    pub cpu: Option<f64>,
    pub postgres_cpu: f64,
    /// The server's for each token of the whole run, with all that it takes to begin and end a stream.
    pub cpu_in_all: Option<f64>,
    /// Kilobytes for each stream.
    pub memory: Option<f64>,
}

#[derive(Clone, Copy)]
struct Counts {
    at: u64,
    tokens: usize,
    server: Option<f64>,
    postgres: f64,
    /// Mebibytes.
    memory: Option<f64>,
}

async fn count(watched: &Watched, progress: &Progress) -> Counts {
    let Watched { server, postmaster, .. } = *watched;
    let tokens = progress.tokens.load(Ordering::Relaxed);
    let at = clock::now();
    // Reads many files; the readers go on meanwhile.
    let read = spawn_blocking(move || {
        let memory = server.map(|pid| measure::memory(pid)[0]);
        (server.map(measure::cpu), measure::cpu_of_family(postmaster), memory)
    });
    let (server, postgres, memory) = read.await.expect("counted");
    Counts { at, tokens, server, postgres, memory }
}

/// Asks all, so many a second.
pub fn start(asks: Vec<Ask>, rate: u32, progress: &Arc<Progress>) -> Vec<JoinHandle<Heard>> {
    let start = Instant::now();
    let begin = |(n, ask): (u32, Ask)| {
        // Not in step with the tokens, or many would be sent in the same moment.
        let uneven = Duration::from_micros(u64::from(n) * 30_901 % 50_000);
        let (progress, due) = (progress.clone(), start + Duration::from_secs(1) * n / rate + uneven);
        #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
        tokio::spawn(async move {
            sleep_until(due).await;
            ask.follow(progress).await
        })
    };
    (0..).zip(asks).map(begin).collect()
}

/// Asks all, and reads them to their ends.
pub async fn ride(asks: Vec<Ask>, rate: u32, window: Duration, watched: &Watched) -> Found {
    let progress = Arc::new(Progress::default());
    let before = count(watched, &progress).await;
    let readers = start(asks, rate, &progress);
    finish(readers, &progress, before.into(), window, watched).await
}

/// What there was before the first stream.
#[derive(Clone, Copy)]
pub struct Before(Counts);

impl From<Counts> for Before {
    fn from(counts: Counts) -> Self {
        Self(counts)
    }
}

/// As it is now.
pub async fn before(watched: &Watched, progress: &Progress) -> Before {
    count(watched, progress).await.into()
}

/// Watches streams that were asked for, has them end, and reads them to their ends.
pub async fn finish(
    readers: Vec<JoinHandle<Heard>>,
    progress: &Progress,
    Before(before): Before,
    window: Duration,
    watched: &Watched,
) -> Found {
    let streams = readers.len();
    let until = Instant::now() + PATIENCE;
    while progress.begun.load(Ordering::Relaxed) < streams && Instant::now() < until {
        sleep(LOOK).await;
    }
    sleep(REST).await;
    let from = count(watched, progress).await;
    sleep(window).await;
    let to = count(watched, progress).await;
    upstream::stop(&watched.model).await;
    let mut all = Vec::new();
    let until = Instant::now() + PATIENCE;
    for reader in readers {
        let heard = tokio::time::timeout_at(until, reader).await;
        all.push(heard.ok().map(|heard| heard.expect("no panic")));
    }
    let after = count(watched, progress).await;
    found(&all, [before, from, to, after])
}

fn found(all: &[Option<Heard>], [before, from, to, after]: [Counts; 4]) -> Found {
    let heard = || all.iter().flatten();
    let troubles: Vec<_> = all
        .iter()
        .filter_map(|one| one.as_ref().map_or(Some("it never ended".to_owned()), |one| one.trouble.clone()))
        .collect();
    let late = |is_asked: &dyn Fn(&Heard, u64) -> bool| {
        let of = |one: &Heard| -> Vec<u64> {
            one.tokens.iter().filter(|(came, _)| is_asked(one, *came)).map(|(_, late)| *late).collect()
        };
        quantiles(heard().flat_map(of).collect())
    };
    let is_in = |came: u64| (from.at..to.at).contains(&came);
    let (seconds, count) = (ratio(to.at - from.at, 1_000_000_000), to.tokens - from.tokens);
    let per_token = |from: f64, to: f64, count: usize| (to - from) * 1e6 / ratio(count as u64, 1);
    Found {
        streams: all.len(),
        whole: all.len() - troubles.len(),
        trouble: troubles.into_iter().next(),
        window: seconds,
        tokens_per_second: ratio(count as u64, 1) / seconds,
        late: late(&|_, came| is_in(came)).unwrap_or([f64::NAN; 3]),
        late_over_sockets: late(&|one, came| one.way == Way::Socket && is_in(came)),
        late_over_sse: late(&|one, came| one.way == Way::Sse && is_in(came)),
        late_ever: late(&|_, _| true).unwrap_or([f64::NAN; 3]),
        first: quantiles(heard().map(|one| one.first).filter(|first| *first > 0).collect()).unwrap_or([f64::NAN; 3]),
        cpu: from.server.zip(to.server).map(|(from, to)| per_token(from, to, count)),
        postgres_cpu: per_token(from.postgres, to.postgres, count),
        cpu_in_all: before.server.zip(after.server).map(|(from, to)| per_token(from, to, after.tokens)),
        memory: before.memory.zip(to.memory).map(|(from, to)| (to - from) * 1_048.576 / ratio(all.len() as u64, 1)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

/// Half of all, 99 of a hundred, all; in milliseconds.
fn quantiles(mut all: Vec<u64>) -> Option<[f64; 3]> {
    all.sort_unstable();
    let last = all.len().checked_sub(1)?;
    Some([last / 2, last * 99 / 100, last].map(|place| ratio(all[place], 1_000_000)))
}
