//! What a database needs before anybody can sign in.

use secrecy::SecretString;

use crate::{
    app,
    config::{Config, FirstAdmin},
    context::AdminCx,
    db::migrate::{self, OpenSettings},
    domain::{
        prompts,
        users::{self, UserForm},
    },
    kernel::{clock::Clock, failure::Failure, vocabulary::Role},
};

pub(super) async fn admin(config: &Config, open: &OpenSettings) -> anyhow::Result<()> {
    let Some(wanted) = &config.first_admin else {
        anyhow::bail!("ADMIN_EMAIL and ADMIN_PASSWORD say whom to make");
    };
    let services = app::services(config, migrate::open(open).await?, Clock::system())?;
    make_admin(&app::operator(&services), wanted).await?;
    super::say(&format!("Made the global administrator {}.", wanted.email))
}

pub(super) async fn base_prompt(config: &Config, open: &OpenSettings) -> anyhow::Result<()> {
    let services = app::services(config, migrate::open(open).await?, Clock::system())?;
    match prompts::seed_base(&app::operator(&services)).await.map_err(plain)? {
        Some(bundle) => super::say(&format!("Put the base prompt {} into production.", bundle.id)),
        None => super::say("There is a base prompt in production already; it was left alone."),
    }
}

pub(super) async fn make_admin(cx: &AdminCx, wanted: &FirstAdmin) -> anyhow::Result<()> {
    let form =
        UserForm { email: wanted.email.clone(), password: wanted.password.clone(), name: None, role: Role::Admin };
    users::create_on_platform(cx, form).await.map_err(plain)?;
    Ok(())
}

/// A password that is printed once and kept nowhere.
pub(super) fn password() -> anyhow::Result<SecretString> {
    Ok(hex::encode(crate::tokens::random::<9>()?).into())
}

/// A failure in words for the person at the keyboard, who may see all of it.
pub(super) fn plain(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Refused(refusal) => anyhow::anyhow!(refusal.message),
        Failure::Fault(error) => error,
    }
}
