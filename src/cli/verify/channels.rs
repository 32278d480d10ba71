//! Checks: a number leads to one tenant, the addresses that providers are given name their own tenant, and a secret that
//! goes in never comes out.

use serde_json::{Value, json};

use crate::cli::verify::{
    report::{Report, Verdict},
    stage::{Side, Stage, phone},
};

const UPDATE: &str = "mutation($input: SmsSettingsInput!) { updateSmsSettings(input: $input) { telnyxPhoneNumber } }";
const SECRET: &str = "{ tenant { sms { telnyxPhoneNumber telnyxApiKey { isSet lastFour } } } }";

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    report.group("routing of channels");
    report.check("a number leads to one tenant, and who has it is not told", number(stage).await);
    report.check("webhook addresses name their own tenant", addresses(stage).await);
    report.check("a secret is set for its tenant alone", secret(stage).await);
    report.check("no answer holds the secret", unspilt(stage).await);
}

async fn number(stage: &Stage<'_>) -> Verdict {
    let number = phone()?;
    let input = json!({ "input": { "telnyxPhoneNumber": number } });
    let taken = stage.a.admin.ask(UPDATE, input.clone()).await?;
    taken.is("/updateSmsSettings/telnyxPhoneNumber", &json!(number))?;
    let refused = stage.b.admin.ask(UPDATE, input).await?;
    refused.refused(&["CONFLICT"])?;
    for telling in [&stage.a.name, &stage.a.subdomain, &stage.a.id, &stage.a.canary] {
        refused.lacks(telling)?;
    }
    stage.b.admin.ask(SECRET, json!({})).await?.is("/tenant/sms/telnyxPhoneNumber", &Value::Null)?;
    stage.a.admin.ask(SECRET, json!({})).await?.is("/tenant/sms/telnyxPhoneNumber", &json!(number))
}

async fn addresses(stage: &Stage<'_>) -> Verdict {
    let read = "{ tenant { voice { webhookUrls { url } } } }";
    for side in [&stage.a, &stage.b] {
        for caller in [&side.admin, &stage.root.naming(&side.number)] {
            let answer = caller.ask(read, json!({})).await?;
            let named: Vec<_> = answer.items("/tenant/voice/webhookUrls")?.iter().filter_map(tenant_of).collect();
            if named.is_empty() || named.iter().any(|number| *number != side.number) {
                return Err(answer.instead(&format!("tenant_id={} in them", side.number)));
            }
        }
    }
    Ok(())
}

/// The tenant that an address names.
fn tenant_of(item: &Value) -> Option<String> {
    let url = url::Url::parse(item["url"].as_str()?).ok()?;
    url.query_pairs().find(|(name, _)| name == "tenant_id").map(|(_, number)| number.into_owned())
}

async fn secret(stage: &Stage<'_>) -> Verdict {
    let key = &stage.graph.secret;
    stage.a.admin.ask(UPDATE, json!({ "input": { "telnyxApiKey": key } })).await?.data()?;
    let four = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
    for side in [&stage.a, &stage.b] {
        let is_set = side.id == stage.a.id;
        for caller in [&side.admin, &stage.root.naming(&side.number)] {
            let answer = caller.ask(SECRET, json!({})).await?;
            answer.is("/tenant/sms/telnyxApiKey/isSet", &json!(is_set))?;
            let shown = answer.data()?.pointer("/tenant/sms/telnyxApiKey/lastFour").unwrap_or(&Value::Null);
            if !shown.is_null() && (!is_set || *shown != *four) {
                return Err(answer.instead("its last four characters at the most"));
            }
        }
    }
    Ok(())
}

/// Asks wherever the key might have been written down too, then looks back at every answer of this run.
async fn unspilt(stage: &Stage<'_>) -> Verdict {
    let log = "{ auditLog(first: 100) { nodes { action target detail } } }";
    let everywhere = "{ tenants(first: 5) { nodes { name sms { telnyxApiKey { isSet lastFour } } } } }";
    for Side { admin, number, .. } in [&stage.a, &stage.b] {
        admin.ask(log, json!({})).await?.data()?;
        stage.root.naming(number).ask(log, json!({})).await?.data()?;
    }
    stage.root.ask(log, json!({})).await?.data()?;
    stage.root.ask(everywhere, json!({})).await?.data()?;
    match stage.graph.spilt().first() {
        None => Ok(()),
        Some(by) => Err(format!("it was given to {by}; should have been given to nobody")),
    }
}
