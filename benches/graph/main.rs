//! How fast the graph is, as ratios to two limits of the same machine in the same run: a bare server that answers the same JSON
//! without GraphQL and without a guard, and PostgreSQL alone under `pgbench`. The server under test is the program itself, with
//! production's settings and its whole guard; nothing here can turn any of it off. Must not know how the server works inside.
//!
//! `BENCH_SECONDS` (10) and `BENCH_ROUNDS` (3) say how long and how often, `BENCH_SCALE` (1) makes the data set smaller for a trial,
//! `BENCH_WORKLOADS` (`W1,W2,W3,W4`) and `BENCH_CONNECTIONS` (`1,32,256`) pick.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it found and stops where it can't go on"
)]

mod bare;
#[path = "../shared/data.rs"]
mod data;
#[path = "../shared/figures.rs"]
mod figures;
mod load;
#[path = "../shared/measure.rs"]
mod measure;
#[path = "../shared/processes.rs"]
mod processes;
mod servers;
mod table;
mod workloads;

use std::{env, fs, path::PathBuf};

use data::Shape;
use figures::asked;
use load::Generator;
use servers::Servers;
use table::{Measured, Side, Table};
use workloads::Workload;

/// Of the load generator; to PostgreSQL alone, as many clients.
const CONNECTIONS: &str = "1,32,256";
const SIDES: [Side; 3] = [Side::Graph, Side::Bare, Side::Pgbench];

/// What the environment asks for.
#[derive(Debug, Clone, serde::Serialize)]
struct Plan {
    seconds: u32,
    rounds: usize,
    scale: f64,
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if arguments.get(1).is_some_and(|word| word == "bare") {
        runtime().block_on(bare::serve());
    } else {
        runtime().block_on(run());
    }
}

async fn run() {
    let plan = Plan {
        seconds: asked("BENCH_SECONDS", 10),
        rounds: asked("BENCH_ROUNDS", 3),
        scale: asked("BENCH_SCALE", 1.0),
    };
    assert!(plan.seconds > 0 && plan.rounds > 0, "nothing would be measured");
    let only = asked("BENCH_WORKLOADS", "W1,W2,W3,W4".to_owned());
    let chosen: Vec<_> =
        Workload::ALL.into_iter().filter(|one| only.split(',').any(|name| name == one.name())).collect();
    let connections = asked("BENCH_CONNECTIONS", CONNECTIONS.to_owned());
    let connections: Vec<usize> =
        connections.split(',').map(|number| number.parse().expect("BENCH_CONNECTIONS")).collect();
    frontdesk::tokens::install_provider();

    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&out).expect("a folder");
    let shape = Shape::scaled(plan.scale);
    let servers = Servers::start(&shape, &out).await;
    let machine = measure::Machine::look(servers.database.version());
    println!("{}", machine.told());
    let tokens = processes::sign_in(&servers.graph, &shape).await;
    let generator = Generator { servers: &servers, shape: &shape, tokens: &tokens, seconds: plan.seconds, out: &out };

    let mut table = Table::new(machine, plan.clone(), shape.clone());
    for workload in chosen {
        generator.same_answers(workload).await;
        generator.warm(workload);
        for &connections in &connections {
            let mut rounds: Vec<(Side, Measured)> = Vec::new();
            for _ in 0..plan.rounds {
                for side in SIDES {
                    rounds.push((side, generator.measure(workload, side, connections)));
                }
            }
            for line in table.add(workload, connections, &rounds) {
                println!("{line}");
            }
        }
        generator.same_answers(workload).await;
    }
    println!("\n{}", table.markdown());
    fs::write(out.join("graph.md"), table.markdown()).expect("written");
    fs::write(out.join("graph.json"), table.json()).expect("written");
    println!("Written to {} and graph.json beside it.", out.join("graph.md").display());
}
