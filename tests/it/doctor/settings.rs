//! Faults in the environment, in keys, and in what the environment leads to.

use chrono::TimeDelta;
use frontdesk::kernel::clock::Clock;
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;

use super::{JWT_SECRET_KEY, Means, NOWHERE, SECRET_KEY, Vars, examined, means, names, sound, sound_database};
use crate::support::{cluster, redis::Redis};

const OTHER_KEY: &str = "e07a4f19c3d6825b0b9d5e8271fa64c35d10b7f9a2e84c6d93f5028c7b6a1ed4";

/// A variable, and what it is changed to; to nothing where it is taken away.
type Change<'a> = (&'static str, Option<&'a str>);

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_in_the_environment_is_named() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let other = cluster::owner_url(&cluster::empty_database().await);
    let owner = cluster::owner_url(&database);
    let of_development = std::env::temp_dir().join(format!("fd-doctor-keys-{}", std::process::id()));
    std::fs::create_dir_all(&of_development).expect("a folder");
    std::fs::write(of_development.join("keys.env"), format!("JWT_SECRET_KEY={JWT_SECRET_KEY}\n")).expect("keys");
    let of_development = of_development.to_str().expect("text").to_owned();
    let patterned = "0123456789abcdef".repeat(4);
    let weak = format!("{OTHER_KEY},short");
    let quoted = format!("\"sk-{OTHER_KEY}\"");
    let gone = |name| (name, None);
    let set = |name, value| (name, Some(value));
    let cases: &[(&[Change<'_>], &[&str])] = &[
        (&[], &[]),
        (&[set("PORT", "high")], &["must_mend setting-port"]),
        (
            &[set("PORT", "high"), set("DEMO_DATA", "perhaps")],
            &["must_mend setting-port", "must_mend setting-demo-data"],
        ),
        (&[set("ENVIRONMENT", "prod")], &["must_mend setting-environment"]),
        (&[set("ADMIN_EMAIL", "root@example.com")], &["must_mend setting-admin-password"]),
        (&[gone("SECRET_KEY")], &["must_mend setting-secret-key"]),
        (&[set("SECRET_KEY", "short")], &["must_mend setting-secret-key"]),
        (&[set("JWT_SECRET_KEY", "short")], &["must_mend setting-jwt-secret-key"]),
        (&[set("SECRET_KEYS_PREVIOUS", "short")], &["must_mend setting-secret-keys-previous"]),
        (&[gone("DATABASE_URL")], &["must_mend setting-database-url"]),
        (&[set("DATABASE_URL", "mysql://db/desk")], &["must_mend setting-database-url"]),
        (&[gone("GOOGLE_CLIENT_SECRET")], &["must_mend setting-google-client-secret", "must_mend google-client-unset"]),
        (&[set("DEMO_DATA", "true")], &["note demo-data"]),
        // Keys.
        (&[set("JWT_SECRET_KEY", &patterned)], &["must_mend key-patterned"]),
        (&[set("JWT_SECRET_KEY", SECRET_KEY)], &["must_mend key-used-twice"]),
        (&[set("METRICS_TOKEN", JWT_SECRET_KEY)], &["must_mend key-used-twice"]),
        (&[set("FRONTDESK_DATA_DIR", &of_development)], &["must_mend key-of-development"]),
        (&[set("JWT_SECRET_KEYS_PREVIOUS", JWT_SECRET_KEY)], &["must_mend previous-key-is-current"]),
        (&[set("JWT_SECRET_KEYS_PREVIOUS", &weak)], &["must_mend setting-jwt-secret-keys-previous"]),
        (&[set("SECRET_KEY", OTHER_KEY)], &["must_mend secret-lost", "must_mend secret-lost"]),
        (
            &[set("SECRET_KEY", OTHER_KEY), set("SECRET_KEYS_PREVIOUS", SECRET_KEY)],
            &["note secrets-under-previous-key"],
        ),
        (&[set("SECRET_KEYS_PREVIOUS", OTHER_KEY)], &["note previous-keys-unneeded"]),
        // The way to the database.
        (&[set("DATABASE_URL", "host=")], &["must_mend database-url-unreadable"]),
        (&[set("DATABASE_URL", "postgres://u@127.0.0.1:1/d")], &["must_mend database-unreachable"]),
        (&[set("DATABASE_POOL_SIZE", "120")], &["note pool-large"]),
        (&[set("DATABASE_POOL_SIZE", "400")], &["must_mend pool-too-large"]),
        (&[set("DATABASE_PUBLIC_URL", owner.expose_secret())], &[]),
        (&[set("DATABASE_PUBLIC_URL", other.expose_secret())], &["must_mend owner-of-another-database"]),
        (&[set("DATABASE_PUBLIC_URL", "postgres://o@127.0.0.1:1/d")], &["note owner-unreachable"]),
        (
            &[set("DATABASE_PUBLIC_URL", "postgres://o@127.0.0.1:1/d"), set("MIGRATE_ON_START", "true")],
            &["must_mend owner-unreachable"],
        ),
        (&[set("DATABASE_REPLICA_URL", "postgres://u@127.0.0.1:1/d")], &["note replica-unreachable"]),
        (&[set("DATABASE_REPLICA_URL", owner.expose_secret())], &["must_mend replica-unfit"]),
        // Redis.
        (&[gone("REDIS_URL")], &["note redis-unset"]),
        (&[set("REDIS_URL", "redis://127.0.0.1:1")], &["must_mend redis-unreachable"]),
        // The web.
        (&[gone("BACKEND_CORS_ORIGINS")], &["note cors-empty"]),
        (&[set("BACKEND_CORS_ORIGINS", "*")], &["must_mend setting-backend-cors-origins", "note cors-empty"]),
        (
            &[set("BACKEND_CORS_ORIGINS", "https://app.example.com/desk")],
            &["must_mend setting-backend-cors-origins", "note cors-empty"],
        ),
        (&[set("BACKEND_CORS_ORIGINS", "https://App.example.com:443")], &[]),
        (&[set("BACKEND_CORS_ORIGINS", "http://app.example.com")], &["must_mend cors-without-tls"]),
        (&[set("BACKEND_CORS_ORIGINS", "http://localhost:3000")], &["note cors-without-tls"]),
        (&[gone("PUBLIC_URL")], &["must_mend public-url-local", "must_mend google-redirect-without-tls"]),
        (
            &[set("PUBLIC_URL", "http://desk.example.com")],
            &["must_mend public-url-without-tls", "must_mend google-redirect-without-tls"],
        ),
        (&[set("PUBLIC_URL", "https://127.0.0.1:8443")], &["must_mend public-url-local"]),
        (&[set("PUBLIC_URL", "https://desk.example.com/?a=b")], &["must_mend public-url-not-plain"]),
        (&[set("MAX_CONNECTIONS", "1000000")], &["note open-files-few"]),
        (&[gone("TRUSTED_PROXIES")], &["note no-trusted-proxies"]),
        (&[gone("METRICS_TOKEN")], &["note metrics-without-token"]),
        (&[set("HOST", "127.0.0.1")], &["note listens-on-loopback"]),
        // Providers.
        (&[gone("OPENAI_API_KEY")], &["note model-built-in"]),
        (&[set("LLM_PROVIDER", "built_in")], &["note model-built-in"]),
        (&[set("OPENAI_API_KEY", &quoted)], &["must_mend openai-key-garbled"]),
        (&[set("OPENAI_API_KEY", "AIza-of-another")], &["note openai-key-odd"]),
        (&[set("GEMINI_API_KEY", "sk-of-another")], &["note gemini-key-odd"]),
        (&[set("OPENAI_BASE_URL", "http://10.0.0.9/v1")], &["note openai-without-tls"]),
        (&[gone("TELNYX_PUBLIC_KEY")], &["must_mend texts-unsigned", "note telnyx-key-unset"]),
        (&[gone("TWILIO_AUTH_TOKEN")], &["note twilio-token-unset"]),
        (&[gone("PUBSUB_SERVICE_ACCOUNT")], &["must_mend google-pushes-unbelieved"]),
        (&[gone("GMAIL_PUBSUB_TOPIC")], &["must_mend google-topic-unset"]),
        (&[gone("GMAIL_PUBSUB_TOPIC"), gone("PUBSUB_SERVICE_ACCOUNT")], &["note google-topic-unset"]),
        (&[set("VOICE_FALLBACK_TENANT_ID", "9999")], &["must_mend voice-fallback-unknown"]),
        (
            &[set("ADMIN_EMAIL", "root@example.com"), set("ADMIN_PASSWORD", "a long password")],
            &["note admin-password-left"],
        ),
    ];
    let wrong: Vec<_> = stream::iter(cases)
        .map(async |(changes, expected)| {
            let mut vars = sound(&database, &redis);
            for (name, value) in *changes {
                match value {
                    Some(value) => drop(vars.insert(name, (*value).to_owned())),
                    None => drop(vars.remove(name)),
                }
            }
            names(&format!("{changes:?}"), &examined(&vars, &means()).await, expected)
        })
        .buffered(6)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    std::fs::remove_dir_all(of_development).expect("removed");
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_database_cannot_be_looked_at_is_told() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let nowhere = cluster::owner_url("nowhere_at_all");
    for (url, why) in [
        ("postgres://u:canary@127.0.0.1:1/d", "can't be looked at: Connection refused"),
        (nowhere.expose_secret(), "can't be looked at: database \"nowhere_at_all\" does not exist (SQLSTATE 3D000)."),
        ("postgres://u:canary@h/d?sslrootcert=/x", "can't be read as a PostgreSQL URL: unknown option `sslrootcert`."),
    ] {
        for variable in ["DATABASE_URL", "DATABASE_PUBLIC_URL", "DATABASE_REPLICA_URL"] {
            let mut vars = sound(&database, &redis);
            vars.insert(variable, url.to_owned());
            let report = examined(&vars, &means()).await;
            let why =
                why.replace("looked at", if variable == "DATABASE_REPLICA_URL" { "reached" } else { "looked at" });
            let told = |found: &str| found.contains(variable) && found.contains(&why) && !found.contains("canary");
            assert!(report.findings.iter().any(|finding| told(&finding.found)), "{variable} {url}: {report:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_wrong_is_named() {
    let (database, redis) = (sound_database().await, Redis::start().await);
    let vars = sound(&database, &redis);
    for seconds in [20, -200] {
        let clock = Clock::held(Clock::system().now() + TimeDelta::seconds(seconds));
        let report = examined(&vars, &Means { clock, ..means() }).await;
        assert_eq!(names(&format!("{seconds} s"), &report, &["must_mend clocks-apart"]), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_fit_is_named() {
    let (database, mut redis) = (sound_database().await, Redis::start().await);
    let vars = sound(&database, &redis);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    assert_eq!(names("evicts", &examined(&vars, &means()).await, &["note redis-evicts"]), None);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert_eq!(names("a replica", &examined(&vars, &means()).await, &["must_mend redis-read-only"]), None);
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    redis.command(&["CONFIG", "SET", "requirepass", "another"]).await;
    assert_eq!(names("a login", &examined(&vars, &means()).await, &["must_mend redis-refuses-login"]), None);
    redis.stop();
    assert_eq!(names("gone", &examined(&vars, &means()).await, &["must_mend redis-unreachable"]), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_look_in_development_finds_what_a_start_will_make() {
    let vars = Vars::from([("FRONTDESK_DATA_DIR", NOWHERE.to_owned())]);
    let report = examined(&vars, &means()).await;
    let expected = [
        "note keys-not-made",
        "note private-database-not-made",
        "note model-built-in",
        "note twilio-token-unset",
        "note google-unset",
    ];
    assert_eq!(names("nothing yet", &report, &expected), None);
    assert!(!std::path::Path::new(NOWHERE).exists(), "nothing is made");
}
