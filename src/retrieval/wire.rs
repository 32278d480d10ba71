//! One call to a provider: bounded in time and size, never redirected, tried again where that may help. Must not know what
//! is asked, nor keep or log what is answered.

use std::time::Duration;

use anyhow::Context;
use reqwest::{
    Client, ClientBuilder, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderValue,
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{channels::wire, kernel::hosts, retrieval::Trouble};

/// Largest answer, in bytes: Pinecone sends no larger ones.
const ANSWER_MAX: usize = 4 << 20;
/// Largest error, in bytes, that is looked into for a code.
const ERROR_MAX: usize = 16 << 10;
/// Calls for one question, the first included.
const TRIES: u32 = 3;
/// Before the second call; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(150);
/// Longer than this nobody is waited for, whatever they ask for.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(2);

/// The way to providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
}

/// What went wrong with one call, and how long the provider asks to be left alone.
struct Failed(Trouble, Option<Duration>);

/// Finds the addresses of names on the public internet alone: a name of the provider's may still lead inside.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = all.filter(|address| hosts::is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("its name leads to no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

impl Wire {
    /// For servers that the operator names.
    pub(super) fn to_operators() -> anyhow::Result<Self> {
        Self::built(Client::builder())
    }

    /// For servers that a tenant names. With a proxy for all calls (`HTTPS_PROXY`), it is the proxy that looks names up.
    pub(super) fn to_tenants() -> anyhow::Result<Self> {
        Self::built(Client::builder().dns_resolver(PublicOnly))
    }

    fn built(client: ClientBuilder) -> anyhow::Result<Self> {
        let client = client
            // A redirect would carry the key elsewhere.
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .context("HTTP client for retrieval")?;
        Ok(Self { client })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request to `who`, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        who: &'static str,
        request: RequestBuilder,
    ) -> Result<T, Trouble> {
        let mut pause = PAUSE;
        for left in (0..TRIES).rev() {
            let Some(again) = request.try_clone() else { break };
            match once(who, again).await {
                Ok(body) => {
                    return serde_json::from_slice(&body)
                        .map_err(|_| Trouble::Garbled(who, "an answer that can't be read"));
                }
                Err(Failed(trouble, wish)) => {
                    let wait = wish.unwrap_or(pause);
                    if left == 0 || !trouble.may_pass() || wait > PAUSE_MAX {
                        return Err(trouble);
                    }
                    tokio::time::sleep(wait).await;
                    pause *= 2;
                }
            }
        }
        Err(Trouble::Unset("a request that can't be sent twice"))
    }
}

async fn once(who: &'static str, request: RequestBuilder) -> Result<Vec<u8>, Failed> {
    let unreachable = |error: reqwest::Error| Failed(Trouble::Unreachable(who, wire::cause(error)), None);
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    if status.is_success() {
        let body = wire::body(answer, ANSWER_MAX).await.map_err(unreachable)?;
        return body.ok_or(Failed(Trouble::Garbled(who, "an answer that is too large"), None));
    }
    let wish = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let told = wire::body(answer, ERROR_MAX).await.ok().flatten().unwrap_or_default();
    let refused = Trouble::Refused { who, status: status.as_u16(), code: code(&told) };
    Err(Failed(refused, wish.map(Duration::from_secs)))
}

/// The code of an error, in each of the shapes that there are: `{"error":{"code":…}}` of Pinecone's control plane and of
/// OpenAI, `{"code":3}` of an index, and plain text, which has none. Only a word of plain letters is one: the rest of an error
/// may repeat a key or a question.
fn code(body: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(body).ok()?;
    let code = error.pointer("/error/code").or_else(|| error.get("code"))?;
    let text =
        code.as_str().map_or_else(|| code.as_i64().map(|code| code.to_string()), |text| Some(text.to_owned()))?;
    let is_word = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_word && !text.is_empty()).then_some(text)
}

/// A key as a header that no log shows.
pub(super) fn header(prefix: &str, key: &SecretString) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose_secret()))
        .map_err(|_| Trouble::Unset("a key holds what no key may"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_each_shape_and_nothing_else_is_told() {
        for (body, expected) in [
            (r#"{"error":{"code":"NOT_FOUND","message":"Resource docs not found"},"status":404}"#, Some("NOT_FOUND")),
            (r#"{"error":{"message":"Incorrect key sk-canary","code":"invalid_api_key"}}"#, Some("invalid_api_key")),
            (r#"{"error":{"message":"…","code":null}}"#, None),
            (r#"{"code":3,"message":"Vector dimension 3 does not match","details":[]}"#, Some("3")),
            ("Invalid API Key", None),
            ("<html>502</html>", None),
            (r#"{"code":"sk-canary is not a key"}"#, None),
            (r#"{"code":{"a":1}}"#, None),
            ("", None),
        ] {
            assert_eq!(code(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn a_tenants_host_is_not_called_where_its_name_leads_inside() {
        crate::tokens::install_provider();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a flag");
        let inside = format!("http://localhost:{}/", listener.local_addr().expect("an address").port());
        let wire = Wire::to_tenants().expect("a client");
        let refused = wire.ask::<Value>("the index", wire.client().get(&inside)).await.expect_err("inside");
        assert_eq!(refused.to_string(), "the index can't be reached: its name leads to no public address");
        assert!(listener.accept().is_err(), "nobody came");
        // The operator's own servers may be there.
        let wire = Wire::to_operators().expect("a client");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::select! {
            answer = wire.client().get(&inside).send() => panic!("nobody answers: {answer:?}"),
            called = listener.accept() => assert!(called.is_ok()),
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let header = header("Bearer ", &"sk-canary".into()).expect("a header");
        assert!(!format!("{header:?}").contains("canary"));
        assert!(super::header("", &"two\nlines".into()).is_err());
    }
}
