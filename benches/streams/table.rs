//! What was found, and whether what is promised holds; as Markdown and as JSON. Must not know how it was measured.

use std::fmt::Write;

use serde::Serialize;

use crate::{Plan, figures::verdict, idle::Idle, measure::Machine, wave::Found};

/// Streams of which the most is promised.
const PROMISED_AT: usize = 800;
/// Streams that must be borne.
const BORNE: usize = 1_600;
/// Milliseconds.
const LATE: [f64; 2] = [1.0, 5.0];
const FIRST: f64 = 5.0;
/// Microseconds a token.
const CPU: f64 = 60.0;
/// Kilobytes a stream, and a subscription on which nothing happens.
const MEMORY: f64 = 100.0;
const IDLE_MEMORY: f64 = 10.0;

/// Who is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Model,
    Relay,
    Program,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "the model itself",
            Self::Relay => "bare relay",
            Self::Program => "program",
        }
    }
}

#[derive(Serialize)]
struct Line {
    side: Side,
    found: Found,
}

#[derive(Serialize)]
struct Goal {
    what: String,
    found: f64,
    limit: f64,
    holds: bool,
}

/// Everything that was found in a run.
#[derive(Serialize)]
pub struct Table {
    machine: Machine,
    plan: Plan,
    lines: Vec<Line>,
    fan_out: Option<Found>,
    idle: Option<Idle>,
    goals: Vec<Goal>,
}

impl Table {
    pub fn new(machine: Machine, plan: Plan) -> Self {
        Self { machine, plan, lines: Vec::new(), fan_out: None, idle: None, goals: Vec::new() }
    }

    pub fn add(&mut self, side: Side, found: Found) -> String {
        let told = line(side, &found);
        self.lines.push(Line { side, found });
        told
    }

    pub fn add_fan_out(&mut self, mut found: Found) -> String {
        // They were there long before it.
        found.first = [f64::NAN; 3];
        let told = line(Side::Program, &found);
        self.fan_out = Some(found);
        told
    }

    pub fn add_idle(&mut self, idle: Idle) -> String {
        let told = idle_line(&idle);
        self.idle = Some(idle);
        told
    }

    fn of(&self, side: Side, streams: usize) -> Option<&Found> {
        self.lines.iter().find(|line| line.side == side && line.found.streams == streams).map(|line| &line.found)
    }

    /// Holds what was found against what is promised.
    pub fn judge(&mut self) {
        let mut goals = Vec::new();
        let mut most = |what: String, found: f64, limit: f64| {
            goals.push(Goal { what, found, limit, holds: found <= limit });
        };
        for Line { found, .. } in self.lines.iter().filter(|line| line.side == Side::Program) {
            let streams = found.streams;
            if streams == PROMISED_AT {
                most(format!("{streams} streams: a token's delay, p50, ms"), found.late[0], LATE[0]);
                most(format!("{streams} streams: a token's delay, p99, ms"), found.late[1], LATE[1]);
                most(format!("{streams} streams: server CPU a token, µs"), found.cpu.unwrap_or(f64::NAN), CPU);
                most(format!("{streams} streams: memory each, kB"), found.memory.unwrap_or(f64::NAN), MEMORY);
            }
            if streams <= PROMISED_AT
                && let Some(model) = self.of(Side::Model, streams)
            {
                let above = found.first[0] - model.first[0];
                most(format!("{streams} streams: to the first token above the model's own, p50, ms"), above, FIRST);
            }
            if streams == BORNE {
                most(format!("{streams} streams: not whole"), number(streams - found.whole), 0.0);
            }
        }
        if let Some(idle) = &self.idle {
            most(format!("{} idle subscriptions: memory each, kB", idle.subscriptions), idle.memory, IDLE_MEMORY);
        }
        self.goals = goals;
    }

    /// What went wrong, if anything did: no number of such a run counts.
    pub fn trouble(&self) -> Option<String> {
        let waves = self.lines.iter().map(|line| &line.found).chain(&self.fan_out);
        let broken = waves.filter(|found| found.whole < found.streams);
        let told = |found: &Found| {
            let why = found.trouble.as_deref().unwrap_or_default();
            format!("{} of {} streams were whole; one of the others: {why}", found.whole, found.streams)
        };
        let lost =
            self.idle.iter().filter(|idle| idle.lost > 0).map(|idle| format!("{} idle ones broke off", idle.lost));
        broken.map(told).chain(lost).reduce(|all, one| format!("{all}\n{one}"))
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON")
    }

    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}.\n\nTwenty tokens a second from each stream; {} streams begin each second; numbers are of the {} s in which all are open.\n{HEAD}",
            self.machine.told(),
            self.plan.starts,
            self.plan.seconds
        );
        for Line { side, found } in &self.lines {
            writeln!(text, "{}", line(*side, found)).expect("written");
        }
        if let Some(found) = &self.fan_out {
            write!(
                text,
                "\nOne reply and everybody who watches it (a token is counted for each watcher):\n{HEAD}{}\n",
                line(Side::Program, found)
            )
            .expect("written");
        }
        if let Some(idle) = &self.idle {
            write!(text, "\nSubscriptions on which nothing happens:\n{IDLE_HEAD}{}\n", idle_line(idle))
                .expect("written");
        }
        text.push_str("\nWhat is promised, at most:\n\n| | Found | Promised | |\n|---|---:|---:|---|\n");
        for Goal { what, found, limit, holds } in &self.goals {
            let holds = verdict(*holds);
            writeln!(text, "| {what} | {found:.2} | {limit:.0} | {holds} |").expect("written");
        }
        text
    }
}

const HEAD: &str = "
| Streams | Who is read | Whole | Tokens/s | Delay p50, ms | p99, ms | most, ms | First token p50, ms | p99, ms | Server CPU a token, µs | with begin and end, µs | PostgreSQL CPU a token, µs | Memory each, kB |
|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

const IDLE_HEAD: &str = "
| Subscriptions | Memory each, kB | Server, cores | PostgreSQL, cores | Opened in, s |
|---:|---:|---:|---:|---:|
";

fn line(side: Side, found: &Found) -> String {
    let Found { streams, whole, tokens_per_second, late, first, cpu, postgres_cpu, cpu_in_all, memory, .. } = found;
    let has = |value: &Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
    let [first, first_most] =
        [first[0], first[1]].map(|ms| if ms.is_nan() { "–".to_owned() } else { format!("{ms:.2}") });
    let postgres = if side == Side::Program { format!("{postgres_cpu:.1}") } else { "–".to_owned() };
    format!(
        "| {streams} | {} | {whole} | {tokens_per_second:.0} | {:.2} | {:.2} | {:.1} | {first} | {first_most} | {} | {} | {postgres} | {} |",
        side.name(),
        late[0],
        late[1],
        late[2],
        has(cpu),
        has(cpu_in_all),
        has(memory)
    )
}

fn idle_line(idle: &Idle) -> String {
    let Idle { subscriptions, memory, opening, cores, postgres_cores, .. } = idle;
    format!("| {subscriptions} | {memory:.1} | {cores:.3} | {postgres_cores:.3} | {opening:.1} |")
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn number(count: usize) -> f64 {
    count as f64
}
