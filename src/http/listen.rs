//! Takes connections in, and serves them over HTTP/1.1: those that get a place, none silent for long, or long over its headers.
//! HTTP/2 is for the load balancer to speak: these limits and timers do not hold for it, and a connection whose protocol must be
//! told by its first bytes can keep silent after them for ever. So this is hyper's builder for HTTP/1 alone: hyper-util's for
//! both speaks HTTP/2 even if it is told not to, where connections may be upgraded. Must not know routes.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

use crate::{
    http::{
        Web,
        idle::Idle,
        places::{Place, Places},
    },
    kernel::task,
};

/// Largest head of a request, in bytes: its line and all its headers. Hyper looks at it between reads, so one that arrives at
/// once may have up to twice as many.
const HEAD_MAX: usize = 64 << 10;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// Before the next connection is taken, when the machine has no room for one.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub struct ListenSettings {
    /// `MAX_CONNECTIONS`: open at once, WebSockets too. Who comes then waits. Where clients connect directly, one network holds a
    /// part of them.
    pub connections: usize,
    /// How long one may take to its first byte, and over the headers of each request.
    pub headers: Duration,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    /// How long nothing may go over it, in either direction. Longer than an operation takes, and than streams are silent.
    pub idle: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            connections: 20_000,
            headers: Duration::from_secs(20),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}

/// Serves until `stop`, then lets requests come to their ends. Sockets that were upgraded have their places, and end by themselves.
pub async fn serve(listener: TcpListener, router: Router, web: Arc<Web>, stop: CancellationToken) {
    let settings = web.settings.listen;
    let mut make = router.into_make_service_with_connect_info::<SocketAddr>();
    let places = Places::new(settings.connections, web.settings.trusted_proxies > 0);
    let (builder, open) = (builder(settings), TaskTracker::new());
    while let Some(Some((stream, peer, place))) = stop.run_until_cancelled(next(&listener, &places, &web)).await {
        let Ok(service) = make.call(peer).await;
        let (builder, stop) = (builder.clone(), stop.child_token());
        task::spawn(open.track_future(async move {
            // Whoever says nothing costs no buffers: hyper makes them before it reads.
            if timeout(settings.headers, stream.peek(&mut [0])).await.is_err() {
                return;
            }
            let service = TowerToHyperService::new(service);
            let stream = TokioIo::new(Idle::new(stream, settings.idle, place));
            let connection = builder.serve_connection(stream, service);
            let mut connection = pin!(connection.with_upgrades());
            let ended = if let Some(ended) = stop.run_until_cancelled(connection.as_mut()).await {
                ended
            } else {
                // What was asked is still answered; what asks nothing is closed.
                connection.as_mut().graceful_shutdown();
                connection.await
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        }));
    }
    // Whoever comes now is refused, and asks another node.
    drop(listener);
    open.close();
    open.wait().await;
}

/// The next connection, and its place among those that may be open. `None` never, as [`Places::free`].
async fn next(listener: &TcpListener, places: &Places, web: &Web) -> Option<(TcpStream, SocketAddr, Place)> {
    let free = places.free().await?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Closed, where its network has its share: counted, and not logged, or whoever crowds fills the log.
                let Some(share) = places.share(peer.ip()) else {
                    web.services.limited("connections of a network");
                    continue;
                };
                // Tokens are small, and each is to be seen when it is sent.
                let _ = stream.set_nodelay(true);
                return Some((stream, peer, (free, share)));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                sleep(NO_ROOM).await;
            }
        }
    }
}

fn builder(settings: ListenSettings) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.headers)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX);
    builder
}
