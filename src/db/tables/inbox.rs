//! What providers post, as it comes in: whose it is, and that it is kept once. Must not know a signature.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::{
        kept::Keep,
        schema::{sms_settings, webhook_deliveries},
        tx::{Identity, Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{DeliveryId, TenantId},
        vocabulary::DeliveryStatus,
    },
};

/// Whose number it is, and what its provider signs with.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sms_settings)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct NumberRow {
    pub tenant_id: TenantId,
    pub telnyx_public_key: Option<String>,
    pub twilio_account_sid: Option<String>,
}

/// A delivery to be kept.
#[derive(Insertable)]
#[diesel(table_name = webhook_deliveries, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewDelivery<'a> {
    pub tenant_id: Option<TenantId>,
    pub provider: &'a str,
    pub event_id: &'a str,
    pub event_type: &'a str,
    pub status: DeliveryStatus,
    pub body: &'a [u8],
    pub received_at: DateTime<Utc>,
}

/// The tenants whose Telnyx numbers are among these.
///
/// # Errors
/// Database faults.
pub async fn by_telnyx_numbers(tx: &mut Tx<Identity>, numbers: &[String]) -> Outcome<Vec<NumberRow>> {
    Ok(sms_settings::table
        .filter(sms_settings::telnyx_phone_number.eq_any(numbers))
        .select(NumberRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The tenant whose Twilio number it is.
///
/// # Errors
/// Database faults.
pub async fn by_twilio_number(tx: &mut Tx<Identity>, number: &str) -> Outcome<Option<NumberRow>> {
    Ok(sms_settings::table
        .filter(sms_settings::twilio_phone_number.eq(number))
        .select(NumberRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Keeps a delivery of the tenant's. `None` when it is there already.
///
/// # Errors
/// Database faults.
pub async fn keep(tx: &mut Tx<Tenant>, delivery: NewDelivery<'_>) -> Outcome<Option<DeliveryId>> {
    let delivery = NewDelivery { tenant_id: Some(tx.tenant()), ..delivery };
    insert(tx.conn(), &delivery).await
}

/// Keeps a delivery that is nobody's, for administrators of the platform to look at.
///
/// # Errors
/// Database faults.
pub async fn quarantine(tx: &mut Tx<Worker>, delivery: NewDelivery<'_>) -> Outcome<Option<DeliveryId>> {
    let delivery = NewDelivery { tenant_id: None, ..delivery };
    insert(tx.conn(), &delivery).await
}

/// Fifty copies at once are one row: the others find it there.
async fn insert(conn: &mut AsyncPgConnection, delivery: &NewDelivery<'_>) -> Outcome<Option<DeliveryId>> {
    Ok(diesel::insert_into(webhook_deliveries::table)
        .values(delivery)
        .on_conflict((webhook_deliveries::provider, webhook_deliveries::tenant_id, webhook_deliveries::event_id))
        .do_nothing()
        .returning(webhook_deliveries::id)
        .get_result(conn)
        .await
        .optional()?)
}

/// What was delivered, to be worked on.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct KeptRow {
    pub provider: String,
    pub event_id: String,
    pub event_type: String,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
}

/// A delivery with its body.
///
/// # Errors
/// Database faults.
pub async fn kept(tx: &mut Tx<Tenant>, id: DeliveryId) -> Outcome<Option<KeptRow>> {
    let tenant = tx.tenant();
    Ok(webhook_deliveries::table
        .find(id)
        .filter(webhook_deliveries::tenant_id.eq(tenant))
        .select(KeptRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Notes that a delivery was worked on, at the `attempts`th try.
///
/// # Errors
/// Database faults.
pub async fn processed(tx: &mut Tx<Tenant>, id: DeliveryId, attempts: i32, at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(webhook_deliveries::table.find(id).filter(webhook_deliveries::tenant_id.eq(tenant)))
        .set((
            webhook_deliveries::status.eq(DeliveryStatus::Processed),
            webhook_deliveries::attempts.eq(attempts),
            webhook_deliveries::last_error.eq(None::<String>),
            webhook_deliveries::processed_at.eq(at),
        ))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}
