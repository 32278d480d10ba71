//! The keys of the platform: strong, each its own, and not the ones of somebody's machine. What is missing or malformed is a
//! setting's fault, and told there. Must not repeat any of them.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    cli::doctor::{is_production, report::Area},
    config::{Config, keys},
};

pub(super) fn look(area: &mut Area<'_>, config: &Config) {
    let is_bad = is_production(config);
    let of = |key: &SecretString| key.expose_secret().to_owned();
    let current = [("SECRET_KEY", of(&config.secret_key)), ("JWT_SECRET_KEY", of(&config.tokens.secret))];
    let current: Vec<_> = current.into_iter().filter(|(_, key)| !key.is_empty()).collect();
    let mut is_right = current.len() == 2;
    let mut wrong = |is_bad: bool, name: &str, found: String, mend: String| {
        is_right = false;
        area.judge(is_bad, name, found, mend);
    };
    for (name, _) in current.iter().filter(|(_, key)| repeats(key)) {
        let mend =
            "Make one with `openssl rand -hex 32`, and keep the one before in the list of previous keys.".to_owned();
        wrong(is_bad, "key-patterned", format!("{name} repeats itself, as nothing random does."), mend);
    }
    if is_bad && let Ok(made) = keys::load(&config.data_dir) {
        for (name, _) in current.iter().filter(|(name, key)| made.get(*name) == Some(key)) {
            let mend = format!("Give production a {name} of its own; docs/SECURITY.md says how it is changed.");
            wrong(true, "key-of-development", format!("{name} is the one that was made for development here."), mend);
        }
    }
    for (first, second) in equals(config) {
        let mend =
            format!("Make another {second} with `openssl rand -hex 32`; docs/SECURITY.md says how keys are changed.");
        wrong(is_bad, "key-used-twice", format!("{first} and {second} are the same."), mend);
    }
    let previous = [
        ("SECRET_KEYS_PREVIOUS", &config.previous_secret_keys, "SECRET_KEY", &config.secret_key),
        ("JWT_SECRET_KEYS_PREVIOUS", &config.tokens.previous, "JWT_SECRET_KEY", &config.tokens.secret),
    ];
    for (list, keys, name, key) in previous {
        if keys.iter().any(|one| one.expose_secret() == key.expose_secret()) {
            let mend = format!("Take it out of {list}; if a change of keys was meant, {name} is still to be changed.");
            wrong(true, "previous-key-is-current", format!("{list} holds the current {name}."), mend);
        }
    }
    if is_right {
        area.ok("keys", "SECRET_KEY and JWT_SECRET_KEY are there, and each is its own.");
    }
}

/// Settings that hold the same secret, in pairs.
fn equals(config: &Config) -> Vec<(&'static str, &'static str)> {
    let admin = config.first_admin.as_ref().map(|admin| &admin.password);
    let all = [
        ("SECRET_KEY", Some(&config.secret_key)),
        ("JWT_SECRET_KEY", Some(&config.tokens.secret)),
        ("METRICS_TOKEN", config.http.metrics_token.as_ref()),
        ("ADMIN_PASSWORD", admin),
    ];
    let set: Vec<_> = all
        .into_iter()
        .filter_map(|(name, secret)| Some((name, secret?.expose_secret())))
        .filter(|(_, secret)| !secret.is_empty())
        .collect();
    let later = |at: usize| set.iter().skip(at + 1);
    let pairs = set.iter().enumerate().flat_map(|(at, (first, secret))| {
        later(at).filter(move |(_, other)| other == secret).map(|(second, _)| (*first, *second))
    });
    pairs.collect()
}

/// Whether a text is a shorter one, over and over.
fn repeats(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=bytes.len() / 2).any(|step| bytes.iter().zip(bytes.iter().skip(step)).all(|(one, other)| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_told_from_what_is_random() {
        for text in ["aaaa", "abab", "0123456789abcdef0123456789abcdef", "abcabcab"] {
            assert!(repeats(text), "{text}");
        }
        for text in ["", "a", "ab", "a3f09c17be42d6580b9e", "0123456789abcdef0123456789abcdee"] {
            assert!(!repeats(text), "{text}");
        }
    }
}
