//! What providers delivered, looked after by hand.

use crate::{
    context::TenantCx,
    db::tables::deliveries::{self, DeliveryRow},
    domain::jobs::{self, Job},
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids::DeliveryId,
    },
};

/// Puts a delivery whose work failed, or was given up, in line again.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` for one that is in line already, or done.
pub async fn retry(cx: &TenantCx, id: DeliveryId) -> Outcome<DeliveryRow> {
    cx.write(async |tx| {
        if let Some(row) = deliveries::retry(tx, id).await? {
            cx.audit(tx, "delivery.retry", id);
            jobs::enqueue(cx, tx, None, &Job::Delivery { delivery: id, text: None }).await?;
            return Ok(row);
        }
        deliveries::find(tx, id).await?.ok_or_else(|| Refusal::not_found("delivery"))?;
        Err(Refusal::new(
            ErrorCode::Conflict,
            "Only a delivery that FAILED or is DEAD can be tried again; this one is done, or in line already.",
        )
        .into())
    })
    .await
}
