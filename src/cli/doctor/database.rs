//! The database: whether it is reached, is one that the program can work with, and holds the tables apart. What it is like, is
//! asked in `db/condition.rs`; here it is judged as a start would.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::{
    cli::doctor::{
        Means, has_private_database, is_production,
        place::{self, Place},
        report::Area,
    },
    config::Config,
    db::{
        Db, DbSettings,
        condition::{self, Condition, Cover, Gap, Unknown},
        migrate::{self, Progress},
        same,
    },
};

/// How long the database may take to be looked at.
const PATIENCE: Duration = Duration::from_secs(15);
/// So far clocks may be apart without anybody noticing.
const APART: TimeDelta = TimeDelta::milliseconds(500);
/// And so far before a heartbeat that is late costs a reply: each node judges leases by its own clock.
const FAR_APART: TimeDelta = TimeDelta::seconds(2);
/// Names that a sentence lists.
const LISTED: usize = 5;
/// Gaps that are told one by one.
const GAPS_MAX: usize = 20;

/// Gives a pool that only reads, where the tables are such that it makes sense to look into them.
pub(super) async fn look(area: &mut Area<'_>, config: &Config, means: &Means, is_named: bool) -> Option<Db> {
    let named = config.database.url.as_ref();
    let Some(url) = named.or(means.private.as_ref().filter(|_| !is_named)) else {
        if !is_named && !is_production(config) && !has_private_database(config) {
            let mend = "Nothing: the first start makes it. Or set DATABASE_URL.";
            area.note("private-database-not-made", "There is no private database yet.", mend);
        }
        return None;
    };
    let condition = match timed("DATABASE_URL", url).await {
        Ok(condition) => condition,
        Err(unknown) => {
            not_told(area, "DATABASE_URL", "database", true, &unknown);
            return None;
        }
    };
    let version = (condition.version / 10_000, condition.version % 10_000);
    if condition.is_too_old() {
        let found = format!("PostgreSQL {}.{} is too old.", version.0, version.1);
        area.must_mend("postgres-too-old", found, "Use PostgreSQL 15 or newer.");
        return None;
    }
    area.ok("database", format!("PostgreSQL {}.{} answers.", version.0, version.1));
    server(area, config, means, &condition);
    wire(area, config, &condition).await;
    let is_mended = !is_production(config) && config.database.owner_url.is_none() && condition.makes_roles;
    login(area, &condition, is_mended);
    let owner = owner(area, config, url).await;
    let is_current = migrations(area, config, &condition, is_mended || owner);
    gaps(area, &condition);
    replica(area, config, url).await;
    if !is_current || !condition.withheld.is_empty() {
        let mend = "Mend what stands above, and ask again.";
        area.note("tenants-not-looked-at", "What is in the tables was not looked at.", mend);
        return None;
    }
    Db::new(&DbSettings { url: url.clone(), pool_size: 2 }).ok().map(Db::only_reading)
}

/// The copy, judged as a start would; one that is away stops no start.
async fn replica(area: &mut Area<'_>, config: &Config, url: &SecretString) {
    let Some(copy) = &config.database.replica_url else { return };
    let look = migrate::check_replica(url, copy, is_production(config));
    match tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| Ok(Some(late()))) {
        Ok(None) => area.ok("replica", "The copy of DATABASE_REPLICA_URL answers."),
        Ok(Some(why)) => {
            let found = format!("The copy of DATABASE_REPLICA_URL can't be reached: {why}.");
            let mend = "Mend it, or take DATABASE_REPLICA_URL away; the database itself is read meanwhile.";
            area.note("replica-unreachable", found, mend);
        }
        Err(error) => {
            let mend = "Name a copy that follows this database, with the login of DATABASE_URL.";
            area.must_mend("replica-unfit", format!("{error}."), mend);
        }
    }
    if config.redis.is_none() {
        let mend = "Set REDIS_URL where several nodes share the copy; for one node, nothing.";
        area.note("replica-without-redis", "Nodes can't tell each other of what they wrote.", mend);
    }
}

async fn timed(variable: &str, url: &SecretString) -> Result<Condition, Unknown> {
    let look = tokio::time::timeout(PATIENCE, condition::look(variable, url));
    look.await.unwrap_or_else(|_| Err(Unknown::Unreachable(late())))
}

fn late() -> String {
    format!("it did not answer within {} seconds", PATIENCE.as_secs())
}

fn not_told(area: &mut Area<'_>, variable: &str, prefix: &str, is_bad: bool, unknown: &Unknown) {
    let found = format!("The database of {variable} can't be looked at: {unknown}.");
    match unknown {
        Unknown::Unreadable(why) => {
            let mend =
                format!("Write {variable} as postgres://user:password@host/database, special characters in percent.");
            area.judge(is_bad, &format!("{prefix}-url-unreadable"), format!("{why}."), mend);
        }
        Unknown::Unreachable(_) => {
            let mend =
                format!("Look whether it runs, whether {variable} is right, and whether the network lets us through.");
            area.judge(is_bad, &format!("{prefix}-unreachable"), found, mend);
        }
        Unknown::Unanswered(_) => {
            area.judge(is_bad, &format!("{prefix}-unanswered"), found, "Look into the database's log.");
        }
    }
}

