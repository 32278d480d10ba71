//! What a server remembers of its callers, and what becomes of it when they are switched off: here, at once; elsewhere, within the
//! second for which rows are believed.

use serde_json::json;

use crate::support::{Gateway, Plan, code};

const ME: &str = "{ me { id } }";

async fn beside(here: &Gateway, milliseconds: Option<u64>) -> Gateway {
    let settings = milliseconds.map(|number| ("IDENTITY_CACHE_MILLISECONDS", number.to_string()));
    Gateway::planned(Plan {
        database: Some(here.database.clone()),
        settings: settings.into_iter().collect(),
        housekeeping: None,
        ..Plan::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_looked_up_once_for_many_requests_and_again_after_any_change_of_who_may_do_what() {
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let count = async |document: &str| {
        let before = gateway.services.db.statements();
        staff.data(document).await;
        gateway.services.db.statements() - before
    };
    // A transaction for who it is, and one for the leads. On a slow machine the moment may be over: then it is 6 again, and once more.
    assert_eq!(count("{ leads { nodes { id } } }").await, 6);
    while count("{ leads { nodes { id } } }").await != 3 {}
    // A lead says nothing of callers.
    loop {
        while count("{ leads { nodes { id } } }").await != 3 {}
        admin.data(r#"mutation { createLead(input: { name: "Ann", email: "ann@example.com" }) { id } }"#).await;
        if count("{ leads { nodes { id } } }").await == 3 {
            break;
        }
    }
    let id = admin.data(ME).await["me"]["id"].clone();
    admin.data(&format!("mutation {{ updateUser(id: {id}, input: {{ name: \"Boss\" }}) {{ id }} }}")).await;
    assert_eq!(count("{ leads { nodes { id } } }").await, 6, "a person was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_another_node_is_seen_when_the_moment_is_over() {
    let here = Gateway::start().await;
    let (there, strict) = (beside(&here, None).await, beside(&here, Some(0)).await);
    let acme = here.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let (elsewhere, at_the_strict) = (staff.at(there.address), staff.at(strict.address));
    for node in [&staff, &elsewhere, &at_the_strict] {
        node.data(ME).await;
    }
    let id = staff.data(ME).await["me"]["id"].clone();
    admin.data(&format!("mutation {{ deactivateUser(id: {id}) {{ id }} }}")).await;
    assert_eq!(code(&staff.query(ME).await), "UNAUTHENTICATED", "where it was done, at once");
    assert_eq!(code(&at_the_strict.query(ME).await), "UNAUTHENTICATED", "and where nothing is remembered");
    // Asked until it is so; without an end, the test's own patience ends it.
    while elsewhere.query(ME).await.get("errors").is_none() {}
    assert_eq!(code(&elsewhere.query(ME).await), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_one_bearer_serves_no_other() {
    let gateway = Gateway::start().await;
    let (acme, other) = (gateway.tenant("acme").await, gateway.tenant("other").await);
    let (staff, theirs) = (acme.staff().await, other.staff().await);
    for _ in 0..2 {
        assert_ne!(staff.data(ME).await, theirs.data(ME).await);
        let refused = staff.in_tenant("other").query(ME).await;
        assert_eq!(code(&refused), "FORBIDDEN", "also while the rows are remembered");
    }
    // Signed in twice, one is signed out: of the other session nothing changes.
    let again = gateway.sign_in("staff@acme.example").await;
    again.data(ME).await;
    again.data("mutation { logout }").await;
    assert_eq!(code(&again.query(ME).await), "UNAUTHENTICATED");
    assert_eq!(staff.query(ME).await["data"]["me"]["id"], json!(staff.data(ME).await["me"]["id"]));
}
