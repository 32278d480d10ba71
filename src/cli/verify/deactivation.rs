//! Checks: a tenant that was switched off is off, and the other one is not.

use serde_json::json;

use crate::cli::verify::{
    probe::holds_own,
    report::{Report, Verdict},
    stage::Stage,
};

const OFF: &[&str] = &["TENANT_INACTIVE", "UNAUTHENTICATED"];

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) {
    report.group("after deactivation");
    report.check("a tenant is switched off", switched_off(stage).await);
    report.check("its people's tokens are refused", refused(stage).await);
    report.check("its people can't sign in", locked_out(stage).await);
    report.check("the other tenant works on", works_on(stage).await);
}

async fn switched_off(stage: &Stage<'_>) -> Verdict {
    let off = "mutation($id: ID!) { deactivateTenant(id: $id) { isActive } }";
    let answer = stage.root.ask(off, json!({ "id": stage.a.id })).await?;
    answer.is("/deactivateTenant/isActive", &json!(false))
}

async fn refused(stage: &Stage<'_>) -> Verdict {
    for person in [&stage.a.admin, &stage.a.user] {
        for document in ["{ leads { nodes { id } } }", "{ me { id } tenant { id } }"] {
            person.ask(document, json!({})).await?.refused(OFF)?;
        }
    }
    Ok(())
}

async fn locked_out(stage: &Stage<'_>) -> Verdict {
    for email in &stage.a.emails {
        stage.graph.login(email, &stage.a.password).await?.refused(OFF)?;
    }
    Ok(())
}

async fn works_on(stage: &Stage<'_>) -> Verdict {
    let (a, b) = (&stage.a, &stage.b);
    let document = "{ me { tenant { id } } leads { nodes { name } } }";
    for person in [&b.admin, &b.user] {
        holds_own(person, document, json!({}), b, a).await?;
    }
    let [email, _] = &b.emails;
    let again = stage.graph.sign_in("B's administrator, signed in again", email, &b.password).await?;
    holds_own(&again, document, json!({}), b, a).await
}
