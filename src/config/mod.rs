//! Settings, read from the environment once. Every problem is found and named at once, by its variable; no secret is ever
//! printed. Must not do anything with a setting but check it.

mod database;
mod dotenv;
mod google;
mod graph;
pub mod keys;
mod limits;
mod models;
mod reader;
mod retrieval;
mod traces;
mod variables;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use secrecy::SecretString;

use crate::{
    channels::{
        google::GoogleSettings,
        jackrabbit::{JackrabbitSettings, Prefill},
        telnyx::{self, StandIn},
        texting::TextingSettings,
    },
    context::{GuessSettings, ShareSettings, VisitorSettings},
    domain::inbox::InboxSettings,
    graph::GraphSettings,
    kernel::ids::{self, TenantId},
    llm::{ModelSettings, Patience},
    retrieval::RetrieverSettings,
};
use reader::Reader;

pub use database::DatabaseConfig;
pub use traces::{Sampling, TraceSettings};
pub use variables::Variables;

/// What kind of place this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Somebody's machine: what is missing is made.
    Development,
    /// The real thing: what is missing is refused.
    Production,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development or production.
    pub environment: Environment,
    /// The private database and keys of development (`FRONTDESK_DATA_DIR`).
    pub data_dir: PathBuf,
    /// Where and how HTTP is served.
    pub http: HttpConfig,
    /// What the graph tells of itself, and which documents it runs.
    pub graph: GraphSettings,
    /// The database.
    pub database: DatabaseConfig,
    /// Access and refresh tokens.
    pub tokens: TokenConfig,
    /// What website visitors are held to.
    pub visitors: VisitorSettings,
    /// How many wrong passwords are taken (`RATE_LIMIT_LOGIN_…`).
    pub guesses: GuessSettings,
    /// How much of the server one person and one tenant may have (`RATE_LIMIT_…_PER_PERSON`, `…_PER_TENANT`).
    pub shares: ShareSettings,
    /// Encrypts tenants' secrets (`SECRET_KEY`): 64 hex digits.
    pub secret_key: SecretString,
    /// Keys that sealed before it, and still open (`SECRET_KEYS_PREVIOUS`).
    pub previous_secret_keys: Vec<SecretString>,
    /// What several nodes share their streams over (`REDIS_URL`); none for a node that is alone.
    pub redis: Option<SecretString>,
    /// The models (`LLM_PROVIDER`, `OPENAI_*`, `GEMINI_*`, `LLM_CONTEXT_TOKENS`).
    pub models: ModelSettings,
    /// How long a model may take (`LLM_PATIENCE_SECONDS`, to its first sign of life).
    pub patience: Patience,
    /// Where passages are looked for.
    pub retrieval: RetrieverSettings,
    /// How class schedules are asked for.
    pub jackrabbit: JackrabbitSettings,
    /// Where texts are sent (`TELNYX_API_BASE_URL`, `TWILIO_API_BASE_URL`, `PUBLIC_URL`), and how often
    /// (`TELNYX_IDEMPOTENCY_MINUTES`).
    pub texting: TextingSettings,
    /// How Google is reached, and as whom (`GOOGLE_…`, `GMAIL_PUBSUB_TOPIC`, `PUBSUB_…`).
    pub google: GoogleSettings,
    /// What phone providers sign with (`TELNYX_PUBLIC_KEY`, `TWILIO_AUTH_TOKEN`, `TWILIO_SHARED_KEY`), and whose
    /// a call is that does not say so (`VOICE_FALLBACK_TENANT_ID`).
    pub inbox: InboxSettings,
    /// The first global administrator (`ADMIN_EMAIL`, `ADMIN_PASSWORD`).
    pub first_admin: Option<FirstAdmin>,
    /// Seed demo tenants (`DEMO_DATA`).
    pub demo_data: bool,
    /// One JSON object a line (`LOG_FORMAT=json`).
    pub json_logs: bool,
    /// Which lines are logged (`RUST_LOG`); `info` and worse, if unset.
    pub log_filter: Option<String>,
    /// Where traces are sent (`OTEL_…`); nowhere, if unset.
    pub traces: Option<TraceSettings>,
}

