//! The state that a person carries to Google and back (OAuth 2.0, `state`): signed, of one tenant and one person, for one
//! consent, for a short time. Whether that consent is still to be had is for the database to say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    kernel::{
        failure::Refusal,
        ids::{TenantId, UserId, number},
    },
    tokens::jwt::{ISSUER, TokenKeys, refused},
};

const AUDIENCE: &str = "frontdesk:email-consent";
const KIND: &str = "email-consent";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    typ: String,
    sub: String,
    tenant_id: i64,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

/// A state whose signature and claims were checked. Only [`TokenKeys::verify_consent`] makes one.
pub struct ConsentToken {
    tenant: TenantId,
    user: UserId,
    consent: Uuid,
}

impl ConsentToken {
    /// The tenant that the mailbox is for.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
    /// Who set out.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }
    /// Which consent it is for.
    #[must_use]
    pub fn consent(&self) -> Uuid {
        self.consent
    }
}

impl TokenKeys {
    /// Signs a state.
    ///
    /// # Errors
    /// Only if the claims can't be encoded, which is a fault.
    pub fn issue_consent(
        &self,
        tenant: TenantId,
        user: UserId,
        consent: Uuid,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<String> {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: KIND.into(),
            sub: user.0.to_string(),
            tenant_id: tenant.0,
            jti: consent,
            iat: self.clock.now().timestamp(),
            exp: expires_at.timestamp(),
        };
        self.signed(&claims)
    }

    /// Checks a state: algorithm, signature, issuer, audience, kind, and time by our own clock.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn verify_consent(&self, state: &str) -> Result<ConsentToken, Refusal> {
        let invalid = || refused("This is no link of ours. Start again from the settings of your mailbox.");
        let claims: Claims = self.opened(state, AUDIENCE).map_err(|_| invalid())?;
        if claims.typ != KIND {
            return Err(invalid());
        }
        if claims.exp <= self.clock.now().timestamp() {
            return Err(refused("This took too long. Start again from the settings of your mailbox."));
        }
        let user = number(&claims.sub).map(UserId).ok_or_else(invalid)?;
        Ok(ConsentToken { tenant: TenantId(claims.tenant_id), user, consent: claims.jti })
    }
}
