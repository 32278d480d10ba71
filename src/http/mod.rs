//! HTTP: the router on one page, and the transports of GraphQL. Must not decide who may do what: it carries proofs in and
//! answers out.

mod admission;
mod body;
mod caller;
mod client;
mod cors;
mod graphql;
mod health;
mod idle;
mod intake;
mod listen;
mod mail;
mod metrics;
mod negotiate;
mod parts;
mod places;
mod playground;
mod problem;
mod request_id;
mod sse;
mod stream;
mod voice;
mod watch;
mod webhooks;
mod ws;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware,
    routing::{any, get, post},
};
use secrecy::SecretString;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    chat::Engine,
    context::{Client, RequestId, Services},
    domain::inbox::InboxSettings,
    graph::Graph,
};

pub use listen::{ListenSettings, serve};
pub use voice::VoicePatience;

/// What the handlers share.
pub struct Web {
    /// The graph.
    pub graph: Graph,
    /// Database, clock, keys.
    pub services: Arc<Services>,
    /// The chat engine.
    pub engine: Arc<Engine>,
    /// How it is to be served.
    pub settings: WebSettings,
    /// Says that the server is about to go down: it is not ready, and still serves.
    pub leaving: CancellationToken,
    /// Ends open streams when the server goes down.
    pub closing: CancellationToken,
    /// Open sockets, waited for at the end.
    pub sockets: TaskTracker,
}

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// Development: any origin may call, and the playground may load from elsewhere.
    pub is_development: bool,
    /// How many proxies of our own stand before us, and say in `X-Forwarded-For` whom they were called by.
    pub trusted_proxies: usize,
    /// What `/metrics` asks for; none to show it to the server's own network.
    pub metrics_token: Option<SecretString>,
    /// `STOP_DELAY_SECONDS`: how long the server still takes requests after it has said that it is not ready.
    pub notice: Duration,
    /// How many operations one POST may hold beside each other; none but one, if it is zero.
    pub batch: usize,
    /// What connections are held to.
    pub listen: ListenSettings,
    /// What phone providers sign with.
    pub inbox: InboxSettings,
    /// How long an assistant on the phone waits for its variables, and for a tool.
    pub voice: VoicePatience,
    /// Whether there is a playground of our own to serve.
    pub has_playground: bool,
    /// How often the caller of an open stream is looked at again.
    pub recheck: Duration,
    /// How long somebody is kept waiting who is refused for asking too often; half of it more or less.
    pub penalty: Duration,
    /// How long `/readyz` waits for the database.
    pub probe: Duration,
    /// How long a socket may wait with its connection_init.
    pub init_patience: Duration,
    /// Between two pings of an open socket; a peer that is silent for two of them is gone.
    pub ping: Duration,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            is_development: true,
            trusted_proxies: 0,
            metrics_token: None,
            notice: Duration::ZERO,
            batch: 0,
            listen: ListenSettings::default(),
            inbox: InboxSettings::default(),
            voice: VoicePatience::default(),
            has_playground: playground::is_built(),
            recheck: Duration::from_secs(3),
            penalty: Duration::from_secs(1),
            probe: Duration::from_secs(3),
            init_patience: Duration::from_secs(3),
            ping: Duration::from_secs(12),
        }
    }
}

/// Every route.
pub fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/", get(playground::page))
        .route("/graphiql", get(playground::page))
        .route("/playground/{asset}", get(playground::asset))
        .route("/graphql", any(graphql::serve))
        .route("/graphql/stream", any(graphql::events))
        .route("/graphql/ws", get(ws::upgrade))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::scrape))
        .route("/api/v1/telnyx/sms", post(webhooks::telnyx_sms))
        .route("/api/v1/telnyx/ai-call-complete", post(voice::call_complete))
        .route("/api/v1/telnyx/dynamic-variables", post(voice::dynamic_variables))
        .route("/api/v1/telnyx/tools/{tool}", post(voice::tool))
        .route("/api/v1/twilio/sms", post(webhooks::twilio_sms).get(webhooks::twilio_sms))
        .route("/api/v1/email/pubsub", post(mail::pushed))
        .route("/api/v1/email/pubsub/test", post(mail::told))
        .route("/api/v1/email/oauth/callback", get(mail::consented))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        // The outermost first. One layer of all three: each that is added alone costs every request two more boxes.
        .layer((middleware::from_fn(request_id::mark), cors::layer(&web), CatchPanicLayer::custom(problem::panicked)))
        .with_state(web)
}

/// What every answer tells browsers, where it says nothing else of it.
const GUARDS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

fn guard(headers: &mut HeaderMap) {
    cors::say_nothing(headers);
    for (name, value) in GUARDS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

impl Web {
    fn public(&self, request: RequestId, client: Client) -> crate::context::PublicCx {
        crate::context::PublicCx { services: self.services.clone(), request, client }
    }
}
