//! Who pushed: an OpenID Connect token of Google's (RS256) that Cloud Pub/Sub puts beside each push
//! (<https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>). Its signature alone says only that it is some
//! account at Google; which one, and for whom, is checked too. Must not know what was pushed.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use crate::{channels::google::wire::Wire, kernel::clock::Clock};

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;
/// How far ahead a token may end, in seconds.
const LONGEST: i64 = 86_400;
/// Between two times that the keys are asked for on account of one that is not known.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// How long keys are kept where Google does not say.
const KEPT: u64 = 3_600;
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Why a push is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// It carries no token that could be checked.
    NoToken,
    /// Its token does not hold; the sentence is for the log.
    Refused(&'static str),
    /// No account is set that could push.
    NotSetUp,
    /// Google's keys can't be had just now.
    NoKeys,
}

/// Whose pushes are believed.
pub(super) struct Expected<'a> {
    /// Whom they are meant for.
    pub audience: &'a str,
    /// The account that sends them.
    pub account: &'a str,
}

type Key = RsaPublicKeyComponents<Vec<u8>>;

/// Google's public keys, by their ids.
#[derive(Default)]
pub(super) struct KeySet(HashMap<String, Key>);

#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: String,
    email_verified: bool,
    exp: i64,
    iat: i64,
}

impl From<Jwks> for KeySet {
    fn from(jwks: Jwks) -> Self {
        let key = |jwk: Jwk| {
            let fits = jwk.kty == "RSA"
                && jwk.alg.as_deref().is_none_or(|alg| alg == "RS256")
                && jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
            let (n, e) = (URL_SAFE_NO_PAD.decode(jwk.n?).ok()?, URL_SAFE_NO_PAD.decode(jwk.e?).ok()?);
            fits.then_some((jwk.kid?, Key { n, e }))
        };
        Self(jwks.keys.into_iter().filter_map(key).collect())
    }
}

/// A token in its parts; nothing of it is believed yet.
struct Parts<'t> {
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
    kid: String,
}

fn parts(authorization: Option<&str>) -> Result<Parts<'_>, Unproven> {
    let token = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(Unproven::NoToken)?;
    let malformed = Unproven::Refused("it is no token");
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
    let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(malformed)?;
    let header: Header = decoded(header).ok_or(malformed)?;
    if header.alg != "RS256" {
        return Err(Unproven::Refused("its algorithm is not RS256"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
    Ok(Parts { signed, claims, signature, kid: header.kid.ok_or(Unproven::Refused("it names no key"))? })
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check(parts: &Parts<'_>, key: &Key, meant: &Expected<'_>, now: i64) -> Result<(), Unproven> {
    key.verify(&RSA_PKCS1_2048_8192_SHA256, parts.signed.as_bytes(), &parts.signature)
        .map_err(|_| Unproven::Refused("its signature does not hold"))?;
    let claims: Claims = decoded(parts.claims).ok_or(Unproven::Refused("it lacks a claim"))?;
    let wrong = |why| Err(Unproven::Refused(why));
    if !ISSUERS.contains(&claims.iss.as_str()) {
        return wrong("its issuer is another");
    }
    if claims.aud != meant.audience {
        return wrong("it is meant for another audience");
    }
    if claims.email != meant.account || !claims.email_verified {
        return wrong("it is of another account");
    }
    if claims.exp <= now.saturating_sub(LEEWAY) {
        return wrong("it has expired");
    }
    if claims.iat > now.saturating_add(LEEWAY) || claims.exp > now.saturating_add(LONGEST) {
        return wrong("it is of another time");
    }
    Ok(())
}

/// Google's keys, kept as long as Google allows, and longer while it can't be reached.
pub(super) struct Keys {
    wire: Wire,
    url: String,
    clock: Clock,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    keys: Arc<KeySet>,
    fresh_until: Option<DateTime<Utc>>,
    asked_at: Option<DateTime<Utc>>,
}

impl Keys {
    pub(super) fn new(wire: Wire, url: String, clock: Clock) -> Self {
        Self { wire, url, clock, shelf: Mutex::default() }
    }

    /// Whether the token holds, at `now` in seconds. One may come with many pushes, so it is no proof that a push is new.
    pub(super) async fn verify(
        &self,
        authorization: Option<&str>,
        meant: &Expected<'_>,
        now: i64,
    ) -> Result<(), Unproven> {
        let parts = parts(authorization)?;
        let keys = self.holding(&parts.kid).await;
        match keys.0.get(&parts.kid) {
            Some(key) => check(&parts, key, meant, now),
            None if keys.0.is_empty() => Err(Unproven::NoKeys),
            None => Err(Unproven::Refused("its key is not known")),
        }
    }

    /// The keys, asked for anew where they are old or lack this one. One asks; the others wait for what comes.
    async fn holding(&self, kid: &str) -> Arc<KeySet> {
        let mut shelf = self.shelf.lock().await;
        let now = self.clock.now();
        let is_fresh = shelf.fresh_until.is_some_and(|until| now < until);
        let is_paused = shelf.asked_at.is_some_and(|at| now - at < PAUSE);
        if (is_fresh && shelf.keys.0.contains_key(kid)) || is_paused {
            return shelf.keys.clone();
        }
        shelf.asked_at = Some(now);
        match self.wire.ask_whole::<Jwks>(self.wire.client().get(&self.url)).await {
            Ok((jwks, kept)) => {
                let kept = kept.map_or(KEPT, |kept| kept.as_secs().min(KEPT * 24));
                shelf.fresh_until = Some(now + TimeDelta::seconds(i64::try_from(kept).unwrap_or_default()));
                shelf.keys = Arc::new(jwks.into());
            }
            Err(trouble) => tracing::warn!(%trouble, "Google's keys could not be had"),
        }
        shelf.keys.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/google-oidc-push.json")).expect("vectors")
    }

    fn judged(authorization: Option<&str>, keys: &KeySet, meant: &Expected<'_>, now: i64) -> Result<(), Unproven> {
        let parts = parts(authorization)?;
        let key = keys.0.get(&parts.kid).ok_or(Unproven::Refused("its key is not known"))?;
        check(&parts, key, meant, now)
    }

    #[test]
    fn every_recorded_push_is_judged_as_google_judges_it() {
        let vectors = vectors();
        let keys: KeySet = serde_json::from_value::<Jwks>(vectors["jwks"].clone()).expect("keys").into();
        let cases = vectors["cases"].as_array().expect("cases");
        assert_eq!((keys.0.len(), cases.len()), (2, 22));
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap_or_default();
            let meant = Expected { audience: text("audience"), account: text("service_account_email") };
            let now = case["now"].as_i64().expect("a time");
            let judged = judged(case["authorization"].as_str(), &keys, &meant, now);
            assert_eq!(judged.is_ok(), case["expected"] == "valid", "{}: {judged:?}", case["name"]);
        }
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let jwks = r#"{"keys":[{"kid":"a","kty":"EC","n":"AQAB","e":"AQAB"},{"kid":"b","kty":"RSA","alg":"RS512","n":"AQAB","e":"AQAB"},
            {"kid":"c","kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kid":"d","kty":"RSA"}]}"#;
        assert!(KeySet::from(serde_json::from_str::<Jwks>(jwks).expect("keys")).0.is_empty());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_stumble(text in ".{0,300}", token in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}") {
            prop_assert!(parts(Some(&text)).is_err());
            let header = format!("Bearer {token}");
            prop_assert!(parts(Some(&header)).is_err());
        }
    }
}
