//! Signing in.

use async_graphql::{ID, InputObject, SimpleObject};
use uuid::Uuid;

use crate::{
    db::tables::sessions::SessionRow,
    domain::sessions::SignIn,
    graph::{scalars::DateTime, types::user::User},
};

/// What signing in gives.
#[derive(SimpleObject)]
pub struct AuthPayload {
    /// For the `Authorization: Bearer` header, or `authorization` in connection_init.
    access_token: String,
    /// For `refreshToken`; good for one use.
    refresh_token: Option<String>,
    /// Seconds until the access token expires.
    expires_in: i32,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Who signed in.
    user: User,
}

impl AuthPayload {
    pub fn new(sign_in: SignIn, lifetime: chrono::TimeDelta) -> Self {
        Self {
            access_token: sign_in.access_token,
            refresh_token: Some(sign_in.refresh_token),
            expires_in: i32::try_from(lifetime.num_seconds()).unwrap_or(i32::MAX),
            token_type: "Bearer",
            user: User { row: sign_in.user, view: sign_in.view },
        }
    }
}

/// A sign-in of one's own that still stands.
#[derive(SimpleObject)]
pub struct Session {
    /// For `revokeSession`.
    id: ID,
    /// When it began.
    created_at: DateTime,
    /// When its refresh token was last spent.
    last_refreshed_at: Option<DateTime>,
    /// When it ends, if it is not ended before.
    expires_at: DateTime,
    /// What program it began in, by that program's own word (`User-Agent`).
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    is_current: bool,
}

impl Session {
    pub fn new(row: SessionRow, current: Uuid) -> Self {
        Self {
            is_current: row.id == current,
            id: row.id.to_string().into(),
            created_at: row.created_at.into(),
            last_refreshed_at: row.rotated_at.map(DateTime),
            expires_at: row.expires_at.into(),
            user_agent: row.agent,
        }
    }
}

/// An account's address and password.
#[derive(InputObject)]
pub struct LoginInput {
    /// The address.
    pub email: String,
    /// The password.
    #[graphql(secret)]
    pub password: String,
}

/// A refresh token to spend.
#[derive(InputObject)]
pub struct RefreshTokenInput {
    /// The newest refresh token of the session.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// One's own password, and the new one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password until now.
    #[graphql(secret)]
    pub current_password: String,
    /// The password from now on, at least 10 characters.
    #[graphql(secret)]
    pub new_password: String,
}
