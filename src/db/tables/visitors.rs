//! `visitor_sessions`: website visitors, each in one conversation.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::{tenants, visitor_sessions},
        tables::tenants::TenantStanding,
        tx::{Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, TenantId},
    },
};

/// A visitor's session.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = visitor_sessions)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct VisitorRow {
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A session to be.
#[derive(Insertable)]
#[diesel(table_name = visitor_sessions, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewVisitor {
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// By id, with the tenant whose website they visit, to find out whether a token of it stands.
///
/// # Errors
/// Database faults.
pub async fn with_tenant(tx: &mut Tx<Identity>, id: Uuid) -> Outcome<Option<(VisitorRow, TenantStanding)>> {
    Ok(visitor_sessions::table
        .inner_join(tenants::table)
        .filter(visitor_sessions::id.eq(id))
        .select((VisitorRow::as_select(), TenantStanding::as_select()))
        .first(tx.conn())
        .await
        .optional()?)
}

/// Adds one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Tenant>, visitor: &NewVisitor) -> Outcome<()> {
    diesel::insert_into(visitor_sessions::table).values(visitor).execute(tx.conn()).await?;
    Ok(())
}

/// Lets one go on until `expires_at`. `false` when it has ended.
///
/// # Errors
/// Database faults.
pub async fn prolong(tx: &mut Tx<Tenant>, id: Uuid, expires_at: DateTime<Utc>) -> Outcome<bool> {
    let tenant = tx.tenant();
    let changed = diesel::update(
        visitor_sessions::table
            .find(id)
            .filter(visitor_sessions::tenant_id.eq(tenant))
            .filter(visitor_sessions::revoked_at.is_null()),
    )
    .set(visitor_sessions::expires_at.eq(expires_at))
    .kept()
    .execute(tx.altering())
    .await?;
    Ok(changed == 1)
}

/// Ends all sessions in a conversation; says how many.
///
/// # Errors
/// Database faults.
pub async fn revoke(tx: &mut Tx<Tenant>, conversation: ConversationId, now: DateTime<Utc>) -> Outcome<usize> {
    let tenant = tx.tenant();
    let open = visitor_sessions::table
        .filter(visitor_sessions::tenant_id.eq(tenant))
        .filter(visitor_sessions::conversation_id.eq(conversation))
        .filter(visitor_sessions::revoked_at.is_null())
        .filter(visitor_sessions::expires_at.gt(now));
    Ok(diesel::update(open).set(visitor_sessions::revoked_at.eq(now)).execute(tx.altering()).await?)
}
