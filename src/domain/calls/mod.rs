//! Phone calls that an assistant at Telnyx holds: whose they are, what is known of them, and where they are told. What is
//! known comes in pieces, each several times and in any order; whatever the order, the same comes of it. Must not answer
//! anybody.

mod intake;
mod measure;
mod merge;
mod tell;
mod whose;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    channels::telnyx::calls::CallEvent,
    context::TenantCx,
    db::{
        tables::{
            calls::{self, CallRow, Known, NewAction},
            settings::VoiceRow,
            tenants,
        },
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{Failure, Outcome},
        ids::{CallId, ConversationId},
        phone,
    },
};

pub use measure::announce;
pub use whose::{Clues, Heard, Mystery, Wanted};

/// Works an event into the tenant's call that it is of: its record, and, once there is something to tell, the conversation
/// with what was said, and the lead. `None` where the tenant's calls are switched off, or the event names no call: then
/// nothing is done.
///
/// # Errors
/// Database faults; `CONFLICT` where somebody else changed the same lead at the same moment.
pub async fn apply(cx: &TenantCx, tx: &mut Tx<Tenant>, event: &CallEvent) -> Outcome<Option<CallRow>> {
    let Some(line) = open_line(tx).await? else { return Ok(None) };
    let Some(mut row) = piece(cx, tx, event).await? else { return Ok(None) };
    if !event.transcript.is_empty() || row.known.outcome.is_some() {
        let conversation = tell::conversation(cx, tx, &mut row, line.phone_number.as_deref()).await?;
        if let Some(conversation) = conversation {
            tell::transcript(cx, tx, &conversation, event, &row).await?;
        }
    }
    Ok(Some(row))
}

/// A call that is going on, and is known.
pub struct AtHand {
    /// The call.
    pub id: CallId,
    /// Where it is told.
    pub conversation: ConversationId,
    /// The customer's number, where the network showed one.
    pub customer: Option<String>,
}

/// The call of this name, with the conversation that it is told in; both are opened where they are not there yet. `customer`
/// is the caller's number, for a call of which it is not known.
///
/// # Errors
/// As [`apply`].
pub async fn at_hand(cx: &TenantCx, name: &str, customer: Option<&str>) -> Outcome<AtHand> {
    cx.write(async |tx| {
        let line = calls::hold_line(tx).await?;
        let named = CallEvent { call: Some(name.to_owned()), ..CallEvent::default() };
        let row = piece(cx, tx, &named).await?;
        let mut row = row.ok_or_else(|| Failure::fault("a call without a name"))?;
        let own = line.and_then(|line| line.phone_number);
        if let (None, Some(customer)) = (tell::customer(&row.known, own.as_deref()), customer) {
            let said = CallEvent { customer: Some(customer.to_owned()), ..CallEvent::default() };
            let known = merge::with(Some(&row.known), &said);
            row = changed(tx, row, known, cx.now()).await?;
        }
        let conversation = tell::conversation(cx, tx, &mut row, own.as_deref()).await?;
        let conversation = conversation.ok_or_else(|| Failure::fault("a call without a conversation"))?;
        let customer = tell::customer(&row.known, own.as_deref());
        let customer = customer.and_then(|number| phone::normalise("phone", number).ok());
        Ok(AtHand { id: row.id, conversation: conversation.id, customer })
    })
    .await
}

/// The conversation that the call of this name is told in. Opens none: who only looks leaves nothing behind.
///
/// # Errors
/// Database faults.
pub async fn told_in(cx: &TenantCx, name: &str) -> Outcome<Option<ConversationId>> {
    cx.read(async |tx| calls::told_in(tx, name).await).await
}

/// What was answered when this was done in a call, if it was.
///
/// # Errors
/// Database faults.
pub async fn done(cx: &TenantCx, call: CallId, action: &str, asked_key: &str) -> Outcome<Option<Value>> {
    let answer = cx.read(async |tx| calls::action(tx, call, action, asked_key).await).await?;
    Ok(answer.and_then(|answer| serde_json::from_str(&answer).ok()))
}

/// As [`done`], and the call held, so that of two who ask at once the second finds it done.
///
/// # Errors
/// Database faults.
pub async fn done_and_held(tx: &mut Tx<Tenant>, name: &str, action: &str, asked_key: &str) -> Outcome<Option<Value>> {
    let call = calls::lock_by_control(tx, name).await?.ok_or_else(|| Failure::fault("a call that went away"))?;
    let answer = calls::action(tx, call.id, action, asked_key).await?;
    Ok(answer.and_then(|answer| serde_json::from_str(&answer).ok()))
}

/// Notes that something was done in a call, and what was answered. What was noted before stays.
///
/// # Errors
/// Database faults.
pub async fn note_done(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    call: CallId,
    action: &str,
    asked_key: &str,
    answer: &Value,
) -> Outcome<()> {
    let answer = answer.to_string();
    let row = NewAction {
        tenant_id: tx.tenant(),
        call_id: call,
        tool: action,
        asked_key,
        answer: &answer,
        created_at: cx.now(),
    };
    calls::keep_action(tx, &row).await
}

/// The tenant's line, held; `None` where its calls are switched off, or the tenant is.
async fn open_line(tx: &mut Tx<Tenant>) -> Outcome<Option<VoiceRow>> {
    let line = calls::hold_line(tx).await?.filter(|line| line.is_enabled);
    Ok(if tenants::own(tx).await?.is_active { line } else { None })
}

/// The call that an event is of, with what the event adds to it.
async fn piece(cx: &TenantCx, tx: &mut Tx<Tenant>, event: &CallEvent) -> Outcome<Option<CallRow>> {
    let now = cx.now();
    let Some(name) = event.call.as_deref() else {
        // Its conversation alone is named: it is the oldest call in it, or one whose name is still to come.
        let Some(conversation) = event.conversation.as_deref() else { return Ok(None) };
        let found = calls::lock_by_provider_conversation(tx, conversation).await?.into_iter().next();
        let known = merge::with(found.as_ref().map(|row| &row.known), event);
        return match found {
            Some(row) => changed(tx, row, known, now).await.map(Some),
            None => calls::insert_if_new(tx, &known, now).await,
        };
    };
    let blank = merge::with(None, &CallEvent { call: Some(name.to_owned()), ..CallEvent::default() });
    calls::insert_if_new(tx, &blank, now).await?;
    let row = calls::lock_by_control(tx, name).await?.ok_or_else(|| Failure::fault("a call that went away"))?;
    let mut known = merge::with(Some(&row.known), event);
    // What came before its name did.
    if let Some(conversation) = known.provider_conversation_id.clone() {
        let all = calls::lock_by_provider_conversation(tx, &conversation).await?;
        for nameless in all.into_iter().filter(|other| other.known.call_control_id.is_none()) {
            known = merge::both(&known, &nameless.known);
            calls::remove(tx, nameless.id).await?;
        }
    }
    changed(tx, row, known, now).await.map(Some)
}

async fn changed(tx: &mut Tx<Tenant>, mut row: CallRow, known: Known, now: DateTime<Utc>) -> Outcome<CallRow> {
    if row.known != known {
        calls::update(tx, row.id, &known, now).await?;
        row.known = known;
    }
    Ok(row)
}