/// Where and how HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `HOST` and `PORT`.
    pub address: SocketAddr,
    /// `PUBLIC_URL`: how the outside reaches us.
    pub public_url: String,
    /// `BACKEND_CORS_ORIGINS`.
    pub cors_origins: Vec<String>,
    /// `TRUSTED_PROXIES`: how many proxies of one's own stand before the server.
    pub trusted_proxies: usize,
    /// `STOP_DELAY_SECONDS`: between "not ready" and the end of taking requests.
    pub stop_delay: Duration,
    /// `MAX_CONNECTIONS`: open at once.
    pub connections: usize,
    /// `GRAPHQL_BATCH_MAX`: operations in one POST; none but one, if it is zero.
    pub batch: usize,
    /// `METRICS_TOKEN`: what `/metrics` asks for; none to show it to the server's own network.
    pub metrics_token: Option<SecretString>,
}

/// Access and refresh tokens.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// `JWT_SECRET_KEY`.
    pub secret: SecretString,
    /// `JWT_SECRET_KEYS_PREVIOUS`: a comma list.
    pub previous: Vec<SecretString>,
    /// `ALGORITHM`.
    pub algorithm: Algorithm,
    /// `ACCESS_TOKEN_EXPIRE_MINUTES`.
    pub access_lifetime: TimeDelta,
    /// `REFRESH_TOKEN_EXPIRE_DAYS`.
    pub refresh_lifetime: TimeDelta,
}

/// The first global administrator.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: SecretString,
}

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("{} setting(s) need mending:\n{}", .0.len(), .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// One thing that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {what}")]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// What is wrong with it, so that it can be read behind its name. Never repeats a value.
    pub what: String,
}

impl Config {
    /// Reads the process's environment; in development also `.env`, and keys made in the data folder.
    ///
    /// # Errors
    /// [`Problems`], or a data folder that can't be written.
    pub fn from_env() -> anyhow::Result<Self> {
        let vars = Variables::ready()?;
        Ok(Self::from_vars(|name| vars.get(name))?)
    }

    /// Reads settings from `vars`. An empty value counts as unset.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_vars(vars: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        match Self::examined(vars) {
            (config, Problems(none)) if none.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// As [`Config::from_vars`], for whoever wants to look at the rest too: what is wrong is named, and left at its default.
    pub fn examined(vars: impl Fn(&str) -> Option<String>) -> (Self, Problems) {
        let mut read = Reader::new(&vars);
        let environment = match read.text("ENVIRONMENT").as_deref() {
            None | Some("development") => Environment::Development,
            Some("production") => Environment::Production,
            Some(_) => read.wrong("ENVIRONMENT", "must be `development` or `production`", Environment::Development),
        };
        let is_production = environment == Environment::Production;
        let http = http(&mut read, is_production);
        let secret_key = read.hex_key("SECRET_KEY");
        let stand_in = if is_production { None } else { StandIn::of(&secret_key) };
        let config = Self {
            environment,
            data_dir: data_dir(&vars),
            graph: graph::read(&mut read, is_production),
            database: database::read(&mut read, is_production),
            tokens: TokenConfig {
                secret: read.strong_secret("JWT_SECRET_KEY"),
                previous: read.strong_secrets("JWT_SECRET_KEYS_PREVIOUS"),
                algorithm: algorithm(&mut read),
                access_lifetime: TimeDelta::minutes(read.number("ACCESS_TOKEN_EXPIRE_MINUTES", 30, 1..=1440)),
                refresh_lifetime: TimeDelta::days(read.number("REFRESH_TOKEN_EXPIRE_DAYS", 30, 1..=365)),
            },
            visitors: limits::visitors(&mut read, is_production),
            guesses: limits::guesses(&mut read),
            shares: limits::shares(&mut read, is_production),
            secret_key,
            previous_secret_keys: read.hex_keys("SECRET_KEYS_PREVIOUS"),
            redis: read.redis_url("REDIS_URL"),
            models: models::read(&mut read),
            patience: models::patience(&mut read),
            retrieval: retrieval::read(&mut read, is_production),
            jackrabbit: jackrabbit(&mut read),
            texting: texting(&mut read, &http.public_url),
            google: google::read(&mut read, &http.public_url),
            inbox: inbox(&mut read, stand_in.as_ref()),
            first_admin: first_admin(&mut read),
            demo_data: read.switch("DEMO_DATA", !is_production),
            json_logs: match read.text("LOG_FORMAT").as_deref() {
                None => is_production,
                Some("json") => true,
                Some("text") => false,
                Some(_) => read.wrong("LOG_FORMAT", "must be `json` or `text`", false),
            },
            log_filter: read.log_filter("RUST_LOG"),
            traces: traces::read(&mut read),
            http,
        };
        (config, read.finish())
    }
}

