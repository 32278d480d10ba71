//! Website visitors' tokens: a kind of their own (`typ`, `aud`), bound to one tenant, one conversation and one session.
//! Neither kind can stand where the other is asked for. What the session is worth today is for `db::identity` to say.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    kernel::{
        failure::Refusal,
        ids::{ConversationId, TenantId},
    },
    tokens::jwt::{ISSUER, TokenKeys, VerifiedToken, refused},
};

const AUDIENCE: &str = "frontdesk:visitor";
const KIND: &str = "visitor";

/// What a visitor's token says. Nothing of who the visitor is.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    typ: String,
    sub: Uuid,
    tenant_id: i64,
    conversation_id: i64,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

/// The kind that a token claims to be, before anything of it is checked.
#[derive(Deserialize)]
struct Claimed {
    typ: String,
}

/// A visitor's token whose signature and claims were checked. Only [`TokenKeys`] makes one.
pub struct VisitorToken {
    tenant: TenantId,
    conversation: ConversationId,
    session: Uuid,
    expires_at: DateTime<Utc>,
}

impl VisitorToken {
    /// The tenant whose website they visit.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
    /// The one conversation that it is good for.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }
    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> Uuid {
        self.session
    }
}

/// A checked token of either kind.
pub enum AnyToken {
    /// A person's access token.
    Person(VerifiedToken),
    /// A website visitor's.
    Visitor(VisitorToken),
}

impl AnyToken {
    /// When it ends; an open socket ends with it.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        match self {
            Self::Person(token) => token.expires_at(),
            Self::Visitor(token) => token.expires_at,
        }
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> Uuid {
        match self {
            Self::Person(token) => token.session(),
            Self::Visitor(token) => token.session(),
        }
    }
}

impl TokenKeys {
    /// Signs a visitor's token.
    ///
    /// # Errors
    /// Only if the claims can't be encoded, which is a fault.
    pub fn issue_visitor(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        session: Uuid,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<String> {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: KIND.into(),
            sub: session,
            tenant_id: tenant.0,
            conversation_id: conversation.0,
            jti: Uuid::new_v4(),
            iat: self.clock.now().timestamp(),
            exp: expires_at.timestamp(),
        };
        self.signed(&claims)
    }

    /// Checks a token by the rules of the kind that it claims to be. One that was found good before is good until it expires: what
    /// was checked of it can't change.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, saying why.
    pub fn verify_any(&self, token: &str) -> Result<Arc<AnyToken>, Refusal> {
        let fingerprint = digest(&SHA256, token.as_bytes());
        let known = self.known.get(fingerprint.as_ref()).filter(|known| known.expires_at() > self.clock.now());
        if let Some(known) = known {
            return Ok(known);
        }
        let verified = Arc::new(self.verify_kind(token)?);
        self.known.insert(fingerprint.as_ref().into(), verified.clone());
        Ok(verified)
    }

    fn verify_kind(&self, token: &str) -> Result<AnyToken, Refusal> {
        // Unchecked, and only to choose the rules: each of them looks at the kind again, behind the signature.
        let claimed = jsonwebtoken::dangerous::insecure_decode::<Claimed>(token);
        if claimed.is_ok_and(|token| token.claims.typ == KIND) {
            return self.verify_visitor(token).map(AnyToken::Visitor);
        }
        self.verify(token).map(AnyToken::Person)
    }

    /// Checks a visitor's token: algorithm, signature, issuer, audience, kind, and time by our own clock.
    ///
    /// # Errors
    /// As [`TokenKeys::verify_any`].
    pub fn verify_visitor(&self, token: &str) -> Result<VisitorToken, Refusal> {
        let claims: Claims = self.opened(token, AUDIENCE)?;
        if claims.typ != KIND {
            return Err(refused("This token is for another purpose. Start a new session with startVisitorSession."));
        }
        let now = self.clock.now().timestamp();
        if claims.exp <= now || claims.iat > now + 60 {
            return Err(refused("This visitor's token has expired. Start a new session with startVisitorSession."));
        }
        Ok(VisitorToken {
            tenant: TenantId(claims.tenant_id),
            conversation: ConversationId(claims.conversation_id),
            session: claims.sub,
            expires_at: DateTime::from_timestamp(claims.exp, 0).unwrap_or_default(),
        })
    }
}
