//! Consent by OAuth 2.0: the authorization code flow (RFC 6749, section 4.1) with PKCE (RFC 7636), as Google's
//! <https://developers.google.com/identity/protocols/oauth2/web-server> has it. Must not keep what it is given.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    channels::google::{Client, Google, Trouble},
    tokens,
};

/// What is asked for: to know the address, to read, and to send.
const SCOPES: &str =
    "openid email https://www.googleapis.com/auth/gmail.readonly https://www.googleapis.com/auth/gmail.send";
const READ: &str = "https://www.googleapis.com/auth/gmail.readonly";
const SEND: &str = "https://www.googleapis.com/auth/gmail.send";
/// The scope that allows both.
const MODIFY: &str = "https://www.googleapis.com/auth/gmail.modify";
/// How long a token is good for where Google does not say.
const LIFETIME: u64 = 3_599;

/// The secret of one consent (`code_verifier`): who has it may use the code.
pub struct Verifier(SecretString);

/// What came of a consent.
pub struct Consent {
    /// What reads and sends, for now.
    pub access: Grant,
    /// What gets others; Google gives it where it asked the person.
    pub refresh: Option<SecretString>,
    /// Whether all that is needed was allowed: people may take single permissions out.
    pub is_enough: bool,
}

/// An access token.
pub struct Grant {
    /// The token.
    pub token: SecretString,
    /// How long it is good for, from now on.
    pub lifetime: Duration,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
    #[serde(default)]
    scope: String,
}

impl Verifier {
    /// Another that nobody can guess: 43 characters.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(URL_SAFE_NO_PAD.encode(tokens::random::<32>()?).into()))
    }

    /// One that was kept.
    #[must_use]
    pub fn kept(text: SecretString) -> Self {
        Self(text)
    }

    /// What to keep, sealed.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// What may be shown: its SHA-256 (`S256`).
    #[must_use]
    pub fn challenge(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.0.expose_secret().as_bytes());
        URL_SAFE_NO_PAD.encode(hash.as_ref())
    }
}

impl Google {
    fn client(&self) -> Result<&Client, Trouble> {
        self.settings.client.as_ref().ok_or_else(|| Trouble::Lasting("no client of Google is set up".into()))
    }

    /// Where to send a person for their consent.
    ///
    /// # Errors
    /// `Lasting` where no client is set up.
    pub fn authorization_url(&self, state: &str, verifier: &Verifier) -> Result<String, Trouble> {
        let client = self.client()?;
        let mut url = Url::parse(&format!("{}/o/oauth2/v2/auth", self.settings.accounts_url))
            .map_err(|_| Trouble::Lasting("no address to ask for consent at".into()))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", SCOPES)
            .append_pair("state", state)
            // A token that refreshes is given only to who asks for it, and only where the person is asked too.
            .append_pair("access_type", "offline")
            .append_pair("prompt", "consent")
            .append_pair("include_granted_scopes", "true")
            .append_pair("code_challenge", &verifier.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Takes a code for tokens, once.
    ///
    /// # Errors
    /// As Google says; `Revoked` for a code that is not good.
    pub async fn exchange(&self, code: &str, verifier: &Verifier) -> Result<Consent, Trouble> {
        let form = [
            ("code", code),
            ("redirect_uri", &self.settings.redirect_uri),
            ("grant_type", "authorization_code"),
            ("code_verifier", verifier.0.expose_secret()),
        ];
        let granted = self.token(&form).await?;
        let allowed: Vec<&str> = granted.scope.split_whitespace().collect();
        let is_enough = allowed.contains(&MODIFY) || (allowed.contains(&READ) && allowed.contains(&SEND));
        Ok(Consent { refresh: granted.refresh_token.clone().map(Into::into), is_enough, access: granted.into() })
    }

    /// Another access token. The token that refreshes stays as it is, unless another comes back with it.
    ///
    /// # Errors
    /// `Revoked` when the consent is gone; else as Google says.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<(Grant, Option<SecretString>), Trouble> {
        let form = [("refresh_token", refresh.expose_secret()), ("grant_type", "refresh_token")];
        let granted = self.token(&form).await?;
        let next = granted.refresh_token.clone().map(Into::into);
        Ok((granted.into(), next))
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Granted, Trouble> {
        let client = self.client()?;
        let own = [("client_id", client.id.as_str()), ("client_secret", client.secret.expose_secret())];
        self.wire.ask(self.form("token", &[form, &own].concat())).await
    }

    /// Gives a consent back. One that is gone already is no error.
    ///
    /// # Errors
    /// As Google says.
    pub async fn revoke(&self, token: &SecretString) -> Result<(), Trouble> {
        match self.wire.ask::<Value>(self.form("revoke", &[("token", token.expose_secret())])).await {
            Ok(_) | Err(Trouble::Lasting(_) | Trouble::Revoked(_) | Trouble::Missing) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let url = format!("{}/{path}", self.settings.token_url);
        let kind = "application/x-www-form-urlencoded";
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.wire.client().post(url).header(reqwest::header::CONTENT_TYPE, kind).body(body)
    }
}

impl From<Granted> for Grant {
    fn from(granted: Granted) -> Self {
        Self {
            token: granted.access_token.into(),
            lifetime: Duration::from_secs(granted.expires_in.unwrap_or(LIFETIME)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_what_the_vectors_say() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/pkce.json")).expect("vectors");
        let cases = vectors["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 4);
        for case in cases {
            let verifier = Verifier::kept(case["code_verifier"].as_str().expect("a verifier").into());
            assert_eq!(verifier.challenge(), case["code_challenge_S256"], "{}", case["name"]);
        }
    }

    #[test]
    fn a_verifier_is_as_the_standard_wants_it_and_new_each_time() {
        let (one, other) = (Verifier::new().expect("random"), Verifier::new().expect("random"));
        assert_eq!(one.secret().expose_secret().len(), 43);
        assert_ne!(one.secret().expose_secret(), other.secret().expose_secret());
    }
}
