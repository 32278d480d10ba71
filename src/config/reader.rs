//! Reads single variables and gathers what is wrong with them. Must not repeat a value in a problem: it may be a secret.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::{
    config::{Problem, Problems},
    kernel::origin,
};

/// Shortest secret that tokens may be signed with, in bytes: the output of SHA-256 (RFC 7518, section 3.2).
const SECRET_MIN: usize = 32;

pub(super) struct Reader<'v> {
    vars: &'v dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'v> Reader<'v> {
    pub(super) fn new(vars: &'v dyn Fn(&str) -> Option<String>) -> Self {
        Self { vars, problems: Vec::new() }
    }

    pub(super) fn finish(self) -> Problems {
        Problems(self.problems)
    }

    pub(super) fn problem(&mut self, name: &str, what: impl Display) {
        self.problems.push(Problem { variable: name.to_owned(), what: what.to_string() });
    }

    /// Notes a problem and goes on with `instead`, to find the others too.
    pub(super) fn wrong<T>(&mut self, name: &str, what: impl Display, instead: T) -> T {
        self.problem(name, what);
        instead
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.vars)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.text(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let what = format!("must be a number from {} to {}", range.start(), range.end());
                self.wrong(name, what, default)
            }
        }
    }

    pub(super) fn switch(&mut self, name: &str, default: bool) -> bool {
        match self.text(name).map(|text| text.to_lowercase()).as_deref() {
            None => default,
            Some("true" | "1" | "yes" | "on") => true,
            Some("false" | "0" | "no" | "off") => false,
            Some(_) => self.wrong(name, "must be `true` or `false`", default),
        }
    }

    /// An http or https URL, without a slash at its end.
    pub(super) fn url(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(text.trim_end_matches('/').to_owned()),
            _ => self.wrong(name, "must be an http or https URL", None),
        }
    }

    /// Which lines are logged: a level, and others for parts of the program.
    pub(super) fn log_filter(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        match EnvFilter::try_new(&text) {
            Ok(_) => Some(text),
            Err(_) => self.wrong(name, "must be levels such as info or info,frontdesk=debug", None),
        }
    }

    /// A comma list, or a JSON array of strings.
    pub(super) fn items(&mut self, name: &str) -> Vec<String> {
        let Some(text) = self.text(name) else { return Vec::new() };
        let items: Vec<String> = if text.starts_with('[') {
            match serde_json::from_str(&text) {
                Ok(items) => items,
                Err(_) => return self.wrong(name, "must be a comma list or a JSON array of strings", Vec::new()),
            }
        } else {
            text.split(',').map(str::to_owned).collect()
        };
        items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    /// Origins, as browsers spell them: a comma list, or a JSON array of strings.
    pub(super) fn origins(&mut self, name: &str) -> Vec<String> {
        let origins: Option<Vec<_>> = self.items(name).iter().map(|item| origin::normalise(item)).collect();
        let what = "must hold origins such as https://www.example.com, each by itself";
        origins.unwrap_or_else(|| self.wrong(name, what, Vec::new()))
    }

    pub(super) fn postgres_url(&mut self, name: &str) -> Option<SecretString> {
        let text = self.text(name)?;
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = matches!(scheme.split('+').next(), Some("postgres" | "postgresql")) || text.contains("host=");
        if known { Some(text.into()) } else { self.wrong(name, "must be a postgres:// URL", None) }
    }

    pub(super) fn redis_url(&mut self, name: &str) -> Option<SecretString> {
        let text = self.text(name)?;
        let is_known = ["redis://", "rediss://", "unix://"].iter().any(|scheme| text.starts_with(scheme));
        if is_known { Some(text.into()) } else { self.wrong(name, "must be a redis:// or rediss:// URL", None) }
    }

    /// A secret that can't be guessed.
    pub(super) fn strong_secret(&mut self, name: &str) -> SecretString {
        let Some(text) = self.text(name) else {
            return self.wrong(name, "is missing; make one with `openssl rand -hex 32`", SecretString::default());
        };
        if is_weak(&text) {
            self.problem(name, format!("is weak; it must be {SECRET_MIN} random characters or more"));
        }
        text.into()
    }

    /// Several secrets that can't be guessed, with commas between them.
    pub(super) fn strong_secrets(&mut self, name: &str) -> Vec<SecretString> {
        let text = self.text(name).unwrap_or_default();
        let secrets: Vec<_> = text.split(',').map(str::trim).filter(|secret| !secret.is_empty()).collect();
        if secrets.iter().any(|secret| is_weak(secret)) {
            self.problem(name, format!("holds a weak key; each must be {SECRET_MIN} random characters or more"));
        }
        secrets.into_iter().map(SecretString::from).collect()
    }

    /// Several keys, each as [`Reader::hex_key`] has it: a comma list, or a JSON array.
    pub(super) fn hex_keys(&mut self, name: &str) -> Vec<SecretString> {
        let keys = self.items(name);
        if keys.iter().any(|key| key.len() != 64 || !key.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            self.problem(name, "must hold keys of 64 hex digits, with commas between them");
        }
        keys.into_iter().map(SecretString::from).collect()
    }

    /// 64 hex digits: 256 bits.
    pub(super) fn hex_key(&mut self, name: &str) -> SecretString {
        let Some(text) = self.text(name) else {
            return self.wrong(name, "is missing; make one with `openssl rand -hex 32`", SecretString::default());
        };
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.problem(name, "must be 64 hex digits");
        } else if distinct(&text) < 8 {
            self.problem(name, "is weak; make one with `openssl rand -hex 32`");
        }
        text.into()
    }
}

fn is_weak(secret: &str) -> bool {
    secret.len() < SECRET_MIN || distinct(secret) < 8
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::HashSet<_>>().len()
}
