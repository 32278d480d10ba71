//! What was found: medians over the rounds, ratios to the limits, and whether what is promised holds; as Markdown and as JSON. Must
//! not know how it was measured.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    Plan,
    data::Shape,
    figures::{median, verdict},
    measure::Machine,
    workloads::Workload,
};

/// Requests a second, as a part of the bare server's; what is promised.
const LEAST_REQUESTS: f64 = 0.6;
/// p99 at [`P99_AT`] connections, in times the bare server's; what is promised.
const MOST_P99: f64 = 2.0;
const P99_AT: usize = 32;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Graph,
    Bare,
    Pgbench,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Bare => "bare server",
            Self::Pgbench => "pgbench",
        }
    }
}

/// One run; or the medians of several.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Requests.
    pub per_second: f64,
    /// Microseconds of a core for each request; PostgreSQL alone has no server.
    pub server_cpu: Option<f64>,
    /// The same of all of PostgreSQL's processes.
    pub postgres_cpu: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Of the server behind the run, in MiB, and the most that it ever had.
    pub memory: Option<[f64; 2]>,
    /// PostgreSQL's in MiB, what its processes share counted once.
    pub postgres_memory: f64,
}

#[derive(Serialize)]
struct Line {
    workload: &'static str,
    connections: usize,
    side: Side,
    medians: Measured,
    rounds: Vec<Measured>,
}

#[derive(Serialize)]
struct Goal {
    workload: &'static str,
    connections: usize,
    what: &'static str,
    ratio: f64,
    limit: f64,
    holds: bool,
}

/// Everything that was found in a run.
#[derive(Serialize)]
pub struct Table {
    machine: Machine,
    plan: Plan,
    data: Shape,
    lines: Vec<Line>,
    goals: Vec<Goal>,
}

fn medians(rounds: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value));
    let has_server = rounds.iter().all(|round| round.server_cpu.is_some());
    Measured {
        per_second: of(|round| round.per_second),
        server_cpu: has_server.then(|| of(|round| round.server_cpu.unwrap_or_default())),
        postgres_cpu: of(|round| round.postgres_cpu),
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        memory: has_server.then(|| [0, 1].map(|n| median(rounds.iter().filter_map(|round| Some(round.memory?[n]))))),
        postgres_memory: of(|round| round.postgres_memory),
    }
}

impl Table {
    pub fn new(machine: Machine, plan: Plan, data: Shape) -> Self {
        Self { machine, plan, data, lines: Vec::new(), goals: Vec::new() }
    }

    /// Takes all rounds of one workload at so many connections, and gives what to print of them.
    pub fn add(&mut self, workload: Workload, connections: usize, rounds: &[(Side, Measured)]) -> Vec<String> {
        let of = |side: Side| -> Vec<Measured> {
            rounds.iter().filter(|(whose, _)| *whose == side).map(|(_, measured)| measured.clone()).collect()
        };
        let sides = [Side::Graph, Side::Bare, Side::Pgbench].map(|side| (side, of(side)));
        let [graph, bare, pgbench] = [&sides[0].1, &sides[1].1, &sides[2].1].map(|rounds| medians(rounds));
        self.judge(workload, connections, &graph, &bare);
        let mut told = Vec::new();
        for (side, rounds) in sides {
            let medians = medians(&rounds);
            told.push(line(workload, connections, side, &medians, [&bare, &pgbench]));
            self.lines.push(Line { workload: workload.name(), connections, side, medians, rounds });
        }
        told
    }

    fn judge(&mut self, workload: Workload, connections: usize, graph: &Measured, bare: &Measured) {
        let cpu = |side: &Measured| side.server_cpu.unwrap_or(f64::NAN);
        let mut goal = |what, ratio: f64, limit, holds| {
            self.goals.push(Goal { workload: workload.name(), connections, what, ratio, limit, holds });
        };
        let (ratio, most) = (cpu(graph) / cpu(bare), workload.most_cpu());
        goal("server CPU a request, at most", ratio, most, ratio <= most);
        let ratio = graph.per_second / bare.per_second;
        goal("requests/s, at least", ratio, LEAST_REQUESTS, ratio >= LEAST_REQUESTS);
        if connections == P99_AT {
            let ratio = graph.p99 / bare.p99;
            goal("p99, at most", ratio, MOST_P99, ratio <= MOST_P99);
        }
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON")
    }

    pub fn markdown(&self) -> String {
        let Plan { seconds, rounds, scale } = &self.plan;
        let Shape { tenants, users_per_tenant, leads_per_tenant, conversations_per_tenant, messages_per_conversation } =
            &self.data;
        let mut text = format!(
            "{}.\n\n{tenants} tenants; of each {users_per_tenant} people, {leads_per_tenant} leads, {conversations_per_tenant} conversations \
             of {messages_per_conversation} messages (scale {scale}). Medians of {rounds} rounds of {seconds} s.\n\n",
            self.machine.told()
        );
        for workload in Workload::ALL {
            if self.lines.iter().any(|line| line.workload == workload.name()) {
                writeln!(text, "- {}: {}", workload.name(), workload.told()).expect("written");
            }
        }
        text.push_str(HEAD);
        for of_three in self.lines.chunks(3) {
            for one in of_three {
                let workload = Workload::ALL.into_iter().find(|workload| workload.name() == one.workload);
                let limits = [&of_three[1].medians, &of_three[2].medians];
                let told = line(workload.expect("a workload"), one.connections, one.side, &one.medians, limits);
                writeln!(text, "{told}").expect("written");
            }
        }
        text.push_str("\nWhat is promised, in times the bare server's:\n\n| | Connections | | Found | Promised | |\n|---|---:|---|---:|---:|---|\n");
        for Goal { workload, connections, what, ratio, limit, holds } in &self.goals {
            let holds = verdict(*holds);
            writeln!(text, "| {workload} | {connections} | {what} | {ratio:.2} | {limit:.1} | {holds} |")
                .expect("written");
        }
        text
    }
}

const HEAD: &str = "
| | Connections | Who answers | Requests/s | of bare | of pgbench | Server CPU, µs | of bare | PostgreSQL CPU, µs | of bare | of pgbench | p50, ms | p99, ms | of bare | Memory, MiB (most) | PostgreSQL, MiB |
|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

fn line(workload: Workload, connections: usize, side: Side, it: &Measured, [bare, pgbench]: [&Measured; 2]) -> String {
    let server = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.0}"));
    let of_bare = it.server_cpu.zip(bare.server_cpu).map_or("–".to_owned(), |(it, bare)| format!("{:.2}", it / bare));
    let memory = it.memory.map_or("–".to_owned(), |[now, most]| format!("{now:.0} ({most:.0})"));
    format!(
        "| {} | {connections} | {} | {:.0} | {:.2} | {:.2} | {} | {of_bare} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {memory} | {:.0} |",
        workload.name(),
        side.name(),
        it.per_second,
        it.per_second / bare.per_second,
        it.per_second / pgbench.per_second,
        server(it.server_cpu),
        it.postgres_cpu,
        it.postgres_cpu / bare.postgres_cpu,
        it.postgres_cpu / pgbench.postgres_cpu,
        it.p50,
        it.p99,
        it.p99 / bare.p99,
        it.postgres_memory,
    )
}
