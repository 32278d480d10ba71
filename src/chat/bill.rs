//! What a reply costs its tenant: tokens are reserved before each question to a model, and settled once when the reply ends,
//! however it ends. Must not know a provider.

use futures_util::try_join;

use crate::{
    context::TenantCx,
    db::{
        tables::{
            messages::{self, MessageRow, ReplyStart, TurnRow},
            quotas, tenants,
            usage::{self, NewUsage},
        },
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids::{MessageId, UserId},
    },
    llm::{self, Usage},
};

/// Tokens that a model may write where its tenant has a quota, and bounds it by no number of its own.
const OUTPUT: i64 = 4_096;
/// A question whose answer could not be longer is not asked.
const WORTHWHILE: i64 = 64;

/// A question that is to be asked.
pub(super) struct Question<'a> {
    /// Of which model, where that is known.
    pub(super) model: Option<&'a str>,
    /// Tokens of its prompt, by estimate.
    pub(super) prompt: u32,
    /// Tokens that its answer may have, where the tenant bounds it.
    pub(super) wish: Option<u32>,
}

/// What came of a reservation.
pub(super) enum Reserved {
    /// The model may write so many tokens, or as many as it likes.
    Granted(Option<u32>),
    /// Too little is left of the month.
    UsedUp(Refusal),
    /// The reply is not open any more.
    Gone,
}

impl Question<'_> {
    /// Tokens that its answer may have, where no quota bounds it.
    fn output(&self) -> i64 {
        self.wish.map_or(OUTPUT, i64::from)
    }
}

/// Begins a reply and reserves what its first question may use: in one go, where no quota has to be looked at. Nothing comes back
/// when it was ended meanwhile.
///
/// # Errors
/// Database faults.
pub(super) async fn begin(
    tx: &mut Tx<Tenant>,
    reply: &TurnRow,
    question: &Question<'_>,
    start: ReplyStart,
    quota: Option<i32>,
) -> Outcome<Option<(MessageRow, Reserved)>> {
    if quota.is_some() {
        let Some(row) = messages::start_reply(tx, reply.id, &start).await? else { return Ok(None) };
        let reserved = reserving(tx, reply, question, (Usage::default(), 0), quota).await?;
        return Ok(Some((row, reserved)));
    }
    let (month, holds) = (quotas::month(reply.created_at), i64::from(question.prompt) + question.output());
    let start = ReplyStart {
        model: question.model.map(str::to_owned),
        prompt_tokens: Some(stored(question.prompt.into())),
        reserved_tokens: Some(stored(holds)),
        ..start
    };
    let tx = &*tx;
    // Either may come first: nobody holds the row of a reply that has not begun and waits for a month.
    let (row, ()) = try_join!(messages::start_reply(tx, reply.id, &start), quotas::reserve(tx, month, holds))?;
    if row.is_none() {
        // It will never be settled.
        quotas::reserve(tx, month, -holds).await?;
    }
    Ok(row.map(|row| (row, Reserved::Granted(question.wish))))
}

/// Reserves what one more question may use, beside what those before it are known to have `used`. Where little is left of the
/// month, the model may write less.
///
/// # Errors
/// Database faults.
pub(super) async fn reserve(cx: &TenantCx, reply: &TurnRow, question: &Question<'_>, used: Usage) -> Outcome<Reserved> {
    cx.write(async |tx| {
        let quota = tenants::own(tx).await?.monthly_token_quota;
        // First the reply, then the month: as it is settled. What it holds stands in its row, and nowhere else: its begin may be lost.
        let Some(held) = messages::lock_open(tx, reply.id).await? else { return Ok(Reserved::Gone) };
        reserving(tx, reply, question, (used, held), quota).await
    })
    .await
}

/// The same for a reply whose row the transaction holds, and by which so many tokens are held, of a tenant with this `quota`.
async fn reserving(
    tx: &mut Tx<Tenant>,
    reply: &TurnRow,
    question: &Question<'_>,
    (used, held): (Usage, i32),
    quota: Option<i32>,
) -> Outcome<Reserved> {
    let (month, held) = (quotas::month(reply.created_at), i64::from(held));
    let prompt = i64::from(question.prompt);
    let (asked, spent) = (i64::from(used.prompt) + prompt, i64::from(used.prompt) + i64::from(used.completion));
    let wish = question.output();
    let output = match quota {
        Some(quota) => wish.min(quotas::left(tx, month, quota).await? + held - spent - prompt),
        None => wish,
    };
    if output < WORTHWHILE.min(wish) {
        return Ok(Reserved::UsedUp(used_up()));
    }
    let holds = spent + prompt + output;
    let tx = &*tx;
    try_join!(
        messages::reserve(tx, reply.id, question.model, stored(asked), stored(holds)),
        quotas::reserve(tx, month, holds - held),
    )?;
    Ok(Reserved::Granted(if quota.is_some() { u32::try_from(output).ok() } else { question.wish }))
}

fn used_up() -> Refusal {
    Refusal::new(
        ErrorCode::QuotaExceeded,
        "The assistant has used up its allowance for this month. Your message is kept, and a person can still answer it.",
    )
}

/// What a reply whose node is gone used, as far as can be told: the node noted what it asked.
pub(super) fn lost(row: &TurnRow, written: &str) -> Option<Usage> {
    row.reserved_tokens?;
    Some(Usage { prompt: row.prompt_tokens?, completion: stored(llm::estimate_tokens(written).into()) })
}

/// Settles a reply that has just ended, with the tokens that its row says: gives back what it held, and enters what it
/// used into the ledger. Once: a reply ends once.
///
/// # Errors
/// Database faults.
pub(super) async fn settle(tx: &mut Tx<Tenant>, cx: &TenantCx, row: &TurnRow, is_estimated: bool) -> Outcome<()> {
    let used = row.prompt_tokens.zip(row.completion_tokens);
    if let Some((prompt, completion)) = used {
        let entry = NewUsage {
            tenant_id: cx.scope().tenant(),
            message_id: row.id,
            user_id: asker(tx, row.reply_to_id).await?,
            model: row.model.clone().unwrap_or_default(),
            prompt_tokens: prompt.max(0),
            completion_tokens: completion.max(0),
            is_estimated,
            created_at: cx.now(),
        };
        usage::settle(tx, &entry).await?;
    }
    let used = used.map_or(0, |(prompt, completion)| i64::from(prompt.max(0)) + i64::from(completion.max(0)));
    // One whose begin was lost holds nothing, and has used what it used.
    let reserved = i64::from(row.reserved_tokens.unwrap_or(0));
    if (reserved, used) == (0, 0) {
        return Ok(());
    }
    quotas::settle(tx, quotas::month(row.created_at), reserved, used).await
}

/// Whose message it answers, where a user's.
async fn asker(tx: &mut Tx<Tenant>, question: Option<MessageId>) -> Outcome<Option<UserId>> {
    let Some(question) = question else { return Ok(None) };
    Ok(messages::find(tx, question).await?.and_then(|message| message.author_id))
}

fn stored(tokens: i64) -> i32 {
    i32::try_from(tokens).unwrap_or(i32::MAX)
}
