//! Access tokens (JSON Web Tokens, RFC 7519): short-lived, one pinned algorithm, and a purpose (`typ`, `aud`) of
//! their own. A [`VerifiedToken`] exists only when the signature and every claim were right; who stands behind it
//! today is for `db::identity` to say.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    kernel::{
        clock::Clock,
        failure::{ErrorCode, Refusal},
        ids::{ImpersonationId, TenantId, UserId, number},
        vocabulary::Role,
    },
    tokens::visitor::AnyToken,
};

pub(in crate::tokens) const ISSUER: &str = "frontdesk";
const AUDIENCE: &str = "frontdesk:graph";
const KIND: &str = "access";

/// What our access tokens say. `tenant_id` is the tenant's number, or null for a global administrator.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    typ: String,
    sub: String,
    email: String,
    role: Role,
    tenant_id: Option<i64>,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<Act>,
}

/// Who acts in another's place (RFC 8693, section 4.1), and under which lease.
#[derive(Serialize, Deserialize)]
struct Act {
    sub: String,
    impersonation: i64,
}

/// Whom to make a token for.
pub struct Bearer<'a> {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: &'a str,
    /// Their role at the time of issue.
    pub role: Role,
    /// Their tenant.
    pub tenant: Option<TenantId>,
    /// The sign-in this token belongs to.
    pub session: Uuid,
    /// The lease under which they act in `tenant`, and when it ends; the token ends with it.
    pub lease: Option<(ImpersonationId, DateTime<Utc>)>,
}

/// A token whose signature and claims were checked. Only [`TokenKeys::verify`] makes one.
pub struct VerifiedToken {
    user: UserId,
    role: Role,
    tenant: Option<TenantId>,
    session: Uuid,
    lease: Option<ImpersonationId>,
    expires_at: DateTime<Utc>,
}

impl VerifiedToken {
    /// Who it was issued to.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }
    /// The role it was issued with.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }
    /// The tenant it was issued for.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }
    /// The sign-in it belongs to.
    #[must_use]
    pub fn session(&self) -> Uuid {
        self.session
    }
    /// The lease it was issued for, if it is an impersonation's.
    #[must_use]
    pub fn lease(&self) -> Option<ImpersonationId> {
        self.lease
    }
    /// When it ends; an open socket ends with it.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

/// The keys and rules for access tokens.
pub struct TokenKeys {
    encoding: EncodingKey,
    /// The name of the key that signs, as tokens carry it in `kid`.
    name: String,
    /// By their names, the one that signs first.
    decoding: Vec<(String, DecodingKey)>,
    algorithm: Algorithm,
    lifetime: TimeDelta,
    pub(in crate::tokens) clock: Clock,
    /// Those that were good, by their SHA-256.
    pub(in crate::tokens) known: Cache<Box<[u8]>, Arc<AnyToken>>,
}

/// Good tokens that are remembered.
const KNOWN_MAX: usize = 20_000;

impl TokenKeys {
    /// Keys from the shared secret (`JWT_SECRET_KEY`), those before it whose tokens are still good
    /// (`JWT_SECRET_KEYS_PREVIOUS`), and the one algorithm allowed (`ALGORITHM`).
    #[must_use]
    pub fn new(
        secret: &SecretString,
        previous: &[SecretString],
        algorithm: Algorithm,
        lifetime: TimeDelta,
        clock: Clock,
    ) -> Self {
        let bytes = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
        let known = |secret: &SecretString| (name(&bytes(secret)), DecodingKey::from_secret(&bytes(secret)));
        Self {
            encoding: EncodingKey::from_secret(&bytes(secret)),
            name: name(&bytes(secret)),
            decoding: std::iter::once(secret).chain(previous).map(known).collect(),
            algorithm,
            lifetime,
            clock,
            known: Cache::new(KNOWN_MAX),
        }
    }

