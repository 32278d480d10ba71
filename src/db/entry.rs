//! What a transaction writes into the audit log as the last thing it does. Must not know what was done, nor who may read of it.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::schema::audit_entries,
    kernel::{
        ids::{ImpersonationId, TenantId, UserId},
        vocabulary::AuditOutcome,
    },
};

/// An entry to be.
#[derive(Insertable)]
#[diesel(table_name = audit_entries, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct NewEntry {
    pub at: DateTime<Utc>,
    pub tenant_id: Option<TenantId>,
    pub actor_id: Option<UserId>,
    pub impersonation_id: Option<ImpersonationId>,
    pub impersonated: bool,
    pub action: &'static str,
    pub target: Option<String>,
    pub request_id: String,
    pub detail: Option<String>,
    pub outcome: AuditOutcome,
}

impl NewEntry {
    /// Adds it. All have one text, so that it is prepared once for each connection.
    pub(in crate::db) async fn insert(&self, mut connection: &AsyncPgConnection) -> QueryResult<()> {
        diesel::insert_into(audit_entries::table).values(self).execute(&mut connection).await?;
        Ok(())
    }
}
