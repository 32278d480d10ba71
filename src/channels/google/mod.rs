//! Google: consent to read and answer a mailbox, Gmail, and what Cloud Pub/Sub pushes of it. A client for all of the program;
//! whose mailbox a call is about is said by the token that it is given. Must not know tenants, nor keep a token.

mod compose;
mod gmail;
mod html;
mod loops;
mod mail;
mod oauth;
mod oidc;
mod parts;
mod push;
mod quotes;
mod wire;

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

use crate::kernel::clock::Clock;

pub use compose::Reply;
pub use gmail::{Changes, Mailbox, Profile, Watch};
pub use mail::{Body, Mail, Message, Sender};
pub use oauth::{Consent, Grant, Verifier};
pub use oidc::Unproven;
pub use push::{Notice, PROVIDER};
pub use wire::Trouble;

/// How Google is reached, and as whom.
#[derive(Debug, Clone)]
pub struct GoogleSettings {
    /// `GOOGLE_CLIENT_ID` and `GOOGLE_CLIENT_SECRET`; without them no mailbox can be connected.
    pub client: Option<Client>,
    /// `GOOGLE_REDIRECT_URI`: where people come back to, as it is registered with Google.
    pub redirect_uri: String,
    /// Where people are asked for their consent.
    pub accounts_url: String,
    /// Where tokens are given and taken back.
    pub token_url: String,
    /// Gmail (`GOOGLE_API_BASE_URL`).
    pub gmail_url: String,
    /// The keys that pushes are signed with (`GOOGLE_JWKS_URL`).
    pub jwks_url: String,
    /// Where Gmail tells of new mail (`GMAIL_PUBSUB_TOPIC`); without it, mailboxes are looked into now and then.
    pub topic: Option<String>,
    /// Whom a push must be meant for (`PUBSUB_AUDIENCE`).
    pub audience: String,
    /// The account that pushes (`PUBSUB_SERVICE_ACCOUNT`); without it no push is believed.
    pub service_account: Option<String>,
    /// How long one answer may take.
    pub patience: Duration,
}

/// The platform as Google knows it.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name; no secret.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// The client of Google. One for the whole program.
pub struct Google {
    wire: wire::Wire,
    settings: Arc<GoogleSettings>,
    keys: oidc::Keys,
    clock: Clock,
}

impl Google {
    /// Makes the client; calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: GoogleSettings, clock: Clock) -> anyhow::Result<Self> {
        let wire = wire::Wire::new(settings.patience)?;
        let keys = oidc::Keys::new(wire.clone(), settings.jwks_url.clone(), clock.clone());
        Ok(Self { wire, settings: Arc::new(settings), keys, clock })
    }

    /// Whether mailboxes can be connected at all.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.settings.client.is_some()
    }

    /// Whether Gmail is asked to tell of new mail.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.settings.topic.is_some()
    }

    /// Whether a push is from our own subscription, by the `Authorization` that came with it.
    ///
    /// # Errors
    /// [`Unproven`], saying why it is not believed.
    pub async fn believes(&self, authorization: Option<&str>) -> Result<(), Unproven> {
        let account = self.settings.service_account.as_deref().ok_or(Unproven::NotSetUp)?;
        let meant = oidc::Expected { audience: &self.settings.audience, account };
        self.keys.verify(authorization, &meant, self.clock.now().timestamp()).await
    }

    /// The mailbox that `token` opens.
    #[must_use]
    pub fn mailbox(&self, token: SecretString) -> Mailbox {
        Mailbox::new(self.wire.clone(), self.settings.clone(), token)
    }
}
