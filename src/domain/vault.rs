//! What a tenant entrusts to us, kept sealed: opened for a call, and forgotten with it. Must not know what it is for.

use secrecy::SecretString;

use crate::{
    context::{Services, TenantCx},
    db::{
        tables::secrets::{self, NewSecret},
        tx::{Tenant, Tx, Viewpoint},
    },
    kernel::{failure::Outcome, ids::TenantId},
    secrets::{DataKey, SecretKeys, Unsealable},
};

/// A secret to be kept.
pub struct Entrusted {
    /// The name that it is kept under.
    pub name: &'static str,
    /// The secret.
    pub value: SecretString,
    /// Its end, by which people tell it from another.
    pub last_four: Option<String>,
}

/// A secret of the context's own tenant, opened; `None` where it is not set.
///
/// # Errors
/// When it can't be opened; database faults.
pub async fn open(cx: &TenantCx, tx: &mut Tx<Tenant>, name: &str) -> Outcome<Option<SecretString>> {
    let sealed = secrets::sealed(tx, name).await?;
    let opened = sealed.map(|sealed| cx.services().secrets.open(cx.scope().tenant(), name, &sealed));
    Ok(opened.transpose().map_err(anyhow::Error::from)?)
}

/// Keeps a secret of `tenant` in the place of the one before.
///
/// # Errors
/// When the tenant's data key can't be opened; database faults.
pub async fn keep<V: Viewpoint>(
    services: &Services,
    tx: &mut Tx<V>,
    tenant: TenantId,
    secret: &Entrusted,
) -> Outcome<()> {
    let data_key = data_key(services, tx, tenant).await?;
    let sealed = services.secrets.seal(tenant, secret.name, &data_key, &secret.value)?;
    let now = services.clock.now();
    let last_four = secret.last_four.clone();
    secrets::put(tx, &NewSecret { tenant_id: tenant, name: secret.name, sealed, last_four, updated_at: now }).await
}

/// The tenant's data key, sealed; made where there is none that opens.
///
/// # Errors
/// Database faults.
pub async fn data_key<V: Viewpoint>(services: &Services, tx: &mut Tx<V>, tenant: TenantId) -> Outcome<DataKey> {
    let known = secrets::data_keys(tx, tenant).await?;
    if let Some(known) = known.into_iter().find(|key| services.secrets.has(tenant, key)) {
        return Ok(known);
    }
    let made = services.secrets.make_data_key(tenant)?;
    secrets::add_data_key(tx, tenant, &made, services.clock.now()).await?;
    Ok(made)
}

/// What a rotation changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that were sealed anew.
    pub keys: usize,
    /// Values of older versions that were sealed under a data key.
    pub values: usize,
    /// Why something could not be opened, where that is so. It was left as it is.
    pub lost: Option<String>,
}

/// Brings what the tenant entrusted to us under the current `SECRET_KEY`. Values under a data key stay as they are, so whoever
/// reads or sets one meanwhile is not disturbed. Done twice, the second changes nothing.
///
/// # Errors
/// Database faults.
pub async fn rotate(cx: &TenantCx) -> Outcome<Rotated> {
    let (keys, tenant) = (&cx.services().secrets, cx.scope().tenant());
    cx.write(async |tx| {
        let mut rotated = Rotated::default();
        let data_keys = secrets::data_keys(tx, tenant).await?;
        let values = secrets::lock_values(tx, &data_keys).await?;
        for key in &data_keys {
            match keys.renewed(tenant, key) {
                Ok(None) => {}
                Ok(Some(renewed)) => {
                    secrets::renew_data_key(tx, &key.name, &renewed, cx.now()).await?;
                    rotated.keys += 1;
                }
                // Lost, and nothing is under it any more.
                Err(_) if !values.iter().any(|(_, value)| value.is_under(&key.name)) => {
                    secrets::remove_data_key(tx, &key.name).await?;
                }
                Err(error) => rotated.lost = Some(format!("{error:#}")),
            }
        }
        for (name, value) in values.iter().filter(|(_, value)| !value.has_data_key()) {
            let opened = match keys.open(tenant, name, value) {
                Ok(opened) => opened,
                Err(error) => {
                    rotated.lost = Some(format!("{name}: {error}"));
                    continue;
                }
            };
            let data_key = data_key(cx.services(), tx, tenant).await?;
            let sealed = keys.seal(tenant, name, &data_key, &opened)?;
            rotated.values += usize::from(secrets::reseal(tx, name, &value.value, &sealed).await?);
        }
        if rotated.keys + rotated.values > 0 {
            cx.audit(tx, "secrets.rotate", tenant);
        }
        Ok(rotated)
    })
    .await
}

/// How what a tenant entrusted to us stands under the keys that there are.
#[derive(Debug, Default)]
pub struct Standing {
    /// Data keys under a key before `SECRET_KEY`, and values of older versions: what [`rotate`] would bring up.
    pub behind: usize,
    /// Values that open.
    pub opened: usize,
    /// Names of the values that don't, and why.
    pub lost: Vec<(String, Unsealable)>,
}

/// Tries every key and value of the transaction's own tenant. Changes nothing, and keeps nothing that it opened.
///
/// # Errors
/// Database faults.
pub async fn inspect(keys: &SecretKeys, tx: &mut Tx<Tenant>) -> Outcome<Standing> {
    let tenant = tx.tenant();
    let data_keys = secrets::data_keys(tx, tenant).await?;
    let is_behind = |key: &&DataKey| matches!(keys.renewed(tenant, key), Ok(Some(_)));
    let mut standing = Standing { behind: data_keys.iter().filter(is_behind).count(), ..Standing::default() };
    for (name, value) in secrets::values(tx, &data_keys).await? {
        match keys.open(tenant, &name, &value) {
            Ok(_) => {
                standing.opened += 1;
                standing.behind += usize::from(!value.has_data_key());
            }
            Err(why) => standing.lost.push((name, why)),
        }
    }
    Ok(standing)
}
