//! People who might buy.

use crate::{
    context::{TenantCx, audit},
    db::{
        tables::{
            calls,
            conversations::{self, ConversationChanges, ConversationRow},
            leads::{self, LeadChanges, LeadRow, NewLead},
        },
        tx::{Tenant, Tx},
    },
    kernel::{
        email,
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::{ConversationId, LeadId},
        phone, text,
        vocabulary::{Channel, LeadStatus},
    },
};

/// Longest notes, in characters.
const NOTES_MAX: usize = 10_000;

/// A lead to be.
#[derive(Default)]
pub struct LeadForm {
    /// What they are called.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their number.
    pub phone: Option<String>,
    /// Where they came from; the web, unless said otherwise.
    pub source: Option<Channel>,
    /// Anything worth knowing.
    pub notes: Option<String>,
}

/// Times a lead may vanish between being found in the way and being looked at.
const TRIES: usize = 3;

/// Notes a lead. A person whom the tenant knows already, by number or address, is the same lead: what was not known of
/// them is added, and nothing is overwritten. So it is also when many try at once.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument, and when there is nothing to know the person by.
pub async fn create(cx: &TenantCx, form: &LeadForm) -> Outcome<LeadRow> {
    let lead = checked(cx, "input", form)?;
    let note = async || cx.write(async |tx| note_or_find(cx, tx, &lead, true).await).await;
    match note().await {
        Err(failure) if is_just_taken(&failure) => note().await,
        noted => noted,
    }
}

/// As [`create`], for what somebody says of themselves without proof: a lead that is known already is left as it is, since
/// anybody could give another's address, and a number of their own with it.
///
/// # Errors
/// As [`create`]; what says nothing is the argument `lead`.
pub async fn claim(cx: &TenantCx, form: &LeadForm) -> Outcome<LeadRow> {
    let lead = checked(cx, "lead", form)?;
    cx.write(async |tx| note_or_find(cx, tx, &lead, false).await).await
}

/// As [`create`], in the transaction of what it belongs to. For a form with a number or an address, not with both: so nothing of it can
/// be another lead's than the one that is found by it.
///
/// # Errors
/// As [`create`].
pub async fn noted_in(cx: &TenantCx, tx: &mut Tx<Tenant>, form: &LeadForm) -> Outcome<LeadRow> {
    note_or_find(cx, tx, &checked(cx, "input", form)?, true).await
}

/// As [`claim`], in the transaction of what it belongs to.
///
/// # Errors
/// As [`create`].
pub async fn claimed_in(cx: &TenantCx, tx: &mut Tx<Tenant>, form: &LeadForm) -> Outcome<LeadRow> {
    note_or_find(cx, tx, &checked(cx, "input", form)?, false).await
}

/// Keeps what a customer said of themselves in a conversation: of the lead that it is linked to, or, where there is none,
/// of one as of [`claim`], which it is linked to from then on. What is known stays, and what is another lead's stays
/// theirs. Of a lead that was there before the conversation nothing changes, unless a provider vouches that it is theirs.
///
/// # Errors
/// As [`create`]; `NOT_FOUND` for a conversation that is not there, `CONFLICT` if it was linked at the same moment.
pub async fn capture(cx: &TenantCx, conversation: ConversationId, form: &LeadForm) -> Outcome<LeadRow> {
    let lead = checked(cx, "input", form)?;
    let keep = async || cx.write(async |tx| captured(cx, tx, conversation, &lead).await).await;
    match keep().await {
        Err(failure) if is_just_taken(&failure) => keep().await,
        kept => kept,
    }
}

/// Whether another lead got the number or the address after it was seen to be free. Of the transaction nothing stands, and it can't
/// look again; the next one finds that lead.
fn is_just_taken(failure: &Failure) -> bool {
    let Failure::Refused(refusal) = failure else { return false };
    refusal.code == ErrorCode::Conflict && matches!(refusal.field, Some("phone" | "email"))
}

async fn captured(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    lead: &NewLead,
) -> Outcome<LeadRow> {
    let missing = || Refusal::not_found("conversation");
    let thread = conversations::find(tx, conversation).await?.ok_or_else(missing)?;
    let lead = NewLead { source: thread.channel, ..lead.clone() };
    if let Some(own) = thread.lead_id {
        let known = leads::lock_known(tx, lead.phone.as_deref(), lead.email.as_deref(), Some(own)).await?;
        let (own, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| row.id == own);
        let own = own.first().ok_or_else(missing_lead)?;
        if !is_its_own(tx, &thread, own).await? {
            return Ok(as_it_is(cx, tx, own));
        }
        return learn(cx, tx, own, &lead, &others.iter().collect::<Vec<_>>()).await;
    }
    let row = note_or_find(cx, tx, &lead, false).await?;
    // Locked last: while it waits for a lead, nothing else of the conversation waits for it.
    let thread = conversations::lock(tx, conversation).await?.ok_or_else(missing)?;
    if let Some(linked) = thread.lead_id {
        // With another one, what was noted here is taken back.
        return if linked == row.id { Ok(row) } else { Err(changed_meanwhile().into()) };
    }
    let link = ConversationChanges { status: None, lead_id: Some(Some(row.id)), subject: None, updated_at: cx.now() };
    conversations::update(tx, conversation, &link).await?;
    cx.audit_change(tx, "conversation.update", conversation, Some("lead".to_owned()));
    Ok(row)
}

