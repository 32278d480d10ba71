//! The commands. Each reads settings, does one thing, and says in plain words what it did or what is in its way.

mod chat;
mod database;
pub mod doctor;
mod files;
mod http;
mod lines;
mod log;
mod rotate;
mod seed;
mod serve;
mod simulate;
mod stop;
mod traces;
mod verify;

use std::{io::Write, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    app,
    config::Config,
    db::migrate::{self, OpenSettings},
};
use stop::Stop;
use traces::Traces;

/// How long a migration that was told to stop may take to see that its connection is gone.
const LAST: Duration = Duration::from_secs(1);

/// A multi-tenant AI front desk behind one GraphQL graph.
#[derive(Parser)]
#[command(name = "frontdesk", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the graph (what happens without a command).
    Serve,
    /// Bring the database up to date.
    Migrate {
        /// Take back this many of the newest migrations instead. Their data is lost.
        #[arg(long, value_name = "STEPS")]
        down: Option<usize>,
    },
    /// Make a global administrator of ADMIN_EMAIL and ADMIN_PASSWORD.
    SeedAdmin,
    /// Make the global base prompt, if there is none.
    SeedBasePrompt,
    /// Bring what tenants entrusted to the platform under the current SECRET_KEY. Servers may run meanwhile; done twice, the second
    /// changes nothing.
    RotateSecrets,
    /// Look at settings, keys, database, Redis and what providers need, and say what must be mended. Changes nothing.
    Doctor(doctor::Options),
    /// Print the schema, as schema.graphql holds it.
    Schema,
    /// Check that a live server keeps its tenants apart.
    Verify(verify::Options),
    /// Chat with a live server in this terminal, as a website visitor.
    Chat(chat::Options),
    /// Post to a development server what a provider would.
    #[command(subcommand)]
    Simulate(simulate::What),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "frontdesk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    let command = match command {
        Command::Schema => return say(crate::graph::sdl().trim_end()),
        Command::Doctor(options) => return doctor::run(&options),
        Command::Verify(options) => {
            crate::tokens::install_provider();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(verify::run(options));
        }
        Command::Chat(options) => {
            crate::tokens::install_provider();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(chat::run(options));
        }
        command => command,
    };
    crate::tokens::install_provider();
    let config = Config::from_env()?;
    let command = match command {
        Command::Simulate(what) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(simulate::run(&config, what));
        }
        command => command,
    };
    // Started before the runtime, and stopped after it.
    let traces = match (&command, &config.traces) {
        (Command::Serve, Some(settings)) => Some(Traces::start(settings)?),
        _ => None,
    };
    log::start(config.json_logs, config.log_filter.as_deref(), traces.as_ref())?;
    // The private database is started before the runtime and stopped after it.
    let private = database::private(&config)?;
    let url = private.as_ref().map(|database| &database.url);
    let open = app::open_settings(&config, url).ok_or_else(|| anyhow::anyhow!("DATABASE_URL is missing"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let mut stop = Stop::listen()?;
        match command {
            Command::Serve => serve::run(&config, &open, stop).await,
            command => stop.unless_told(Box::pin(once(command, &config, &open))).await,
        }
    });
    // With it, spans end that nobody waited for.
    runtime.shutdown_timeout(LAST);
    if let Some(traces) = traces {
        traces.stop();
    }
    done
}

/// What changes the database, and ends.
async fn once(command: Command, config: &Config, open: &OpenSettings) -> anyhow::Result<()> {
    match command {
        Command::Migrate { down: None } => {
            migrate::migrate(open).await?;
            say("The database is up to date.")
        }
        Command::Migrate { down: Some(steps) } => {
            migrate::revert(open, steps).await?;
            say(&format!("Took back {steps} migration(s)."))
        }
        Command::SeedAdmin => seed::admin(config, open).await,
        Command::RotateSecrets => rotate::run(config, open).await,
        Command::SeedBasePrompt => seed::base_prompt(config, open).await,
        Command::Serve
        | Command::Schema
        | Command::Doctor(_)
        | Command::Verify(_)
        | Command::Chat(_)
        | Command::Simulate(_) => Ok(()),
    }
}

/// Says something to the person at the keyboard.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
