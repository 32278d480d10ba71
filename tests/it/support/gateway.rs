//! A server of one's own: in this process, on a free port of loopback, over a database of its own, with the clock held.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use frontdesk::{
    app::{self, App, Parts},
    config::Config,
    context::{AdminCx, RequestId, Services, TenantCx},
    db::{Db, DbSettings, identity},
    domain::{
        prompts,
        tenants::{self, TenantForm},
        users::{self, UserForm},
    },
    http::{Web, WebSettings},
    kernel::{clock::Clock, ids::TenantId, vocabulary::Role},
    llm::{Pace, Patience, Provider},
    retrieval::RetrieverSettings,
    work::Worker,
};
use tokio::{net::TcpListener, sync::oneshot};

use super::{Actor, Tenant, cluster, login};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// How a server is to be.
pub struct Plan {
    /// A model to ask instead of the built-in responder.
    pub model: Option<String>,
    /// Gemini's address, where it has a key too.
    pub gemini: Option<String>,
    /// Where passages are looked for, but for a tenant's documents.
    pub retrieval: Option<RetrieverSettings>,
    /// How long a model may take.
    pub patience: Patience,
    /// How waits before another try pass.
    pub pace: Pace,
    /// Where class schedules come from; from nowhere, if it is not said.
    pub jackrabbit: Option<String>,
    /// The school of tenants that name none.
    pub shared_school: Option<String>,
    /// How long one query or mutation may take.
    pub operation: Duration,
    /// How HTTP is served.
    pub web: WebSettings,
    /// Production instead of development.
    pub is_production: bool,
    /// Whether the worker works by itself; else [`Gateway::work`] has it do so.
    pub works: bool,
    /// How often the engine looks after abandoned replies; off where statements are counted.
    pub housekeeping: Option<Duration>,
    /// Over a database that is there already.
    pub database: Option<String>,
    /// Linked to other nodes over this Redis.
    pub redis: Option<String>,
    /// Which time it is.
    pub clock: Clock,
    /// Variables of the environment.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            model: None,
            gemini: None,
            retrieval: None,
            jackrabbit: None,
            shared_school: None,
            patience: Patience::default(),
            pace: Pace::new(|_| Box::pin(async {}), || 0.0),
            operation: app::OPERATION,
            web: WebSettings { recheck: Duration::from_millis(20), penalty: Duration::ZERO, ..WebSettings::default() },
            is_production: false,
            works: false,
            housekeeping: Some(Duration::from_millis(200)),
            database: None,
            redis: None,
            clock: Clock::held(noon()),
            settings: Vec::new(),
        }
    }
}

pub struct Gateway {
    pub address: SocketAddr,
    pub clock: Clock,
    pub services: Arc<Services>,
    pub web: Arc<Web>,
    pub worker: Arc<Worker>,
    pub database: String,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

impl Gateway {
    /// A fresh server with the base prompt and one global administrator, `root@platform.example`.
    pub async fn start() -> Self {
        Self::planned(Plan::default()).await
    }

    /// A fresh server that answers by the model at `base_url`.
    pub async fn with_model(base_url: String) -> Self {
        Self::planned(Plan { model: Some(base_url), ..Plan::default() }).await
    }

