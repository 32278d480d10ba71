//! How what the business says in a conversation reaches its customer: by the channel that it takes place on. Must not carry it
//! itself.

use crate::{
    context::TenantCx,
    db::{
        tables::{conversations::ConversationRow, mailboxes, messages::TurnRow, settings, tenants},
        tx::{Tenant, Tx},
    },
    domain::{mails, texts},
    kernel::{failure::Outcome, vocabulary::Channel},
};

/// Whether the customers of a channel are elsewhere: on their phones or in their mail. Whoever writes here is of the business.
#[must_use]
pub fn is_carried(channel: Channel) -> bool {
    matches!(channel, Channel::Sms | Channel::Email)
}

/// Whether customers of a conversation are answered yet: the business may have been deactivated, or its channel switched off,
/// while they waited.
///
/// # Errors
/// Database faults.
pub async fn is_open(tx: &mut Tx<Tenant>, conversation: &ConversationRow) -> Outcome<bool> {
    Ok(tenants::own(tx).await?.is_active
        && match conversation.channel {
            Channel::Sms => settings::sms_of_own(tx).await?.is_enabled,
            Channel::Email => mailboxes::find(tx).await?.is_some_and(|mailbox| mailbox.is_enabled),
            Channel::Web | Channel::Voice => true,
        })
}

/// Whether there is a way to the customer just now, as far as that is known before anything is to be carried.
///
/// # Errors
/// Database faults.
pub async fn is_reachable(tx: &mut Tx<Tenant>, conversation: &ConversationRow) -> Outcome<bool> {
    Ok(match conversation.channel {
        Channel::Email => mails::may_send(tx).await?,
        Channel::Sms | Channel::Web | Channel::Voice => true,
    })
}

/// Puts a message in line for the customer. `false` when there is no way to them; on channels where they follow, there is
/// nothing to do.
///
/// # Errors
/// Database faults.
pub async fn carry(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    message: &TurnRow,
) -> Outcome<bool> {
    match conversation.channel {
        Channel::Sms => texts::carry(cx, tx, conversation, message).await,
        Channel::Email => mails::carry(cx, tx, conversation, message).await,
        Channel::Web | Channel::Voice => Ok(true),
    }
}

/// What whoever writes is told where there is no way to the customer.
#[must_use]
pub fn no_way(conversation: &ConversationRow) -> &'static str {
    // A customer who writes has a conversation that knows them. One that staff began knows nobody, and no setting helps.
    let is_nobodys = conversation.contact.is_none();
    match conversation.channel {
        Channel::Email if is_nobodys => {
            "There is no way to this customer: nobody wrote in this conversation by mail, so there is no thread to answer in."
        }
        Channel::Sms if is_nobodys => {
            "There is no way to this customer: nobody wrote in this conversation by text, so there is no number to answer."
        }
        Channel::Email => {
            "There is no way to this customer: no mailbox is connected, or it has to be connected again. \
             See startEmailConnection."
        }
        Channel::Sms | Channel::Web | Channel::Voice => {
            "There is no way to this customer: the channel that they wrote by has no number of yours any more. \
             See updateSmsSettings."
        }
    }
}
