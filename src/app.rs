//! The program put together: database, keys, model, engine, graph, routes. Must not hold logic of its own.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    channels::{google::Google, jackrabbit::Jackrabbit, texting::Texting},
    chat::{Engine, EngineSettings},
    config::{Config, Environment},
    context::{self, AdminCx, Origins, RequestId, Returns, Services, Streams, Throttle},
    db::{Db, DbSettings, ReplicaSettings, identity, migrate},
    domain::calls,
    graph::Graph,
    http::{self, ListenSettings, Web, WebSettings},
    kernel::{clock::Clock, metrics::Metrics, task},
    llm::{Models, Pace, Patience},
    retrieval::Retrieval,
    secrets::SecretKeys,
    tokens::{self, jwt::TokenKeys, password::Passwords, refresh::RefreshKeys},
    work::{Tools, Worker},
};

/// Password hashes that may run at once.
const HASHES: usize = 2;
/// How long one query or mutation may take.
pub const OPERATION: Duration = Duration::from_secs(30);
/// Between two looks after abandoned replies.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Between two times that what was measured is put into its buckets.
const TIDY: Duration = Duration::from_secs(5);
/// How long replies may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// A program that is ready to serve.
pub struct App {
    /// What the handlers share.
    pub web: Arc<Web>,
    /// What does the work that they put in line.
    pub worker: Arc<Worker>,
    works: bool,
}

/// What a test may hold still.
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// How long a model may take.
    pub patience: Patience,
    /// How waits before another try pass.
    pub pace: Pace,
    /// Whether the worker works by itself.
    pub works: bool,
    /// How often the engine looks after abandoned replies; `None` leaves them alone.
    pub housekeeping: Option<Duration>,
    /// How long one query or mutation may take.
    pub operation: Duration,
    /// How HTTP is served.
    pub web: WebSettings,
}

impl Parts {
    /// As the configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            clock: Clock::system(),
            patience: config.patience,
            pace: Pace::real(),
            works: true,
            housekeeping: Some(HOUSEKEEPING),
            operation: OPERATION,
            web: WebSettings {
                cors_origins: config.http.cors_origins.clone(),
                trusted_proxies: config.http.trusted_proxies,
                is_development: config.environment == Environment::Development,
                metrics_token: config.http.metrics_token.clone(),
                notice: config.http.stop_delay,
                batch: config.http.batch,
                listen: ListenSettings { connections: config.http.connections, ..ListenSettings::default() },
                inbox: config.inbox.clone(),
                ..WebSettings::default()
            },
        }
    }
}

/// How the database is opened. `private_url` is the private database's, where one runs.
#[must_use]
pub fn open_settings(config: &Config, private_url: Option<&SecretString>) -> Option<migrate::OpenSettings> {
    let url = config.database.url.as_ref().or(private_url)?.clone();
    Some(migrate::OpenSettings {
        db: DbSettings { url, pool_size: config.database.pool_size },
        owner_url: config.database.owner_url.clone(),
        is_production: config.environment == Environment::Production,
        migrate: config.database.migrate_on_start,
        lock_wait: migrate::LOCK_WAIT,
    })
}

