//! The environment: what kind of place it is, and every setting that is wrong.

use crate::{
    cli::doctor::{is_production, report::Area},
    config::{Config, Problem, keys},
};

pub(super) fn look(area: &mut Area<'_>, config: &Config, problems: &[Problem]) {
    if is_production(config) {
        area.ok("environment", "Production.");
    } else {
        area.ok("environment", "Development: what is missing is made.");
    }
    let (unmade, wrong): (Vec<_>, Vec<_>) =
        problems.iter().partition(|problem| !is_production(config) && is_made(problem));
    for problem in &wrong {
        let name = format!("setting-{}", problem.variable.to_lowercase().replace('_', "-"));
        let mend = format!("Set {} anew; the README's table of settings says what it may be.", problem.variable);
        area.must_mend(&name, format!("{problem}."), mend);
    }
    if wrong.is_empty() {
        area.ok("settings", "Every setting that is there can be read.");
    }
    if !unmade.is_empty() {
        let names: Vec<_> = unmade.iter().map(|problem| problem.variable.as_str()).collect();
        let found = format!("There is no {} yet.", names.join(" and no "));
        area.note("keys-not-made", found, "Nothing: the first start makes it in the data folder.");
    }
    if is_production(config) && config.demo_data {
        let found = "DEMO_DATA makes two demo tenants, with accounts, where there is no tenant yet.";
        area.note("demo-data", found, "Take DEMO_DATA away in production.");
    }
    if !is_production(config) && keys::are_open(&config.data_dir) {
        let found = "The keys in the data folder can be read by other users of this machine.";
        area.must_mend(
            "keys-file-open",
            found,
            "Make keys.env in FRONTDESK_DATA_DIR readable by its owner alone: chmod 600.",
        );
    }
}

/// Whether a start of development mends it by itself.
fn is_made(problem: &Problem) -> bool {
    matches!(problem.variable.as_str(), "SECRET_KEY" | "JWT_SECRET_KEY") && problem.what.starts_with("is missing")
}
