//! Checks: a global administrator sees the one tenant that they came into, by header or by lease; a lease ends when it is
//! ended; and the tenant can read who was there.

use serde_json::{Value, json};

use crate::cli::verify::{
    client::Caller,
    probe::holds_own,
    report::{Report, Verdict},
    stage::Stage,
};

const LEADS: &str = "{ leads { nodes { id name } totalCount } }";
const PROMPT: &str = "{ composedPrompt { text } }";

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    report.group("impersonation views differ");
    report.check("by header, `tenant` is the one that was named", tenants(stage).await);
    report.check("by header, `leads` are those of the tenant that was named", by_header(stage, LEADS).await);
    report.check("by header, `composedPrompt` is that of the tenant that was named", by_header(stage, PROMPT).await);
    report.check("a visit by header stands in the tenant's audit log alone", audited(stage).await);
    let reason = format!("verify: a look into {}", stage.a.subdomain);
    let (id, visitor) = match lease(stage, &reason).await {
        Ok(lease) => lease,
        Err(wrong) => return report.check("a lease is given", Err(wrong)),
    };
    report.check("a lease shows its tenant, and not the other", by_lease(stage, &visitor).await);
    report.check("a read-only lease changes nothing", read_only(stage, &visitor).await);
    let elsewhere = visitor.naming(&stage.b.number).ask(LEADS, json!({})).await;
    report.check("a lease is good for no other tenant", elsewhere.and_then(|answer| answer.refused(&["FORBIDDEN"])));
    report.check("the tenant reads of the lease and its reason", told(stage, &id, &reason).await);
    report.check("the other tenant does not read of it", untold(stage, &id).await);
    report.check("a lease that was ended is worth nothing at once", ended(stage, &id, &visitor).await);
}

async fn tenants(stage: &Stage<'_>) -> Verdict {
    for side in [&stage.a, &stage.b] {
        for name in [&side.number, &side.id, &side.subdomain] {
            let answer = stage.root.naming(name).ask("{ tenant { id name } }", json!({})).await?;
            answer.is("/tenant", &json!({ "id": side.id, "name": side.name }))?;
        }
    }
    Ok(())
}

async fn by_header(stage: &Stage<'_>, document: &str) -> Verdict {
    for (side, other) in [(&stage.a, &stage.b), (&stage.b, &stage.a)] {
        holds_own(&stage.root.naming(&side.number), document, json!({}), side, other).await?;
    }
    Ok(())
}

/// A look into A makes A's log one entry longer, and B's not.
async fn audited(stage: &Stage<'_>) -> Verdict {
    let before = (visits(&stage.a.admin, &stage.a.id).await?, visits(&stage.b.admin, &stage.b.id).await?);
    stage.root.naming(&stage.a.number).ask(LEADS, json!({})).await?.data()?;
    let after = (visits(&stage.a.admin, &stage.a.id).await?, visits(&stage.b.admin, &stage.b.id).await?);
    let wanted = (before.0 + 1, before.1);
    if after == wanted {
        return Ok(());
    }
    Err(format!(
        "{} visits in A's log and {} in B's after a look into A; should have been {} and {}",
        after.0, after.1, wanted.0, wanted.1
    ))
}

/// How many visits the tenant's log tells of; all of them must be to itself.
async fn visits(admin: &Caller<'_>, tenant: &str) -> Verdict<i64> {
    let log = "{ auditLog(filter: { action: \"impersonation\" }, first: 100) { nodes { tenant { id } } totalCount } }";
    let answer = admin.ask(log, json!({})).await?;
    for entry in answer.items("/auditLog/nodes")? {
        if entry.pointer("/tenant/id") != Some(&json!(tenant)) {
            return Err(answer.instead(&format!("entries of {tenant} alone")));
        }
    }
    let count = answer.data()?.pointer("/auditLog/totalCount").and_then(Value::as_i64);
    count.ok_or_else(|| answer.instead("a number of entries"))
}

async fn lease<'g>(stage: &Stage<'g>, reason: &str) -> Verdict<(String, Caller<'g>)> {
    let start = "mutation($input: ImpersonateTenantInput!) { impersonateTenant(input: $input) { id accessToken } }";
    let input = json!({ "tenantId": stage.a.id, "reason": reason, "minutes": 5 });
    let answer = stage.root.ask(start, json!({ "input": input })).await?;
    let token = answer.text("/impersonateTenant/accessToken")?;
    Ok((answer.text("/impersonateTenant/id")?, stage.root.with_token("the lease's holder", token)))
}

async fn by_lease(stage: &Stage<'_>, visitor: &Caller<'_>) -> Verdict {
    visitor.ask("{ tenant { id } }", json!({})).await?.is("/tenant/id", &json!(stage.a.id))?;
    for document in [LEADS, PROMPT] {
        holds_own(visitor, document, json!({}), &stage.a, &stage.b).await?;
    }
    let other = visitor.ask("query($id: ID!) { lead(id: $id) { id } }", json!({ "id": stage.b.lead })).await?;
    other.is("/lead", &Value::Null)
}

async fn read_only(stage: &Stage<'_>, visitor: &Caller<'_>) -> Verdict {
    let create = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }";
    let before = stage.a.admin.ask(LEADS, json!({})).await?;
    let refused = visitor.ask(create, json!({ "input": { "name": "Written under a lease" } })).await?;
    refused.refused(&["FORBIDDEN"])?;
    let after = stage.a.admin.ask(LEADS, json!({})).await?;
    after.is("/leads", before.data()?.pointer("/leads").unwrap_or(&Value::Null))
}

const LEASES: &str = "{ impersonations(first: 100) { nodes { id reason } totalCount } }";

async fn told(stage: &Stage<'_>, id: &str, reason: &str) -> Verdict {
    let answer = stage.a.admin.ask(LEASES, json!({})).await?;
    let is_told = answer.items("/impersonations/nodes")?.contains(&json!({ "id": id, "reason": reason }));
    is_told.then_some(()).ok_or_else(|| answer.instead(&format!("{id} with its reason")))
}

async fn untold(stage: &Stage<'_>, id: &str) -> Verdict {
    let answer = stage.b.admin.ask(LEASES, json!({})).await?;
    answer.is("/impersonations", &json!({ "nodes": [], "totalCount": 0 }))?;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    stage.b.admin.ask(node, json!({ "id": id })).await?.is("/node", &Value::Null)
}

async fn ended(stage: &Stage<'_>, id: &str, visitor: &Caller<'_>) -> Verdict {
    visitor.ask("{ tenant { id } }", json!({})).await?.data()?;
    let end = "mutation($id: ID!) { endImpersonation(id: $id) { id } }";
    stage.root.ask(end, json!({ "id": id })).await?.is("/endImpersonation/id", &json!(id))?;
    visitor.ask("{ tenant { id } }", json!({})).await?.refused(&["UNAUTHENTICATED"])
}
