//! People: a tenant's own, and the platform's administrators.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::{
    context::{AdminCx, TenantCx, audit},
    db::{
        tables::{
            sessions, tenants,
            users::{self, NewUser, UserChanges, UserRow},
        },
        tx::{Admin, Tx, Viewpoint},
    },
    kernel::{
        email,
        failure::{ErrorCode, Outcome, Refusal},
        ids::{TenantId, UserId},
        text,
        vocabulary::Role,
    },
    tokens::password::Passwords,
};

/// A person to be.
pub struct UserForm {
    /// The address they sign in with.
    pub email: String,
    /// Their first password.
    pub password: SecretString,
    /// What they are called.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
}

/// Adds a person to the tenant.
///
/// # Errors
/// `BAD_USER_INPUT`, `CONFLICT` on a taken address, `FORBIDDEN` for the role ADMIN: nobody is lifted above a tenant
/// from inside it.
pub async fn create(cx: &TenantCx, form: UserForm) -> Outcome<UserRow> {
    if form.role == Role::Admin {
        return Err(above_the_tenant().into());
    }
    let user = checked(form, cx.services().passwords.clone(), cx.now()).await?;
    let user = NewUser { tenant_id: Some(cx.scope().tenant()), ..user };
    cx.write(async |tx| {
        let row = users::insert(tx, &user).await?;
        cx.audit(tx, "user.create", row.id);
        Ok(row)
    })
    .await
}

/// Adds a person of no tenant: an administrator of the platform, or somebody who is yet to be assigned to a tenant.
///
/// # Errors
/// `BAD_USER_INPUT`, `CONFLICT` on a taken address.
pub async fn create_on_platform(cx: &AdminCx, form: UserForm) -> Outcome<UserRow> {
    let user = checked(form, cx.services().passwords.clone(), cx.now()).await?;
    cx.administer(async |tx| {
        let row = users::insert(tx, &user).await?;
        cx.audit(tx, "user.create", row.id, None);
        Ok(row)
    })
    .await
}

/// Whether anybody can administer the platform.
///
/// # Errors
/// Faults only.
pub async fn any_admin(cx: &AdminCx) -> Outcome<bool> {
    cx.administer(async |tx| users::any_admin(tx).await).await
}

/// Changes to a person. An outer `None` leaves as it is, an inner one clears.
#[derive(Default)]
#[expect(missing_docs, reason = "as the form")]
pub struct UserEdit {
    pub email: Option<String>,
    pub name: Option<Option<String>>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
    pub password: Option<SecretString>,
}

/// Changes a person of the tenant. Whoever gets a new password, or is switched off, is signed out everywhere.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`, `CONFLICT` on a taken address; `FORBIDDEN` for the role ADMIN and for one's own password;
/// `CONFLICT` where it would shut oneself or the tenant's last administrator out.
pub async fn update(cx: &TenantCx, id: UserId, edit: UserEdit) -> Outcome<UserRow> {
    if edit.role == Some(Role::Admin) {
        return Err(above_the_tenant().into());
    }
    let shuts_out = edit.is_active == Some(false) || edit.role == Some(Role::User);
    let is_oneself = cx.scope().actor().user() == Some(id);
    not_oneself(is_oneself && shuts_out, is_oneself && edit.password.is_some())?;
    let change = prepared(edit, &cx.services().passwords, cx.now()).await?;
    let of = Some(cx.scope().tenant());
    cx.write(async |tx| {
        let row = apply(tx, of, id, &change, shuts_out).await?;
        cx.audit_change(tx, "user.update", id, said(&change));
        Ok(row)
    })
    .await
}

/// Changes a person of no tenant, as [`update`]. People of a tenant are changed from inside it.
///
/// # Errors
/// As [`update`], but that any role may be given.
pub async fn update_on_platform(cx: &AdminCx, id: UserId, edit: UserEdit) -> Outcome<UserRow> {
    let shuts_out = edit.is_active == Some(false) || edit.role.is_some_and(|role| role != Role::Admin);
    let is_oneself = cx.scope().actor().user() == Some(id);
    not_oneself(is_oneself && shuts_out, is_oneself && edit.password.is_some())?;
    let change = prepared(edit, &cx.services().passwords, cx.now()).await?;
    cx.administer(async |tx| {
        of_no_tenant(tx, id).await?;
        let row = apply(tx, None, id, &change, shuts_out).await?;
        cx.audit_change(tx, "user.update", id, None, said(&change));
        Ok(row)
    })
    .await
}

/// Nobody shuts themselves out, and nobody sets their own password without giving the old one: whoever has stolen a token
/// must not be able to keep the account.
fn not_oneself(shuts_out: bool, sets_password: bool) -> Result<(), Refusal> {
    if sets_password {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "Change your own password by `changePassword`, with the old one.",
        ));
    }
    if shuts_out {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            "You can't switch yourself off or give up your own role; ask another administrator.",
        ));
    }
    Ok(())
}

