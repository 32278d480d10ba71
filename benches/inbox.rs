//! How fast a provider's post is taken in: signature, tenant, dedup, row and job in PostgreSQL, answer. Posts come at a fixed
//! rate, whether the earlier ones were answered or not, and each one's time runs from when it was due: a server that falls
//! behind can't hide it. Beside it, from the same run: what the same machine takes for `/healthz` at that rate, and for a bare
//! INSERT and COMMIT of the same body, one connection, nothing else: the limit that no inbox can beat. At last, flat out: connections
//! that post again as soon as they were answered.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    dead_code,
    unused_imports,
    reason = "a bench says what it found and stops where it can't go on; it uses some of what the tests do"
)]

#[path = "shared/pace.rs"]
mod pace;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use pace::{paced, quantile, ratio, told};

use support::{
    Gateway, Plan, cluster,
    fake_phones::FakePhones,
    phones::{Account, says, set_sms, with_number},
};

const OURS: &str = "+15555550122";
/// Posts a second.
const RATE: u32 = 500;
/// Posts of one run.
const POSTS: u32 = 5_000;
/// Connections that post as fast as they are answered, and posts of each.
const FLAT_OUT: u32 = 64;
const POSTS_OF_EACH: u32 = 100;
/// What is promised of the slowest hundredth.
const PROMISE: Duration = Duration::from_millis(200);

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let limit = bare_inserts().await;
    println!("limit: a bare INSERT and COMMIT       {}", told(&limit));
    for works in [false, true] {
        let phones = FakePhones::start().await;
        let gateway = Gateway::planned(Plan { settings: phones.settings(), works, ..Plan::default() }).await;
        let account = Account::new(1);
        let admin = with_number(&gateway.tenant("acme").await, OURS, &account).await;
        set_sms(&admin, serde_json::json!({ "telnyxApiKey": "KEY_FAKE_0123456789" })).await;
        let at = gateway.clock.now().timestamp();
        let idle = paced(RATE, POSTS, |_| {
            let asked = gateway.http.get(gateway.url("/healthz")).send();
            async { assert!(asked.await.expect("an answer").status().is_success()) }
        })
        .await;
        let taken = paced(RATE, POSTS, |n| {
            let (event, from) = (format!("event-{n}"), format!("+1555{:07}", n % 1_000));
            let body = says(&event, &from, OURS, "When are you open?");
            let posted = account.signs(gateway.http.post(gateway.url("/api/v1/telnyx/sms")), &body, at).send();
            async { assert!(posted.await.expect("an answer").status().is_success()) }
        })
        .await;
        let with = if works { "the worker at work" } else { "the worker at rest" };
        println!("/healthz, {with}         {}", told(&idle));
        println!("a text taken in, {with}  {}", told(&taken));
        let (p99, per_limit) = (quantile(&taken, 0.99), ratio(quantile(&taken, 0.5), quantile(&limit, 0.5)));
        println!(
            "  at {RATE}/s: p50 is {per_limit:.1} times the limit; p99 is {:.2} of what is promised",
            ratio(p99, PROMISE)
        );
        let kept = "SELECT count(*) FROM webhook_deliveries";
        let kept: i64 = cluster::owner(&gateway.database).await.query_one(kept, &[]).await.expect("a count").get(0);
        assert_eq!(kept, i64::from(POSTS), "every post is kept, once");

        let since = Instant::now();
        let connection = async |connection: u32| {
            // A client is a connection, and waits for each answer.
            let (http, mut took) = (reqwest::Client::new(), Vec::new());
            for n in 0..POSTS_OF_EACH {
                let (event, from) = (format!("flat-{connection}-{n}"), format!("+1555{:07}", connection * 1_000 + n));
                let body = says(&event, &from, OURS, "When are you open?");
                let start = Instant::now();
                let posted = account.signs(http.post(gateway.url("/api/v1/telnyx/sms")), &body, at).send();
                assert!(posted.await.expect("an answer").status().is_success());
                took.push(start.elapsed());
            }
            took
        };
        let mut took: Vec<_> =
            futures_util::future::join_all((0..FLAT_OUT).map(connection)).await.into_iter().flatten().collect();
        took.sort_unstable();
        let per_second = f64::from(FLAT_OUT * POSTS_OF_EACH) / since.elapsed().as_secs_f64();
        println!("flat out, {FLAT_OUT} connections         {}", told(&took));
        println!(
            "  {per_second:.0} posts a second; p99 is {:.2} of what is promised at {RATE}/s",
            ratio(quantile(&took, 0.99), PROMISE)
        );
    }
}

async fn bare_inserts() -> Vec<Duration> {
    let owner = cluster::owner(&cluster::database().await).await;
    owner.batch_execute("CREATE TABLE bare (id bigserial PRIMARY KEY, body bytea NOT NULL)").await.expect("a table");
    let statement = owner.prepare("INSERT INTO bare (body) VALUES ($1)").await.expect("a statement");
    let body = says("event", "+15555550111", OURS, "When are you open?").into_bytes();
    let mut took = Vec::new();
    for _ in 0..2_000 {
        let start = Instant::now();
        owner.execute(&statement, &[&body]).await.expect("a row");
        took.push(start.elapsed());
    }
    took.sort_unstable();
    took
}
