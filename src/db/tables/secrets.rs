//! `tenant_secrets`: sealed values, and `tenant_keys`: the data keys that they are sealed under, sealed themselves. Only the keys in `secrets/` open one; this file never sees what is inside.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::{tenant_keys, tenant_secrets},
        tx::{Tenant, Tx, Viewpoint},
    },
    kernel::{failure::Outcome, ids::TenantId},
    secrets::{DataKey, Sealed},
};

/// That a secret is set, and how to tell it from another.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tenant_secrets)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct SecretRow {
    pub tenant_id: TenantId,
    pub name: String,
    pub last_four: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// A secret to be kept.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tenant_secrets, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewSecret {
    pub tenant_id: TenantId,
    pub name: &'static str,
    pub sealed: Vec<u8>,
    pub last_four: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// Which secrets each of several tenants has set.
///
/// # Errors
/// Database faults.
pub async fn statuses<V: Viewpoint>(tx: &mut Tx<V>, tenants: &[TenantId]) -> Outcome<Vec<SecretRow>> {
    Ok(tenant_secrets::table
        .filter(tenant_secrets::tenant_id.eq_any(tenants))
        .select(SecretRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A sealed value, and one of its tenant's data keys with its name.
type WithKey = (Vec<u8>, Option<(String, Vec<u8>)>);

/// The sealed value of a secret, where it is set; for the keys in `secrets/` to open.
///
/// # Errors
/// Database faults.
pub async fn sealed(tx: &Tx<Tenant>, name: &str) -> Outcome<Option<Sealed>> {
    let tenant = tx.tenant();
    let found: Vec<WithKey> = tenant_secrets::table
        .left_join(tenant_keys::table.on(tenant_keys::tenant_id.eq(tenant_secrets::tenant_id)))
        .filter(tenant_secrets::tenant_id.eq(tenant))
        .filter(tenant_secrets::name.eq(name))
        .select((tenant_secrets::sealed, (tenant_keys::name, tenant_keys::sealed).nullable()))
        .load(&mut tx.line())
        .await?;
    let mut whole: Option<Sealed> = None;
    for (value, key) in found {
        let sealed = whole.get_or_insert(Sealed { value, data_keys: Vec::new() });
        sealed.data_keys.extend(key.map(|(name, sealed)| DataKey { name, sealed }));
    }
    Ok(whole)
}

/// Every sealed value of the tenant by its name, each with all of `data_keys`.
///
/// # Errors
/// Database faults.
pub async fn values(tx: &mut Tx<Tenant>, data_keys: &[DataKey]) -> Outcome<Vec<(String, Sealed)>> {
    Ok(with(data_keys, of(tx.tenant()).load(tx.conn()).await?))
}

/// As [`values`], locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock_values(tx: &mut Tx<Tenant>, data_keys: &[DataKey]) -> Outcome<Vec<(String, Sealed)>> {
    Ok(with(data_keys, of(tx.tenant()).for_update().load(tx.conn()).await?))
}

#[diesel::dsl::auto_type]
fn of(tenant: TenantId) -> _ {
    tenant_secrets::table
        .filter(tenant_secrets::tenant_id.eq(tenant))
        .order(tenant_secrets::name)
        .select((tenant_secrets::name, tenant_secrets::sealed))
}

fn with(data_keys: &[DataKey], values: Vec<(String, Vec<u8>)>) -> Vec<(String, Sealed)> {
    values.into_iter().map(|(name, value)| (name, Sealed { value, data_keys: data_keys.to_vec() })).collect()
}

/// Puts `sealed` in the place of `before`. `false` when something else stands there by now.
///
/// # Errors
/// Database faults.
pub async fn reseal(tx: &mut Tx<Tenant>, name: &str, before: &[u8], sealed: &[u8]) -> Outcome<bool> {
    let tenant = tx.tenant();
    let same = tenant_secrets::table.find((tenant, name)).filter(tenant_secrets::sealed.eq(before));
    Ok(diesel::update(same).set(tenant_secrets::sealed.eq(sealed)).execute(tx.conn()).await? == 1)
}

/// The data keys of `tenant`, the newest first.
///
/// # Errors
/// Database faults.
pub async fn data_keys<V: Viewpoint>(tx: &mut Tx<V>, tenant: TenantId) -> Outcome<Vec<DataKey>> {
    let keys: Vec<(String, Vec<u8>)> = tenant_keys::table
        .filter(tenant_keys::tenant_id.eq(tenant))
        .order((tenant_keys::created_at.desc(), tenant_keys::name))
        .select((tenant_keys::name, tenant_keys::sealed))
        .load(tx.conn())
        .await?;
    Ok(keys.into_iter().map(|(name, sealed)| DataKey { name, sealed }).collect())
}

/// Keeps a data key of `tenant`.
///
/// # Errors
/// Database faults.
pub async fn add_data_key<V: Viewpoint>(
    tx: &mut Tx<V>,
    tenant: TenantId,
    key: &DataKey,
    at: DateTime<Utc>,
) -> Outcome<()> {
    diesel::insert_into(tenant_keys::table)
        .values((
            tenant_keys::tenant_id.eq(tenant),
            tenant_keys::name.eq(&key.name),
            tenant_keys::sealed.eq(&key.sealed),
            tenant_keys::created_at.eq(at),
            tenant_keys::updated_at.eq(at),
        ))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Keeps a data key of the tenant's as it was sealed anew.
///
/// # Errors
/// Database faults.
pub async fn renew_data_key(tx: &mut Tx<Tenant>, name: &str, sealed: &[u8], at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(tenant_keys::table.find((tenant, name)))
        .set((tenant_keys::sealed.eq(sealed), tenant_keys::updated_at.eq(at)))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Forgets a data key of the tenant's.
///
/// # Errors
/// Database faults.
pub async fn remove_data_key(tx: &mut Tx<Tenant>, name: &str) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::delete(tenant_keys::table.find((tenant, name))).execute(tx.conn()).await?;
    Ok(())
}

/// Keeps a secret, in the place of the one before.
///
/// # Errors
/// Database faults.
pub async fn put<V: Viewpoint>(tx: &mut Tx<V>, secret: &NewSecret) -> Outcome<()> {
    diesel::insert_into(tenant_secrets::table)
        .values(secret)
        .on_conflict((tenant_secrets::tenant_id, tenant_secrets::name))
        .do_update()
        .set(secret)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Forgets a secret of `tenant`.
///
/// # Errors
/// Database faults.
pub async fn remove<V: Viewpoint>(tx: &mut Tx<V>, tenant: TenantId, name: &str) -> Outcome<()> {
    diesel::delete(tenant_secrets::table.find((tenant, name))).execute(tx.conn()).await?;
    Ok(())
}
