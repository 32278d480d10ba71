//! People: a tenant's own, and the platform's administrators.

use secrecy::SecretString;

use crate::{
    context::{AdminCx, TenantCx},
    db::tables::{
        sessions,
        users::{self, NewUser, UserChanges, UserRow},
    },
    kernel::{
        email,
        failure::{ErrorCode, Outcome, Refusal},
        ids::UserId,
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
        cx.audit(tx, "user.create", row.id).await?;
        Ok(row)
    })
    .await
}

/// Adds a global administrator.
///
/// # Errors
/// As [`create`].
pub async fn create_admin(cx: &AdminCx, form: UserForm) -> Outcome<UserRow> {
    let user = checked(form, cx.services().passwords.clone(), cx.now()).await?;
    let user = NewUser { tenant_id: None, role: Role::Admin, ..user };
    cx.administer(async |tx| {
        let row = users::insert_admin(tx, &user).await?;
        cx.audit(tx, "user.create", row.id, None).await?;
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
/// `NOT_FOUND`, `BAD_USER_INPUT`, `CONFLICT` on a taken address; `FORBIDDEN` for the role ADMIN; `CONFLICT` where it would
/// shut oneself or the tenant's last administrator out.
pub async fn update(cx: &TenantCx, id: UserId, edit: UserEdit) -> Outcome<UserRow> {
    if edit.role == Some(Role::Admin) {
        return Err(above_the_tenant().into());
    }
    let is_self = cx.scope().actor().user() == Some(id);
    if is_self && (edit.is_active == Some(false) || edit.role == Some(Role::User)) {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            "You can't switch yourself off or give up your own role; ask another administrator.",
        )
        .into());
    }
    let password_hash = match edit.password {
        Some(password) => {
            Passwords::check_new("password", &password)?;
            Some(cx.services().passwords.hash(password).await?)
        }
        None => None,
    };
    let signs_out = password_hash.is_some() || edit.is_active == Some(false);
    let shuts_out = edit.is_active == Some(false) || edit.role == Some(Role::User);
    let changes = UserChanges {
        email: edit.email.as_deref().map(|text| email::normalise("email", text)).transpose()?,
        name: edit.name.as_ref().map(|name| text::optional("name", name.as_deref(), 200)).transpose()?,
        role: edit.role,
        is_active: edit.is_active,
        password_hash,
        updated_at: cx.now(),
    };
    cx.write(async |tx| {
        let administrators = users::lock_active_administrators(tx).await?;
        if shuts_out && administrators == [id] {
            return Err(Refusal::new(
                ErrorCode::Conflict,
                "This is the tenant's last active administrator; appoint another first.",
            )
            .into());
        }
        let row = users::update(tx, id, &changes).await?.ok_or_else(missing)?;
        if signs_out {
            sessions::revoke_in_tenant(tx, id, cx.now()).await?;
        }
        cx.audit(tx, "user.update", id).await?;
        Ok(row)
    })
    .await
}

/// Switches a person of the tenant off; their sessions end.
///
/// # Errors
/// As [`update`].
pub async fn deactivate(cx: &TenantCx, id: UserId) -> Outcome<UserRow> {
    update(cx, id, UserEdit { is_active: Some(false), ..UserEdit::default() }).await
}

/// Signs a person of the tenant out everywhere; says how many sessions that ended.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn sign_out(cx: &TenantCx, id: UserId) -> Outcome<usize> {
    cx.write(async |tx| {
        users::find(tx, id).await?.ok_or_else(missing)?;
        let ended = sessions::revoke_in_tenant(tx, id, cx.now()).await?;
        cx.audit(tx, "user.sessions.revoke", id).await?;
        Ok(ended)
    })
    .await
}

fn missing() -> Refusal {
    Refusal::not_found("user")
}

fn above_the_tenant() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "A tenant's user can't have the role ADMIN. Choose TENANT_ADMIN or USER.")
}

async fn checked(form: UserForm, passwords: Passwords, now: chrono::DateTime<chrono::Utc>) -> Outcome<NewUser> {
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
