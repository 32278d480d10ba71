//! The program itself, as a process: what a person starts, and what a machine kills.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};

use super::{Gateway, SECRET, cluster};

/// How long a process may take to start or to end.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub fn frontdesk(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    program(env!("CARGO_BIN_EXE_frontdesk"), arguments, settings)
}

fn program(name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Nobody's `.env` is read.
        .current_dir("/")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A server in a process of its own.
pub struct Server {
    pub child: Child,
    /// What it printed until it was ready.
    pub greeting: String,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::ready(&mut frontdesk(&["serve"], settings)).await
    }

    /// By a shell that sets limits first, in its own words.
    pub async fn limited(limits: &str, settings: &[(&str, &str)]) -> Self {
        let script = format!("{limits} && exec \"$0\" serve");
        Self::ready(&mut program("sh", &["-c", &script, env!("CARGO_BIN_EXE_frontdesk")], settings)).await
    }

    async fn ready(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("started");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut greeting = String::new();
        let ready = timeout(PATIENCE, async {
            while let Some(line) = stdout.next_line().await.expect("text") {
                greeting.push_str(&line);
                greeting.push('\n');
                if line.contains("Answers by") {
                    return true;
                }
            }
            false
        })
        .await
        .expect("in time");
        // What follows the last line of every greeting came with the same write.
        while let Ok(Ok(Some(line))) = timeout(Duration::from_millis(100), stdout.next_line()).await {
            greeting.push_str(&line);
            greeting.push('\n');
        }
        if !ready {
            let mut error = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut error).await.expect("text");
            panic!("not ready: {error}");
        }
        Self { child, greeting, _stdout: stdout }
    }

    pub fn url(&self) -> String {
        let line = self.greeting.lines().find(|line| line.contains("Playground")).expect("a line");
        line.split_whitespace().nth(1).expect("a URL").trim_end_matches("/graphiql").to_owned()
    }

    /// The word behind `after` in the line that holds `line`.
    pub fn word(&self, line: &str, after: &str) -> Option<String> {
        let line = self.greeting.lines().find(|text| text.contains(line))?;
        line.split_whitespace().skip_while(|word| *word != after).nth(1).map(str::to_owned)
    }

    pub async fn ask(&self, query: &str) -> serde_json::Value {
        let body = serde_json::json!({ "query": query });
        let response = reqwest::Client::new().post(format!("{}/graphql", self.url())).json(&body).send().await;
        response.expect("an answer").json().await.expect("JSON")
    }

    pub async fn stop(mut self) {
        kill(self.pid(), Signal::SIGTERM).expect("told");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("in time").expect("ended");
        assert!(status.success(), "{status}");
    }

    /// A node of a deployment: production's settings, over a database that is there, linked by Redis.
    pub async fn node(database: &str, redis: &str, model: &str) -> Self {
        let database = cluster::login_url(database);
        let settings = [
            ("PORT", "0"),
            ("DATABASE_URL", database.expose_secret()),
            ("MIGRATE_ON_START", "false"),
            ("DEMO_DATA", "false"),
            ("REDIS_URL", redis),
            ("OPENAI_BASE_URL", model),
            ("OPENAI_API_KEY", "test-key"),
            ("JWT_SECRET_KEY", SECRET),
            ("SECRET_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ];
        Self::start(&settings).await
    }

    /// A server beside the gateway, over its database, that works by itself and logs as JSON.
    pub async fn over(gateway: &Gateway, others: &[(&str, &str)]) -> Self {
        let database = cluster::login_url(&gateway.database);
        let mut settings = vec![
            ("PORT", "0"),
            ("DATABASE_URL", database.expose_secret()),
            ("MIGRATE_ON_START", "false"),
            ("DEMO_DATA", "false"),
            ("JWT_SECRET_KEY", SECRET),
            ("SECRET_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
            ("LOG_FORMAT", "json"),
            // Every machine has room for so many: none is told of in the log.
            ("MAX_CONNECTIONS", "1000"),
        ];
        settings.extend(others);
        Self::start(&settings).await
    }

    pub fn address(&self) -> SocketAddr {
        let port = self.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().expect("alive")).expect("a pid"))
    }

    /// Gone at once, as by a machine that lost its power.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }
}

/// What a server logs, as JSON.
pub struct Logged(Lines<BufReader<ChildStderr>>);

impl Logged {
    pub fn of(server: &mut Server) -> Self {
        Self(BufReader::new(server.child.stderr.take().expect("a pipe")).lines())
    }

    /// Every line until one says so.
    pub async fn until(&mut self, said: &str) -> Vec<serde_json::Value> {
        let mut seen = Vec::new();
        let read = async {
            while let Some(line) = self.0.next_line().await.expect("text") {
                seen.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}")));
                if !said.is_empty() && line.contains(said) {
                    return;
                }
            }
            assert!(said.is_empty(), "nobody said {said}");
        };
        timeout(PATIENCE, read).await.expect("in time");
        seen
    }

    /// Every line until the server is gone.
    pub async fn rest(&mut self) -> Vec<serde_json::Value> {
        self.until("").await
    }
}
