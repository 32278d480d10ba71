//! Signing in and staying signed in.

use chrono::TimeDelta;
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    context::{Draw, PublicCx, View},
    db::{
        identity::{self, inactive},
        tables::{
            sessions::{self, NewSession, SessionRow},
            tenants,
            users::{self, UserRow},
        },
        tx::{Identity, Tx},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        task,
        vocabulary::{AuditOutcome, Role},
    },
    tokens::{
        jwt::{Bearer, VerifiedToken},
        password::Passwords,
    },
};

/// How far apart two refreshes may be that were seen together.
const AT_ONCE: TimeDelta = TimeDelta::seconds(10);
const OF_AN_ACCOUNT: &str = "wrong passwords of an account";
/// Not those of signing in: who only knows an address must not keep its owner from changing the password.
const OF_A_CURRENT: &str = "wrong current passwords";
const OF_AN_ADDRESS: &str = "wrong passwords of an address";
const BEATEN: &str =
    "Another request with this refresh token came at the same time and got the next one. Go on with that one.";

/// What a sign-in or a refresh gives.
pub struct SignIn {
    /// Who.
    pub user: UserRow,
    /// From where they see.
    pub view: View,
    /// For the `Authorization` header.
    pub access_token: String,
    /// For the next refresh; single use.
    pub refresh_token: String,
}

/// Signs in by e-mail and password. An unknown address and a wrong password get one answer, in one time. Who guesses is slowed
/// down, by the account that they try, known or not, and by where they are; a right password counts for nothing. Whoever has it
/// may sign in as often as they like, but where a hundred sessions stand, one more ends the oldest.
///
/// # Errors
/// `UNAUTHENTICATED`; `RATE_LIMITED` after too many wrong ones; `TENANT_INACTIVE` or `TENANT_REQUIRED` only to somebody who gave the right password.
pub async fn login(cx: &PublicCx, email: &str, password: SecretString) -> Outcome<SignIn> {
    let services = &cx.services;
    // A NUL can't be in any address, and PostgreSQL would not take it as text.
    let email = email.trim().replace('\0', "");
    let (account, network) = (email.to_lowercase().chars().take(254).collect::<String>(), cx.client.network());
    let guess = [
        Draw::one(OF_AN_ACCOUNT, account, services.guesses.of_an_account),
        Draw::one(OF_AN_ADDRESS, network, services.guesses.of_an_address),
    ];
    // Counted before it is known to be wrong: many at once are many.
    services.limit(&guess).await?;
    let found = services.db.identify(async |tx| users::credentials(tx, &email).await).await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let verified = hash.clone();
    let fits = services.passwords.fits(password, hash).await?;
    if let Some(user) = user.as_ref().filter(|_| !fits) {
        note_refused(cx, user);
    }
    let Some(user) = user.filter(|_| fits) else {
        return Err(wrong().into());
    };
    services.throttle.forgive(&guess).await;
    let id = Uuid::new_v4();
    let (refresh_token, refresh_hash) = services.refresh.issue(id)?;
    let now = services.clock.now();
    let session = NewSession {
        id,
        user_id: user.id,
        tenant_id: user.tenant_id,
        refresh_hash,
        created_at: now,
        expires_at: now + services.refresh_lifetime,
        agent: cx.client.agent.clone(),
    };
    services
        .db
        .identify_and_note(user.tenant_id, async |tx| {
            may_sign_in(tx, &user).await?;
            // Locks the row: a password that is changed meanwhile is seen here, or sees this session and ends it.
            users::note_login(tx, user.id, now).await?;
            if users::password_hash(tx, user.id).await? != verified {
                return Err(wrong().into());
            }
            sessions::insert(tx, &session).await?;
            let ended = sessions::end_oldest(tx, user.id, session.id, now).await?;
            cx.audit_login(tx, user.id, user.tenant_id, ended);
            signed_in(cx, tx, UserRow { last_login_at: Some(now), ..user }, session.id, refresh_token).await
        })
        .await
}

