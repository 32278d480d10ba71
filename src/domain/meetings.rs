//! Appointments: looked for, booked, called off. Two customers never get the same time: bookings of a tenant go one after
//! the other, and the database refuses what overlaps.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    context::TenantCx,
    db::{
        tables::{
            booking::{self, Booking},
            conversations, leads,
            meetings::{self, MeetingRow, NewMeeting},
        },
        tx::{Tenant, Tx},
    },
    domain::slots::{self, Slot},
    kernel::{
        failure::{Failure, Outcome, Refusal},
        ids::{ConversationId, LeadId, MeetingId},
        text,
        vocabulary::MeetingStatus,
    },
};

/// Longest time that is looked through at once, in days.
const LOOK_MAX: i64 = 31;
/// What such a time may have more, since days are not all of the same length: a clock that is put back makes October longer.
const CLOCK_CHANGE: TimeDelta = TimeDelta::hours(3);
/// Most free times that are told at once.
const SLOTS_MAX: usize = 500;

/// An appointment to be.
pub struct MeetingForm {
    /// When it begins: a free time's beginning.
    pub starts_at: DateTime<Utc>,
    /// Whom with; the conversation's lead, if nobody is named.
    pub lead: Option<LeadId>,
    /// Where it was agreed on.
    pub conversation: Option<ConversationId>,
    /// What about.
    pub title: Option<String>,
    /// Anything worth knowing.
    pub notes: Option<String>,
}

/// The times from `from` to `to` that can be booked now, the earliest first, as many as are told at once.
///
/// # Errors
/// `BAD_USER_INPUT` when that is too long a time, or none.
pub async fn available(cx: &TenantCx, from: DateTime<Utc>, to: DateTime<Utc>) -> Outcome<Vec<Slot>> {
    if from >= to || to - from > TimeDelta::days(LOOK_MAX) + CLOCK_CHANGE {
        return Err(Refusal::input("to", format!("`to` must be after `from`, and by at most {LOOK_MAX} days.")).into());
    }
    cx.read(async |tx| {
        let mut slots = slots::open(&own(tx).await?, cx.now(), from, to);
        if let (Some(first), Some(last)) = (slots.first(), slots.last()) {
            let booked = meetings::booked(tx, first.starts_at, last.ends_at).await?;
            slots.retain(|slot| !booked.iter().any(|row| row.starts_at < slot.ends_at && row.ends_at > slot.starts_at));
            slots.truncate(SLOTS_MAX);
        }
        Ok(slots)
    })
    .await
}

/// Books a free time. The same time booked again from the same conversation is the same meeting.
///
/// # Errors
/// `BAD_USER_INPUT` for a time that is never offered; `NOT_FOUND` for a lead or conversation that is not there; `CONFLICT`
/// for a time that is taken.
pub async fn book(cx: &TenantCx, form: &MeetingForm) -> Outcome<MeetingRow> {
    let title = text::optional("title", form.title.as_deref(), 200)?;
    let notes = text::optional("notes", form.notes.as_deref(), 2_000)?;
    cx.write(async |tx| {
        if !booking::lock(tx).await? {
            return Err(not_offered().into());
        }
        let mut lead = form.lead;
        if let Some(id) = form.conversation {
            let row = conversations::find(tx, id).await?.ok_or_else(|| Refusal::not_found("conversation"))?;
            lead = lead.or(row.lead_id);
            if let Some(row) = meetings::of_conversation(tx, id, form.starts_at).await? {
                return Ok(row);
            }
        }
        if let Some(lead) = lead {
            leads::hold(tx, lead).await?.ok_or_else(|| Refusal::not_found("lead"))?;
        }
        let moment = form.starts_at + TimeDelta::microseconds(1);
        let slots = slots::open(&own(tx).await?, cx.now(), form.starts_at, moment);
        let slot = slots.first().ok_or_else(not_offered)?;
        if !meetings::booked(tx, slot.starts_at, slot.ends_at).await?.is_empty() {
            return Err(taken().into());
        }
        let meeting = NewMeeting {
            tenant_id: cx.scope().tenant(),
            lead_id: lead,
            conversation_id: form.conversation,
            starts_at: slot.starts_at,
            ends_at: slot.ends_at,
            status: MeetingStatus::Booked,
            title,
            notes,
            created_at: cx.now(),
            updated_at: cx.now(),
        };
        let row = meetings::insert(tx, &meeting).await?;
        cx.audit(tx, "meeting.book", row.id);
        Ok(row)
    })
    .await
}

/// Calls a meeting off; its time is free again. Calling off twice changes nothing more.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn cancel(cx: &TenantCx, id: MeetingId) -> Outcome<MeetingRow> {
    cx.write(async |tx| {
        if let Some(row) = meetings::cancel(tx, id, cx.now()).await? {
            cx.audit(tx, "meeting.cancel", id);
            return Ok(row);
        }
        Ok(meetings::find(tx, id).await?.ok_or_else(|| Refusal::not_found("meeting"))?)
    })
    .await
}

async fn own(tx: &mut Tx<Tenant>) -> Outcome<Booking> {
    let tenant = tx.tenant();
    let found = booking::find_many(tx, &[tenant]).await?.remove(&tenant);
    found.ok_or_else(|| Failure::fault("a tenant without booking settings"))
}

fn not_offered() -> Refusal {
    Refusal::input("startsAt", "`startsAt` must be the beginning of one of `availableSlots`.")
}

fn taken() -> Refusal {
    Refusal::conflict("startsAt", "This time is taken. Ask for `availableSlots` and choose another.")
}