/// What holds for the server as a whole.
fn server(area: &mut Area<'_>, config: &Config, means: &Means, condition: &Condition) {
    if condition.encoding != "UTF8" {
        let found = format!("The database's encoding is {}, which can't hold what people write.", condition.encoding);
        area.must_mend("database-encoding", found, "Make it anew with ENCODING 'UTF8', and move the data there.");
    }
    if let Some(why) = condition.unwritable {
        let mend = "Name the primary in DATABASE_URL. Where the setting is on since the disk is full, make room and switch it off.";
        area.must_mend("database-read-only", format!("The database {why}."), mend);
    }
    let (pool, most) = (config.database.pool_size, usize::try_from(condition.connections).unwrap_or_default());
    let found = format!("DATABASE_POOL_SIZE is {pool}, and the server has room for {most} connection(s).");
    if pool > most {
        area.must_mend("pool-too-large", found, "Make the pool smaller, or raise max_connections.");
    } else if pool * 2 > most {
        area.note("pool-large", found, "Make the pool smaller, or raise max_connections, before a second node runs.");
    } else {
        area.ok("pool", found);
    }
    let apart = (condition.now - means.clock.now()).abs();
    clocks(area, apart - condition.unsure);
}

/// By `apart` at least.
fn clocks(area: &mut Area<'_>, apart: TimeDelta) {
    if apart > APART {
        let found = format!("The database's clock and this machine's are {:.1} seconds apart.", apart.as_seconds_f64());
        area.judge(apart > FAR_APART, "clocks-apart", found, "Have both machines set their clocks by NTP.");
    }
}

/// What travels between it and us.
async fn wire(area: &mut Area<'_>, config: &Config, condition: &Condition) {
    let mut is_outside = false;
    for (host, port) in &condition.hosts {
        is_outside |= place::of(host, *port).await == Place::Outside;
    }
    exposure(area, is_outside, is_production(config), condition.cover);
}

fn exposure(area: &mut Area<'_>, is_outside: bool, is_production: bool, cover: Cover) {
    match cover {
        Cover::Open if is_outside => {
            let found = "The database is reached over the internet without TLS.";
            area.judge(is_production, "database-without-tls", found, "Add sslmode=verify-full to DATABASE_URL.");
        }
        Cover::Encrypted if is_outside => {
            let found = "The database is reached over the internet, and its certificate is not checked.";
            area.note("database-unverified", found, "Use sslmode=verify-full in DATABASE_URL.");
        }
        Cover::Open | Cover::Encrypted | Cover::Verified => {}
    }
}

/// Who signs in. In development, where a plain login is made of one that makes roles, `is_mended`.
fn login(area: &mut Area<'_>, condition: &Condition, is_mended: bool) {
    let name = &condition.login;
    if is_mended {
        area.ok("login", "A start signs in as the plain role frontdesk_app, which it makes.");
        return;
    }
    for danger in &condition.dangers {
        let found = format!("`{name}` signs in, which row-level security can't hold: {}.", danger.what);
        let mend = "Give that URL as DATABASE_PUBLIC_URL, name a plain role in DATABASE_URL, and run `frontdesk migrate`, which makes it.";
        area.must_mend(&format!("login-{}", danger.name), found, mend);
    }
    for role in &condition.withheld {
        let found = format!("`{name}` may not take the role {role}.");
        let mend = "Run `frontdesk migrate` with the owner's URL in DATABASE_PUBLIC_URL; it grants what is needed.";
        area.must_mend("role-withheld", found, mend);
    }
    if condition.dangers.is_empty() && condition.withheld.is_empty() {
        area.ok("login", format!("`{name}` is a plain role."));
    }
}

/// The owner's URL, for migrations. Gives whether a start would migrate by it.
async fn owner(area: &mut Area<'_>, config: &Config, served: &SecretString) -> bool {
    let Some(url) = &config.database.owner_url else { return false };
    let compared = match timed("DATABASE_PUBLIC_URL", url).await {
        Ok(_) => tokio::time::timeout(PATIENCE, same::is_one(url, served)).await.ok().and_then(Result::ok),
        Err(unknown) => {
            not_told(area, "DATABASE_PUBLIC_URL", "owner", config.database.migrate_on_start, &unknown);
            return false;
        }
    };
    match compared {
        Some(true) => area.ok("owner", "The owner's login for migrations works."),
        Some(false) => {
            let found = "DATABASE_PUBLIC_URL and DATABASE_URL lead to different databases.";
            area.must_mend("owner-of-another-database", found, "Name the same host and database in both.");
        }
        None => {
            let found = "DATABASE_PUBLIC_URL and DATABASE_URL could not be compared.";
            area.note("owner-not-compared", found, "See to it that both name the same host and database.");
        }
    }
    compared != Some(false)
}