/// What every command that writes needs.
///
/// # Errors
/// When the machine gives no randomness, a setting makes no sense, or no HTTP client can be made.
pub fn services(config: &Config, db: Db, clock: Clock) -> anyhow::Result<Arc<Services>> {
    tokens::install_provider();
    let (tokens, database) = (&config.tokens, &config.database);
    let db = db.believing_callers(database.callers_believed);
    let db = match database.replica_url.clone() {
        None => db,
        Some(url) => {
            db.with_replica(&ReplicaSettings { url, pool_size: database.pool_size, redis: config.redis.clone() })?
        }
    };
    let metrics = Metrics::new()?;
    metrics.started(clock.now());
    calls::announce(&metrics);
    Graph::announce(&metrics);
    context::announce(&metrics);
    Ok(Arc::new(Services {
        passwords: Passwords::new(HASHES)?,
        tokens: TokenKeys::new(
            &tokens.secret,
            &tokens.previous,
            tokens.algorithm,
            tokens.access_lifetime,
            clock.clone(),
        ),
        refresh: RefreshKeys::new(&tokens.secret, &tokens.previous),
        refresh_lifetime: tokens.refresh_lifetime,
        secrets: SecretKeys::new(&config.secret_key, &config.previous_secret_keys)?,
        jackrabbit: Jackrabbit::new(config.jackrabbit.clone(), clock.clone())?,
        public_url: config.http.public_url.trim_end_matches('/').to_owned(),
        visitors: config.visitors.clone(),
        guesses: config.guesses,
        shares: config.shares,
        streams: Streams::default(),
        throttle: Throttle::new(clock.clone(), config.redis.as_ref())?,
        origins: Origins::new(db.clone(), clock.clone()),
        metrics,
        work: tokio::sync::Notify::new(),
        pinecone_hosts: config.retrieval.pinecone.hosts(),
        google: Google::new(config.google.clone(), clock.clone())?,
        returns: returns(config),
        db,
        clock,
    }))
}

/// Our own pages, and those of the frontends that may call.
fn returns(config: &Config) -> Returns {
    let origins = [std::slice::from_ref(&config.http.public_url), &config.http.cors_origins].concat();
    Returns::new(&origins, config.environment == Environment::Development)
}

/// The context of the program's own commands.
#[must_use]
pub fn operator(services: &Arc<Services>) -> AdminCx {
    AdminCx::new(identity::operator(), services.clone(), RequestId("operator".into()))
}

impl App {
    /// Puts the program together.
    ///
    /// # Errors
    /// When the schema breaks a rule of its own, no HTTP client can be made, or the Redis URL can't be read.
    pub fn build(config: &Config, services: Arc<Services>, parts: Parts) -> anyhow::Result<Self> {
        let models = Arc::new(Models::new(config.models.clone(), &parts.clock, parts.pace)?);
        let retrieval = Retrieval::new(&config.retrieval, &services.metrics, services.clock.clone())?;
        let settings = EngineSettings {
            models,
            retrieval: Arc::new(retrieval),
            patience: parts.patience,
            housekeeping: parts.housekeeping,
            redis: config.redis.clone(),
        };
        let engine = Engine::start(services.clone(), settings)?;
        let texting = Texting::new(config.texting.clone())?;
        let worker = Worker::new(Tools { services: services.clone(), engine: engine.clone(), texting });
        let web = Web {
            graph: Graph::new(config.graph.clone(), parts.operation)?,
            services,
            engine,
            settings: parts.web,
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            sockets: TaskTracker::new(),
        };
        Ok(Self { web: Arc::new(web), worker, works: parts.works })
    }

    /// Every route.
    pub fn router(&self) -> Router {
        http::router(self.web.clone())
    }

    /// Serves until `stop`, then goes down in order: not ready, no new work, replies to their end, sockets closed.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let router = self.router();
        let (web, down) = (self.web.clone(), CancellationToken::new());
        let worker = self.worker.clone();
        task::spawn(tidy(web.clone()));
        if self.works {
            task::spawn(worker.clone().run());
        }
        let served = task::spawn(http::serve(listener, router, web.clone(), down.clone()));
        stop.await;
        tracing::info!("not ready any more: whoever balances the load goes elsewhere");
        web.leaving.cancel();
        tokio::time::sleep(web.settings.notice).await;
        tracing::info!("stopping: replies in progress may end, nothing new begins");
        down.cancel();
        worker.close();
        web.engine.drain(DRAIN).await;
        worker.drain(Duration::from_secs(5)).await;
        web.closing.cancel();
        web.sockets.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), web.sockets.wait()).await;
        let ended = tokio::time::timeout(Duration::from_secs(5), served).await;
        web.services.db.close();
        match ended {
            Ok(result) => result.context("serving"),
            // A client that does not let go is no reason to stay.
            Err(_) => Ok(()),
        }
    }
}

async fn tidy(web: Arc<Web>) {
    let mut rounds = tokio::time::interval(TIDY);
    while web.closing.run_until_cancelled(rounds.tick()).await.is_some() {
        web.services.metrics.tidy();
    }
}
