//! Drives load, by `wrk` or `pgbench`, reads what it cost, and looks that the answers are right: a sample is compared with what the
//! bare server says, and of all others each must have come whole, with status 200 and without `errors`. Must not know a table's form.

use std::{
    cell::Cell,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    data::Shape,
    measure,
    processes::DATABASE,
    servers::Servers,
    table::{Measured, Side},
    workloads::{Request, Workload},
};

/// What `wrk.lua` says of a run.
#[derive(Deserialize)]
struct Counted {
    requests: f64,
    seconds: f64,
    p50: f64,
    p99: f64,
    broken: u64,
    bad: u64,
    example: String,
}

/// Answers that are compared.
const SAMPLE: usize = 20;
/// Clients of pgbench: each is a process of PostgreSQL, which has room for 200, and the servers hold some.
const CLIENTS_MAX: usize = 128;

/// Asks, and measures.
pub struct Generator<'a> {
    pub servers: &'a Servers,
    pub shape: &'a Shape,
    pub tokens: &'a [String],
    pub seconds: u32,
    pub out: &'a Path,
}

thread_local! {
    /// Makes the words of each run its own.
    static RUN: Cell<u32> = const { Cell::new(0) };
}

fn next_run() -> u32 {
    RUN.set(RUN.get() + 1);
    RUN.get()
}

