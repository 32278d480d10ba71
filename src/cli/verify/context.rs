//! Checks: who somebody is, and in which tenant they act, follows from their token and from nothing that they say.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::cli::verify::{
    client::Caller,
    report::{Report, Verdict},
    stage::Stage,
};

const LEADS: &str = "{ leads { nodes { id name } totalCount } }";

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    report.group("sign-in and context");
    report.check("a token carries its tenant's number as `tenant_id`", claims(stage));
    report.check("`me` and `tenant` are one's own", own(stage).await);
    report.check("without a token nothing is answered", stranger(stage).await);
    report.check("X-Tenant-Id with another tenant's number is refused", foreign(stage, &stage.b.number).await);
    report.check("X-Tenant-Id with another tenant's id is refused", foreign(stage, &stage.b.id).await);
    report.check("X-Tenant-Id with another tenant's subdomain is refused", foreign(stage, &stage.b.subdomain).await);
    report.check("a global administrator must name a tenant", nameless(stage).await);
    report.check("a token with a changed signature is refused", tampered(stage).await);
    report.check("a token with another tenant written into it is refused", rewritten(stage).await);
}

fn claims(stage: &Stage<'_>) -> Verdict {
    for side in [&stage.a, &stage.b] {
        for person in [&side.admin, &side.user] {
            let found = payload(person)?.get("tenant_id").map_or_else(|| "nothing".to_owned(), Value::to_string);
            if found != side.number {
                return Err(format!("{} has the claim {found}; should have been {}", person.who, side.number));
            }
        }
    }
    Ok(())
}

async fn own(stage: &Stage<'_>) -> Verdict {
    for side in [&stage.a, &stage.b] {
        for person in [&side.admin, &side.user] {
            let answer = person.ask("{ me { tenant { id } } tenant { id } }", json!({})).await?;
            answer.is("/me/tenant/id", &json!(side.id))?;
            answer.is("/tenant/id", &json!(side.id))?;
        }
    }
    Ok(())
}

async fn stranger(stage: &Stage<'_>) -> Verdict {
    let stranger = stage.graph.stranger();
    for caller in [stranger.naming(&stage.a.number), stranger] {
        caller.ask(LEADS, json!({})).await?.refused(&["UNAUTHENTICATED"])?;
    }
    Ok(())
}

async fn foreign(stage: &Stage<'_>, name: &str) -> Verdict {
    for person in [&stage.a.user, &stage.a.admin] {
        person.naming(name).ask(LEADS, json!({})).await?.refused(&["FORBIDDEN"])?;
    }
    Ok(())
}

async fn nameless(stage: &Stage<'_>) -> Verdict {
    stage.root.ask(LEADS, json!({})).await?.refused(&["TENANT_REQUIRED"])
}

async fn tampered(stage: &Stage<'_>) -> Verdict {
    let (head, payload, signature) = parts(&stage.a.admin)?;
    // The first character: the last one holds bits that mean nothing.
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let signature = format!("{other}{}", signature.get(1..).unwrap_or_default());
    refused(stage, "A's administrator with a changed signature", format!("{head}.{payload}.{signature}")).await
}

async fn rewritten(stage: &Stage<'_>) -> Verdict {
    let (head, _, signature) = parts(&stage.a.admin)?;
    let mut claims = payload(&stage.a.admin)?;
    claims.insert("tenant_id".to_owned(), stage.b.number.parse::<i64>().map_or(Value::Null, Value::from));
    let payload = URL_SAFE_NO_PAD.encode(Value::from(claims).to_string());
    refused(stage, "A's administrator with B's number in the token", format!("{head}.{payload}.{signature}")).await
}

async fn refused(stage: &Stage<'_>, who: &str, token: String) -> Verdict {
    stage.a.admin.with_token(who, token).ask(LEADS, json!({})).await?.refused(&["UNAUTHENTICATED"])
}

/// What the token says, unverified: the check is that the server says it, not that it is true.
fn payload(person: &Caller<'_>) -> Verdict<Map<String, Value>> {
    let (_, payload, _) = parts(person)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|_| unreadable(person))
}

fn parts<'t>(person: &'t Caller<'_>) -> Verdict<(&'t str, &'t str, &'t str)> {
    let mut parts = person.token.as_deref().unwrap_or_default().split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(payload), Some(signature)) => Ok((head, payload, signature)),
        _ => Err(unreadable(person)),
    }
}

fn unreadable(person: &Caller<'_>) -> String {
    format!("the token of {} can't be read; should have been a JSON Web Token", person.who)
}
