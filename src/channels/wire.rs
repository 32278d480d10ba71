//! HTTP to other services: bounded in time and size, never redirected. Must not know whom it asks.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, ClientBuilder, Response, redirect::Policy};

use crate::kernel::cause::innermost;

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// A client with the limits that hold for all. A redirect would carry a key elsewhere.
pub(crate) fn bounded(patience: Duration) -> ClientBuilder {
    Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).timeout(patience)
}

/// A client for the servers of one service.
///
/// # Errors
/// When none can be made.
pub(crate) fn client(patience: Duration) -> anyhow::Result<Client> {
    bounded(patience).user_agent(concat!("frontdesk/", env!("CARGO_PKG_VERSION"))).build().context("HTTP client")
}

/// The whole body; `None` where it is larger than `max`, the rest of which is not waited for.
///
/// # Errors
/// When it breaks off.
pub(crate) async fn body(mut answer: Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut whole = Vec::new();
    while let Some(part) = answer.chunk().await? {
        if whole.len() + part.len() > max {
            return Ok(None);
        }
        whole.extend_from_slice(&part);
    }
    Ok(Some(whole))
}

/// The innermost cause, which is the telling one, and names no address.
pub(crate) fn cause(error: reqwest::Error) -> String {
    innermost(&error.without_url())
}
