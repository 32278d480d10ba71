//! Checks: what is said in a tenant, what its assistant may answer from, and who works there is nobody else's to read.

use serde_json::{Value, json};

use crate::cli::verify::{
    probe::{hidden, holds_own, refused_as_missing, unlisted},
    report::{Report, Verdict},
    stage::{Side, Stage},
};

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    let (a, onlookers, administrators) = (&stage.a, stage.onlookers(), stage.administrators());
    report.group("conversations and knowledge");
    let verdict = hidden(stage, "conversation", &a.conversation, &onlookers).await;
    report.check("`conversation(id:)` of another tenant's is null", verdict);
    report.check("`node(id:)` of another tenant's conversation and messages is null", nodes(stage).await);
    let verdict = unlisted(stage, "conversations", &a.conversation, &onlookers).await;
    report.check("`conversations` lists and counts no other tenant's", verdict);
    report.check("what is said is read in its tenant alone", said(stage).await);
    let send =
        "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"Mine now\" }) { message { id } } }";
    report.check("sendMessage knows no other tenant's conversation", unchanged(stage, send, &a.conversation).await);
    let stop = "mutation($id: ID!) { stopReply(messageId: $id) { id } }";
    report.check("stopReply knows no other tenant's reply", unchanged(stage, stop, &a.reply).await);

    report.check("`searchKnowledge` finds one's own documents, and no other's", search(stage).await);
    let verdict = unlisted(stage, "knowledgeDocuments", &a.document, &onlookers).await;
    report.check("`knowledgeDocuments` lists and counts no other tenant's", verdict);
    let verdict = hidden(stage, "node", &a.document, &onlookers).await;
    report.check("`node(id:)` of another tenant's document is null", verdict);

    report.check(
        "`users` lists and counts no other tenant's",
        unlisted(stage, "users", &a.user_id, &administrators).await,
    );
    report.check(
        "`user(id:)` of another tenant's is null",
        hidden(stage, "user", &a.user_id, std::slice::from_ref(&stage.b.admin)).await,
    );
}

async fn nodes(stage: &Stage<'_>) -> Verdict {
    for id in [&stage.a.conversation, &stage.a.message, &stage.a.reply] {
        hidden(stage, "node", id, &stage.onlookers()).await?;
    }
    Ok(())
}

/// Everything that is said in the tenant's conversations.
async fn said(stage: &Stage<'_>) -> Verdict {
    let read = "{ conversations { nodes { subject lead { name } messages(last: 10) { nodes { content } } } } }";
    for (side, other) in both(stage) {
        holds_own(&side.admin, read, json!({}), side, other).await?;
    }
    Ok(())
}

async fn unchanged(stage: &Stage<'_>, document: &str, id: &str) -> Verdict {
    let read = "query($id: ID!) { conversation(id: $id) { status messages(last: 10) { nodes { id } totalCount } } }";
    let about = || json!({ "id": stage.a.conversation });
    let before = stage.a.admin.ask(read, about()).await?;
    let refused = refused_as_missing(stage, document, id, |id| json!({ "id": id })).await;
    let after = stage.a.admin.ask(read, about()).await?;
    after.is("/conversation", before.data()?.pointer("/conversation").unwrap_or(&Value::Null))?;
    refused
}

async fn search(stage: &Stage<'_>) -> Verdict {
    let find = "query($question: String!) { searchKnowledge(question: $question) { title text } }";
    // Both canaries in one question: the words of a question are joined by OR.
    let question = format!("{} {}", stage.a.canary, stage.b.canary);
    for (side, other) in both(stage) {
        holds_own(&side.user, find, json!({ "question": side.canary }), side, other).await?;
        let answer = side.admin.ask(find, json!({ "question": question })).await?;
        answer.lacks(&other.canary)?;
        side.user.ask(find, json!({ "question": other.canary })).await?.is("/searchKnowledge", &json!([]))?;
    }
    Ok(())
}

fn both<'s, 'g>(stage: &'s Stage<'g>) -> [(&'s Side<'g>, &'s Side<'g>); 2] {
    [(&stage.a, &stage.b), (&stage.b, &stage.a)]
}