/// `FRONTDESK_DATA_DIR`, or the usual place: a system folder for root, since PostgreSQL's own user must get there.
fn data_dir(vars: &impl Fn(&str) -> Option<String>) -> PathBuf {
    let named = vars("FRONTDESK_DATA_DIR").filter(|text| !text.trim().is_empty()).map(PathBuf::from);
    let home = vars("HOME").filter(|_| !nix::unistd::geteuid().is_root());
    let folder = named
        .or_else(|| Some(PathBuf::from(home?).join(".local/share/frontdesk")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/frontdesk"));
    // PostgreSQL runs elsewhere, and takes no relative path for its socket.
    std::path::absolute(&folder).unwrap_or(folder)
}

fn http(read: &mut Reader<'_>, is_production: bool) -> HttpConfig {
    let host = read.text("HOST").unwrap_or_else(|| if is_production { "0.0.0.0" } else { "127.0.0.1" }.to_owned());
    let port: u16 = read.number("PORT", 8080, 0..=65_535);
    let fallback = SocketAddr::from(([127, 0, 0, 1], port));
    let host = if host == "localhost" { "127.0.0.1".to_owned() } else { host };
    let address = match host.parse() {
        Ok(ip) => SocketAddr::new(ip, port),
        Err(_) => read.wrong("HOST", "must be an IP address such as 0.0.0.0", fallback),
    };
    let public_url = read.url("PUBLIC_URL").unwrap_or_else(|| format!("http://localhost:{port}"));
    let cors_origins = read.origins("BACKEND_CORS_ORIGINS");
    let metrics_token = read.text("METRICS_TOKEN").is_some().then(|| read.strong_secret("METRICS_TOKEN"));
    let trusted_proxies = read.number("TRUSTED_PROXIES", 0, 0..=10);
    let connections = read.number("MAX_CONNECTIONS", 20_000, 10..=1_000_000);
    let batch = read.number("GRAPHQL_BATCH_MAX", 0, 0..=100);
    let stop_delay = Duration::from_secs(read.number("STOP_DELAY_SECONDS", 0, 0..=60));
    HttpConfig { address, public_url, cors_origins, trusted_proxies, stop_delay, connections, batch, metrics_token }
}

/// `TELNYX_API_BASE_URL`, `TWILIO_API_BASE_URL` and `TELNYX_IDEMPOTENCY_MINUTES`.
fn texting(read: &mut Reader<'_>, public_url: &str) -> TextingSettings {
    let telnyx_remembers = TimeDelta::minutes(read.number("TELNYX_IDEMPOTENCY_MINUTES", 60, 0..=1440));
    let mut base = |name, default: &str| {
        let url = read.url(name).unwrap_or_else(|| default.to_owned());
        url.trim_end_matches('/').to_owned()
    };
    TextingSettings {
        telnyx_remembers,
        telnyx: base("TELNYX_API_BASE_URL", "https://api.telnyx.com/v2"),
        twilio: base("TWILIO_API_BASE_URL", "https://api.twilio.com"),
        public_url: public_url.trim_end_matches('/').to_owned(),
    }
}

/// `TELNYX_PUBLIC_KEY`, `TWILIO_AUTH_TOKEN`, `TWILIO_SHARED_KEY` and `VOICE_FALLBACK_TENANT_ID`. In development, `frontdesk
/// simulate` stands in for Telnyx where it has no key.
fn inbox(read: &mut Reader<'_>, stand_in: Option<&StandIn>) -> InboxSettings {
    let telnyx_public_key = match read.text("TELNYX_PUBLIC_KEY") {
        Some(key) if telnyx::is_key(&key) => Some(key),
        Some(_) => read.wrong("TELNYX_PUBLIC_KEY", "must be base64 of 32 bytes", None),
        None => stand_in.map(StandIn::public_key),
    };
    let fallback = read.text("VOICE_FALLBACK_TENANT_ID");
    let voice_fallback_tenant = fallback.as_deref().and_then(ids::number).map(TenantId);
    if fallback.is_some() && voice_fallback_tenant.is_none() {
        read.problem("VOICE_FALLBACK_TENANT_ID", "must be a tenant's number, such as 1042");
    }
    let secret = |name| read.text(name).map(SecretString::from);
    InboxSettings {
        telnyx_public_key,
        twilio_auth_token: secret("TWILIO_AUTH_TOKEN"),
        twilio_shared_key: secret("TWILIO_SHARED_KEY"),
        voice_fallback_tenant,
    }
}

fn algorithm(read: &mut Reader<'_>) -> Algorithm {
    match read.text("ALGORITHM").as_deref() {
        None | Some("HS256") => Algorithm::HS256,
        Some("HS384") => Algorithm::HS384,
        Some("HS512") => Algorithm::HS512,
        Some(_) => read.wrong("ALGORITHM", "must be HS256, HS384 or HS512", Algorithm::HS256),
    }
}

fn jackrabbit(read: &mut Reader<'_>) -> JackrabbitSettings {
    let org_id = read.text("JACKRABBIT_ORG_ID");
    if org_id.as_ref().is_some_and(|id| id.len() > 20 || !id.bytes().all(|byte| byte.is_ascii_digit())) {
        read.problem("JACKRABBIT_ORG_ID", "must be the school's number");
    }
    let prefill = match read.text("JACKRABBIT_PREFILL").as_deref().map(Prefill::parse) {
        None => Prefill::default(),
        Some(Some(prefill)) => prefill,
        Some(None) => {
            let what =
                "must be `none`, or a list such as first_name=MFName,last_name=MLName,email=MEmail,phone=MCPhone";
            read.wrong("JACKRABBIT_PREFILL", what, Prefill::default())
        }
    };
    let base_url = read.url("JACKRABBIT_BASE_URL").unwrap_or_else(|| "https://app.jackrabbitclass.com".to_owned());
    JackrabbitSettings { base_url, org_id, prefill, patience: Duration::from_secs(15) }
}

fn first_admin(read: &mut Reader<'_>) -> Option<FirstAdmin> {
    let (email, password) = (read.text("ADMIN_EMAIL"), read.text("ADMIN_PASSWORD"));
    match (email, password) {
        (Some(email), Some(password)) => {
            if password.chars().count() < crate::tokens::password::MIN_LENGTH {
                read.problem("ADMIN_PASSWORD", "must be at least 10 characters long");
            }
            Some(FirstAdmin { email, password: password.into() })
        }
        (None, Some(_)) => read.wrong("ADMIN_EMAIL", "is missing beside ADMIN_PASSWORD", None),
        (Some(_), None) => read.wrong("ADMIN_PASSWORD", "is missing beside ADMIN_EMAIL", None),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
