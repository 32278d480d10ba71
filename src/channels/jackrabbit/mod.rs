//! Jackrabbit Class: which classes of a school have open places, and where to register. Each school's list is fetched once
//! in five minutes at the most, by one of all who ask; while it can't be, the last good one is told.

mod choose;
mod feed;
mod links;
mod speech;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header;
use url::Url;

use crate::{
    channels::wire,
    kernel::{
        clock::Clock,
        failure::{ErrorCode, Outcome, Refusal},
    },
};

pub use choose::{Choice, Wish};
pub use feed::Class;
pub use links::{Prefill, PrefillField, Registration};
pub use speech::Language;

/// How long a list is taken for new.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How long after a failure nobody tries again.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How long a list without any class is taken for a fault, where there was one with classes.
const DOUBT: TimeDelta = TimeDelta::hours(1);
/// How old a list may get before none is better.
const STALE: TimeDelta = TimeDelta::hours(24);
/// Largest answer, in bytes, unpacked.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Most schools that are remembered at once.
const ORGS_MAX: usize = 256;

/// How Jackrabbit is asked.
#[derive(Debug, Clone)]
pub struct JackrabbitSettings {
    /// Where it is, without a slash at the end (`JACKRABBIT_BASE_URL`).
    pub base_url: String,
    /// The school of tenants that name none of their own (`JACKRABBIT_ORG_ID`).
    pub org_id: Option<String>,
    /// How a registration form's fields are called in its address (`JACKRABBIT_PREFILL`).
    pub prefill: Prefill,
    /// How long one answer may take.
    pub patience: Duration,
}

/// The client. One for the whole program.
pub struct Jackrabbit {
    http: reqwest::Client,
    settings: JackrabbitSettings,
    clock: Clock,
    orgs: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Shelf>>>>,
}

/// What is known of one school. Whoever holds its lock fetches; the others wait, and find what came.
#[derive(Default)]
struct Shelf {
    good: Option<Openings>,
    failed_at: Option<DateTime<Utc>>,
}

/// A school's classes at some time.
#[derive(Debug, Clone)]
pub struct Openings {
    /// The classes, in the order in which the school lists them.
    pub classes: Arc<[Class]>,
    /// When Jackrabbit said so.
    pub as_of: DateTime<Utc>,
}

impl Jackrabbit {
    /// Makes the client; calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: JackrabbitSettings, clock: Clock) -> anyhow::Result<Self> {
        let http = wire::bounded(settings.patience)
            .user_agent(concat!("Mozilla/5.0 (compatible; frontdesk/", env!("CARGO_PKG_VERSION"), ")"))
            .build()
            .context("HTTP client for Jackrabbit")?;
        Ok(Self { http, settings, clock, orgs: Mutex::default() })
    }

    /// The school of tenants that name none of their own.
    #[must_use]
    pub fn shared_org(&self) -> Option<&str> {
        self.settings.org_id.as_deref()
    }

    /// How a registration form's fields are called in its address.
    #[must_use]
    pub fn prefill(&self) -> &Prefill {
        &self.settings.prefill
    }

    /// A school's classes, at most five minutes old where Jackrabbit answers, else as they were told last.
    ///
    /// # Errors
    /// `UPSTREAM_UNAVAILABLE` when there is neither an answer nor a good copy.
    pub async fn openings(&self, org: &str) -> Outcome<Openings> {
        let shelf = self.shelf(org);
        let mut shelf = shelf.lock().await;
        let now = self.clock.now();
        let is_fresh = shelf.good.as_ref().is_some_and(|good| now - good.as_of < FRESH);
        let is_paused = shelf.failed_at.is_some_and(|at| now - at < PAUSE);
        if !is_fresh && !is_paused {
            match self.fetch(org).await.and_then(|classes| believable(classes, shelf.good.as_ref(), now)) {
                Ok(classes) => *shelf = Shelf { good: Some(Openings { classes, as_of: now }), failed_at: None },
                Err(error) => {
                    tracing::warn!(org, error = %format!("{error:#}"), "a class schedule could not be loaded");
                    shelf.failed_at = Some(now);
                }
            }
        }
        let good = shelf.good.clone().filter(|good| now - good.as_of < STALE);
        good.ok_or_else(|| {
            Refusal::new(
                ErrorCode::UpstreamUnavailable,
                "The class schedule could not be loaded just now. Try again in a few minutes.",
            )
            .into()
        })
    }

    fn shelf(&self, org: &str) -> Arc<tokio::sync::Mutex<Shelf>> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if orgs.len() >= ORGS_MAX && !orgs.contains_key(org) {
            // One makes room. Those that somebody is looking at stay, or two would fetch one list.
            let idle = orgs.iter().find(|(_, shelf)| Arc::strong_count(shelf) == 1).map(|(org, _)| org.clone());
            idle.map(|org| orgs.remove(&org));
        }
        orgs.entry(org.to_owned()).or_default().clone()
    }

    async fn fetch(&self, org: &str) -> anyhow::Result<Arc<[Class]>> {
        let mut url = Url::parse(&self.settings.base_url)?.join("/jr3.0/Openings/OpeningsJson")?;
        url.query_pairs_mut().append_pair("OrgID", org);
        let request = self.http.get(url).header(header::ACCEPT, "application/json");
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        ensure!(response.status().is_success(), "HTTP {}", response.status());
        let body = wire::body(response, BODY_MAX).await.map_err(reqwest::Error::without_url)?;
        let body = body.with_context(|| format!("the answer is larger than {BODY_MAX} bytes"))?;
        // Some megabytes of JSON take a while, in which this thread has other things to do.
        tokio::task::spawn_blocking(move || feed::read(&body)).await?
    }
}

/// A list without any class may be an outage: it is not taken in the place of a good one at once.
fn believable(classes: Arc<[Class]>, good: Option<&Openings>, now: DateTime<Utc>) -> anyhow::Result<Arc<[Class]>> {
    let is_doubtful =
        classes.is_empty() && good.is_some_and(|good| !good.classes.is_empty() && now - good.as_of < DOUBT);
    ensure!(!is_doubtful, "the list is suddenly empty");
    Ok(classes)
}
