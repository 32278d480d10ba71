//! `frontdesk doctor`: a sound set-up, and faults that are planted in it one by one; each must be named by its own word, and
//! nothing else.

mod binary;
mod online;
mod settings;
mod tables;

use std::collections::HashMap;

use frontdesk::{
    cli::doctor::{Means, Report, Verdict, examine},
    kernel::clock::Clock,
};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::{Gateway, Plan, cluster, phones::set_sms, redis::Redis, spent};

const SECRET_KEY: &str = "9f2c61d07be84a35c1d0f7a86e52b934d80b1fe673a94c258f06db7129e4c5a3";
const JWT_SECRET_KEY: &str = "5be19d3c7f02a846e8b1704cd96a3f25c07d81e94b6f2a530d9ec871b4a6f3e2";
/// Nobody's keys are here.
const NOWHERE: &str = "/tmp/fd-doctor-nowhere";

/// A database with an administrator, a base prompt, and a tenant that has a number at Telnyx and one at Twilio. Nobody is in it.
static SOUND: OnceCell<String> = OnceCell::const_new();

async fn sound_database() -> String {
    let template = SOUND.get_or_init(async || {
        let settings = vec![("SECRET_KEY", SECRET_KEY.to_owned())];
        let mut gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
        let admin = gateway.tenant("acme").await.admin().await;
        let numbers = json!({
            "isEnabled": true, "telnyxPhoneNumber": "+15550100100", "telnyxApiKey": "KEY-of-acme",
            "twilioPhoneNumber": "+15550100101", "twilioAccountSid": format!("AC{}", "0a".repeat(16)), "twilioAuthToken": "token-of-acme",
        });
        set_sms(&admin, numbers).await;
        drop(admin);
        gateway.stop().await;
        cluster::until_nobody_is_in(&gateway.database).await;
        spent::not_with_this_test(&gateway.database);
        gateway.database.clone()
    });
    cluster::copy_of(template.await).await
}

type Vars = HashMap<&'static str, String>;

/// The variables of a production that nothing is wrong with.
fn sound(database: &str, redis: &Redis) -> Vars {
    let redis = redis.url();
    let login = cluster::login_url(database);
    let vars = [
        ("ENVIRONMENT", "production"),
        ("FRONTDESK_DATA_DIR", NOWHERE),
        ("DATABASE_URL", login.expose_secret()),
        ("DATABASE_POOL_SIZE", "16"),
        ("MIGRATE_ON_START", "false"),
        ("SECRET_KEY", SECRET_KEY),
        ("JWT_SECRET_KEY", JWT_SECRET_KEY),
        ("PUBLIC_URL", "https://desk.example.com"),
        ("BACKEND_CORS_ORIGINS", "https://app.example.com"),
        ("TRUSTED_PROXIES", "1"),
        // Every machine has room for so many.
        ("MAX_CONNECTIONS", "1000"),
        ("METRICS_TOKEN", "c81f5e0a37d94b62a8e3f10c5d7b9264"),
        ("REDIS_URL", &redis),
        ("OPENAI_API_KEY", "sk-0123456789"),
        ("TELNYX_PUBLIC_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("TWILIO_AUTH_TOKEN", "token-of-the-platform"),
        ("GOOGLE_CLIENT_ID", "desk.apps.example.com"),
        ("GOOGLE_CLIENT_SECRET", "secret-of-the-client"),
        ("GMAIL_PUBSUB_TOPIC", "projects/desk/topics/gmail"),
        ("PUBSUB_SERVICE_ACCOUNT", "push@desk.example.com"),
    ];
    vars.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn means() -> Means {
    Means { online: false, private: None, clock: Clock::system(), files: 1_000_000 }
}

async fn examined(vars: &Vars, means: &Means) -> Report {
    examine(|name| vars.get(name).cloned(), means).await
}

/// What is not right, as `must_mend name` and `note name`.
fn faults(report: &Report) -> Vec<String> {
    let wrong = report.findings.iter().filter(|finding| finding.verdict != Verdict::Ok);
    wrong
        .map(|finding| {
            assert!(finding.mend.as_ref().is_some_and(|mend| mend.ends_with('.')), "what to do? {finding:?}");
            assert!(finding.found.ends_with('.'), "no sentence: {finding:?}");
            let verdict = if finding.verdict == Verdict::MustMend { "must_mend" } else { "note" };
            format!("{verdict} {}", finding.name)
        })
        .collect()
}

/// That the report names these faults and no others, and whether it is healthy follows from them.
fn names(what: &str, report: &Report, expected: &[&str]) -> Option<String> {
    let found = faults(report);
    assert_eq!(report.is_healthy(), !expected.iter().any(|fault| fault.starts_with("must_mend")), "{what}: {found:?}");
    (found != expected).then(|| format!("{what}:\n  found    {found:?}\n  expected {expected:?}\n"))
}
