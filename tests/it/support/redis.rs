//! A Redis of one's own, on a Unix socket, that can go away and come back.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Redis {
    folder: PathBuf,
    server: Child,
}

impl Redis {
    pub async fn start() -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = PathBuf::from("/tmp").join(format!("frontdesk-redis-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let server = serve(&folder);
        let redis = Self { folder, server };
        redis.until_ready().await;
        redis
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// Gone, and all that it held.
    pub fn stop(&mut self) {
        self.server.kill().expect("killed");
        self.server.wait().expect("ended");
    }

    /// There again, empty.
    pub async fn start_again(&mut self) {
        self.server = serve(&self.folder);
        self.until_ready().await;
    }

    /// Takes connections, and says nothing any more.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.server.id()).expect("a pid")), signal).expect("told");
    }

    /// Says a command, as an operator at the console.
    pub async fn command(&self, words: &[&str]) {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query_async::<()>(&mut connection).await.expect("done");
    }

    async fn until_ready(&self) {
        let client = redis::Client::open(self.url()).expect("a URL");
        while client.get_multiplexed_async_connection().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

fn serve(folder: &PathBuf) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server; scripts/setup test installs it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
