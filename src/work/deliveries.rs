//! Acts on what a provider delivered: hands it to the file that knows such events, and marks it as done together with what
//! came of it. Must not know what events mean.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    channels::{
        google, telnyx,
        texting::{Receipt, Told},
        twilio,
    },
    context::TenantCx,
    db::{
        tables::inbox::{self, KeptRow},
        tx::{Tenant, Tx},
    },
    domain::{calls, sms, texts},
    kernel::{
        failure::{Failure, Outcome, Refusal},
        ids::DeliveryId,
        vocabulary::TextProvider,
    },
    work::{
        Tools,
        held::{Held, Verdict},
        mailboxes,
    },
};

/// A receipt may overtake the answer that names its text: for so long it is not taken for somebody else's.
const OVERTAKEN: TimeDelta = TimeDelta::minutes(2);
const SOON: Duration = Duration::from_secs(5);

/// Acts on a delivery.
pub(super) async fn work_on(
    tools: &Tools,
    cx: &TenantCx,
    held: &Held<'_>,
    id: DeliveryId,
    text: Option<Uuid>,
) -> Outcome<Verdict> {
    let kept = cx.read(async |tx| inbox::kept(tx, id).await).await?.ok_or_else(|| Refusal::not_found("delivery"))?;
    if telnyx::calls::is_of_call(&kept.event_type) {
        return of_call(cx, held, &kept).await;
    }
    if kept.provider == google::PROVIDER {
        return mailboxes::sync(tools, cx, held).await;
    }
    let Ok(provider) = kept.provider.parse::<TextProvider>() else {
        return Ok(unreadable("nobody here knows its provider"));
    };
    let told = match provider {
        TextProvider::Telnyx => telnyx::told(&kept.body),
        TextProvider::Twilio => twilio::told(&kept.body),
    };
    let told = match told {
        Ok(told) => told,
        Err(why) => return Ok(unreadable(why)),
    };
    let done = cx.write(async |tx| {
        let joined = match &told {
            Told::Message(said) => sms::hear(cx, tx, provider, &kept, said).await?,
            Told::Receipt(receipt) if !heard_of(cx, tx, provider, receipt, text, &kept).await? => return Ok(None),
            Told::Receipt(_) | Told::Nothing => Vec::new(),
        };
        held.done(tx).await?;
        Ok::<_, Failure>(Some(joined))
    });
    match done.await? {
        None => Ok(Verdict::Wait(SOON)),
        Some(joined) => {
            for message in &joined {
                tools.engine.tell(cx, message);
            }
            cx.services().work.notify_one();
            Ok(Verdict::Done)
        }
    }
}

fn unreadable(why: &str) -> Verdict {
    Verdict::Never(format!("the event can't be read: {why}"))
}

/// What Telnyx says of a call.
async fn of_call(cx: &TenantCx, held: &Held<'_>, kept: &KeptRow) -> Outcome<Verdict> {
    let event = match telnyx::calls::told(&kept.body) {
        Ok(event) => event,
        Err(why) => return Ok(unreadable(why)),
    };
    let done = cx.write(async |tx| {
        calls::apply(cx, tx, &event).await?;
        held.done(tx).await
    });
    done.await
}

/// Notes what became of a text. `false` when it is too early to tell of which.
async fn heard_of(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    provider: TextProvider,
    receipt: &Receipt,
    text: Option<Uuid>,
    kept: &KeptRow,
) -> Outcome<bool> {
    // One of a text that somebody else sent by this number says nothing to us.
    Ok(texts::note(cx, tx, provider, receipt, text).await? || cx.now() - kept.received_at > OVERTAKEN)
}
