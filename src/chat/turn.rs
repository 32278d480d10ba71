//! Waits for a reply's turn: in one conversation, replies are written one after the other in the order of their questions,
//! whichever nodes they came to. The database knows who is next; an end that is heard is a reason to ask it. Must not
//! write a reply.

use tokio_util::sync::CancellationToken;

use crate::{
    chat::{
        engine::{Engine, key},
        hub::{Reading, Watcher},
        lease::HEARTBEAT,
    },
    context::TenantCx,
    db::tables::messages::{self, TurnRow},
};

/// What came of waiting.
pub(super) enum Turn {
    /// It may be written.
    Mine,
    /// It was stopped before it came to that.
    Stopped,
    /// The node goes down.
    Closing,
}

/// Waits in line, minding a stop.
pub(super) async fn wait(engine: &Engine, cx: &TenantCx, reply: &TurnRow, stop: &CancellationToken) -> Turn {
    let conversation = reply.conversation_id;
    let mut watcher = engine.hub.watch(key(cx, conversation), None).await;
    // Asked again also when nobody tells of an end.
    let mut again = tokio::time::interval(HEARTBEAT);
    again.reset();
    loop {
        match cx.read(async |tx| messages::is_next(tx, conversation, reply.id).await).await {
            Ok(true) => return Turn::Mine,
            Ok(false) => {}
            // It stays in line, and asks again.
            Err(failure) => tracing::warn!(reply = %reply.id, ?failure, "whose turn it is could not be read"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Turn::Stopped,
            () = engine.closing.cancelled() => return Turn::Closing,
            () = somebody_ended(&mut watcher) => {}
            _ = again.tick() => {}
        }
    }
}

async fn somebody_ended(watcher: &mut Watcher) {
    loop {
        match watcher.next().await {
            Reading::Events(events) if events.iter().any(|event| event.body.ends_reply()) => return,
            Reading::Events(_) => {}
            Reading::Lapsed { .. } => return,
        }
    }
}
