//! `frontdesk doctor`: looks at settings, keys, the database, Redis, and what providers need; says what is right, what is worth
//! knowing and what must be mended, and what to do about it. Must not change anything, nor print a secret.

mod database;
mod environment;
mod keys;
mod online;
mod place;
mod platform;
mod providers;
mod redis;
mod report;
mod tenants;
mod web;

use std::io::IsTerminal;

use secrecy::SecretString;

use crate::{
    cli::{database as private, files},
    config::{Config, Environment, Variables},
    db::embedded::EmbeddedPg,
    kernel::clock::Clock,
    secrets::SecretKeys,
};

pub use report::{Finding, Report, Verdict, Webhook};

/// How it is looked and printed.
#[derive(clap::Args)]
pub struct Options {
    /// Ask the providers too whether they can be reached, and take the keys.
    #[arg(long)]
    online: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What an examination has at hand.
pub struct Means {
    /// Providers are asked.
    pub online: bool,
    /// The private database of development, where one runs.
    pub private: Option<SecretString>,
    /// What time it is.
    pub clock: Clock,
    /// How many files a server may have open here, at the most.
    pub files: u64,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let (vars, unread) = match Variables::seen() {
        Ok(vars) => (vars, None),
        Err(error) => (Variables::default(), Some(error)),
    };
    let vars = |name: &str| vars.get(name);
    // Started before the runtime, and stopped after it.
    let database = private_database(vars);
    let private = database.as_ref().ok().and_then(Option::as_ref).map(|database| database.url.clone());
    let means = Means { online: options.online, private, clock: Clock::system(), files: files::most() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = runtime.block_on(examine(vars, &means));
    if let Some(error) = unread {
        let mend =
            "Let whoever starts the server read it. Without it, the rest of this report is of the process's variables.";
        report.area("environment").must_mend("environment-unreadable", format!("{error:#}."), mend);
    }
    if let Err(error) = &database {
        let mend = "See the log of PostgreSQL in the data folder, or set DATABASE_URL to another database.";
        report.area("database").must_mend("private-database-down", format!("{error:#}."), mend);
    }
    let text = if options.json {
        report.json()
    } else {
        let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        report.human(is_coloured).trim_end().to_owned()
    };
    super::say(&text)?;
    anyhow::ensure!(report.is_healthy(), "{} thing(s) must be mended", report.count(Verdict::MustMend));
    Ok(())
}

/// The private database of development, as other commands use it. None is made.
fn private_database(vars: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<EmbeddedPg>> {
    let is_named = vars("DATABASE_URL").is_some();
    let config = Config::examined(vars).0;
    if has_private_database(&config) && !is_named { private::private(&config) } else { Ok(None) }
}

fn has_private_database(config: &Config) -> bool {
    config.data_dir.join("postgres/data/PG_VERSION").exists()
}

/// Looks at everything that `vars` lead to. What is wrong in one place keeps nobody from looking at the others.
pub async fn examine(vars: impl Fn(&str) -> Option<String>, means: &Means) -> Report {
    crate::tokens::install_provider();
    let (config, problems) = Config::examined(&vars);
    let mut report = Report::default();
    environment::look(&mut report.area("environment"), &config, &problems.0);
    keys::look(&mut report.area("keys"), &config);
    let secret_keys = SecretKeys::new(&config.secret_key, &config.previous_secret_keys).ok();
    let db = database::look(&mut report.area("database"), &config, means, vars("DATABASE_URL").is_some()).await;
    let mut accounts = Vec::new();
    if let Some(db) = &db {
        platform::look(&mut report.area("platform"), db, &config, &means.clock).await;
        let case = tenants::Case { db, config: &config, keys: secret_keys.as_ref(), clock: &means.clock };
        accounts = case.look(&mut report.area("tenants"), means.online).await;
        db.close();
    }
    redis::look(&mut report.area("redis"), &config).await;
    web::look(&mut report.area("web"), &config, means);
    providers::look(&mut report.area("providers"), &config);
    if means.online {
        online::look(&mut report.area("online"), &config, &accounts).await;
    }
    report.webhooks = web::webhooks(&config);
    report
}

fn is_production(config: &Config) -> bool {
    config.environment == Environment::Production
}
