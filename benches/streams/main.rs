//! What becomes of a model's tokens on their way through the program: how late each is, what it costs, and how many streams at once can
//! be borne; beside readers of the model itself and a bare relay, on the same machine in the same run. Then what one reply to many
//! watchers costs, and subscriptions on which nothing happens. The program runs with production's settings and its whole guard. Must
//! not know how it works inside.
//!
//! `BENCH_SECONDS` (10) says for how long all streams are open, `BENCH_STREAMS` (`25,200,800,1600`) how many they are, `BENCH_STARTS`
//! (50) how many begin each second; `BENCH_IDLE` (10000) and `BENCH_WATCHERS` (1000) how many of these there are, 0 for none.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench says what it found and stops where it can't go on; it uses some of what the others do"
)]

mod clock;
#[path = "../shared/data.rs"]
mod data;
#[path = "../shared/figures.rs"]
mod figures;
mod idle;
mod line;
#[path = "../shared/measure.rs"]
mod measure;
#[path = "../shared/processes.rs"]
mod processes;
mod reader;
mod relay;
mod table;
mod upstream;
mod wave;

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use data::Shape;
use figures::asked;
use futures_util::future::join_all;
use line::Way;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use processes::{Database, Server};
use reader::{Ask, Progress};
use table::{Side, Table};
use wave::Watched;

/// Of the data set of the other benches: 200 conversations of each tenant.
const SCALE: f64 = 0.1;
/// Chats that warm the program before it is measured, and their tokens.
const WARM: usize = 32;
const WARM_TOKENS: u32 = 10;
/// Watchers that begin each second.
const WATCHERS_A_SECOND: u32 = 200;

/// What the environment asks for.
#[derive(Debug, Clone, serde::Serialize)]
struct Plan {
    seconds: u32,
    starts: u32,
    streams: Vec<usize>,
    idle: usize,
    watchers: usize,
}

impl Plan {
    fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

fn main() {
    frontdesk::tokens::install_provider();
    // The model and all readers have one thread each: threads that wake each other up would be measured too.
    match env::args().nth(1).as_deref() {
        Some("upstream") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(upstream::serve());
        }
        Some("relay") => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(relay::serve());
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(run());
        }
    }
}

/// Everything that runs beside this process.
struct Bench {
    relay: Server,
    upstream: Server,
    tokens: Vec<String>,
    database: Database,
    shape: Shape,
    out: PathBuf,
}

impl Bench {
    async fn start(out: &Path) -> Self {
        let shape = Shape::scaled(SCALE);
        let database = Database::start(&shape).await;
        let upstream = Server::part("upstream", &[]).await;
        let relay = Server::part("relay", &[(relay::UPSTREAM, &upstream.url)]).await;
        let mut bench = Self { relay, upstream, tokens: Vec::new(), database, shape, out: out.to_owned() };
        bench.tokens = processes::sign_in(&bench.program().await, &bench.shape).await;
        bench
    }

    /// A program that has done nothing yet, but that it is ready.
    async fn program(&self) -> Server {
        let model = format!("{}/v1", self.upstream.url);
        // As high as the load needs: 50 tenants of one person each stand for all that would share a server.
        let settings = [
            ("LLM_PROVIDER", "openai"),
            ("OPENAI_API_KEY", "a-key-of-the-bench"),
            ("OPENAI_MODEL", "bench"),
            ("OPENAI_BASE_URL", &model),
            ("RATE_LIMIT_GENERATIONS_PER_PERSON", "6000000"),
            ("RATE_LIMIT_GENERATIONS_PER_TENANT", "6000000"),
            ("RATE_LIMIT_STREAMS_PER_PERSON", "20000"),
            ("RATE_LIMIT_STREAMS_PER_TENANT", "20000"),
            // All come from loopback, and one address holds a quarter of the places.
            ("MAX_CONNECTIONS", "400000"),
        ];
        self.database.program(&self.out, &settings).await
    }

