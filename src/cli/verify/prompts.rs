//! Checks: each tenant's assistant is told its own prompt, and nobody else reads or changes it.

use serde_json::{Value, json};

use crate::cli::verify::{
    probe::{hidden, holds_own, refused_as_missing, unlisted},
    report::{Report, Verdict},
    stage::Stage,
};

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    let (id, administrators) = (&stage.a.prompt, stage.administrators());
    report.group("prompt isolation");
    report.check("`composedPrompt` holds one's own prompt, and not the other's", composed(stage).await);
    report.check(
        "`promptBundle(id:)` of another tenant's is null",
        hidden(stage, "promptBundle", id, &administrators).await,
    );
    report.check("`node(id:)` of another tenant's prompt is null", hidden(stage, "node", id, &stage.onlookers()).await);
    report
        .check("`promptBundles` lists no other tenant's", unlisted(stage, "promptBundles", id, &administrators).await);
    report.check("another tenant's prompt can't be previewed", preview(stage).await);
    let untouched = "another tenant's prompt can't be changed, published or archived";
    report.check(untouched, unchanged(stage).await);
}

async fn composed(stage: &Stage<'_>) -> Verdict {
    let document = "{ composedPrompt { text sections { content } } }";
    for (side, other) in [(&stage.a, &stage.b), (&stage.b, &stage.a)] {
        for person in [&side.admin, &side.user] {
            holds_own(person, document, json!({}), side, other).await?;
        }
    }
    Ok(())
}

async fn preview(stage: &Stage<'_>) -> Verdict {
    let preview = "query($id: ID!) { promptPreview(input: { bundleId: $id }) { text } }";
    let own = stage.a.admin.ask(preview, json!({ "id": stage.a.prompt })).await?;
    own.holds(&stage.a.canary)?;
    refused_as_missing(stage, preview, &stage.a.prompt, |id| json!({ "id": id })).await
}

async fn unchanged(stage: &Stage<'_>) -> Verdict {
    let read = "query($id: ID!) { promptBundle(id: $id) { name status version sections { key content } } }";
    let before = stage.a.admin.ask(read, json!({ "id": stage.a.prompt })).await?;
    let update = "mutation($id: ID!, $input: PromptBundleInput!) { updatePromptBundle(id: $id, input: $input) { id } }";
    let input = json!({ "name": "Taken", "sections": [{ "key": "business", "content": "Taken.", "order": 30 }] });
    let publish = "mutation($id: ID!) { publishPromptBundle(id: $id) { id } }";
    let archive = "mutation($id: ID!) { archivePromptBundle(id: $id) { id } }";
    refused_as_missing(stage, update, &stage.a.prompt, |id| json!({ "id": id, "input": input })).await?;
    refused_as_missing(stage, publish, &stage.a.prompt, |id| json!({ "id": id })).await?;
    refused_as_missing(stage, archive, &stage.a.prompt, |id| json!({ "id": id })).await?;
    let after = stage.a.admin.ask(read, json!({ "id": stage.a.prompt })).await?;
    after.is("/promptBundle", before.data()?.pointer("/promptBundle").unwrap_or(&Value::Null))
}