    pub async fn planned(plan: Plan) -> Self {
        // What the server logs is shown when a test fails.
        let _ = tracing_subscriber::fmt()
            .with_env_filter("error,frontdesk=warn,genai=off")
            .with_writer(|| super::log::Log)
            .try_init();
        let (database, is_fresh) = match plan.database {
            Some(name) => (name, false),
            None => (cluster::database().await, true),
        };
        let mut config = config(plan.is_production, &plan.settings);
        for (provider, base_url) in [(Provider::Gemini, plan.gemini), (Provider::OpenAi, plan.model)] {
            let Some(base_url) = base_url else { continue };
            config.models.default = Some(provider);
            let settings = match provider {
                Provider::OpenAi => &mut config.models.open_ai,
                Provider::Gemini => &mut config.models.gemini,
            };
            settings.base_url = base_url;
            settings.key = Some("test-key".to_owned().into());
            settings.model = (if provider == Provider::OpenAi { "test-model" } else { "test-gemini" }).into();
        }
        config.retrieval = plan.retrieval.unwrap_or(config.retrieval);
        config.jackrabbit.base_url = plan.jackrabbit.unwrap_or_else(|| "http://127.0.0.1:9".to_owned());
        config.jackrabbit.org_id = plan.shared_school;
        let elsewhere = plan.settings.iter().find(|(name, _)| *name == "DATABASE_URL");
        let url = elsewhere.map_or_else(|| cluster::login_url(&database), |(_, url)| url.clone().into());
        let db = Db::new(&DbSettings { url, pool_size: 8 }).expect("pool");
        config.redis = plan.redis.map(Into::into);
        let clock = plan.clock;
        let services = app::services(&config, db, clock.clone()).expect("services");
        let web = WebSettings {
            is_development: !plan.is_production,
            trusted_proxies: config.http.trusted_proxies,
            inbox: config.inbox.clone(),
            batch: config.http.batch,
            ..plan.web
        };
        let parts = Parts {
            clock: clock.clone(),
            patience: plan.patience,
            pace: plan.pace,
            works: plan.works,
            housekeeping: plan.housekeeping,
            operation: plan.operation,
            web,
        };
        let app = App::build(&config, services.clone(), parts).expect("app");
        let (web, worker) = (app.web.clone(), app.worker.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let (stop, told) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        let stopped = tokio::spawn(app.serve(listener, async {
            let _ = told.await;
        }));
        let gateway = Self {
            address,
            clock,
            services,
            web,
            worker,
            database,
            http: reqwest::Client::new(),
            stop: Some(stop),
            stopped: Some(stopped),
        };
        if is_fresh {
            let cx = gateway.operator();
            prompts::seed_base(&cx).await.expect("base prompt");
            users::create_on_platform(&cx, person("root@platform.example", Role::Admin)).await.expect("root");
        }
        gateway
    }

    pub fn operator(&self) -> AdminCx {
        app::operator(&self.services)
    }

    /// Has the worker do what is due, and what becomes due by that. Time stands still meanwhile.
    pub async fn work(&self) -> usize {
        self.worker.work_off().await.expect("a database")
    }

    /// Waits until somebody watches a conversation: a subscription is not answered when it is begun.
    pub async fn until_watched(&self) {
        while self.web.engine.watchers() == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A tenant named after its slug.
    pub async fn tenant(&self, slug: &str) -> Tenant<'_> {
        let form = TenantForm {
            name: format!("{slug} Inc."),
            subdomain: slug.to_owned(),
            is_active: true,
            system_prompt: None,
            allowed_origins: Vec::new(),
            monthly_token_quota: None,
            pinecone_environment: None,
            pinecone_api_key: None,
        };
        let row = tenants::create(&self.operator(), form).await.expect("tenant");
        Tenant { gateway: self, id: row.id, slug: slug.to_owned() }
    }

    /// The server's own way into a tenant.
    pub fn inside(&self, tenant: TenantId) -> TenantCx {
        TenantCx::new(identity::server_work(tenant), self.services.clone(), RequestId("test".into()))
    }

    /// Somebody without a token.
    pub fn stranger(&self) -> Actor<'_> {
        Actor { gateway: self, token: None, tenant: None, node: None, origin: None }
    }

    /// The global administrator.
    pub async fn root(&self) -> Actor<'_> {
        self.sign_in("root@platform.example").await
    }

    pub async fn sign_in(&self, email: &str) -> Actor<'_> {
        let answer = login(self, email).await;
        let token = answer["data"]["login"]["accessToken"].as_str().unwrap_or_else(|| panic!("no login: {answer}"));
        Actor { gateway: self, token: Some(token.to_owned()), tenant: None, node: None, origin: None }
    }

    /// Goes down in order, as on SIGTERM.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(stopped) = self.stopped.take() {
            stopped.await.expect("no panic").expect("a clean end");
        }
    }
}

pub fn person(email: &str, role: Role) -> UserForm {
    UserForm { email: email.to_owned(), password: PASSWORD.to_owned().into(), name: None, role }
}

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

fn config(is_production: bool, settings: &[(&'static str, String)]) -> Config {
    Config::from_vars(|name| {
        if let Some((_, value)) = settings.iter().find(|(known, _)| *known == name) {
            return Some(value.clone());
        }
        let value = match name {
            "ENVIRONMENT" if is_production => "production",
            "DATABASE_URL" => "postgres://unused/unused",
            "JWT_SECRET_KEY" => SECRET,
            "SECRET_KEY" => "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .expect("a good configuration")
}

/// What tokens are signed with here.
pub const SECRET: &str = "a-secret-for-tests-0123456789abcdef";
