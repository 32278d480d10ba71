//! What the platform itself starts from: an administrator, a base prompt, a line of jobs that moves.

use chrono::TimeDelta;

use crate::{
    cli::doctor::{is_production, report::Area, tenants::unanswered},
    config::Config,
    db::{
        Db, identity,
        tables::{backlog, prompts, users},
    },
    kernel::clock::Clock,
};

/// A job that waits longer than this waits for a server.
const OLD: TimeDelta = TimeDelta::minutes(15);

pub(super) async fn look(area: &mut Area<'_>, db: &Db, config: &Config, clock: &Clock) {
    let seen = db
        .administer(&identity::operator(), async |tx| {
            Ok((users::any_admin(tx).await?, prompts::base_exists(tx).await?))
        })
        .await;
    let (Ok((has_admin, has_base)), Ok(backlog)) =
        (seen, db.housekeep(async |tx| backlog::count(tx, clock.now()).await).await)
    else {
        return unanswered(area);
    };
    if has_admin {
        area.ok("administrator", "There is a global administrator.");
        if is_production(config) && config.first_admin.is_some() {
            let found = "ADMIN_PASSWORD stands in the environment, and is not needed any more.";
            area.note("admin-password-left", found, "Take ADMIN_EMAIL and ADMIN_PASSWORD away.");
        }
    } else {
        let is_made = config.first_admin.is_some() || !is_production(config);
        let mend = if is_made {
            "Nothing: a start makes one."
        } else {
            "Run `frontdesk seed-admin` with ADMIN_EMAIL and ADMIN_PASSWORD."
        };
        area.judge(!is_made, "no-administrator", "There is no active global administrator.", mend);
    }
    if has_base {
        area.ok("base-prompt", "A base prompt is in production.");
    } else {
        let mend = "Start the server, which makes one, or run `frontdesk seed-base-prompt`.";
        area.note("no-base-prompt", "No base prompt is in production.", mend);
    }
    if !backlog.dead.is_empty() {
        let kinds: Vec<_> = backlog.dead.iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
        let mend = "See `webhookDeliveries` and the log for why; retryWebhookDelivery puts a delivery in line again.";
        area.note("jobs-dead", format!("Jobs were given up: {}.", kinds.join(", ")), mend);
    }
    match backlog.oldest.map(|since| clock.now() - since).filter(|age| *age > OLD) {
        None => area.ok("jobs", "No job has waited for long."),
        Some(age) => {
            let found = format!("A job has been due for {} minutes.", age.num_minutes());
            area.note("jobs-waiting", found, "See to it that a server runs; if one does, look into its log.");
        }
    }
}
