//! `frontdesk verify`: asks a live server, by its public graph alone, whether it keeps tenants apart. Makes two throw-away
//! tenants, tries to see and change the one from the other, says what came of it, and switches both off again. Must not
//! touch a database or read the server's settings: what it knows is what anybody with an administrator's account can know.

mod channels;
mod client;
mod context;
mod conversations;
mod deactivation;
mod leads;
mod probe;
mod prompts;
mod report;
mod stage;
mod visitors;
mod visits;

use anyhow::Context;
use secrecy::SecretString;
use serde_json::json;

use client::{Caller, Graph};
use report::{Report, Verdict};
use stage::Stage;

const HERE: &str = "http://localhost:8080";

/// Which server, and who signs in.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The server's address.
    #[arg(long, env = "PUBLIC_URL", default_value = HERE)]
    url: String,
    /// A global administrator's address.
    #[arg(long, env = "ADMIN_EMAIL")]
    email: Option<String>,
    /// Their password; better in the environment, where other people's `ps` does not show it.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    password: Option<SecretString>,
}

pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let (Some(email), Some(password)) = (options.email.filter(|email| !email.is_empty()), options.password) else {
        anyhow::bail!(
            "say who signs in, a global administrator: --email and --password, or ADMIN_EMAIL and ADMIN_PASSWORD"
        );
    };
    // A variable that is set to nothing counts as unset, as everywhere.
    let url = if options.url.is_empty() { HERE } else { &options.url };
    let slug = format!("verify-{}", random::<4>()?);
    let graph = Graph::new(url, format!("KEY{}", random::<16>()?))?;
    let root = graph.administrator(&email, &password).await.map_err(anyhow::Error::msg)?;
    super::say(&format!("Verifying {url} with two throw-away tenants, {slug}-a and {slug}-b."))?;
    let mut report = Report::default();
    let interrupted = tokio::select! {
        () = checks(&graph, &root, &slug, &mut report) => false,
        _ = tokio::signal::ctrl_c() => true,
    };
    if interrupted {
        report.check("and all that follow", Err("interrupted; should have been checked".to_owned()));
    }
    report.group("clean-up");
    report.check("the throw-away tenants are switched off", switch_off(&root, &slug).await);
    report.summary();
    anyhow::ensure!(report.all_passed(), "{url} did not pass every check");
    Ok(())
}

async fn checks(graph: &Graph, root: &Caller<'_>, slug: &str, report: &mut Report) {
    report.group("preparation");
    let stage = match Stage::set(graph, root, slug).await {
        Ok(stage) => stage,
        Err(wrong) => {
            return report.check(
                "two tenants with people and things of their own",
                Err(format!("{wrong}; nothing else was checked")),
            );
        }
    };
    report.check("two tenants with people and things of their own", Ok(()));
    context::run(&stage, report).await;
    visits::run(&stage, report).await;
    prompts::run(&stage, report).await;
    leads::run(&stage, report).await;
    conversations::run(&stage, report).await;
    visitors::run(&stage, report).await;
    channels::run(&stage, report).await;
    deactivation::run(&stage, report).await;
}

/// Deactivates the tenants of this run. They are looked for by name: one may have been made although its answer was lost.
async fn switch_off(root: &Caller<'_>, slug: &str) -> Verdict {
    let by_hand = |wrong: String| format!("{wrong}; switch off {slug}-a and {slug}-b by hand, with deactivateTenant");
    let find = "query($slug: String!) { tenants(filter: { search: $slug }) { nodes { id subdomain isActive } } }";
    let found = root.ask(find, json!({ "slug": slug })).await.map_err(by_hand)?;
    for tenant in found.items("/tenants/nodes").map_err(by_hand)? {
        // Whatever else such a server lists is not ours to switch off.
        if tenant["subdomain"].as_str().is_some_and(|subdomain| subdomain.starts_with(slug)) {
            let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
            let answer = root.ask(off, json!({ "id": tenant["id"] })).await.map_err(by_hand)?;
            answer.is("/deactivateTenant/isActive", &json!(false)).map_err(by_hand)?;
        }
    }
    Ok(())
}

/// Random bytes in hex: names and canaries that nobody else uses.
fn random<const N: usize>() -> anyhow::Result<String> {
    Ok(hex::encode(crate::tokens::random::<N>().context("making random names")?))
}
