//! Work that is put in line by the transaction that causes it, so that neither is there without the other. Must not do it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    context::TenantCx,
    db::{
        tables::jobs::{self, NewJob},
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{Failure, Outcome},
        ids::{DeliveryId, MessageId},
        trace,
        vocabulary::JobState,
    },
};

/// What is to be done. As JSON it is the job's payload, which a newer build must still read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// To act on what a provider delivered.
    Delivery {
        /// Which.
        delivery: DeliveryId,
        /// The text of ours that it is about, where the address that it came to says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Uuid>,
    },
    /// To have a customer's message answered, and the answer sent the way that the message came.
    Answer {
        /// Which.
        message: MessageId,
    },
    /// To send a text message.
    Text {
        /// Which.
        text: Uuid,
    },
    /// To send a reply by mail.
    Mail {
        /// Which.
        mail: Uuid,
    },
    /// To look into the tenant's mailbox.
    MailboxSync,
    /// To look after a connection of the tenant's mailbox, and to do so again later.
    MailboxCare {
        /// Which of its connections; see the migration.
        generation: i64,
    },
}

impl Job {
    /// What kind of job it is, as it is counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Delivery { .. } => "delivery",
            Self::Answer { .. } => "answer",
            Self::Text { .. } => "text",
            Self::Mail { .. } => "mail",
            Self::MailboxSync => "mailbox_sync",
            Self::MailboxCare { .. } => "mailbox_care",
        }
    }

    fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Delivery { delivery, .. } => Some(*delivery),
            Self::Answer { .. }
            | Self::Text { .. }
            | Self::Mail { .. }
            | Self::MailboxSync
            | Self::MailboxCare { .. } => None,
        }
    }
}

/// Puts a job in line, due now. Of a `lane`, one is worked on at a time, in the order in which they were put there.
///
/// # Errors
/// Database faults.
pub async fn enqueue(cx: &TenantCx, tx: &mut Tx<Tenant>, lane: Option<String>, job: &Job) -> Outcome<()> {
    enqueue_at(cx, tx, lane, job, cx.now()).await
}

/// As [`enqueue`], due at `run_at`.
///
/// # Errors
/// Database faults.
pub async fn enqueue_at(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    lane: Option<String>,
    job: &Job,
    run_at: DateTime<Utc>,
) -> Outcome<()> {
    let now = cx.now();
    let new = NewJob {
        tenant_id: cx.scope().tenant(),
        kind: job.kind(),
        lane,
        payload: serde_json::to_value(job).map_err(|error| Failure::Fault(error.into()))?,
        state: JobState::Ready,
        run_at,
        delivery_id: job.delivery(),
        // What is put off until later begins a trace of its own.
        traceparent: if run_at > now { None } else { trace::parent() },
        created_at: now,
        updated_at: now,
    };
    jobs::put(tx, &new).await
}

/// Makes all of a job's kind due that is put off until later. Gives how many jobs that is.
///
/// # Errors
/// Database faults.
pub async fn hasten(cx: &TenantCx, tx: &mut Tx<Tenant>, like: &Job) -> Outcome<usize> {
    jobs::hasten(tx, like.kind(), cx.now()).await
}

/// Whether a job in a lane is yet to be begun, or to be tried again.
///
/// # Errors
/// Database faults.
pub async fn is_waiting(tx: &mut Tx<Tenant>, lane: &str) -> Outcome<bool> {
    jobs::is_waiting(tx, lane).await
}
