//! The engine's door: send, follow, stop. Must not know how a reply is written.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use secrecy::SecretString;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, field::Empty};

use crate::{
    chat::{
        accept::{self, Accepted, MessageForm},
        events::Body,
        follow,
        generate::{self, Work},
        housekeeping,
        hub::{Hub, TopicKey, Watcher},
        lease, measure,
        place::{Place, Told},
        writings::Writings,
    },
    context::{Services, TenantCx},
    db::tables::{
        conversations,
        messages::{self, MessageRow},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::{ConversationId, MessageId, TenantId},
        trace,
        vocabulary::MessageStatus,
    },
    llm::{Models, Patience},
    retrieval::Retrieval,
};

/// How the engine answers.
#[derive(Clone)]
pub struct EngineSettings {
    /// What writes the replies.
    pub models: Arc<Models>,
    /// What finds the passages that they are written from.
    pub retrieval: Arc<Retrieval>,
    /// How long a model may take.
    pub patience: Patience,
    /// How often it looks after replies whose node died; `None` for never.
    pub housekeeping: Option<Duration>,
    /// Over which Redis it shares its streams with other nodes; `None` for a node that is alone.
    pub redis: Option<SecretString>,
}

/// The chat engine of this node.
pub struct Engine {
    pub(super) hub: Arc<Hub>,
    pub(super) settings: EngineSettings,
    pub(super) services: Arc<Services>,
    pub(super) tasks: TaskTracker,
    /// Ends what is being written when the node goes down.
    pub(super) closing: CancellationToken,
    pub(super) writings: Writings,
    /// Held by each open stream of events.
    watching: Arc<()>,
}

impl Engine {
    /// Starts the engine, its housekeeping, and its link to other nodes.
    ///
    /// # Errors
    /// For a Redis URL that can't be read.
    pub fn start(services: Arc<Services>, settings: EngineSettings) -> anyhow::Result<Arc<Self>> {
        measure::announce(&services.metrics);
        let (writings, closing) = (Writings::default(), CancellationToken::new());
        let engine = Arc::new(Self {
            hub: Hub::start(services.clock.clone(), writings.clone(), settings.redis.as_ref(), closing.clone())?,
            settings,
            services,
            tasks: TaskTracker::new(),
            closing,
            writings,
            watching: Arc::new(()),
        });
        lease::start(&engine);
        if let Some(round) = engine.settings.housekeeping {
            housekeeping::start(&engine, round);
        }
        Ok(engine)
    }

    /// Whether the other nodes can be reached; `None` for a node that is alone.
    #[must_use]
    pub fn is_linked(&self) -> Option<bool> {
        self.hub.is_linked()
    }

    /// Conversations that are being watched through this node, each as often as it is.
    #[must_use]
    pub fn watchers(&self) -> usize {
        Arc::strong_count(&self.watching) - 1
    }

    /// Stores a message and lets the assistant answer it. The answer goes on whatever becomes of the caller.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`, `NOT_FOUND`, `CONFLICT`.
    pub async fn send(self: &Arc<Self>, cx: &TenantCx, form: MessageForm) -> Outcome<Accepted> {
        Ok(self.take_in(cx, form).await?.0)
    }

    /// Stores a message and follows it to the end of its reply.
    ///
    /// # Errors
    /// As [`Engine::send`].
    pub async fn chat(
        self: &Arc<Self>,
        cx: &TenantCx,
        form: MessageForm,
    ) -> Outcome<impl Stream<Item = Outcome<Told>> + Send + use<>> {
        let (accepted, watcher) = self.take_in(cx, form).await?;
        follow::one_reply(cx.clone(), watcher, accepted).await
    }

    /// Stores a message, and starts what follows from it. In a task of its own: a caller that leaves between the commit
    /// and the start of the reply would leave a reply that nobody writes.
    async fn take_in(self: &Arc<Self>, cx: &TenantCx, form: MessageForm) -> Outcome<(Accepted, Watcher)> {
        let (engine, cx) = (self.clone(), cx.clone());
        let work = async move {
            cx.services().take_generation(cx.scope().actor(), cx.scope().tenant()).await?;
            let accepted = accept::accept(&cx, &form).await?;
            // Watched from before its first event.
            let watcher = engine.hub.watch(key(&cx, accepted.conversation.id), None).await;
            if accepted.is_new {
                engine.begin(&cx, &accepted);
            }
            Ok((accepted, watcher))
        };
        self.tasks.spawn(work.in_current_span()).await.map_err(|error| Failure::Fault(error.into()))?
    }

