//! What was found, and whether what is promised holds; as Markdown and as JSON. Must not know how it was measured.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    figures::{median, verdict},
    measure::Machine,
};

/// Milliseconds.
const READY: f64 = 300.0;
/// Megabytes at rest.
const REST: f64 = 40.0;
/// Memory at the end, in times that after the second slice.
const FLAT: f64 = 1.05;

/// One start of the program.
#[derive(Debug, Clone, Serialize)]
pub struct Start {
    /// Milliseconds until it was ready.
    pub ready_ms: f64,
    /// Of a core that it used by then.
    pub cpu_ms: f64,
    /// Megabytes at rest.
    pub memory: f64,
}

/// A part of the time under load.
#[derive(Debug, Clone, Serialize)]
pub struct Slice {
    pub requests: u64,
    /// Megabytes at its end, and the most so far.
    pub memory: f64,
    pub most: f64,
}

/// Everything that was found in a run.
#[derive(Serialize)]
pub struct Table {
    machine: Machine,
    seconds: u32,
    starts: Vec<Start>,
    slices: Vec<Slice>,
}

impl Table {
    pub fn new(machine: Machine, seconds: u32) -> Self {
        Self { machine, seconds, starts: Vec::new(), slices: Vec::new() }
    }

    pub fn add_start(&mut self, start: Start) -> String {
        let Start { ready_ms, cpu_ms, memory } = &start;
        let told = format!("ready after {ready_ms:.0} ms, {cpu_ms:.0} ms of a core; {memory:.1} MB at rest");
        self.starts.push(start);
        told
    }

    pub fn add_slice(&mut self, slice: Slice) -> String {
        let told = slice_line(self.slices.len() + 1, &slice);
        self.slices.push(slice);
        told
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON")
    }

    pub fn markdown(&self) -> String {
        let of = |value: fn(&Start) -> f64| median(self.starts.iter().map(value));
        let (ready, cpu, rest) = (of(|start| start.ready_ms), of(|start| start.cpu_ms), of(|start| start.memory));
        let mut text = format!(
            "{}.\n\nMedians of {} starts: {ready:.0} ms until it is ready, {cpu:.0} ms of a core by then, {rest:.1} MB at rest.\n\n\
             Under load, {} s in {} slices:\n\n| | Requests | Memory, MB | the most so far |\n|---:|---:|---:|---:|\n",
            self.machine.told(),
            self.starts.len(),
            self.seconds,
            self.slices.len()
        );
        for (n, slice) in (1..).zip(&self.slices) {
            writeln!(text, "{}", slice_line(n, slice)).expect("written");
        }
        let grown = self.slices[self.slices.len() - 1].memory / self.slices[1].memory;
        text.push_str("\nWhat is promised, at most:\n\n| | Found | Promised | |\n|---|---:|---:|---|\n");
        for (what, found, limit) in [
            ("from start to ready, ms", ready, READY),
            ("memory at rest, MB", rest, REST),
            ("memory at the end, in times that after the second slice", grown, FLAT),
        ] {
            let holds = verdict(found <= limit);
            writeln!(text, "| {what} | {found:.2} | {limit} | {holds} |").expect("written");
        }
        text
    }
}

fn slice_line(n: usize, Slice { requests, memory, most }: &Slice) -> String {
    format!("| {n} | {requests} | {memory:.1} | {most:.1} |")
}