    /// How long a token lives.
    #[must_use]
    pub fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// Signs a token for `bearer`.
    ///
    /// # Errors
    /// Only if the claims can't be encoded, which is a fault.
    pub fn issue(&self, bearer: &Bearer<'_>) -> anyhow::Result<String> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: KIND.into(),
            sub: bearer.user.0.to_string(),
            email: bearer.email.to_owned(),
            role: bearer.role,
            tenant_id: bearer.tenant.map(|tenant| tenant.0),
            sid: bearer.session,
            jti: Uuid::new_v4(),
            iat: now.timestamp(),
            exp: bearer.lease.map_or(now + self.lifetime, |(_, ends)| ends).timestamp(),
            nbf: None,
            act: bearer.lease.map(|(id, _)| Act { sub: bearer.user.0.to_string(), impersonation: id.0 }),
        };
        self.signed(&claims)
    }

    /// A token that says `claims`.
    pub(super) fn signed(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        let header = Header { kid: Some(self.name.clone()), ..Header::new(self.algorithm) };
        Ok(jsonwebtoken::encode(&header, claims, &self.encoding)?)
    }

    /// The claims of a token of ours for `audience`: algorithm, signature, issuer and audience are checked.
    pub(super) fn opened<C: DeserializeOwned>(&self, token: &str, audience: &str) -> Result<C, Refusal> {
        let mut rules = Validation::new(self.algorithm);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is judged by who asks, by the injected clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        // A `kid` only says which of our own keys to try; a token without one is of the key that signs now.
        let kid = jsonwebtoken::decode_header(token).map_err(|error| broken(&error))?.kid;
        let named = self.decoding.iter().find(|(name, _)| kid.as_ref().is_none_or(|kid| kid == name));
        let (_, key) =
            named.ok_or_else(|| refused("The token is of a key that this server does not have. Sign in again."))?;
        Ok(jsonwebtoken::decode::<C>(token, key, &rules).map_err(|error| broken(&error))?.claims)
    }

    /// Checks a token: algorithm, signature, issuer, audience, kind, and time by our own clock.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, saying whether the token expired, lacks its tenant, or is no token of ours.
    pub fn verify(&self, token: &str) -> Result<VerifiedToken, Refusal> {
        let claims: Claims = self.opened(token, AUDIENCE)?;
        if claims.typ != KIND {
            return Err(refused("This token is for another purpose. Sign in to get an access token."));
        }
        let now = self.clock.now().timestamp();
        if claims.exp <= now {
            return Err(refused("The access token has expired. Refresh it or sign in again."));
        }
        if claims.nbf.is_some_and(|from| from > now) || claims.iat > now + 60 {
            return Err(refused("The access token is not valid yet. Check the clock that issued it."));
        }
        let user = number(&claims.sub).map(UserId).ok_or_else(|| refused("The token names no user. Sign in again."))?;
        let tenant = claims.tenant_id.map(TenantId);
        if tenant.is_none() && claims.role != Role::Admin {
            return Err(refused(
                "The token has no `tenant_id`, which every token of a tenant's people carries. Sign in again.",
            ));
        }
        Ok(VerifiedToken {
            user,
            role: claims.role,
            tenant,
            session: claims.sid,
            lease: claims.act.map(|act| ImpersonationId(act.impersonation)),
            expires_at: DateTime::from_timestamp(claims.exp, 0).unwrap_or_default(),
        })
    }
}

/// A key's name: it tells which, and nothing of it.
fn name(secret: &[u8]) -> String {
    let hash = digest(&SHA256, &[b"frontdesk token key id".as_slice(), secret].concat());
    hex::encode(hash.as_ref()).chars().take(8).collect()
}

/// Why a token can't be read.
fn broken(error: &jsonwebtoken::errors::Error) -> Refusal {
    refused(match error.kind() {
        ErrorKind::InvalidSignature => "The token's signature is wrong. Sign in again.",
        ErrorKind::InvalidAlgorithm => "The token's algorithm is not the one this server signs with.",
        _ => "This is not an access token of this server. Sign in again.",
    })
}

pub(in crate::tokens) fn refused(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, message)
}
