//! Checks: a tenant's leads are nobody else's to read, find, count, change or remove, and nobody else can tell that they
//! are there.

use serde_json::{Value, json};

use crate::cli::verify::{
    probe::{all_hidden, hidden, refused_as_missing, unlisted},
    report::{Report, Verdict},
    stage::Stage,
};

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    let (id, onlookers) = (&stage.a.lead, stage.onlookers());
    report.group("lead isolation");
    report.check("`lead(id:)` of another tenant's is null", hidden(stage, "lead", id, &onlookers).await);
    report.check("`node(id:)` of another tenant's lead is null", hidden(stage, "node", id, &onlookers).await);
    report.check("`nodes(ids:)` of another tenant's leads are null", all_hidden(stage, &[id], &onlookers).await);
    report.check("`leads` lists and counts no other tenant's", unlisted(stage, "leads", id, &onlookers).await);
    report.check("`leads(filter:)` finds no other tenant's by name", unfound(stage, &stage.a.canary, &[]).await);
    let same = &stage.b.lead;
    report.check("one number in two tenants is two leads", unfound(stage, &stage.phone, &[same]).await);
    let update = "mutation($id: ID!) { updateLead(id: $id, input: { name: \"Taken\", notes: null }) { id } }";
    report.check("updateLead knows no other tenant's", unchanged(stage, update).await);
    let delete = "mutation($id: ID!) { deleteLead(id: $id) }";
    report.check("deleteLead knows no other tenant's", unchanged(stage, delete).await);
    report.check("startConversation knows no other tenant's lead", unlinked(stage).await);
}

/// Whoever sees B finds these by a search, and nothing else; A's people find A's lead by it.
async fn unfound(stage: &Stage<'_>, search: &str, wanted: &[&str]) -> Verdict {
    let find = "query($search: String!) { leads(filter: { search: $search }) { nodes { id } totalCount } }";
    let list = |ids: &[&str]| {
        let nodes: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        json!({ "totalCount": nodes.len(), "nodes": nodes })
    };
    let own = stage.a.admin.ask(find, json!({ "search": search })).await?;
    own.is("/leads", &list(&[&stage.a.lead]))?;
    for other in stage.onlookers() {
        other.ask(find, json!({ "search": search })).await?.is("/leads", &list(wanted))?;
    }
    Ok(())
}

async fn unchanged(stage: &Stage<'_>, document: &str) -> Verdict {
    let read = "query($id: ID!) { lead(id: $id) { id name email phone notes status source createdAt updatedAt } }";
    let before = stage.a.admin.ask(read, json!({ "id": stage.a.lead })).await?;
    before.holds(&stage.a.canary)?;
    let refused = refused_as_missing(stage, document, &stage.a.lead, |id| json!({ "id": id })).await;
    // What was written is told first: it is the worse of the two.
    let after = stage.a.admin.ask(read, json!({ "id": stage.a.lead })).await?;
    after.is("/lead", before.data()?.pointer("/lead").unwrap_or(&Value::Null))?;
    refused
}

async fn unlinked(stage: &Stage<'_>) -> Verdict {
    let start = "mutation($id: ID!) { startConversation(input: { leadId: $id }) { id } }";
    refused_as_missing(stage, start, &stage.a.lead, |id| json!({ "id": id })).await
}
