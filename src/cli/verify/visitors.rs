//! Checks: a visitor of a website has one conversation, and that from the tenant's own pages.

use serde_json::{Value, json};

use crate::cli::verify::{
    client::Caller,
    report::{Report, Verdict},
    stage::{Side, Stage},
};

const LOOK: &str = "query($id: ID!) { conversation(id: $id) { id } }";
const SEND: &str =
    "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"Mine now\" }) { message { id } } }";

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    report.group("website visitors");
    let (ann, ben) = match (visitor(stage, &stage.a).await, visitor(stage, &stage.b).await) {
        (Ok(ann), Ok(ben)) => (ann, ben),
        (Err(wrong), _) | (_, Err(wrong)) => {
            return report.check("a visitor is let in on the tenant's website", Err(wrong));
        }
    };
    report.check("a visitor is let in on the tenant's website", Ok(()));
    let callers = [&ann.0, &ben.0];
    report.check(
        "a visitor reads their own conversation, and no other of the tenant's or another's",
        async {
            for (caller, own) in [&ann, &ben] {
                caller.ask(LOOK, json!({ "id": own })).await?.is("/conversation/id", &json!(own))?;
                for other in [&stage.a.conversation, if own == &ann.1 { &ben.1 } else { &ann.1 }] {
                    caller.ask(LOOK, json!({ "id": other })).await?.is("/conversation", &Value::Null)?;
                }
            }
            Ok(())
        }
        .await,
    );
    report.check("a visitor writes into no other conversation", refused(&callers, SEND, &stage.a, "NOT_FOUND").await);
    report.check(
        "a visitor's token opens no lists, no people and no settings",
        async {
            for document in
                ["{ leads { totalCount } }", "{ conversations { totalCount } }", "{ me { id } }", "{ tenant { id } }"]
            {
                refused(&callers, document, &stage.a, "FORBIDDEN").await?;
            }
            Ok(())
        }
        .await,
    );
    report.check(
        "a visitor does not read whom a conversation is linked to",
        async {
            let document = "query($id: ID!) { conversation(id: $id) { lead { email } } }";
            refused(&callers, document, &stage.a, "FORBIDDEN").await
        }
        .await,
    );
    report.check(
        "another website's page can't use the chat",
        async {
            let foreign = ann.0.on(&stage.b.origin);
            foreign.ask(LOOK, json!({ "id": ann.1 })).await?.refused(&["FORBIDDEN"])?;
            started(&foreign, &stage.a).await?.refused(&["FORBIDDEN"])
        }
        .await,
    );
}

/// Somebody on a tenant's website, and their conversation.
async fn visitor<'g>(stage: &Stage<'g>, side: &Side<'g>) -> Verdict<(Caller<'g>, String)> {
    let caller = stage.graph.stranger().on(&side.origin);
    let answer = started(&caller, side).await?;
    let token = answer.text("/startVisitorSession/accessToken")?;
    Ok((
        caller.with_token(&format!("a visitor of {}", side.subdomain), token),
        answer.text("/startVisitorSession/conversation/id")?,
    ))
}

async fn started(caller: &Caller<'_>, side: &Side<'_>) -> Verdict<super::client::Answer> {
    let start =
        "mutation($s: String!) { startVisitorSession(input: { subdomain: $s }) { accessToken conversation { id } } }";
    caller.ask(start, json!({ "s": side.subdomain })).await
}

/// All of them ask this about A's conversation, and are refused with this code.
async fn refused(callers: &[&Caller<'_>], document: &str, a: &Side<'_>, code: &str) -> Verdict {
    for caller in callers {
        caller.ask(document, json!({ "id": a.conversation })).await?.refused(&[code])?;
    }
    Ok(())
}
