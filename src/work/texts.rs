//! Sends a text. It is noted as being sent before its provider is asked: one that was asked for by a node that died, or whose
//! answer was lost, is asked for again only where the provider knows it for the same one. Must not know what it says.

use tracing::{Instrument, field::Empty};
use uuid::Uuid;

use crate::{
    channels::texting::{Account, Outgoing, Unsent},
    context::TenantCx,
    db::{
        tables::{
            settings::{self, SmsRow},
            tenants,
            texts::{self, Progress, TextRow},
        },
        tx::{Tenant, Tx},
    },
    domain::{
        settings::{TELNYX_API_KEY, TWILIO_AUTH_TOKEN},
        vault,
    },
    kernel::{
        failure::{Outcome, Refusal},
        trace,
        vocabulary::{TextProvider, TextStatus},
    },
    work::{
        Tools,
        held::{Held, Verdict},
    },
};

const STOPPED: &str = "The customer asked for no more texts.";
const CUT_OFF: &str = "An earlier part of it was not sent.";
const CLOSED: &str = "The business is deactivated.";
const MOVED: &str = "The number that it was to be sent from is not the business's any more.";
const LOST: &str = "The provider was asked, and its answer was lost. It may have been sent.";

/// What to do with a text, as its row stands.
enum Stand {
    /// To be sent, by this account; the row as it was before.
    Ready(TextRow, Box<Account>),
    /// Nothing is left to do.
    Over(Verdict),
}

/// Sends `id`.
pub(super) async fn send(tools: &Tools, cx: &TenantCx, held: &Held<'_>, id: Uuid) -> Outcome<Verdict> {
    let (text, account) = match cx.write(async |tx| take_up(tools, cx, tx, held, id).await).await? {
        Stand::Ready(text, account) => (text, account),
        Stand::Over(verdict) => return Ok(verdict),
    };
    let outgoing = Outgoing { id, from: &text.sender, to: &text.recipient, text: &text.content };
    let span = tracing::info_span!(
        target: trace::TARGET, "send text", otel.kind = "client", messaging.operation.type = "send",
        messaging.system = text.provider.as_str(), outcome = Empty, otel.status_code = Empty, error.type = Empty,
    );
    let asked_at = cx.now();
    let sent = tools.texting.send(&account, &outgoing).instrument(span.clone()).await;
    if let Err(unsent) = &sent {
        trace::ended(&span, unsent.kind(), true);
        tracing::warn!(text = %id, ?unsent, "a text was not sent");
    }
    let end = async |status, provider_id, failure: Option<&str>| {
        cx.write(async |tx| {
            let row = texts::lock(tx, id).await?.ok_or_else(|| Refusal::not_found("text"))?;
            // A receipt may have come meanwhile, and knows more.
            let is_open = row.status == TextStatus::Sending;
            let (status, failure) =
                if is_open { (status, Some(failure.map(str::to_owned))) } else { (row.status, None) };
            texts::progress(tx, id, &Progress { status, provider_id, failure, updated_at: cx.now() }).await?;
            call_off(cx, tx, &row, status).await?;
            held.done(tx).await
        })
        .await
    };
    if let Err(Unsent::OptedOut(_)) = &sent {
        // Said before we asked: one who asked for texts while we did is not silenced by it.
        cx.write(async |tx| texts::opt_out(tx, &text.recipient, asked_at).await).await?;
    }
    match sent {
        Ok(name) => end(TextStatus::Sent, Some(name), None).await,
        Err(Unsent::Later(why, pause)) if !held.is_last_try() => {
            // One that was asked for before stays so: it may have been sent then.
            if text.status == TextStatus::Queued {
                cx.write(async |tx| wait(cx, tx, held, id, &why).await).await?;
            }
            Ok(Verdict::Later(why, pause))
        }
        Err(Unsent::Lost(why)) if text.provider == TextProvider::Telnyx && !held.is_last_try() => {
            Ok(Verdict::Later(why, None))
        }
        Err(Unsent::Lost(_)) => end(TextStatus::Unknown, None, Some(LOST)).await,
        Err(Unsent::Later(why, _) | Unsent::Never(why) | Unsent::OptedOut(why)) => {
            let (status, failure) = given_up(&text, &why);
            end(status, None, Some(failure)).await
        }
    }
}

/// How a text ends that does not go out, and why; `text` as it stood before this try. One that was asked for before may have
/// been sent then, whatever keeps us from it now.
fn given_up<'a>(text: &TextRow, why: &'a str) -> (TextStatus, &'a str) {
    if text.status == TextStatus::Sending { (TextStatus::Unknown, LOST) } else { (TextStatus::Failed, why) }
}

