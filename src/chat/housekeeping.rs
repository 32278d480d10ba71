//! What the engine does unasked: it ends replies whose node died, so that nothing spins for ever, and forgets logs that
//! nobody needs. Must not touch a reply whose lease stands.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    chat::{
        engine::{Engine, NODE_LOST},
        events::Body,
    },
    context::{RequestId, TenantCx},
    db::{
        identity,
        tables::messages::{self, ReplyEnd},
    },
    kernel::{
        failure::{Failure, Outcome},
        ids::{MessageId, TenantId},
        task,
        vocabulary::{FinishReason, MessageStatus},
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
            engine.hub.forget_idle();
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
        for (tenant, reply) in abandoned.into_iter().filter(|(tenant, reply)| !self.writes(*tenant, *reply)) {
            ended += usize::from(self.end_one(tenant, reply).await?);
        }
        Ok(ended)
    }

    async fn end_one(&self, tenant: TenantId, reply: MessageId) -> Outcome<bool> {
        let cx = TenantCx::new(identity::server_work(tenant), self.services.clone(), RequestId("housekeeping".into()));
        let (code, reason) = NODE_LOST;
        let ended = cx
            .write(async |tx| {
                let Some(row) = messages::lock_abandoned(tx, reply, cx.now()).await? else { return Ok(None) };
                let end = ReplyEnd {
                    status: MessageStatus::Failed,
                    content: row.content,
                    model: row.model,
                    prompt_tokens: None,
                    completion_tokens: None,
                    finish_reason: Some(FinishReason::Error),
                    failure_code: Some(code.as_str().to_owned()),
                    failure_reason: Some(reason.to_owned()),
                    lease_expires_at: None,
                    updated_at: cx.now(),
                };
                messages::end_reply(tx, reply, &end).await
            })
            .await?;
        let Some(row) = ended else { return Ok(false) };
        tracing::warn!(%tenant, %reply, "ended a reply whose node was lost");
        self.hub.publish((tenant, row.conversation_id), Body::of_finished(row));
        Ok(true)
    }
}
