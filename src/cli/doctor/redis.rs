//! Redis, over which nodes share their streams: whether it answers, and whether it is one that the program can work with.

use std::{collections::HashMap, time::Duration};

use redis::{AsyncConnectionConfig, ConnectionAddr, ErrorKind, RedisError};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    cli::doctor::{
        is_production,
        place::{self, Place},
        report::Area,
    },
    config::Config,
};

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest version, which has all that is used.
const OLDEST: u32 = 6;

pub(super) async fn look(area: &mut Area<'_>, config: &Config) {
    let Some(url) = &config.redis else {
        if is_production(config) {
            area.note("redis-unset", "REDIS_URL is not set.", "Set it before a second node runs; one node needs none.");
        } else {
            area.ok("redis", "Not used: one node needs none.");
        }
        return;
    };
    if is_exposed(url).await {
        let found = "REDIS_URL leads over the internet without TLS.";
        area.judge(is_production(config), "redis-without-tls", found, "Use rediss://, or a private network.");
    }
    match tokio::time::timeout(PATIENCE, info(url)).await {
        Ok(Ok(info)) => judge(area, &info),
        // Redis's own words might repeat what it was sent.
        Ok(Err(error)) if is_refusal(&error) => area.must_mend(
            "redis-refuses-login",
            "Redis refuses the login in REDIS_URL.",
            "Mend user and password in REDIS_URL.",
        ),
        Ok(Err(_)) | Err(_) => area.must_mend(
            "redis-unreachable",
            "Redis can't be reached, or does not answer.",
            "Look whether it runs, whether REDIS_URL is right, and whether the network lets us through.",
        ),
    }
}

fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

async fn info(url: &SecretString) -> redis::RedisResult<HashMap<String, String>> {
    let client = redis::Client::open(url.expose_secret())?;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("PING").query_async::<()>(&mut connection).await?;
    // A login may be kept from this; then nothing is said of what it would tell.
    let told: String = redis::cmd("INFO").query_async(&mut connection).await.unwrap_or_default();
    Ok(told
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}

fn judge(area: &mut Area<'_>, info: &HashMap<String, String>) {
    let told = |name: &str| info.get(name).map(String::as_str);
    let version = told("valkey_version").or_else(|| told("redis_version"));
    let Some(version) = version else {
        area.note("redis-unknown", "Redis answers, and does not tell its version.", "See to it that it is 6 or newer.");
        return;
    };
    let product = if told("valkey_version").is_some() { "Valkey" } else { "Redis" };
    if version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < OLDEST) {
        area.must_mend("redis-too-old", format!("{product} {version} is too old."), "Use version 6 or newer.");
    } else {
        area.ok("redis", format!("{product} {version} answers."));
    }
    if told("role") == Some("slave") {
        let mend = "Name its primary in REDIS_URL.";
        area.must_mend("redis-read-only", "REDIS_URL leads to a replica, which can't be written to.", mend);
    }
    let policy = told("maxmemory_policy").unwrap_or("noeviction");
    let is_limited = told("maxmemory").is_some_and(|bytes| bytes != "0");
    if policy.starts_with("allkeys") || (is_limited && policy != "noeviction") {
        let found = format!(
            "With maxmemory-policy {policy}, counts of limits and live chats' logs may be lost when memory is short."
        );
        area.note(
            "redis-evicts",
            found,
            "Set maxmemory-policy to noeviction; logs end by themselves after 20 minutes.",
        );
    }
}

/// Whether passwords and conversations go over the internet as they are.
async fn is_exposed(url: &SecretString) -> bool {
    let Ok(client) = redis::Client::open(url.expose_secret()) else { return false };
    match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) => place::of(host, *port).await == Place::Outside,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Report;

    #[test]
    fn what_redis_tells_of_itself_is_judged() {
        let judged = |told: &[(&str, &str)]| {
            let mut report = Report::default();
            let info = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            judge(&mut report.area("redis"), &info);
            report.findings.into_iter().map(|finding| finding.name).collect::<Vec<_>>()
        };
        assert_eq!(judged(&[("redis_version", "7.2.4")]), ["redis"]);
        assert_eq!(judged(&[("redis_version", "7.2.4"), ("valkey_version", "8.1.0")]), ["redis"]);
        assert_eq!(judged(&[("redis_version", "5.0.14")]), ["redis-too-old"]);
        assert_eq!(judged(&[]), ["redis-unknown"]);
        assert_eq!(judged(&[("redis_version", "7.0.0"), ("role", "slave")]), ["redis", "redis-read-only"]);
        let evicts = [("redis_version", "7.0.0"), ("maxmemory", "1000"), ("maxmemory_policy", "volatile-lru")];
        assert_eq!(judged(&evicts), ["redis", "redis-evicts"]);
    }
}
