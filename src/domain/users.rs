//! People: a tenant's own, and the platform's administrators.

use secrecy::SecretString;

use crate::{
    context::{AdminCx, TenantCx},
    db::tables::users::{self, NewUser, UserRow},
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
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "A tenant's user can't have the role ADMIN. Choose TENANT_ADMIN or USER.",
        )
        .into());
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

/// Switches a person of the tenant off; their sessions end.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` for oneself, and for the tenant's last administrator.
pub async fn deactivate(cx: &TenantCx, id: UserId) -> Outcome<UserRow> {
    if cx.scope().actor().user() == Some(id) {
        return Err(
            Refusal::new(ErrorCode::Conflict, "You can't deactivate yourself; ask another administrator.").into()
        );
    }
    cx.write(async |tx| {
        let administrators = users::lock_active_administrators(tx).await?;
        if administrators == [id] {
            return Err(Refusal::new(
                ErrorCode::Conflict,
                "This is the tenant's last active administrator; appoint another first.",
            )
            .into());
        }
        let row = users::deactivate(tx, id, cx.now()).await?.ok_or_else(|| Refusal::not_found("user"))?;
        cx.audit(tx, "user.deactivate", id).await?;
        Ok(row)
    })
    .await
}

async fn checked(form: UserForm, passwords: Passwords, now: chrono::DateTime<chrono::Utc>) -> Outcome<NewUser> {
    let email = email::normalise("email", &form.email)?;
    let name = text::optional("name", form.name.as_deref(), 200)?;
    Passwords::check_new(&form.password)?;
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
