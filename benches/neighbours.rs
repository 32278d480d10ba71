//! What a quiet tenant feels of a noisy one on the same server: its queries at a fixed rate, alone and beside 256 connections of
//! another tenant that ask for as much as they can, in turns. The noisy tenant's people are ten; limits are production's.

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

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use frontdesk::{
    domain::users::UserForm,
    http::WebSettings,
    kernel::{clock::Clock, vocabulary::Role},
};
use pace::{paced, quantile, ratio, told};
use serde_json::json;
use support::{Gateway, PASSWORD, Plan};

/// Queries of the quiet tenant: a second, and in one turn.
const RATE: u32 = 50;
const QUERIES: u32 = 1_000;
/// Connections of the noisy one.
const NOISE: usize = 256;
/// Of its people.
const PEOPLE: usize = 10;
const TURNS: usize = 3;
/// What is promised of the slowest hundredth, beside noise to without.
const PROMISE: f64 = 1.5;

const QUERY: &str = "{ leads(first: 20) { nodes { id name email phone status createdAt } } }";

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let limits = [
        ("RATE_LIMIT_REQUESTS_PER_PERSON", "1200"),
        ("RATE_LIMIT_REQUESTS_PER_TENANT", "12000"),
        ("RATE_LIMIT_COST_PER_PERSON", "600000"),
        ("RATE_LIMIT_COST_PER_TENANT", "6000000"),
    ];
    // The quiet tenant asks as often as four people may.
    let settings = limits.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let plan =
        Plan { clock: Clock::system(), housekeeping: None, settings, web: WebSettings::default(), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let people = async |slug: &str, count: usize| {
        let tenant = gateway.tenant(slug).await;
        let admin = tenant.admin().await;
        for n in 0..40 {
            admin.data(&format!("mutation {{ createLead(input: {{ name: \"Lead {n}\" }}) {{ id }} }}")).await;
        }
        let mut tokens = Vec::new();
        for n in 0..count {
            let form = UserForm {
                email: format!("p{n}@{slug}.example"),
                password: PASSWORD.to_owned().into(),
                name: None,
                role: Role::User,
            };
            frontdesk::domain::users::create(&gateway.inside(tenant.id), form).await.expect("a person");
            tokens.push(gateway.sign_in(&format!("p{n}@{slug}.example")).await.token.expect("a token"));
        }
        tokens
    };
    let (quiet, noisy) = (people("quiet", 4).await, people("noisy", PEOPLE).await);
    let url = gateway.url("/graphql");
    let ask = |token: &str| gateway.http.post(&url).bearer_auth(token).json(&json!({ "query": QUERY })).send();
    let turn = async || {
        paced(RATE, QUERIES, |n| {
            let asked = ask(&quiet[n as usize % quiet.len()]);
            async { assert!(asked.await.expect("an answer").status().is_success()) }
        })
        .await
    };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(turn().await);
        let (stop, served, refused) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut noise = Vec::new();
        for n in 0..NOISE {
            let (http, url, token) = (reqwest::Client::new(), url.clone(), noisy[n % PEOPLE].clone());
            let (stop, served, refused) = (stop.clone(), served.clone(), refused.clone());
            #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
            noise.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let asked = http.post(&url).bearer_auth(&token).json(&json!({ "query": QUERY })).send().await;
                    let is_served = asked.is_ok_and(|answer| answer.status().is_success());
                    if is_served { &served } else { &refused }.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        // What it may do at once is spent first.
        tokio::time::sleep(Duration::from_secs(15)).await;
        beside.push(turn().await);
        stop.store(true, Ordering::Relaxed);
        for one in noise {
            one.await.expect("no panic");
        }
        println!("noise: {} served, {} refused", served.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    }
    let mut ratios: Vec<_> =
        alone.iter().zip(&beside).map(|(alone, beside)| ratio(quantile(beside, 0.99), quantile(alone, 0.99))).collect();
    ratios.sort_by(f64::total_cmp);
    for (alone, beside) in alone.iter().zip(&beside) {
        println!("the quiet tenant, alone             {}", told(alone));
        println!("the quiet tenant, beside the noisy  {}", told(beside));
    }
    println!(
        "  p99 beside noise is {:.2} times p99 alone (median of {TURNS} turns; promised: {PROMISE})",
        ratios[TURNS / 2]
    );
}
