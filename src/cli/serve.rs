//! `frontdesk serve`: makes what a development start lacks, says where things are, and serves until told to stop.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::{
    app::{self, App, Parts},
    cli::{files, seed, stop::Stop},
    config::{Config, Environment, FirstAdmin},
    context::Services,
    db::migrate::{self, OpenSettings},
    domain::{demo, prompts, users},
};

pub(super) async fn run(config: &Config, open: &OpenSettings, mut stop: Stop) -> anyhow::Result<()> {
    let (listener, app, greeting) = stop.unless_told(Box::pin(ready(config, open))).await?;
    super::say(&greeting)?;
    app.serve(listener, async move { stop.told().await }).await
}

/// All that is to be there before anybody is served, and what to say of it.
async fn ready(config: &Config, open: &OpenSettings) -> anyhow::Result<(TcpListener, App, String)> {
    // Bound first: a port that is taken is said before anything is made.
    let listener = TcpListener::bind(config.http.address)
        .await
        .with_context(|| format!("can't listen on {}; set HOST and PORT", config.http.address))?;
    if let Some(url) = &config.database.replica_url {
        let is_production = config.environment == Environment::Production;
        if let Some(error) = migrate::check_replica(&open.db.url, url, is_production).await? {
            tracing::warn!(error, "the database's copy can't be reached: the database itself is read meanwhile");
        }
    }
    let parts = Parts::of(config);
    let services = app::services(config, migrate::open(open).await?, parts.clock.clone())?;
    let news = prepare(config, &services).await?;
    files::make_room(config);
    let app = App::build(config, services, parts)?;
    let at = listener.local_addr()?;
    Ok((listener, app, greeting(config, at.port(), &news)))
}

/// Makes the first administrator, the base prompt and the demo tenants, where they lack; gives what to print of it.
async fn prepare(config: &Config, services: &Arc<Services>) -> anyhow::Result<String> {
    let cx = app::operator(services);
    let is_development = config.environment == Environment::Development;
    let mut news = String::new();
    prompts::seed_base(&cx).await.map_err(seed::plain)?;
    if !users::any_admin(&cx).await.map_err(seed::plain)? {
        if let Some(wanted) = &config.first_admin {
            seed::make_admin(&cx, wanted).await?;
        } else if is_development {
            let made = FirstAdmin { email: "admin@frontdesk.example".to_owned(), password: seed::password()? };
            seed::make_admin(&cx, &made).await?;
            let password = made.password.expose_secret();
            writeln!(news, "  Administrator  {}   password {password}   (shown this once)", made.email)?;
        } else {
            tracing::warn!(
                "there is no administrator; set ADMIN_EMAIL and ADMIN_PASSWORD, or run `frontdesk seed-admin`"
            );
        }
    }
    if config.demo_data {
        let password = seed::password()?;
        for account in demo::seed(&cx, services, &password).await.map_err(seed::plain)? {
            let (subdomain, password) = (account.subdomain, password.expose_secret());
            writeln!(news, "  Demo tenant    {}   password {password}   ({subdomain})", account.email)?;
        }
    }
    Ok(news)
}

fn greeting(config: &Config, port: u16, news: &str) -> String {
    let models = &config.models;
    let model =
        models.default.map_or("built-in responder (no model key is set)", |provider| &models.of(provider).model);
    let url = if config.environment == Environment::Production {
        config.http.public_url.clone()
    } else {
        format!("http://localhost:{port}")
    };
    format!(
        "\nFrontdesk is ready.\n\n  Playground     {url}/graphiql\n  Graph          {url}/graphql   \
         (WebSocket /graphql/ws, SSE /graphql/stream)\n  Answers by     {model}\n{news}"
    )
}