impl Generator<'_> {
    fn requests(&self, workload: Workload, side: Side) -> Vec<Request> {
        match side {
            Side::Graph => workload.of_the_graph(self.shape, self.tokens),
            Side::Bare | Side::Pgbench => workload.of_the_bare(self.shape),
        }
    }

    fn url(&self, side: Side) -> &str {
        if side == Side::Graph { &self.servers.graph.url } else { &self.servers.bare.url }
    }

    /// Stops the run unless both servers answer the same.
    pub async fn same_answers(&self, workload: Workload) {
        let http = reqwest::Client::new();
        let [graph, bare] = [Side::Graph, Side::Bare].map(|side| (side, self.requests(workload, side)));
        for n in (0..graph.1.len()).step_by((graph.1.len() / SAMPLE).max(1)) {
            let mut answers = Vec::new();
            for (side, requests) in [&graph, &bare] {
                let (request, word) = (&requests[n], format!("same.{}", next_run()));
                let method = request.method.parse().expect("a method");
                let asked = http.request(method, format!("{}{}", self.url(*side), request.path));
                let asked = asked.bearer_auth(&request.token).header("content-type", "application/json");
                let answer = asked.body(request.body.replace("@@", &word)).send().await.expect("an answer");
                let text = answer.text().await.expect("text").replace(&word, "@@");
                let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
                if workload == Workload::Create {
                    // What is new in each.
                    for new in ["id", "createdAt"] {
                        let value = answer["data"]["createLead"][new].take();
                        assert!(value.is_string(), "{} has no {new}: {text}", side.name());
                    }
                }
                assert!(text.len() > 100 && answer.get("errors").is_none(), "{}: {text}", side.name());
                answers.push(answer);
            }
            assert_eq!(answers[0], answers[1], "{}: the graph and the bare server answer differently", workload.name());
        }
    }

    /// So that no side's first plans and pages are in what is measured.
    pub fn warm(&self, workload: Workload) {
        for side in [Side::Graph, Side::Bare] {
            self.wrk(workload, side, 32, 2);
        }
    }

    /// One run, of so many connections or clients.
    pub fn measure(&self, workload: Workload, side: Side, connections: usize) -> Measured {
        let server = match side {
            Side::Graph => Some(&self.servers.graph),
            Side::Bare => Some(&self.servers.bare),
            Side::Pgbench => None,
        };
        let read = || {
            (server.map(|server| measure::cpu(server.pid())), measure::cpu_of_family(self.servers.database.postmaster))
        };
        let before = read();
        let counted = match side {
            Side::Graph | Side::Bare => self.wrk(workload, side, connections, self.seconds),
            Side::Pgbench => self.pgbench(workload, connections),
        };
        let after = read();
        let per_request = |from: f64, to: f64| (to - from) * 1e6 / counted.requests;
        Measured {
            per_second: counted.requests / counted.seconds,
            server_cpu: before.0.zip(after.0).map(|(from, to)| per_request(from, to)),
            postgres_cpu: per_request(before.1, after.1),
            p50: counted.p50,
            p99: counted.p99,
            memory: server.map(|server| measure::memory(server.pid())),
            postgres_memory: measure::memory_of_family(self.servers.database.postmaster),
        }
    }

    fn wrk(&self, workload: Workload, side: Side, connections: usize, seconds: u32) -> Counted {
        let (requests, script) = (self.out.join("requests.tsv"), self.out.join("wrk.lua"));
        let mut lines = String::new();
        for Request { method, path, token, body } in self.requests(workload, side) {
            writeln!(lines, "{method}\t{path}\t{token}\t{body}").expect("written");
        }
        fs::write(&requests, lines).expect("written");
        fs::write(&script, include_str!("wrk.lua")).expect("written");
        let threads = connections.min(std::thread::available_parallelism().map_or(1, usize::from));
        let mut command = Command::new("wrk");
        command.args([
            "--timeout",
            "30s",
            "--threads",
            &threads.to_string(),
            "--connections",
            &connections.to_string(),
        ]);
        command.args(["--duration", &format!("{seconds}s"), "--script"]).arg(&script).arg(self.url(side));
        command.env("BENCH_REQUESTS", &requests).env("BENCH_THREADS", threads.to_string());
        command.env("BENCH_RUN", format!("run{}", next_run()));
        let said = said(command, "wrk; `scripts/setup bench` installs it");
        let counted = said.lines().find_map(|line| line.strip_prefix("BENCH ")).unwrap_or_else(|| panic!("{said}"));
        let counted: Counted = serde_json::from_str(counted).unwrap_or_else(|_| panic!("{said}"));
        let (name, side) = (workload.name(), side.name());
        assert!(counted.requests > 0.0, "{name}, {side}: no answers");
        assert_eq!(counted.bad, 0, "{name}, {side}: wrong answers, such as {}", counted.example);
        assert_eq!(counted.broken, 0, "{name}, {side}: connections broke, or an answer took half a minute");
        counted
    }

    fn pgbench(&self, workload: Workload, clients: usize) -> Counted {
        let folder = self.out.join("pgbench");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("a folder");
        let script = folder.join("script.sql");
        fs::write(&script, workload.script(self.shape)).expect("written");
        let program =
            std::env::var_os("PG_BIN_DIR").map_or("pgbench".into(), |folder| PathBuf::from(folder).join("pgbench"));
        let clients = clients.min(CLIENTS_MAX);
        let threads = clients.min(std::thread::available_parallelism().map_or(1, usize::from));
        let mut command = Command::new(program);
        command.args([
            "--no-vacuum",
            "--protocol",
            "prepared",
            "--username",
            "postgres",
            "--log",
            "--log-prefix",
            "took",
        ]);
        command.args(["--client", &clients.to_string(), "--jobs", &threads.to_string()]);
        // Of its time it takes some to connect, which it does not count.
        let seconds = self.seconds as usize + clients / 32;
        command.args(["--time", &seconds.to_string(), "--file"]).arg(&script);
        command.arg("--host").arg(self.servers.database.sockets()).arg(DATABASE).current_dir(&folder);
        let said = said(command, "pgbench, which comes with PostgreSQL");
        assert!(!said.contains("actually processed: 0\n"), "BENCH_SECONDS is over before {clients} clients are there");
        let number = |before: &str| -> f64 {
            let line = said.lines().find_map(|line| line.strip_prefix(before)).unwrap_or_else(|| panic!("{said}"));
            line.split([' ', '/']).find(|word| !word.is_empty()).and_then(|word| word.parse().ok()).expect("a number")
        };
        // Without the time that connecting took.
        let (requests, per_second) = (number("number of transactions actually processed:"), number("tps ="));
        let took = latencies(&folder);
        let quantile = |place: f64| took[place_of(took.len(), place)] / 1e3;
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        Counted { requests, seconds: requests / per_second, p50, p99, broken: 0, bad: 0, example: String::new() }
    }
}

/// A transaction a line, in files of each thread: client, number, microseconds, and what else there is.
fn latencies(folder: &Path) -> Vec<f64> {
    let mut took = Vec::new();
    for file in fs::read_dir(folder).expect("a folder").flatten() {
        if file.file_name().to_string_lossy().starts_with("took.") {
            let text = fs::read_to_string(file.path()).expect("text");
            took.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
            fs::remove_file(file.path()).expect("removed");
        }
    }
    took.sort_unstable_by(f64::total_cmp);
    assert!(!took.is_empty(), "pgbench logged nothing");
    took
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
fn place_of(count: usize, quantile: f64) -> usize {
    ((count - 1) as f64 * quantile) as usize
}

fn said(mut command: Command, what: &str) -> String {
    let ended = command.output().unwrap_or_else(|error| panic!("{error}: {what}"));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{what}: {said}{}", String::from_utf8_lossy(&ended.stderr));
    said
}
