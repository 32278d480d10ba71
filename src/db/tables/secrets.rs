//! `tenant_secrets`: sealed values. Only the keys in `secrets/` open one; this file never sees what is inside.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::tenant_secrets,
        tx::{Tenant, Tx, Viewpoint},
    },
    kernel::{failure::Outcome, ids::TenantId},
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
#[diesel(table_name = tenant_secrets, treat_none_as_null = true)]
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

/// The sealed value of a secret, where it is set; for the keys in `secrets/` to open.
///
/// # Errors
/// Database faults.
pub async fn sealed(tx: &mut Tx<Tenant>, name: &str) -> Outcome<Option<Vec<u8>>> {
    let tenant = tx.tenant();
    Ok(tenant_secrets::table.find((tenant, name)).select(tenant_secrets::sealed).first(tx.conn()).await.optional()?)
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