async fn prepared(edit: UserEdit, passwords: &Passwords, now: DateTime<Utc>) -> Outcome<UserChanges> {
    let password_hash = match edit.password {
        Some(password) => {
            Passwords::check_new("password", &password)?;
            Some(passwords.hash(password).await?)
        }
        None => None,
    };
    Ok(UserChanges {
        email: edit.email.as_deref().map(|text| email::normalise("email", text)).transpose()?,
        name: edit.name.as_ref().map(|name| text::optional("name", name.as_deref(), 200)).transpose()?,
        role: edit.role,
        is_active: edit.is_active,
        password_hash,
        updated_at: now,
    })
}

fn said(change: &UserChanges) -> Option<String> {
    audit::said(&[
        ("email", change.email.is_some()),
        ("name", change.name.is_some()),
        ("role", change.role.is_some()),
        ("isActive", change.is_active.is_some()),
        ("password", change.password_hash.is_some()),
    ])
}

/// Applies a change to one of the people `of` a tenant, or of none.
async fn apply<V: Viewpoint>(
    tx: &mut Tx<V>,
    of: Option<TenantId>,
    id: UserId,
    change: &UserChanges,
    shuts_out: bool,
) -> Outcome<UserRow> {
    let administrators = users::lock_active_administrators(tx, of).await?;
    if shuts_out && administrators == [id] {
        return Err(last_administrator().into());
    }
    let row = users::update(tx, id, change).await?.ok_or_else(missing)?;
    if change.password_hash.is_some() || change.is_active == Some(false) {
        sessions::revoke_all(tx, id, change.updated_at).await?;
    }
    Ok(row)
}

/// Puts a person into a tenant, or into none. Their sessions end: what they could do there is over.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` for an administrator of the platform, and where it would take a tenant's last administrator away.
pub async fn assign(cx: &AdminCx, id: UserId, tenant: Option<TenantId>) -> Outcome<UserRow> {
    cx.administer(async |tx| {
        let user = users::lock_any(tx, id).await?.ok_or_else(missing)?;
        if let Some(tenant) = tenant {
            tenants::find(tx, tenant).await?.ok_or_else(|| Refusal::not_found("tenant"))?;
        }
        if user.role == Role::Admin {
            return Err(Refusal::conflict(
                "userId",
                "An administrator of the platform belongs to no tenant. Change the role first, with updateUser.",
            )
            .into());
        }
        if user.tenant_id == tenant {
            return Ok(user);
        }
        if let Some(home) = user.tenant_id
            && users::lock_active_administrators(tx, Some(home)).await? == [id]
        {
            return Err(last_administrator().into());
        }
        // First, since whoever ends a session of theirs refers to them then.
        sessions::revoke_all(tx, id, cx.now()).await?;
        let row = users::assign(tx, id, tenant, cx.now()).await?.ok_or_else(missing)?;
        for about in [user.tenant_id, tenant].into_iter().flatten() {
            cx.audit(tx, "user.assign", id, Some(about));
        }
        Ok(row)
    })
    .await
}

/// Signs a person of no tenant out everywhere; says how many sessions that ended.
///
/// # Errors
/// `NOT_FOUND`; `TENANT_REQUIRED` for a person of a tenant.
pub async fn sign_out_on_platform(cx: &AdminCx, id: UserId) -> Outcome<usize> {
    cx.administer(async |tx| {
        of_no_tenant(tx, id).await?;
        let ended = sessions::revoke_all(tx, id, cx.now()).await?;
        cx.audit(tx, "user.sessions.revoke", id, None);
        Ok(ended)
    })
    .await
}

/// One of the platform's own people, locked.
async fn of_no_tenant(tx: &mut Tx<Admin>, id: UserId) -> Outcome<UserRow> {
    let user = users::lock_any(tx, id).await?.ok_or_else(missing)?;
    if let Some(tenant) = user.tenant_id {
        let message = format!("This person belongs to {tenant}. Name it in `X-Tenant-Id` to change them.");
        return Err(Refusal::new(ErrorCode::TenantRequired, message).into());
    }
    Ok(user)
}

/// Signs a person of the tenant out everywhere; says how many sessions that ended.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn sign_out(cx: &TenantCx, id: UserId) -> Outcome<usize> {
    cx.write(async |tx| {
        users::find(tx, id).await?.ok_or_else(missing)?;
        let ended = sessions::revoke_all(tx, id, cx.now()).await?;
        cx.audit(tx, "user.sessions.revoke", id);
        Ok(ended)
    })
    .await
}

fn missing() -> Refusal {
    Refusal::not_found("user")
}

fn last_administrator() -> Refusal {
    Refusal::new(ErrorCode::Conflict, "This is the last active administrator; appoint another first.")
}

fn above_the_tenant() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "A tenant's user can't have the role ADMIN. Choose TENANT_ADMIN or USER.")
}

async fn checked(form: UserForm, passwords: Passwords, now: DateTime<Utc>) -> Outcome<NewUser> {
    let email = email::normalise("email", &form.email)?;
    let name = text::optional("name", form.name.as_deref(), 200)?;
    Passwords::check_new("password", &form.password)?;
    Ok(NewUser {
        tenant_id: None,
        email,
        password_hash: passwords.hash(form.password).await?,
        name,
        role: form.role,
        created_at: now,
        updated_at: now,
    })
}
