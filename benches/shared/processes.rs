//! What benches measure and what they need beside it, each in processes of its own: a private PostgreSQL with the neutral data set,
//! the program with production's settings, and other servers. Must not know what is asked of them.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use frontdesk::db::{
    DbSettings,
    embedded::{Durability, EmbeddedPg},
    migrate::{self, OpenSettings},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::data::{self, PASSWORD, Shape};

/// The database that is measured.
pub const DATABASE: &str = "bench";
/// Production's, but for what one tenant may ask in a minute: 50 tenants stand for all that would share a server, so each asks
/// for a fiftieth of all there is. Still everything is counted, and held against these. Tokens outlive the run.
const SETTINGS: [(&str, &str); 10] = [
    ("ENVIRONMENT", "production"),
    ("HOST", "127.0.0.1"),
    ("PUBLIC_URL", "https://bench.example"),
    ("JWT_SECRET_KEY", "a-secret-of-the-bench-that-signs-nothing-else-0123456789"),
    ("SECRET_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", "600"),
    ("RATE_LIMIT_REQUESTS_PER_PERSON", "6000000"),
    ("RATE_LIMIT_REQUESTS_PER_TENANT", "6000000"),
    ("RATE_LIMIT_COST_PER_PERSON", "60000000"),
    ("RATE_LIMIT_COST_PER_TENANT", "60000000"),
];

/// One that listens, and ends with this program.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start(mut command: Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("started");
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    /// This program again, in another part that is named by its argument. It is told its port by `BENCH_PORT`.
    pub async fn part(name: &str, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(name).env("BENCH_PORT", port.to_string()).envs(settings.iter().copied());
        let mut part = Self::start(command, port);
        part.until_ready("/healthz").await;
        part
    }

    pub async fn until_ready(&mut self, path: &str) {
        let (since, url) = (Instant::now(), format!("{}{path}", self.url));
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            self.still_starts(since);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the run where it has ended, or takes too long.
    pub fn still_starts(&mut self, since: Instant) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none() && since.elapsed() < Duration::from_mins(1), "not ready: {ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The port that a part of this program is to listen on.
pub fn port_of_this_part() -> u16 {
    std::env::var("BENCH_PORT").expect("a port").parse().expect("a port")
}

/// The private PostgreSQL, migrated and filled. Dropping it ends it, and leaves nothing of the data.
pub struct Database {
    /// PostgreSQL's first process; all of its others are children of it.
    pub postmaster: u32,
    /// The owner's connection string.
    pub owner: SecretString,
    version: String,
    login: String,
    folder: PathBuf,
    postgres: EmbeddedPg,
}

impl Database {
    pub async fn start(shape: &Shape) -> Self {
        // Outside the checkout: PostgreSQL's own user must get there. One for each checkout.
        let mut checkout = DefaultHasher::new();
        env!("CARGO_MANIFEST_DIR").hash(&mut checkout);
        let folder = PathBuf::from("/tmp").join(format!("frontdesk-bench-{:x}", checkout.finish()));
        // Every commit reaches the disk, as on a server.
        let programs = std::env::var_os("PG_BIN_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let postgres = EmbeddedPg::start(&folder, Durability::Kept, programs.as_deref()).expect("a private PostgreSQL");
        let pid_file = fs::read_to_string(folder.join("data/postmaster.pid")).expect("a running PostgreSQL");
        let postmaster = pid_file.lines().next().and_then(|line| line.parse().ok()).expect("a pid");

        let superuser = data::connect(&postgres.url).await;
        let version = superuser.query_one("SHOW server_version", &[]).await.expect("a version").get(0);
        // A run that was killed leaves its own.
        for statement in [format!("DROP DATABASE IF EXISTS {DATABASE}"), format!("CREATE DATABASE {DATABASE}")] {
            superuser.batch_execute(&statement).await.expect("a fresh database");
        }
        let named = postgres.url.expose_secret().replace("dbname=postgres", &format!("dbname={DATABASE}"));
        let (login, owner) = (named.replace("user=postgres", "user=frontdesk_app"), SecretString::from(named));
        let settings = OpenSettings {
            db: DbSettings { url: login.clone().into(), pool_size: 2 },
            owner_url: Some(owner.clone()),
            is_production: true,
            migrate: true,
            lock_wait: migrate::LOCK_WAIT,
        };
        migrate::migrate(&settings).await.expect("migrated");
        let since = Instant::now();
        data::load(&owner, shape).await;
        println!("Loaded the data set in {:.1} s.", since.elapsed().as_secs_f64());
        Self { postmaster, owner, version, login, folder, postgres }
    }

    /// PostgreSQL's.
    pub fn version(&self) -> String {
        self.version.clone()
    }

    /// The folder of PostgreSQL's socket.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Starts the program, and does not wait for it. What it logs is in `server.log`.
    pub fn spawn(&self, out: &Path, more: &[(&str, &str)]) -> Server {
        let port = free_port();
        let log = fs::File::create(out.join("server.log")).expect("a log");
        let mut command = Command::new(program());
        command.arg("serve").env_clear().current_dir("/").envs(SETTINGS).stderr(log);
        command.env("PORT", port.to_string()).env("DATABASE_URL", &self.login).env("MIGRATE_ON_START", "false");
        command.env("FRONTDESK_DATA_DIR", self.folder.join("files")).envs(more.iter().copied());
        Server::start(command, port)
    }

    /// The program, ready to serve.
    pub async fn program(&self, out: &Path, more: &[(&str, &str)]) -> Server {
        let mut program = self.spawn(out, more);
        program.until_ready("/readyz").await;
        program
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.postgres.stop();
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A person's access token of each tenant, had as anybody has theirs.
pub async fn sign_in(program: &Server, shape: &Shape) -> Vec<String> {
    let (http, url) = (reqwest::Client::new(), format!("{}/graphql", program.url));
    let query = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let mut tokens = Vec::new();
    for tenant in 0..shape.tenants {
        let (_, email) = shape.person(tenant);
        let body = json!({ "query": query, "variables": { "input": { "email": email, "password": PASSWORD } } });
        let answer = http.post(&url).json(&body).send().await.expect("an answer");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        let token = answer["data"]["login"]["accessToken"].as_str();
        tokens.push(token.unwrap_or_else(|| panic!("no token: {answer}")).to_owned());
    }
    tokens
}

/// One that is free now; whoever is told of it takes it at once.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// What is measured: the program that was built with the bench, or another build of it.
fn program() -> String {
    std::env::var("BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_frontdesk").to_owned())
}
