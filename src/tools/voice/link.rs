//! The registration link for a caller, by text message to the number that they call from: once in a call, however often the
//! assistant asks. It is not read out: nobody writes an address down by ear. Staff see it in the call's conversation.

use serde_json::{Map, Value, json};

use super::{Request, key, refused, spoken, told, words};
use crate::{
    channels::jackrabbit::Language,
    context::TenantCx,
    db::tables::{conversations, tenants, texts as rows},
    domain::{
        calls,
        texts::{self, Notice},
    },
    kernel::failure::{Failure, Outcome, Refusal},
    tools::Tool,
};

/// What became of it.
enum Sent {
    /// It is on its way, or was before.
    Yes(Value),
    /// It can't be.
    No(&'static str),
    /// It was, and did not arrive.
    Failed,
}

pub(super) async fn send(
    cx: &TenantCx,
    request: &Request<'_>,
    arguments: Map<String, Value>,
    language: Language,
) -> Outcome<Value> {
    let not_sent = |why| Ok(refused(why, words::not_sent(language)));
    let Some(name) = request.call else { return not_sent("Without a call's id it is not known whom to text.") };
    let call = calls::at_hand(cx, name, super::arguments::end_user(request.asked)).await?;
    let Some(customer) = call.customer.as_deref() else { return not_sent("The caller's number is not known.") };
    let made = told(cx, Tool::SendRegistrationLink, Some(call.conversation), &arguments.into()).await;
    let Some(url) = made.get("url").and_then(Value::as_str) else { return Ok(spoken(made, language, |_| None)) };
    let (action, key) = (Tool::SendRegistrationLink.action(), key(&[url]));
    // Among the ids of what is said in calls.
    let known_as = format!("call/link/{key}");
    let mut answer = json!({ "sent": true, "say": words::sent(language) });
    if let (Some(note), Some(answer)) = (made.get("note"), answer.as_object_mut()) {
        answer.insert("note".to_owned(), note.clone());
    }
    let sent = cx.write(async |tx| {
        // Held, so that of two who ask at once the second finds it done.
        if let Some(before) = calls::done_and_held(tx, name, action, &key).await? {
            let has_failed = texts::has_failed(tx, call.conversation, &known_as).await?;
            return Ok(if has_failed { Sent::Failed } else { Sent::Yes(before) });
        }
        if rows::is_opted_out(tx, customer).await? {
            return Ok(Sent::No("The caller asked for no more text messages."));
        }
        let tenant = tenants::own(tx).await?;
        let business = tenant.business_name.as_ref().unwrap_or(&tenant.name);
        let content = words::link(business, url, language);
        // Messages join a conversation one after the other.
        let conversation = conversations::lock(tx, call.conversation).await?;
        let conversation = conversation.ok_or_else(|| Refusal::not_found("conversation"))?.id;
        let known_as = Some(known_as.clone());
        let notice = Notice { conversation, provider: None, to: customer, content, known_as };
        if texts::say(cx, tx, notice).await?.is_none() {
            return Ok(Sent::No("The business has no number to text from."));
        }
        calls::note_done(cx, tx, call.id, action, &key, &answer).await?;
        Ok::<_, Failure>(Sent::Yes(answer.clone()))
    });
    match sent.await? {
        Sent::Yes(answer) => {
            cx.services().work.notify_one();
            Ok(answer)
        }
        Sent::No(why) => not_sent(why),
        Sent::Failed => Ok(refused("The text message with the link did not arrive.", words::not_arrived(language))),
    }
}