    /// Watches a conversation, from now on or from behind a place.
    ///
    /// # Errors
    /// `NOT_FOUND` for a conversation that is not there.
    pub async fn watch(
        &self,
        cx: &TenantCx,
        id: ConversationId,
        after: Option<&Place>,
    ) -> Outcome<impl Stream<Item = Outcome<Told>> + Send + use<>> {
        cx.read(async |tx| conversations::find(tx, id).await)
            .await?
            .filter(|row| cx.scope().reaches(row.id))
            .ok_or_else(|| Refusal::not_found("conversation"))?;
        let watcher = self.hub.watch(key(cx, id), after.map(|place| place.cursor)).await;
        let watching = self.watching.clone();
        // Moved into the stream, and let go of with it.
        Ok(follow::conversation(cx.clone(), watcher, after).inspect(move |_| _ = &watching))
    }

    /// Stops a reply; what was written is kept. Stopping one that has ended changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND`; `BAD_USER_INPUT` for a message that is no reply.
    pub async fn stop(&self, cx: &TenantCx, id: MessageId) -> Outcome<MessageRow> {
        let find = async || cx.read(async |tx| messages::find(tx, id).await).await;
        let found = find().await?.filter(|row| cx.scope().reaches(row.conversation_id));
        let row = found.ok_or_else(|| Refusal::not_found("message"))?;
        if row.reply_to_id.is_none() {
            return Err(Refusal::input("messageId", "Only the assistant's replies can be stopped.").into());
        }
        if !matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming) {
            return Ok(row.message);
        }
        // Watched from before the stop, so that its end can't be missed.
        let mut watcher = self.hub.watch(key(cx, row.conversation_id), None).await;
        cx.write(async |tx| {
            messages::request_stop(tx, id, cx.now()).await?;
            cx.audit(tx, "reply.stop", id);
            Ok(())
        })
        .await?;
        if !self.writings.stop(cx.scope().tenant(), id) {
            self.hub.ask_to_stop(cx.scope().tenant(), id).await;
        }
        follow::until_ended(&mut watcher, id, Duration::from_secs(5)).await;
        Ok(find().await?.unwrap_or(row).message)
    }

    /// Tells the watchers of a conversation of a message that joined it.
    pub fn tell(&self, cx: &TenantCx, message: &MessageRow) {
        self.hub.publish(key(cx, message.conversation_id), Body::MessageAdded(Arc::new(message.clone())));
    }

    /// What finds passages.
    #[must_use]
    pub fn retrieval(&self) -> &Retrieval {
        &self.settings.retrieval
    }

    /// Ends what is being written and waits for it to be stored, at most for `patience`.
    pub async fn drain(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.closing.cancel();
            // Each stores what it has; the lease tells the rest.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        }
        self.hub.settle(Duration::from_secs(3)).await;
        self.closing.cancel();
    }

    /// Whether this node writes a reply, or holds it in line.
    pub(super) fn writes(&self, tenant: TenantId, reply: MessageId) -> bool {
        self.writings.holds(tenant, reply)
    }

    fn begin(self: &Arc<Self>, cx: &TenantCx, accepted: &Accepted) {
        self.tell(cx, &accepted.message);
        if let Some(reply) = accepted.reply.clone() {
            let (conversation, question) = (accepted.conversation.clone(), accepted.message.content.as_str().into());
            self.write(cx, Work { conversation, question, reply, is_next: accepted.is_next });
        }
    }

    /// Has a waiting reply written.
    pub(super) fn write(self: &Arc<Self>, cx: &TenantCx, work: Work) {
        let held = self.writings.begin(cx.scope().tenant(), work.reply.id);
        let (engine, cx, conversation) = (self.clone(), cx.clone(), work.conversation.id.0);
        let work = async move { generate::reply(&engine, &cx, &work, &held.writing).await };
        // The request may be answered long before the reply is written: its span is not kept open for that.
        let span = tracing::info_span!(
            target: trace::TARGET, "reply", gen_ai.conversation.id = conversation, outcome = Empty,
            otel.status_code = Empty, error.type = Empty,
        );
        self.tasks.spawn(work.instrument(span.or_current()));
    }
}

pub(super) fn key(cx: &TenantCx, conversation: ConversationId) -> TopicKey {
    (cx.scope().tenant(), conversation)
}

/// What a reply that lost its node is marked with.
pub(super) const NODE_LOST: (ErrorCode, &str) = (
    ErrorCode::UpstreamUnavailable,
    "The server stopped while it was writing. What was written is kept; send the message again for a new answer.",
);
