//! Load at a fixed rate, whether earlier requests were answered or not: a server that falls behind can't hide it.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Runs `post` so many times a second, and gives how long each took from when it was due, the fastest first.
pub async fn paced<F: Future<Output = ()> + Send + 'static>(
    rate: u32,
    posts: u32,
    post: impl Fn(u32) -> F,
) -> Vec<Duration> {
    let start = Instant::now();
    let mut under_way = Vec::new();
    for n in 0..posts {
        let due = start + Duration::from_secs(1) * n / rate;
        tokio::time::sleep_until(due.into()).await;
        let posted = post(n);
        #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
        under_way.push(tokio::spawn(async move {
            posted.await;
            due.elapsed()
        }));
    }
    let mut took = Vec::new();
    for post in under_way {
        took.push(post.await.expect("no panic"));
    }
    took.sort_unstable();
    took
}

/// A quantile of what was sorted.
pub fn quantile(sorted: &[Duration], q: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = ((sorted.len() - 1) as f64 * q) as usize;
    sorted[place]
}

/// How many times the other one it is.
pub fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// For a line of the report.
pub fn told(sorted: &[Duration]) -> String {
    let ms = |q| quantile(sorted, q).as_secs_f64() * 1_000.0;
    format!("p50 {:>7.2} ms   p99 {:>7.2} ms   most {:>7.2} ms", ms(0.5), ms(0.99), ms(1.0))
}
