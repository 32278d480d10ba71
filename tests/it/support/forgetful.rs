//! A way to Redis on which whoever listens hears nothing any more, and is not told so: what many a network does to a connection that
//! has been silent for long.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::redis::Redis;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Forgetful {
    path: PathBuf,
    /// How often it has forgotten.
    times: Arc<AtomicU32>,
}

/// One connection over it.
#[derive(Clone)]
struct Carried {
    listens: Arc<AtomicBool>,
    times: Arc<AtomicU32>,
    since: u32,
}

impl Forgetful {
    pub fn to(redis: &Redis) -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = PathBuf::from("/tmp").join(format!("frontdesk-way-{}-{number}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let (listener, server) = (UnixListener::bind(&path).expect("a socket"), redis.socket());
        let times = Arc::new(AtomicU32::new(0));
        let way = Self { path, times: times.clone() };
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.expect("a Redis");
                let since = times.load(Ordering::SeqCst);
                let carried = Carried { listens: Arc::default(), times: times.clone(), since };
                let ((from, to), (back, forth)) = (client.into_split(), server.into_split());
                tokio::spawn(carried.clone().carry(from, forth));
                tokio::spawn(carried.carry(back, to));
            }
        });
        way
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Forgets the connections on which somebody listens now.
    pub fn forget(&self) {
        self.times.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Carried {
    async fn carry(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let is_listening = bytes[..length].windows(9).any(|word| word.eq_ignore_ascii_case(b"SUBSCRIBE"));
            self.listens.fetch_or(is_listening, Ordering::SeqCst);
            if self.listens.load(Ordering::SeqCst) && self.times.load(Ordering::SeqCst) > self.since {
                // Neither end is told.
                std::future::pending::<()>().await;
            }
            if to.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }
}