/// Whether the lead is who speaks in the conversation, rather than who somebody says they are: noted since it began, or
/// known by the number that a provider vouches for. Else anybody could name another's address, put a number of their own
/// beside it, and be told of the other on the phone.
async fn is_its_own(tx: &mut Tx<Tenant>, thread: &ConversationRow, lead: &LeadRow) -> Outcome<bool> {
    if lead.created_at >= thread.created_at {
        return Ok(true);
    }
    let number = vouched_for(tx, thread).await?;
    Ok(number.is_some() && number == lead.phone)
}

/// The number of who speaks in a conversation, where a provider says whose it is. Of a mail nobody does: its sender writes
/// both `From` and `Reply-To`.
async fn vouched_for(tx: &mut Tx<Tenant>, thread: &ConversationRow) -> Outcome<Option<String>> {
    match thread.channel {
        Channel::Sms => Ok(thread.contact.clone()),
        Channel::Voice => {
            let rows = calls::of_conversations(tx, &[thread.id]).await?;
            let attested = rows.iter().find(|call| call.known.is_attested);
            let number = attested.and_then(|call| call.known.customer_number.as_deref());
            Ok(number.and_then(|number| phone::normalise("phone", number).ok()))
        }
        Channel::Web | Channel::Email => Ok(None),
    }
}

/// A form as a lead to be; `argument` is at fault where it says nothing.
fn checked(cx: &TenantCx, argument: &'static str, form: &LeadForm) -> Result<NewLead, Refusal> {
    let now = cx.now();
    let lead = NewLead {
        tenant_id: cx.scope().tenant(),
        name: name(form.name.as_deref())?,
        email: address(form.email.as_deref())?,
        phone: number(form.phone.as_deref())?,
        source: form.source.unwrap_or(Channel::Web),
        status: LeadStatus::New,
        notes: notes(form.notes.as_deref())?,
        created_at: now,
        updated_at: now,
    };
    if lead.name.is_none() && lead.email.is_none() && lead.phone.is_none() {
        return Err(nothing_known(argument));
    }
    Ok(lead)
}

async fn note_or_find(cx: &TenantCx, tx: &mut Tx<Tenant>, lead: &NewLead, learns: bool) -> Outcome<LeadRow> {
    for _ in 0..TRIES {
        if let Some(row) = leads::insert_if_new(tx, lead).await? {
            cx.audit(tx, "lead.create", row.id);
            return Ok(row);
        }
        let known = leads::lock_known(tx, lead.phone.as_deref(), lead.email.as_deref(), None).await?;
        if let Some(row) = known.iter().find(|row| row.phone == lead.phone).or(known.first()) {
            if !learns {
                return Ok(as_it_is(cx, tx, row));
            }
            let others: Vec<_> = known.iter().filter(|other| other.id != row.id).collect();
            return learn(cx, tx, row, lead, &others).await;
        }
    }
    Err(changed_meanwhile().into())
}

fn as_it_is(cx: &TenantCx, tx: &mut Tx<Tenant>, known: &LeadRow) -> LeadRow {
    cx.audit(tx, "lead.found", known.id);
    known.clone()
}

/// Adds to a known lead what was not known of it. What is another than what is known, or is one of the `others`', is kept
/// among the notes.
async fn learn(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    known: &LeadRow,
    lead: &NewLead,
    others: &[&LeadRow],
) -> Outcome<LeadRow> {
    let missing = |known: &Option<String>, said: &Option<String>| said.clone().filter(|_| known.is_none()).map(Some);
    let taken = Taken {
        email: lead.email.is_some() && others.iter().any(|other| other.email == lead.email),
        phone: lead.phone.is_some() && others.iter().any(|other| other.phone == lead.phone),
    };
    let changes = LeadChanges {
        name: missing(&known.name, &lead.name),
        email: missing(&known.email, &lead.email).filter(|_| !taken.email),
        phone: missing(&known.phone, &lead.phone).filter(|_| !taken.phone),
        status: None,
        notes: noted(known, lead, &taken).map(Some),
        updated_at: cx.now(),
    };
    let Some(news) = said(&changes) else {
        return Ok(as_it_is(cx, tx, known));
    };
    let row = leads::update(tx, known.id, &changes).await?.ok_or_else(missing_lead)?;
    cx.audit_change(tx, "lead.update", known.id, Some(news));
    Ok(row)
}

