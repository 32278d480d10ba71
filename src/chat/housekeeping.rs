//! What the engine does unasked: it ends replies whose node died and tells of ends that nobody heard of, so that nothing spins for
//! ever, and forgets logs that nobody needs. Must not touch a reply whose lease stands.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    chat::{
        bill,
        engine::{Engine, NODE_LOST},
        events::Body,
        hub::TopicKey,
        lease::{LEASE, PATIENCE},
        measure,
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

/// After which a look is too late to say that the database was there ever since the one before.
const LATE: Duration = Duration::from_secs(4);
/// After which the database is asked whether a reply of which nothing is heard has ended.
const SILENCE: TimeDelta = TimeDelta::seconds(15);

/// Runs until the engine is dropped or closed.
pub(super) fn start(engine: &Arc<Engine>, round: Duration) {
    let (weak, closing) = (Arc::downgrade(engine), engine.closing.clone());
    task::spawn(async move {
        let mut round = tokio::time::interval(round);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut well_since, mut looked) = (None, Instant::now());
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                _ = round.tick() => {}
            }
            let Some(engine) = Weak::upgrade(&weak) else { return };
            engine.hub.tidy().await;
            engine.look_for_ends().await;
            // What was not looked at may have been away.
            well_since = engine.look_around(well_since.filter(|_| looked.elapsed() < LATE)).await;
            looked = Instant::now();
        }
    });
}

impl Engine {
    /// Ends what is abandoned, if the database has been there for as long as a lease: while it was away nobody could renew one. Says
    /// since when it has been there.
    pub async fn look_around(&self, well_since: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let (now, begun) = (self.services.clock.now(), Instant::now());
        let abandoned = match self.abandoned().await {
            Ok(abandoned) if begun.elapsed() < PATIENCE => abandoned,
            Ok(_) | Err(Failure::Refused(_)) => return None,
            Err(Failure::Fault(error)) => {
                tracing::error!(error = %format!("{error:#}"), "looking for abandoned replies");
                return None;
            }
        };
        let well_since = well_since.unwrap_or(now);
        if now - well_since >= LEASE {
            self.end_all(abandoned).await;
        }
        Some(well_since)
    }

    /// Ends every reply whose lease ran out, as FAILED with the text kept.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_abandoned(&self) -> Outcome<usize> {
        Ok(self.end_all(self.abandoned().await?).await)
    }

    /// Replies whose lease ran out. What this node writes itself is not abandoned, however late its heartbeat.
    async fn abandoned(&self) -> Outcome<Vec<(TopicKey, MessageId)>> {
        let now = self.services.clock.now();
        let abandoned = self.services.db.housekeep(async |tx| messages::abandoned(tx, now).await).await?;
        let others = abandoned.into_iter().filter(|(tenant, _, reply)| !self.writes(*tenant, *reply));
        Ok(others.map(|(tenant, conversation, reply)| ((tenant, conversation), reply)).collect())
    }

    async fn end_all(&self, abandoned: Vec<(TopicKey, MessageId)>) -> usize {
        let mut ended = 0;
        for (place, reply) in abandoned {
            // One that can't be ended keeps nobody else's from its end.
            match self.end_one(place, reply).await {
                Ok(is_ended) => ended += usize::from(is_ended),
                Err(failure) => {
                    tracing::error!(tenant = %place.0, %reply, ?failure, "an abandoned reply could not be ended");
                }
            }
        }
        ended
    }

    /// Tells of replies that have ended, and of whose end nobody heard: their node was cut off from the others, and then it was gone.
    async fn look_for_ends(&self) {
        let silent = self.hub.silent(SILENCE).into_iter();
        for (place, reply) in silent.filter(|(place, reply)| !self.writes(place.0, *reply)) {
            // A database that is away is asked again after the next silence.
            let Ok(found) = self.at(place).read(async |tx| messages::find(tx, reply).await).await else { return };
            if let Some(row) = found
                && !matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming)
            {
                self.hub.publish(place, Body::of_finished(row));
            }
        }
    }

    fn at(&self, place: TopicKey) -> TenantCx {
        TenantCx::new(identity::server_work(place.0), self.services.clone(), RequestId("housekeeping".into()))
    }

    async fn end_one(&self, place: TopicKey, reply: MessageId) -> Outcome<bool> {
        let cx = self.at(place);
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
        // Whoever wrote it can't count it any more.
        measure::ended(&self.services.metrics, place.0, &row);
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
