//! `usage_entries`: the ledger, append only, one entry per reply.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::usage_entries,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{MessageId, TenantId, UserId},
    },
};

/// An entry to be.
#[derive(Insertable)]
#[diesel(table_name = usage_entries)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewUsage {
    pub tenant_id: TenantId,
    pub message_id: MessageId,
    pub user_id: Option<UserId>,
    pub model: String,
    pub prompt_tokens: i32,
    pub completion_tokens: i32,
    pub created_at: DateTime<Utc>,
}

/// Settles a reply once; a second settlement of the same reply changes nothing.
///
/// # Errors
/// Database faults.
pub async fn settle(tx: &mut Tx<Tenant>, entry: &NewUsage) -> Outcome<()> {
    diesel::insert_into(usage_entries::table)
        .values(entry)
        .on_conflict((usage_entries::tenant_id, usage_entries::message_id))
        .do_nothing()
        .execute(tx.conn())
        .await?;
    Ok(())
}