/// What of a lead to be is another lead's already.
struct Taken {
    email: bool,
    phone: bool,
}

/// The notes with what has no other place and they do not say yet, as far as it fits; nothing if there is nothing new.
fn noted(known: &LeadRow, lead: &NewLead, taken: &Taken) -> Option<String> {
    let elsewhere = |what: &str, known: &Option<String>, said: &Option<String>, is_taken: bool| {
        let said =
            said.as_ref().filter(|_| is_taken || known.is_some()).filter(|said| known.as_ref() != Some(*said))?;
        Some(format!("{what}: {said}"))
    };
    let mut notes = known.notes.clone().unwrap_or_default();
    let more = [
        lead.notes.clone(),
        elsewhere("Phone", &known.phone, &lead.phone, taken.phone),
        elsewhere("E-mail", &known.email, &lead.email, taken.email),
    ];
    for said in more.into_iter().flatten() {
        let glue = if notes.is_empty() { "" } else { "\n" };
        if !notes.contains(&said) && notes.chars().count() + said.chars().count() < NOTES_MAX {
            notes = format!("{notes}{glue}{said}");
        }
    }
    Some(notes).filter(|notes| known.notes.as_ref() != Some(notes) && !notes.is_empty())
}

/// Changes to a lead. An outer `None` leaves as it is, an inner one clears.
#[derive(Default)]
#[expect(missing_docs, reason = "as the form")]
pub struct LeadEdit {
    pub name: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub status: Option<LeadStatus>,
    pub notes: Option<Option<String>>,
}

/// Changes a lead.
///
/// # Errors
/// `BAD_USER_INPUT`, also when nothing to know the person by would be left; `NOT_FOUND`; `CONFLICT` on a number or an
/// address that another lead has.
pub async fn update(cx: &TenantCx, id: LeadId, edit: &LeadEdit) -> Outcome<LeadRow> {
    let changes = LeadChanges {
        name: edit.name.as_ref().map(|text| name(text.as_deref())).transpose()?,
        email: edit.email.as_ref().map(|text| address(text.as_deref())).transpose()?,
        phone: edit.phone.as_ref().map(|text| number(text.as_deref())).transpose()?,
        status: edit.status,
        notes: edit.notes.as_ref().map(|text| notes(text.as_deref())).transpose()?,
        updated_at: cx.now(),
    };
    let detail = said(&changes);
    cx.write(async |tx| {
        let known = leads::find(tx, id).await?.ok_or_else(missing_lead)?;
        if !changes.is_news(&known) {
            return Ok(known);
        }
        let row = leads::update(tx, id, &changes).await?.ok_or_else(missing_lead)?;
        if row.name.is_none() && row.email.is_none() && row.phone.is_none() {
            // The transaction ends with it, and so does the change.
            return Err(nothing_known("input").into());
        }
        cx.audit_change(tx, "lead.update", id, detail);
        Ok(row)
    })
    .await
}

/// Removes a lead. Its conversations stay, and are no longer linked to anybody.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn delete(cx: &TenantCx, id: LeadId) -> Outcome<()> {
    cx.write(async |tx| {
        if !leads::delete(tx, id).await? {
            return Err(missing_lead().into());
        }
        cx.audit(tx, "lead.delete", id);
        Ok(())
    })
    .await
}

fn said(changes: &LeadChanges) -> Option<String> {
    audit::said(&[
        ("name", changes.name.is_some()),
        ("email", changes.email.is_some()),
        ("phone", changes.phone.is_some()),
        ("status", changes.status.is_some()),
        ("notes", changes.notes.is_some()),
    ])
}

fn missing_lead() -> Refusal {
    Refusal::not_found("lead")
}

fn changed_meanwhile() -> Refusal {
    Refusal::new(ErrorCode::Conflict, "Somebody else changed this lead at the same moment. Try again.")
}

fn nothing_known(argument: &'static str) -> Refusal {
    Refusal::input(argument, "A lead needs a `name`, an `email` or a `phone`.")
}

fn name(text: Option<&str>) -> Result<Option<String>, Refusal> {
    text::optional("name", text, 200)
}

fn notes(text: Option<&str>) -> Result<Option<String>, Refusal> {
    text::optional("notes", text, NOTES_MAX)
}

fn address(text: Option<&str>) -> Result<Option<String>, Refusal> {
    text::given(text).map(|text| email::normalise("email", text)).transpose()
}

fn number(text: Option<&str>) -> Result<Option<String>, Refusal> {
    text::given(text).map(|text| phone::normalise("phone", text)).transpose()
}
