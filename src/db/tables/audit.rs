//! `audit_entries`: added in the transaction of what they record, never changed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::{
        schema::audit_entries,
        tx::{Admin, Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
    },
};

/// A row to be.
#[derive(Insertable)]
#[diesel(table_name = audit_entries)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct NewEntry {
    pub at: DateTime<Utc>,
    pub tenant_id: Option<TenantId>,
    pub actor_id: Option<UserId>,
    pub impersonated: bool,
    pub action: &'static str,
    pub target: Option<String>,
    pub request_id: String,
    pub detail: Option<String>,
}

/// Records something done inside the tenant.
///
/// # Errors
/// Database faults.
pub async fn in_tenant(tx: &mut Tx<Tenant>, entry: &NewEntry) -> Outcome<()> {
    insert(tx.conn(), entry).await
}

/// Records something an administrator did to the platform.
///
/// # Errors
/// Database faults.
pub async fn in_platform(tx: &mut Tx<Admin>, entry: &NewEntry) -> Outcome<()> {
    insert(tx.conn(), entry).await
}

/// Records a sign-in and what belongs to it.
///
/// # Errors
/// Database faults.
pub async fn at_door(tx: &mut Tx<Identity>, entry: &NewEntry) -> Outcome<()> {
    insert(tx.conn(), entry).await
}

async fn insert(connection: &mut AsyncPgConnection, entry: &NewEntry) -> Outcome<()> {
    diesel::insert_into(audit_entries::table).values(entry).execute(connection).await?;
    Ok(())
}
