//! How much a website visitor may say in a day: they have not signed in, and every message costs the tenant an answer. How fast
//! anybody may is counted by `context/shares.rs`. Must not look at what is said.

use chrono::TimeDelta;

use crate::{
    context::TenantCx,
    db::{
        tables::messages,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::ConversationId,
    },
};

/// Refuses a visitor whose conversation took all that it takes within a day.
///
/// # Errors
/// `RATE_LIMITED` with the seconds until the first of those messages is a day old.
pub(super) async fn today(cx: &TenantCx, tx: &mut Tx<Tenant>, conversation: ConversationId) -> Outcome<()> {
    if cx.scope().bound_to().is_none() {
        return Ok(());
    }
    let (now, day) = (cx.now(), TimeDelta::days(1));
    let most = cx.services().visitors.messages_per_day;
    let Some(first) = messages::nth_newest_question(tx, conversation, i64::from(most)).await? else { return Ok(()) };
    let left = first + day - now;
    if left <= TimeDelta::zero() {
        return Ok(());
    }
    let seconds = u32::try_from(left.num_seconds().max(1)).unwrap_or(u32::MAX);
    Err(Refusal::too_fast(format!("This chat has taken its {most} messages of the day. Come back tomorrow."), seconds)
        .into())
}