/// Spends a refresh token for a new pair.
///
/// # Errors
/// `UNAUTHENTICATED`. When the token was spent before, its whole session ends: two parties hold it, and one of them
/// is a thief. Not so where both came at once, as two windows of one browser do.
pub async fn refresh(cx: &PublicCx, token: &str) -> Outcome<SignIn> {
    let services = &cx.services;
    let unknown =
        || Refusal::new(ErrorCode::Unauthenticated, "This refresh token is spent, expired or unknown. Sign in again.");
    let spent = services.refresh.read(token).ok_or_else(unknown)?;
    let (refresh_token, next) = services.refresh.issue(spent.session)?;
    let (here, began) = (services.refresh.begin(spent.session), services.clock.now());
    let renewed = services
        .db
        .identify_and_note(None, async |tx| {
            let now = services.clock.now();
            let Some(session) = sessions::rotate(tx, spent.session, &spent.hash, &next, now).await? else {
                if let Some(at) = sessions::spent_at(tx, spent.session, &spent.hash).await? {
                    // On this node they were seen together; on another, this one was there before that one spent it.
                    let came_at_once = at > began || (here.are_several() && now - at < AT_ONCE);
                    if came_at_once {
                        return Err(Refusal::new(ErrorCode::Unauthenticated, BEATEN).into());
                    }
                }
                // Nobody has spent it: the session is only over.
                if sessions::ran_out(tx, spent.session, &spent.hash, now).await? {
                    return Ok(None);
                }
                tracing::warn!(session = %spent.session, "a spent refresh token came back; its session is ended");
                if let Some(robbed) = sessions::revoke(tx, spent.session, now).await? {
                    let (user, tenant) = (robbed.user_id, robbed.tenant_id);
                    cx.audit(tx, "session.reuse", user, tenant, AuditOutcome::Refused);
                }
                return Ok(None);
            };
            let user = users::identified(tx, session.user_id).await?;
            let Some(user) = user.filter(|user| user.is_active) else { return Ok(None) };
            may_sign_in(tx, &user).await?;
            signed_in(cx, tx, user, session.id, refresh_token).await.map(Some)
        })
        .await?;
    Ok(renewed.ok_or_else(unknown)?)
}

/// Ends the session that a token belongs to.
///
/// # Errors
/// Faults only; a session that has ended stays ended.
pub async fn logout(cx: &PublicCx, token: &VerifiedToken) -> Outcome<()> {
    let now = cx.services.clock.now();
    cx.services
        .db
        .identify_and_note(token.tenant(), async |tx| {
            sessions::revoke(tx, token.session(), now).await?;
            cx.audit(tx, "session.logout", token.user(), token.tenant(), AuditOutcome::Done);
            Ok(())
        })
        .await
}

/// Changes one's own password. One's other sessions end; this one goes on.
///
/// # Errors
/// `BAD_USER_INPUT` naming `currentPassword` or `newPassword`; `RATE_LIMITED` after too many wrong ones; `UNAUTHENTICATED` where
/// this session was ended meanwhile.
pub async fn change_password(
    cx: &PublicCx,
    token: &VerifiedToken,
    current: SecretString,
    new: SecretString,
) -> Outcome<()> {
    let services = &cx.services;
    Passwords::check_new("newPassword", &new)?;
    // Whoever finds a signed-in browser may guess too.
    let guess = [Draw::one(OF_A_CURRENT, token.user().to_string(), services.guesses.of_an_account)];
    services.limit(&guess).await?;
    let stored = services.db.identify(async |tx| users::password_hash(tx, token.user()).await).await?;
    let verified = stored.clone();
    if !services.passwords.fits(current, stored).await? {
        return Err(not_the_current().into());
    }
    services.throttle.forgive(&guess).await;
    let hash = services.passwords.hash(new).await?;
    let now = services.clock.now();
    services
        .db
        .identify_and_note(token.tenant(), async |tx| {
            // Of two who change it at once the second waits here, and then sees what the first has done: ended its session, mostly.
            let kept = users::lock_password_hash(tx, token.user()).await?;
            identity::stand(tx, token, None, now).await?;
            if kept != verified {
                return Err(not_the_current().into());
            }
            users::set_password(tx, token.user(), &hash).await?;
            sessions::revoke_others(tx, token.user(), Some(token.session()), now).await?;
            cx.audit(tx, "user.password", token.user(), token.tenant(), AuditOutcome::Done);
            Ok(())
        })
        .await
}

