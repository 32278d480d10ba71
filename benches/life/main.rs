//! How the program begins and grows: from its start until it is ready, what memory it takes at rest, and whether that stays what it is
//! under load. It runs with production's settings over a database that is migrated and filled. Must not know how it works inside.
//!
//! `BENCH_SECONDS` (60) says how long the load lasts; it is as much as the program can take, so that minutes stand for hours.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench says what it found and stops where it can't go on; it uses some of what the others do"
)]

#[path = "../shared/data.rs"]
mod data;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/measure.rs"]
mod measure;
#[path = "../shared/processes.rs"]
mod processes;
mod table;
#[path = "../graph/workloads.rs"]
mod workloads;

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use data::Shape;
use processes::{Database, Server};
use table::{Slice, Start, Table};
use workloads::{Request, Workload};

/// Of the data set of the other benches.
const SCALE: f64 = 0.05;
const STARTS: usize = 5;
/// Between two looks whether it is ready.
const LOOK: Duration = Duration::from_millis(1);
/// After which it is at rest.
const REST: Duration = Duration::from_secs(3);
const SLICES: u32 = 6;
/// Clients that ask again as soon as they were answered.
const CLIENTS: usize = 32;

fn main() {
    frontdesk::tokens::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run());
}

async fn run() {
    let seconds: u32 = figures::asked("BENCH_SECONDS", 60);
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&out).expect("a folder");
    let shape = Shape::scaled(SCALE);
    let database = Database::start(&shape).await;
    let machine = measure::Machine::look(database.version());
    println!("{}", machine.told());
    // The first start makes what a database lacks; what is measured comes after it.
    let tokens = processes::sign_in(&database.program(&out, &[]).await, &shape).await;

    let mut table = Table::new(machine, seconds);
    for _ in 0..STARTS {
        println!("{}", table.add_start(start(&database, &out)));
    }
    let program = database.program(&out, &[]).await;
    let requests = Workload::ALL.map(|workload| workload.of_the_graph(&shape, &tokens));
    load(&program, requests, Duration::from_secs(seconds.into()) / SLICES, |slice| {
        println!("{}", table.add_slice(slice));
    })
    .await;
    println!("\n{}", table.markdown());
    fs::write(out.join("life.md"), table.markdown()).expect("written");
    fs::write(out.join("life.json"), table.json()).expect("written");
    println!("Written to {} and life.json beside it.", out.join("life.md").display());
}

/// Starts the program, and lets it rest.
fn start(database: &Database, out: &Path) -> Start {
    let since = Instant::now();
    let mut program = database.spawn(out, &[]);
    while !is_ready(&program) {
        program.still_starts(since);
        std::thread::sleep(LOOK);
    }
    let ready = since.elapsed();
    let cpu = measure::cpu(program.pid());
    std::thread::sleep(REST);
    Start {
        ready_ms: ready.as_secs_f64() * 1e3,
        cpu_ms: cpu * 1e3,
        memory: measure::memory(program.pid())[0] * MEGABYTES,
    }
}

/// A mebibyte in megabytes.
const MEGABYTES: f64 = 1.048_576;

fn is_ready(program: &Server) -> bool {
    let Ok(mut stream) = TcpStream::connect(program.url.trim_start_matches("http://")) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// Asks all kinds of things as fast as they are answered, and looks at the memory after each slice of time.
async fn load(program: &Server, requests: [Vec<Request>; 4], slice: Duration, mut told: impl FnMut(Slice)) {
    let (requests, asked) = (Arc::new(requests), Arc::new(AtomicU64::new(0)));
    let clients = (0..CLIENTS).map(|client| {
        let (http, url) = (reqwest::Client::new(), program.url.clone());
        let (requests, asked) = (requests.clone(), asked.clone());
        async move {
            for n in 0_usize.. {
                let kind = &requests[n % requests.len()];
                let request = &kind[(client + n / requests.len() * CLIENTS) % kind.len()];
                let body = request.body.replace("@@", &format!("{client}.{n}"));
                let ask = http.post(format!("{url}{}", request.path)).bearer_auth(&request.token);
                let answer = ask.header("content-type", "application/json").body(body).send().await.expect("an answer");
                let text = answer.text().await.expect("text");
                assert!(text.starts_with("{\"data\":{") && !text.contains("},\"errors\":["), "{text}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    for _ in 0..SLICES {
        let before = asked.load(Ordering::Relaxed);
        tokio::time::sleep(slice).await;
        let requests = asked.load(Ordering::Relaxed) - before;
        assert!(!clients.iter().any(tokio::task::JoinHandle::is_finished), "a client gave up");
        let [memory, most] = measure::memory(program.pid()).map(|memory| memory * MEGABYTES);
        told(Slice { requests, memory, most });
    }
    for client in clients {
        client.abort();
    }
}
