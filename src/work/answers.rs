//! Has a customer's message answered, and puts the answer in line the way that the message came. Must not write the answer,
//! nor send it.

use std::time::Duration;

use crate::{
    chat::Answered,
    context::TenantCx,
    db::tables::conversations,
    domain::carriage,
    kernel::{
        failure::{Outcome, Refusal},
        ids::MessageId,
    },
    work::{
        Tools,
        held::{Held, Verdict},
    },
};

/// How long before one asks again what another node writes.
const SOON: Duration = Duration::from_secs(2);

/// Has `message` answered.
pub(super) async fn give(tools: &Tools, cx: &TenantCx, held: &Held<'_>, message: MessageId) -> Outcome<Verdict> {
    let reply = match tools.engine.answer(cx, message).await? {
        Answered::Whole(reply) => reply,
        Answered::Unwanted => return held.let_it_be().await,
        Answered::Open => return Ok(Verdict::Wait(SOON)),
        Answered::Later(why) => return Ok(Verdict::Later(why, None)),
        Answered::Never(why) => return Ok(Verdict::Never(why)),
    };
    let verdict = cx.write(async |tx| {
        let conversation = conversations::find(tx, reply.conversation_id).await?;
        let conversation = conversation.ok_or_else(|| Refusal::not_found("conversation"))?;
        if !carriage::carry(cx, tx, &conversation, &reply).await? {
            return Err(Refusal::not_found("way to send the answer; see the settings of the channel").into());
        }
        held.done(tx).await
    });
    let verdict = verdict.await?;
    cx.services().work.notify_one();
    Ok(verdict)
}
