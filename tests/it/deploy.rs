//! What `deploy/` holds, read by those who will read it: promtool, Grafana's JSON, HAProxy; and held against what is really
//! measured.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use frontdesk::config::Config;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    retrieval::found,
    support::{Gateway, cluster, process::PATIENCE},
};

/// Settings that a container has no use for, and why.
const NOT_IN_A_CONTAINER: &[(&str, &str)] = &[
    ("HOST", "the image sets it"),
    ("PORT", "the balancer and the health check know 8080"),
    ("FRONTDESK_DATA_DIR", "production keeps nothing in files"),
    ("PG_BIN_DIR", "production has no private database"),
    ("DATABASE_PUBLIC_URL", "`migrate` alone is given it"),
    ("ADMIN_EMAIL", "`seed-admin` is given it by hand"),
    ("ADMIN_PASSWORD", "`seed-admin` is given it by hand"),
    ("DEMO_DATA", "demo tenants are for development"),
    ("PINECONE_ALLOWED_HOSTS", "production refuses it"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).expect(file)
}

/// Debian keeps it where a person's `PATH` does not lead.
fn haproxy() -> &'static str {
    if Path::new("/usr/sbin/haproxy").exists() { "/usr/sbin/haproxy" } else { "haproxy" }
}

fn passes(command: &mut Command) {
    let output = command.current_dir(folder()).output().expect("a tool that `scripts/setup test` installs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The words of `text` that begin with `prefix`.
fn words(text: &str, prefix: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with(prefix)).map(str::to_owned).collect()
}

/// The settings that README's table names.
fn documented() -> BTreeSet<String> {
    let readme = fs::read_to_string(folder().join("../README.md")).expect("README.md");
    let table = readme.split("\n## Settings\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("settings");
    let mut names = BTreeSet::new();
    let mut last = String::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split(" | ").next().unwrap_or_default();
        for name in cell.split('`').skip(1).step_by(2) {
            // `…_PER_TENANT` goes on from the name before it.
            last = match (name.strip_prefix('…'), last.rsplit_once("_PER_")) {
                (Some(end), Some((begin, _))) => format!("{begin}{end}"),
                _ => name.to_owned(),
            };
            names.insert(last.clone());
        }
    }
    assert!(names.len() > 80 && names.contains("RATE_LIMIT_COST_PER_TENANT"), "{names:?}");
    names
}

/// Every query of the dashboard, and the rules.
fn queries() -> String {
    let dashboard: Value = serde_json::from_str(&text("grafana/frontdesk.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut queries: Vec<String> = targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
    assert!(queries.len() > 20, "{queries:?}");
    queries.push(text("prometheus/alerts.yml"));
    queries.join("\n")
}

/// Histograms are asked for by their parts.
fn whole(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

#[test]
fn promtool_finds_nothing_wrong_and_every_rule_fires_and_is_silent_as_it_should() {
    passes(Command::new("promtool").args(["check", "rules", "prometheus/alerts.yml"]));
    // The token's file is there in the container alone.
    passes(Command::new("promtool").args(["check", "config", "--syntax-only", "prometheus/prometheus.yml"]));
    passes(Command::new("promtool").args(["test", "rules", "prometheus/alerts_test.yml"]));
    let (rules, tests) = (text("prometheus/alerts.yml"), text("prometheus/alerts_test.yml"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    for part in ["for: ", "labels: { severity: ", "summary: ", "description: "] {
        let count = rules.lines().filter(|line| line.trim().starts_with(part)).count();
        assert_eq!(count, alerts.len(), "each alert has its `{part}`");
    }
    for alert in alerts {
        let cases = tests.matches(&format!("- expr: 'ALERTS{{alertname=\"{alert}\"")).count();
        let firing = tests.matches(&format!("- labels: 'ALERTS{{alertname=\"{alert}\"")).count();
        assert!(firing > 0 && cases > firing, "{alert}: {firing} of {cases} cases fire");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_rules_ask_for_nothing_that_the_program_does_not_measure() {
    let gateway = Gateway::start().await;
    // A histogram is shown from its first measurement on.
    let staff = gateway.tenant("acme").await.staff().await;
    found(&staff, "canary question").await;
    staff.chat(&staff.conversation().await, "Hello").await.all().await;
    let shown = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let queries = queries();
    let asked = &words(&queries, "frontdesk_") | &words(&queries, "process_");
    assert!(asked.len() > 5, "{asked:?}");
    for name in asked {
        assert!(shown.contains(&format!("# TYPE {} ", whole(&name))), "nobody measures {name}");
    }
    let outcomes = queries.split("outcome=~\"").nth(1).and_then(|rest| rest.split('"').next()).expect("outcomes");
    for outcome in outcomes.split('|') {
        assert!(shown.contains(&format!("outcome=\"{outcome}\"")), "no look ends as {outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_balancer_serves_by_whom_it_can_and_measures_what_is_asked_of_it() {
    let gateway = Gateway::start().await;
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let [public, measurements] = listeners.map(|listener| listener.local_addr().expect("an address").to_string());
    let variables = [
        ("GATEWAY_A", gateway.address.to_string()),
        // Nobody is there.
        ("GATEWAY_B", "127.0.0.1:9".to_owned()),
        ("PUBLIC_BIND", public.clone()),
        ("METRICS_BIND", measurements.clone()),
        ("TLS_PEM", String::new()),
    ];
    passes(Command::new(haproxy()).args(["-c", "-f", "haproxy/haproxy.cfg"]).envs(variables.clone()));
    let _balancer = tokio::process::Command::new(haproxy())
        .args(["-db", "-q", "-f", "haproxy/haproxy.cfg"])
        .current_dir(folder())
        .envs(variables)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("HAProxy");
    let http = gateway.http.clone();
    let shown = async || {
        let response = http.get(format!("http://{measurements}/metrics")).send().await.ok()?;
        response.text().await.ok()
    };
    timeout(PATIENCE, async {
        while shown().await.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("up");
    // From the first moment: what a gateway does not take goes to the other.
    for _ in 0..6 {
        let asked = http.post(format!("http://{public}/graphql/stream"));
        let asked = asked.header("content-type", "application/json").header("accept", "text/event-stream");
        let response = asked.body(r#"{"query":"{ __typename }"}"#).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let said = response.text().await.expect("text");
        assert!(said.contains("event: next") && said.contains("event: complete"), "{said}");
    }
    let kept = http.get(format!("http://{public}/metrics")).send().await.expect("an answer");
    assert_eq!(kept.status(), 404);
    let left_out = r#"haproxy_server_status{proxy="gateways",server="gateway-b",state="UP"} 0"#;
    let is_left_out = async || shown().await.is_some_and(|shown| shown.contains(left_out));
    timeout(PATIENCE, async {
        while !is_left_out().await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("left out");
    let shown = shown().await.expect("measurements");
    let asked = words(&queries(), "haproxy_");
    assert!(asked.len() > 5, "{asked:?}");
    for name in asked {
        assert!(shown.contains(&format!("# TYPE {name} ")), "HAProxy does not measure {name}");
    }
}

#[test]
fn every_variable_of_the_compose_file_is_explained_beside_it() {
    let (compose, explained) = (text("compose.yaml"), text("env.example"));
    let variables: BTreeSet<_> = compose
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').next())
        .collect();
    assert!(variables.contains("SECRET_KEY"), "{variables:?}");
    for name in variables {
        let is_there = explained.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name}=")));
        assert!(is_there, "env.example does not know {name}");
    }
}

#[test]
fn the_compose_file_passes_on_every_setting_that_a_container_has_a_use_for() {
    let compose = text("compose.yaml");
    let block = compose.split("\nx-settings: &settings\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let lines = block.expect("settings").lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let passed: BTreeSet<_> = lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    let mut expected = documented();
    for (name, why) in NOT_IN_A_CONTAINER {
        assert!(expected.remove(*name), "README does not know {name} ({why})");
    }
    assert_eq!(passed, expected);
}

#[test]
fn a_setting_that_is_empty_counts_as_unset() {
    let key = "0123456789abcdef".repeat(4);
    let needed = [
        ("ENVIRONMENT", "production"),
        ("DATABASE_URL", "postgres://app@db/frontdesk"),
        ("JWT_SECRET_KEY", key.as_str()),
        ("SECRET_KEY", key.as_str()),
    ];
    let read = |empty: &BTreeSet<String>| {
        let config = Config::from_vars(|name| {
            let set = needed.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            set.or_else(|| empty.contains(name).then(String::new))
        });
        format!("{:?}", config.expect("good"))
    };
    assert_eq!(read(&documented()), read(&BTreeSet::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guide_has_an_operator_delete_is_there_to_be_deleted() {
    let guide = fs::read_to_string(folder().join("../docs/DEPLOY.md")).expect("DEPLOY.md");
    let (_, section) = guide.split_once("\n## What grows\n").expect("the section");
    let (_, rest) = section.split_once("```sql\n").expect("SQL");
    let (statements, _) = rest.split_once("```").expect("an end");
    assert!(statements.contains("DELETE FROM webhook_deliveries "), "{statements}");
    let database = cluster::database().await;
    cluster::owner(&database).await.batch_execute(statements).await.expect("SQL of these tables");
}

#[test]
fn the_redis_of_the_compose_file_throws_nothing_away() {
    // `redis-evicts` of `frontdesk doctor` asks for that.
    assert!(text("compose.yaml").contains(" --maxmemory-policy noeviction "));
}

#[test]
fn grafana_does_not_start_with_the_password_that_everybody_knows() {
    let compose = text("compose.yaml");
    let script =
        compose.lines().map(str::trim).find_map(|line| line.strip_prefix("- test -n \"$$GF_")).expect("a check");
    // As compose hands it on, with something else in Grafana's place.
    let script = format!("test -n \"$GF_{}", script.replace("/run.sh", "echo started"));
    let run = |password: &str| {
        let output = Command::new("sh").args(["-c", &script]).env("GF_SECURITY_ADMIN_PASSWORD", password).output();
        let output = output.expect("a shell");
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("text"))
    };
    assert_eq!(run(""), ["", "GRAFANA_PASSWORD is empty, see env.example\n"]);
    assert_eq!(run("3c59dc048e88"), ["started\n", ""]);
}

#[test]
fn the_image_names_by_number_whom_it_runs_as() {
    let image = fs::read_to_string(folder().join("../Dockerfile")).expect("Dockerfile");
    let users: Vec<_> = image.lines().filter_map(|line| line.strip_prefix("USER ")).collect();
    assert_eq!(users, ["10001:10001"], "Kubernetes holds a name for what may be root");
}
