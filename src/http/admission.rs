//! How much of the server a caller may have, at the door: before the database is asked who they are. Must not decide who may do
//! what.

use crate::{
    context::OpenStream,
    http::{Web, caller::Proof},
    kernel::failure::Refusal,
    tokens,
};

/// Counts an operation on its caller's account. Whom it refuses it keeps waiting for a moment: who asks again at once is slowed
/// down by that, and takes nothing from the others.
///
/// # Errors
/// `RATE_LIMITED` with the seconds to wait.
pub(super) async fn admit(web: &Web, proof: &Proof, cost: usize) -> Result<(), Refusal> {
    let admitted = web.services.take_operation(&proof.account(), cost).await;
    if admitted.is_err() {
        // Each for another time, or all who are refused together come back together.
        tokio::time::sleep(web.settings.penalty.mul_f64(0.5 + tokens::chance())).await;
    }
    admitted
}

/// Counts a stream on its caller's account for as long as it is open.
///
/// # Errors
/// `RATE_LIMITED` when there are as many as may be.
pub(super) fn open(web: &Web, proof: &Proof) -> Result<OpenStream, Refusal> {
    web.services.streams.open(&proof.account(), &web.services.shares)
}
