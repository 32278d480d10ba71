//! What the engine does unasked: it ends replies whose node died, so that nothing spins for ever, and forgets logs that
//! nobody needs. Must not touch a reply whose lease stands.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    chat::{
        bill,
        engine::{Engine, NODE_LOST},
        events::Body,
        hub::TopicKey,
    },
    context::{RequestId, TenantCx},
    db::{
        identity,
        tables::messages::{self, ReplyEnd, TurnRow},
    },
    kernel::{
        failure::{Failure, Outcome},
        ids::MessageId,
        task,
        vocabulary::{FinishReason, MessageStatus, ReplyFailure},
    },
};

/// Runs until the engine is dropped or closed.
pub(super) fn start(engine: &Arc<Engine>, round: Duration) {
    let (weak, closing) = (Arc::downgrade(engine), engine.closing.clone());
    task::spawn(async move {
        let mut round = tokio::time::interval(round);
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                _ = round.tick() => {}
            }
            let Some(engine) = Weak::upgrade(&weak) else { return };
            engine.hub.tidy().await;
            if let Err(Failure::Fault(error)) = engine.end_abandoned().await {
                tracing::error!(error = %format!("{error:#}"), "looking for abandoned replies");
            }
        }
    });
}

impl Engine {
    /// Ends every reply whose lease ran out, as FAILED with the text kept.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_abandoned(&self) -> Outcome<usize> {
        let now = self.services.clock.now();
        let abandoned = self.services.db.housekeep(async |tx| messages::abandoned(tx, now).await).await?;
        let mut ended = 0;
        // What this node writes itself is not abandoned, however late its heartbeat.
        for (tenant, conversation, reply) in abandoned.into_iter().filter(|(tenant, _, id)| !self.writes(*tenant, *id))
        {
            // One that can't be ended keeps nobody else's from its end.
            match self.end_one((tenant, conversation), reply).await {
                Ok(is_ended) => ended += usize::from(is_ended),
                Err(failure) => tracing::error!(%tenant, %reply, ?failure, "an abandoned reply could not be ended"),
            }
        }
        Ok(ended)
    }

    async fn end_one(&self, place: TopicKey, reply: MessageId) -> Outcome<bool> {
        let cx = TenantCx::new(identity::server_work(place.0), self.services.clone(), RequestId("housekeeping".into()));
        // Its watchers may have been told more than the last heartbeat kept.
        let told = self.hub.live(place).await.filter(|(message, _)| *message == reply).map(|(_, text)| text);
        let ended = cx
            .write(async |tx| {
                let Some(row) = messages::lock_abandoned(tx, reply, cx.now()).await? else { return Ok(None) };
                let ended = messages::end_reply(tx, reply, &as_lost(&cx, row, told.as_deref())).await?;
                if let Some(row) = &ended {
                    bill::settle(tx, &cx, row, true).await?;
                }
                Ok(ended)
            })
            .await?;
        let Some(row) = ended else { return Ok(false) };
        tracing::warn!(tenant = %place.0, %reply, "ended a reply whose node was lost");
        self.hub.publish(place, Body::of_finished(row));
        Ok(true)
    }
}

/// The end of a reply whose node is gone.
fn as_lost(cx: &TenantCx, row: TurnRow, told: Option<&str>) -> ReplyEnd {
    let (code, reason) = NODE_LOST;
    let is_stopped = row.stop_requested_at.is_some();
    let content = told.filter(|text| text.starts_with(&row.content)).map_or(row.content.clone(), str::to_owned);
    let used = bill::lost(&row, &content);
    ReplyEnd {
        status: if is_stopped { MessageStatus::Cancelled } else { MessageStatus::Failed },
        content,
        model: row.message.model,
        prompt_tokens: used.map(|used| used.prompt),
        completion_tokens: used.map(|used| used.completion),
        finish_reason: Some(if is_stopped { FinishReason::Cancelled } else { FinishReason::Error }),
        failure_code: (!is_stopped).then(|| code.as_str().to_owned()),
        failure_reason: (!is_stopped).then(|| reason.to_owned()),
        failure_cause: (!is_stopped).then_some(ReplyFailure::ServerStopped),
        lease_expires_at: None,
        updated_at: cx.now(),
    }
}