/// Gives whether the tables are those of this program.
fn migrations(area: &mut Area<'_>, config: &Config, condition: &Condition, can_migrate: bool) -> bool {
    let Some(Progress { pending, unknown }) = &condition.progress else {
        let mend = "Run `frontdesk migrate` with the owner's URL in DATABASE_PUBLIC_URL; it grants what is needed.";
        area.must_mend("migrations-unreadable", "The login may not read which migrations ran.", mend);
        return false;
    };
    if !unknown.is_empty() {
        let found = format!("The database has {} that this program does not know: {}.", many(unknown), listed(unknown));
        area.note("migrations-unknown", found, "Run the newer program; one release back is made to work too.");
    }
    if pending.is_empty() {
        area.ok("migrations", "Every migration of this program has run.");
        return true;
    }
    let found = if condition.is_migrated {
        format!("The database lacks {}: {}.", many(pending), listed(pending))
    } else {
        format!("The database is empty: it lacks all {}.", many(pending))
    };
    if can_migrate && config.database.migrate_on_start {
        area.note("migrations-pending", found, "Run `frontdesk migrate`, or start the server, which does.");
        return false;
    }
    area.must_mend("migrations-pending", found, "Run `frontdesk migrate` with the owner's URL in DATABASE_PUBLIC_URL.");
    if config.database.migrate_on_start && config.database.owner_url.is_none() {
        let found = "MIGRATE_ON_START is on, and without DATABASE_PUBLIC_URL a start can't migrate.";
        area.note(
            "owner-unset",
            found,
            "Set DATABASE_PUBLIC_URL, or MIGRATE_ON_START=false where a release step migrates.",
        );
    }
    false
}

fn gaps(area: &mut Area<'_>, condition: &Condition) {
    for Gap { table, fault, role } in condition.gaps.iter().take(GAPS_MAX) {
        let found = match fault.as_str() {
            "rls-off" => format!("Row-level security is off on `{table}`."),
            "rls-not-forced" => format!("Row-level security on `{table}` does not hold its owner."),
            "policy-missing" => format!("`{table}` has no policy that says what {role} may see."),
            "policy-too-wide" => format!("A policy on `{table}` shows {role} the rows of every tenant."),
            _ => format!("`{table}` has no policy that narrows it to a website visitor's own conversation."),
        };
        let mend = match fault.as_str() {
            "rls-off" | "rls-not-forced" => {
                format!("As its owner: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY.")
            }
            _ => format!("As its owner, put the policies of `{table}` back as the files in migrations/ have them."),
        };
        area.must_mend(fault, found, mend);
    }
    match condition.gaps.len() {
        0 if condition.is_migrated => area.ok("tables", "Every table is behind its policies, its owner too."),
        0..=GAPS_MAX => {}
        all => {
            area.must_mend("more-gaps", format!("{} more gaps in tables.", all - GAPS_MAX), "Mend those above first.");
        }
    }
}

fn many(list: &[String]) -> String {
    format!("{} migration{}", list.len(), if list.len() == 1 { "" } else { "s" })
}

fn listed(list: &[String]) -> String {
    let first = list.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if list.len() > LISTED { format!("{first}, …") } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::{Report, Verdict};

    #[test]
    fn clocks_may_be_half_a_second_apart_and_two_are_too_many() {
        let told = |milliseconds| {
            let mut report = Report::default();
            clocks(&mut report.area("database"), TimeDelta::milliseconds(milliseconds));
            report.findings.pop().map(|finding| (finding.verdict, finding.found))
        };
        assert_eq!(told(500), None);
        for (milliseconds, verdict, seconds) in [(600, Verdict::Note, "0.6"), (2_100, Verdict::MustMend, "2.1")] {
            let found = format!("The database's clock and this machine's are {seconds} seconds apart.");
            assert_eq!(told(milliseconds), Some((verdict, found)));
        }
    }

    #[test]
    fn what_goes_over_the_internet_must_be_covered() {
        let told = |is_outside, is_production, cover| {
            let mut report = Report::default();
            exposure(&mut report.area("database"), is_outside, is_production, cover);
            report.findings.first().map(|finding| (finding.name.clone(), report.is_healthy()))
        };
        let named = |name: &str, is_healthy| Some((name.to_owned(), is_healthy));
        assert_eq!(told(true, true, Cover::Open), named("database-without-tls", false));
        assert_eq!(told(true, false, Cover::Open), named("database-without-tls", true));
        assert_eq!(told(true, true, Cover::Encrypted), named("database-unverified", true));
        assert_eq!(told(true, true, Cover::Verified), None);
        assert_eq!(told(false, true, Cover::Open), None);
    }
}