/// Puts a text that was not taken in line again, unless a receipt, or another node, knows better by now.
async fn wait(cx: &TenantCx, tx: &mut Tx<Tenant>, held: &Held<'_>, id: Uuid, why: &str) -> Outcome<()> {
    let row = texts::lock(tx, id).await?.filter(|row| row.status == TextStatus::Sending);
    if row.is_none() || !held.is_ours(tx).await? {
        return Ok(());
    }
    let failure = Some(Some(why.to_owned()));
    let progress = Progress { status: TextStatus::Queued, provider_id: None, failure, updated_at: cx.now() };
    texts::progress(tx, id, &progress).await
}

/// The end of a message whose beginning did not go out would tell its customer nothing.
async fn call_off(cx: &TenantCx, tx: &mut Tx<Tenant>, text: &TextRow, status: TextStatus) -> Outcome<()> {
    match text.message_id.filter(|_| status == TextStatus::Failed) {
        Some(message) => texts::fail_queued(tx, message, text.part, CUT_OFF, cx.now()).await,
        None => Ok(()),
    }
}

/// Whether the provider would know the same text again: it was asked for when its row was last changed.
fn may_ask_again(tools: &Tools, cx: &TenantCx, text: &TextRow) -> bool {
    text.provider == TextProvider::Telnyx && cx.now() - text.updated_at < tools.texting.telnyx_remembers()
}

/// Marks a text as being sent, if it is to be.
async fn take_up(tools: &Tools, cx: &TenantCx, tx: &mut Tx<Tenant>, held: &Held<'_>, id: Uuid) -> Outcome<Stand> {
    let text = texts::lock(tx, id).await?.ok_or_else(|| Refusal::not_found("text"))?;
    let was_asked_for = text.status == TextStatus::Sending;
    let over = async |tx: &mut Tx<Tenant>, failure: &str| {
        let (status, failure) = given_up(&text, failure);
        let failure = Some(Some(failure.to_owned()));
        texts::progress(tx, id, &Progress { status, provider_id: None, failure, updated_at: cx.now() }).await?;
        call_off(cx, tx, &text, status).await?;
        Ok(Stand::Over(held.done(tx).await?))
    };
    if was_asked_for && !may_ask_again(tools, cx, &text) {
        return over(tx, LOST).await;
    }
    if !was_asked_for && text.status != TextStatus::Queued {
        return Ok(Stand::Over(held.done(tx).await?));
    }
    if !tenants::own(tx).await?.is_active {
        return over(tx, CLOSED).await;
    }
    if texts::is_opted_out(tx, &text.recipient).await? {
        return over(tx, STOPPED).await;
    }
    let own = settings::sms_of_own(tx).await?;
    // By now it may be another tenant's, and answers would go there.
    if own.number(text.provider) != Some(text.sender.as_str()) {
        return over(tx, MOVED).await;
    }
    let account = match account(cx, tx, text.provider, own).await? {
        Ok(account) => account,
        Err(missing) => return over(tx, missing).await,
    };
    // How long its provider knows it counts from the first time, so another one is not noted.
    if !was_asked_for {
        let progress =
            Progress { status: TextStatus::Sending, provider_id: None, failure: Some(None), updated_at: cx.now() };
        texts::progress(tx, id, &progress).await?;
    }
    Ok(Stand::Ready(text, Box::new(account)))
}

/// The tenant's account, or what it lacks.
async fn account(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    provider: TextProvider,
    own: SmsRow,
) -> Outcome<Result<Account, &'static str>> {
    let name = match provider {
        TextProvider::Telnyx => TELNYX_API_KEY,
        TextProvider::Twilio => TWILIO_AUTH_TOKEN,
    };
    let secret = vault::open(cx, tx, name).await?;
    Ok(match (provider, secret) {
        (TextProvider::Telnyx, Some(key)) => Ok(Account::Telnyx { key, profile: own.telnyx_messaging_profile_id }),
        (TextProvider::Telnyx, None) => Err("No key for Telnyx is set. Set telnyxApiKey with updateSmsSettings."),
        (TextProvider::Twilio, Some(token)) => match own.twilio_account_sid {
            Some(sid) => Ok(Account::Twilio { sid, token }),
            None => Err("No account at Twilio is set. Set twilioAccountSid with updateSmsSettings."),
        },
        (TextProvider::Twilio, None) => Err("No token for Twilio is set. Set twilioAuthToken with updateSmsSettings."),
    })
}
