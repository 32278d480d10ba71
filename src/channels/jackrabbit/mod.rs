//! Jackrabbit Class: which classes of a school have open places, and where to register. Each school's list is fetched once
//! in five minutes at the most, for all who ask, and to the end whoever stops waiting; while it can't be, or takes long, the last
//! good one is told.

mod choose;
mod feed;
mod links;
mod speech;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header;
use tokio::sync::watch;
use url::Url;

use crate::{
    channels::wire,
    kernel::{
        clock::Clock,
        failure::{ErrorCode, Outcome, Refusal},
        task,
    },
};

pub use choose::{Choice, Wish};
pub use feed::Class;
pub use links::{Prefill, PrefillField, Registration};
pub use speech::{Language, as_of};

/// How long a list is taken for new.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How long after a failure nobody tries again.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How long a list without any class is taken for a fault, where there was one with classes.
const DOUBT: TimeDelta = TimeDelta::hours(1);
/// How old a list may get before none is better.
const STALE: TimeDelta = TimeDelta::hours(24);
/// How long is waited for news where there is a copy that will do.
const NEWS: Duration = Duration::from_secs(2);
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
    orgs: Mutex<HashMap<String, Arc<Mutex<Shelf>>>>,
}

/// What is known of one school.
#[derive(Default)]
struct Shelf {
    good: Option<Openings>,
    failed_at: Option<DateTime<Utc>>,
    /// Open as long as somebody fetches.
    fetching: Option<watch::Receiver<()>>,
}

impl Shelf {
    /// A copy that will do.
    fn good(&self, now: DateTime<Utc>) -> Option<Openings> {
        self.good.clone().filter(|good| now - good.as_of < STALE)
    }

    /// Keeps what was fetched, if it is to be believed; as of when it was asked for.
    fn take(&mut self, org: &str, fetched: anyhow::Result<Arc<[Class]>>, as_of: DateTime<Utc>) {
        match fetched.and_then(|classes| believable(classes, self.good.as_ref(), as_of)) {
            Ok(classes) => *self = Self { good: Some(Openings { classes, as_of }), ..Self::default() },
            Err(error) => {
                tracing::warn!(org, error = %format!("{error:#}"), "a class schedule could not be loaded");
                self.failed_at = Some(as_of);
            }
        }
    }
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
        let (copy, news) = self.look(org, &shelf);
        if let Some(mut news) = news {
            // Nothing is ever sent: it ends with the fetch.
            let fetched = async { while news.changed().await.is_ok() {} };
            match &copy {
                Some(_) => drop(tokio::time::timeout(NEWS, fetched).await),
                None => fetched.await,
            }
        }
        let good = held(&shelf).good(self.clock.now()).or(copy);
        good.ok_or_else(|| {
            Refusal::new(
                ErrorCode::UpstreamUnavailable,
                "The class schedule could not be loaded just now. Try again in a few minutes.",
            )
            .into()
        })
    }

    /// The copy that there is, and what to wait for where it should be newer.
    fn look(&self, org: &str, shelf: &Arc<Mutex<Shelf>>) -> (Option<Openings>, Option<watch::Receiver<()>>) {
        let now = self.clock.now();
        let mut on = held(shelf);
        let is_fresh = on.good.as_ref().is_some_and(|good| now - good.as_of < FRESH);
        let is_paused = on.failed_at.is_some_and(|at| now - at < PAUSE);
        if is_fresh || is_paused {
            return (on.good(now), None);
        }
        let under_way = on.fetching.clone().filter(|fetching| fetching.has_changed().is_ok());
        let news = under_way.unwrap_or_else(|| {
            let (until_done, news) = watch::channel(());
            let (http, base_url) = (self.http.clone(), self.settings.base_url.clone());
            let (org, shelf) = (org.to_owned(), shelf.clone());
            task::spawn(async move {
                let fetched = fetch(&http, &base_url, &org).await;
                held(&shelf).take(&org, fetched, now);
                drop(until_done);
            });
            news
        });
        on.fetching = Some(news.clone());
        (on.good(now), Some(news))
    }

    fn shelf(&self, org: &str) -> Arc<Mutex<Shelf>> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if orgs.len() >= ORGS_MAX && !orgs.contains_key(org) {
            // One makes room. Those that somebody is looking at stay, or two would fetch one list.
            let idle = orgs.iter().find(|(_, shelf)| Arc::strong_count(shelf) == 1).map(|(org, _)| org.clone());
            idle.map(|org| orgs.remove(&org));
        }
        orgs.entry(org.to_owned()).or_default().clone()
    }
}

fn held(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn fetch(http: &reqwest::Client, base_url: &str, org: &str) -> anyhow::Result<Arc<[Class]>> {
    let mut url = Url::parse(base_url)?.join("/jr3.0/Openings/OpeningsJson")?;
    url.query_pairs_mut().append_pair("OrgID", org);
    let request = http.get(url).header(header::ACCEPT, "application/json");
    let response = request.send().await.map_err(reqwest::Error::without_url)?;
    ensure!(response.status().is_success(), "HTTP {}", response.status());
    let body = wire::body(response, BODY_MAX).await.map_err(reqwest::Error::without_url)?;
    let body = body.with_context(|| format!("the answer is larger than {BODY_MAX} bytes"))?;
    // Some megabytes of JSON take a while, in which this thread has other things to do.
    tokio::task::spawn_blocking(move || feed::read(&body)).await?
}

/// A list without any class may be an outage: it is not taken in the place of a good one at once.
fn believable(classes: Arc<[Class]>, good: Option<&Openings>, now: DateTime<Utc>) -> anyhow::Result<Arc<[Class]>> {
    let is_doubtful =
        classes.is_empty() && good.is_some_and(|good| !good.classes.is_empty() && now - good.as_of < DOUBT);
    ensure!(!is_doubtful, "the list is suddenly empty");
    Ok(classes)
}