/// One's own sessions, the newest first.
///
/// # Errors
/// Faults only.
pub async fn list(cx: &PublicCx, token: &VerifiedToken) -> Outcome<Vec<SessionRow>> {
    let now = cx.services.clock.now();
    cx.services.db.identify(async |tx| sessions::standing(tx, token.user(), now).await).await
}

/// Ends one of one's own sessions; this one too.
///
/// # Errors
/// `NOT_FOUND` for what is none of one's own, or has ended.
pub async fn revoke(cx: &PublicCx, token: &VerifiedToken, id: Uuid) -> Outcome<()> {
    let now = cx.services.clock.now();
    cx.services
        .db
        .identify_and_note(token.tenant(), async |tx| {
            let ended = sessions::revoke(tx, id, now).await?;
            // Somebody else's stays as it was: the transaction does not stand.
            ended.filter(|row| row.user_id == token.user()).ok_or_else(|| Refusal::not_found("session"))?;
            cx.audit(tx, "user.sessions.revoke", token.user(), token.tenant(), AuditOutcome::Done);
            Ok(())
        })
        .await
}

/// Ends one's own other sessions; says how many.
///
/// # Errors
/// Faults only.
pub async fn revoke_others(cx: &PublicCx, token: &VerifiedToken) -> Outcome<usize> {
    let now = cx.services.clock.now();
    cx.services
        .db
        .identify_and_note(token.tenant(), async |tx| {
            let ended = sessions::revoke_others(tx, token.user(), Some(token.session()), now).await?;
            cx.audit(tx, "user.sessions.revoke", token.user(), token.tenant(), AuditOutcome::Done);
            Ok(ended)
        })
        .await
}

fn not_the_current() -> Refusal {
    Refusal::input("currentPassword", "`currentPassword` is wrong.")
}

fn wrong() -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, "The e-mail address or the password is wrong.")
}

/// Records that somebody gave a wrong password. Beside the answer, which takes as long for an unknown address.
fn note_refused(cx: &PublicCx, user: &UserRow) {
    let (cx, id, tenant) = (cx.clone(), user.id, user.tenant_id);
    let refused = AuditOutcome::Refused;
    task::spawn(async move {
        let noted = cx
            .services
            .db
            .identify_and_note(tenant, async |tx| {
                cx.audit(tx, "session.login", id, tenant, refused);
                Ok(())
            })
            .await;
        if noted.is_err() {
            tracing::warn!("a refused sign-in could not be recorded");
        }
    });
}

async fn may_sign_in(tx: &mut Tx<Identity>, user: &UserRow) -> Outcome<()> {
    if !user.is_active {
        return Err(
            Refusal::new(ErrorCode::Unauthenticated, "This account was deactivated. Ask your administrator.").into()
        );
    }
    let Some(tenant) = user.tenant_id else {
        return if user.role == Role::Admin {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::TenantRequired,
                "This account belongs to no tenant yet. Ask an administrator to assign it.",
            )
            .into())
        };
    };
    match tenants::by_id(tx, tenant).await? {
        Some(tenant) if tenant.is_active => Ok(()),
        _ => Err(inactive().into()),
    }
}

/// Issues the access token, and looks around with it: what a sign-in shows is what its token opens.
async fn signed_in(
    cx: &PublicCx,
    tx: &mut Tx<Identity>,
    user: UserRow,
    session: Uuid,
    refresh_token: String,
) -> Outcome<SignIn> {
    let services = &cx.services;
    let access_token = services.tokens.issue(&Bearer {
        user: user.id,
        email: &user.email,
        role: user.role,
        tenant: user.tenant_id,
        session,
        lease: None,
    })?;
    let token = services.tokens.verify(&access_token)?;
    let standing = identity::stand(tx, &token, None, services.clock.now()).await?;
    let view = cx.open(standing).view().ok_or_else(|| Failure::fault("a sign-in that opens nothing"))?;
    Ok(SignIn { user, view, access_token, refresh_token })
}
