//! What people write frontends with, at a real server: the programs in `tests/clients`, each run by Node.js.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::support::{Gateway, PASSWORD, Plan};

/// How long one may take; reached only when it hangs.
const PATIENCE: Duration = Duration::from_mins(4);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

async fn node(arguments: &[&str], variables: &[(&str, &str)]) {
    let mut node = Command::new("node");
    node.args(arguments).envs(variables.iter().copied()).current_dir(folder());
    let run = node.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, run).await.expect("in time").expect("`scripts/clients` installs what this needs");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "node {}:\n{said}", arguments.join(" "));
}

/// Runs a program against a server, as an administrator of a tenant.
async fn run_at(gateway: &Gateway, program: &str, variables: &[(&str, &str)]) {
    let url = gateway.url("");
    let told =
        [("FRONTDESK_URL", url.as_str()), ("FRONTDESK_EMAIL", "admin@acme.example"), ("FRONTDESK_PASSWORD", PASSWORD)];
    node(&["--test", program], &[&told, variables].concat()).await;
}

async fn run(program: &str) {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.admin().await;
    run_at(&gateway, program, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_audit_of_graphql_over_http_passes() {
    run("http.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_ws_asks_follows_and_goes_on_after_a_break() {
    run("sockets.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_sse_asks_follows_and_goes_on_after_a_break() {
    run("events.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apollo_client_uses_every_transport() {
    run("apollo.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urql_uses_every_transport() {
    run("urql.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_compiles_pages_refetches_and_subscribes() {
    run("relay.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_generators_type_the_schema_without_a_warning() {
    node(&["--test", "codegen.test.mjs"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_of_the_schema_is_declared() {
    node(&["--test", "schema.test.mjs"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_run_by_the_manifests_that_their_own_tools_write() {
    let folder = std::env::temp_dir().join(format!("frontdesk-clients-{}", std::process::id()));
    let written = folder.display().to_string();
    node(&["manifests.mjs", &written], &[]).await;
    let files = ["apollo.json", "relay.json"].map(|name| folder.join(name).display().to_string()).join(",");
    let open = Gateway::start().await;
    open.tenant("acme").await.admin().await;
    let settings = vec![("TRUSTED_DOCUMENTS", "id-only".to_owned()), ("TRUSTED_DOCUMENTS_FILES", files.clone())];
    let plan = Plan { settings, database: Some(open.database.clone()), ..Plan::default() };
    run_at(&Gateway::planned(plan).await, "documents.test.mjs", &[("FRONTDESK_MANIFEST", &files)]).await;
    std::fs::remove_dir_all(folder).expect("removed");
}
