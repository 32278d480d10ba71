//! How the commands speak to a live server. Must not know what they say.

use std::{error::Error, time::Duration};

use reqwest::ClientBuilder;

/// A client for the server at `url`. It follows no redirect: a POST that is redirected becomes a GET, and a person is better
/// told the right address.
pub(super) fn client(url: &str) -> ClientBuilder {
    let client =
        reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).redirect(reqwest::redirect::Policy::none());
    if url.starts_with("https:") {
        client
    } else {
        // Without TLS there is no need of the system's certificates, which a small container may not have.
        client.tls_certs_only([])
    }
}

/// The innermost cause of an error, which is the telling one.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