    /// One whose memory and caches are those of a server at work.
    async fn warm_program(&self) -> Server {
        let program = self.program().await;
        let readers = wave::start(self.chats(&program, WARM, WARM_TOKENS).await, 20, &Arc::default());
        for heard in join_all(readers).await {
            assert_eq!(heard.expect("no panic").trouble, None, "the program can't chat");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        program
    }

    fn watched(&self, server: Option<&Server>) -> Watched {
        let (model, postmaster) = (self.upstream.url.clone(), self.database.postmaster);
        Watched { model, server: server.map(Server::pid), postmaster }
    }

    /// New conversations, of all tenants in turn: whose each is, and its id.
    async fn conversations(&self, count: usize) -> Vec<(usize, i64)> {
        let owner = data::connect(&self.database.owner).await;
        let insert = "INSERT INTO conversations (tenant_id, channel, status, created_at, updated_at) \
                      SELECT $1::bigint + n % $2::bigint, 'WEB', 'BOT', now(), now() FROM generate_series(0, $3::bigint - 1) n \
                      RETURNING tenant_id, id";
        let first = i64::from(data::id_of(0));
        let count = i64::try_from(count).expect("not so many");
        let rows = owner.query(insert, &[&first, &i64::from(self.shape.tenants), &count]).await.expect("conversations");
        rows.iter().map(|row| (usize::try_from(row.get::<_, i64>(0) - first).expect("a tenant"), row.get(1))).collect()
    }

    /// Questions in conversations of their own, half over sockets and half over SSE.
    async fn chats(&self, program: &Server, count: usize, tokens: u32) -> Vec<Ask> {
        let places = self.conversations(count).await;
        let chat = |(n, (tenant, conversation)): (usize, (usize, i64))| {
            Ask::chat(at(program), way(n), &self.tokens[tenant], conversation, tokens)
        };
        places.into_iter().enumerate().map(chat).collect()
    }

    async fn ride(&self, plan: &Plan, side: Side, streams: usize) -> wave::Found {
        let (rate, window) = (plan.starts, plan.window());
        let read = async |server: &Server, watched: Watched| {
            let asks = vec![Ask::model(at(server)); streams];
            wave::ride(asks, rate, window, &watched).await
        };
        match side {
            Side::Model => read(&self.upstream, self.watched(None)).await,
            Side::Relay => read(&self.relay, self.watched(Some(&self.relay))).await,
            Side::Program => {
                let program = self.warm_program().await;
                let asks = self.chats(&program, streams, upstream::MANY).await;
                wave::ride(asks, rate, window, &self.watched(Some(&program))).await
            }
        }
    }

    /// One reply, and many who watch it.
    async fn fan_out(&self, plan: &Plan) -> wave::Found {
        let program = self.warm_program().await;
        let (tenant, conversation) = self.conversations(1).await[0];
        let token = &self.tokens[tenant];
        let progress = Arc::new(Progress::default());
        let watched = self.watched(Some(&program));
        let before = wave::before(&watched, &progress).await;
        let watch = |n| Ask::events(at(&program), way(n), token, conversation);
        let readers = wave::start((0..plan.watchers).map(watch).collect(), WATCHERS_A_SECOND, &progress);
        idle::until_watched(&program, plan.watchers).await;
        let chat = vec![Ask::chat(at(&program), Way::Sse, token, conversation, upstream::MANY)];
        let told = wave::start(chat, 1, &Arc::default());
        let found = wave::finish(readers, &progress, before, plan.window(), &watched).await;
        for heard in join_all(told).await {
            assert_eq!(heard.expect("no panic").trouble, None, "the reply itself");
        }
        found
    }

    async fn idle(&self, plan: &Plan) -> idle::Idle {
        let program = self.warm_program().await;
        let places = self.conversations(plan.idle).await;
        let places = places.into_iter().map(|(tenant, id)| (self.tokens[tenant].clone(), id)).collect();
        idle::hold(&program, at(&program), places, plan.window(), self.database.postmaster).await
    }
}

fn at(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().expect("an address")
}

fn way(n: usize) -> Way {
    if n.is_multiple_of(2) { Way::Socket } else { Way::Sse }
}

async fn run() {
    let plan = Plan {
        seconds: asked("BENCH_SECONDS", 10),
        starts: asked("BENCH_STARTS", 50),
        streams: asked("BENCH_STREAMS", "25,200,800,1600".to_owned())
            .split(',')
            .map(|number| number.parse().expect("BENCH_STREAMS"))
            .collect(),
        idle: asked("BENCH_IDLE", 10_000),
        watchers: asked("BENCH_WATCHERS", 1_000),
    };
    assert!(plan.seconds > 0 && plan.starts > 0, "nothing would be measured");
    // Of this process and all that it starts.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("as many files as may be open");

    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&out).expect("a folder");
    let bench = Bench::start(&out).await;
    let machine = measure::Machine::look(bench.database.version());
    println!("{}", machine.told());

    let mut table = Table::new(machine, plan.clone());
    for &streams in &plan.streams {
        for side in [Side::Model, Side::Relay, Side::Program] {
            let found = bench.ride(&plan, side, streams).await;
            println!("{}", table.add(side, found));
        }
    }
    if plan.watchers > 0 {
        println!("{}", table.add_fan_out(bench.fan_out(&plan).await));
    }
    if plan.idle > 0 {
        println!("{}", table.add_idle(bench.idle(&plan).await));
    }
    table.judge();
    println!("\n{}", table.markdown());
    fs::write(out.join("streams.md"), table.markdown()).expect("written");
    fs::write(out.join("streams.json"), table.json()).expect("written");
    println!("Written to {} and streams.json beside it.", out.join("streams.md").display());
    let trouble = table.trouble();
    // Everything that runs is ended before this program says that it failed.
    drop(bench);
    assert!(trouble.is_none(), "{}", trouble.unwrap_or_default());
}
