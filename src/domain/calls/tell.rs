//! Where a call is told: its conversation on VOICE, who it was with, and what was said, each line once. Must not read an
//! event's shape.

use std::collections::HashMap;

use ring::digest;

use crate::{
    channels::telnyx::calls::{CallEvent, Speaker},
    context::TenantCx,
    db::{
        tables::{
            calls::{self, CallRow, Known},
            conversations::{self, ConversationRow, NewConversation},
            messages::{self, NewMessage},
        },
        tx::{Tenant, Tx},
    },
    domain::leads::{self, LeadForm},
    kernel::{
        failure::Outcome,
        phone,
        vocabulary::{CallDirection, Channel, ConversationStatus, MessageRole, MessageStatus},
    },
};

/// The conversation that a call is told in, locked; opened where there is none. `None` for a call whose name is not known
/// yet. `own` is the tenant's number.
pub(super) async fn conversation(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    row: &mut CallRow,
    own: Option<&str>,
) -> Outcome<Option<ConversationRow>> {
    let Some(name) = row.known.call_control_id.clone() else { return Ok(None) };
    let now = cx.now();
    // The lead first: whoever keeps what a customer says of themselves takes the locks in this order too.
    if row.known.lead_id.is_none()
        && let Some(number) = customer(&row.known, own)
    {
        let form = LeadForm { phone: Some(number.to_owned()), source: Some(Channel::Voice), ..LeadForm::default() };
        row.known.lead_id = Some(leads::noted_in(cx, tx, &form).await?.id);
        calls::update(tx, row.id, &row.known, now).await?;
    }
    let new = NewConversation {
        tenant_id: tx.tenant(),
        channel: Channel::Voice,
        status: ConversationStatus::Bot,
        lead_id: row.known.lead_id,
        subject: None,
        contact: Some(name),
        created_at: row.known.started_at.unwrap_or(now),
        updated_at: now,
    };
    let (mut conversation, is_new) = conversations::open_for_contact(tx, &new).await?;
    if is_new {
        cx.audit(tx, "conversation.start", conversation.id);
    }
    if row.conversation_id != Some(conversation.id) {
        calls::link(tx, row.id, conversation.id).await?;
        row.conversation_id = Some(conversation.id);
    }
    // Opened before it was known who called.
    if let (None, Some(lead)) = (conversation.lead_id, row.known.lead_id) {
        let link = conversations::ConversationChanges {
            status: None,
            lead_id: Some(Some(lead)),
            subject: None,
            updated_at: now,
        };
        conversation = conversations::update(tx, conversation.id, &link).await?.unwrap_or(conversation);
    }
    Ok(Some(conversation))
}

/// The customer's number, where the network showed one.
pub(super) fn customer<'k>(known: &'k Known, own: Option<&str>) -> Option<&'k str> {
    let (from, to) = (known.from_number.as_deref(), known.to_number.as_deref());
    let called = match known.direction {
        Some(CallDirection::Outbound) => to,
        None if from.is_some() && from == own => to,
        Some(CallDirection::Inbound) | None => from,
    };
    known.customer_number.as_deref().or(called).filter(|number| phone::normalise("phone", number).is_ok())
}

/// Adds the lines of an event that are not there yet. The same words by the same speaker are the same line as often as one
/// event has them, whichever event: a second transcript adds what the first left out.
pub(super) async fn transcript(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    event: &CallEvent,
    row: &CallRow,
) -> Outcome<()> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut at = row.known.started_at.or(event.occurred_at).unwrap_or_else(|| cx.now());
    let mut lines = Vec::with_capacity(event.transcript.len());
    for line in &event.transcript {
        at = line.at.unwrap_or(at);
        let (role, who) = match line.by {
            Speaker::Customer => (MessageRole::Customer, "customer"),
            Speaker::Assistant => (MessageRole::Assistant, "assistant"),
        };
        let digest = digest::digest(&digest::SHA256, format!("{who}\n{}", line.text).as_bytes());
        let key: String = hex::encode(digest).chars().take(32).collect();
        let time = times.entry(key.clone()).and_modify(|time| *time += 1).or_insert(1);
        lines.push(NewMessage {
            tenant_id: tx.tenant(),
            conversation_id: conversation.id,
            role,
            status: MessageStatus::Complete,
            content: line.text.clone(),
            author_id: None,
            reply_to_id: None,
            client_message_id: Some(format!("call/{key}/{time}")),
            lease_expires_at: None,
            created_at: at,
            updated_at: cx.now(),
        });
    }
    if messages::insert_unless_there(tx, &lines).await? > 0 {
        conversations::touch(tx, conversation.id, cx.now()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_customer_is_the_end_that_is_not_ours() {
        let known = |direction, from: &str, to: &str, said: Option<&str>| Known {
            direction,
            from_number: Some(from.into()),
            to_number: Some(to.into()),
            customer_number: said.map(str::to_owned),
            ..Known::default()
        };
        let (ours, theirs) = ("+15555550122", "+15555550111");
        for (known, expected) in [
            (known(None, theirs, ours, None), Some(theirs)),
            (known(None, ours, theirs, None), Some(theirs)),
            (known(Some(CallDirection::Inbound), theirs, ours, None), Some(theirs)),
            (known(Some(CallDirection::Outbound), ours, theirs, None), Some(theirs)),
            (known(None, "sip:x@y", ours, Some(theirs)), Some(theirs)),
            (known(None, "anonymous", ours, None), None),
            (Known::default(), None),
        ] {
            assert_eq!(customer(&known, Some(ours)), expected, "{known:?}");
        }
    }
}
