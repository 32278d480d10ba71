//! Two things at the same moment, made to meet: one holds its rows until PostgreSQL says that the other waits for them.

use serde_json::json;

use crate::{
    support::{Actor, Answer, Gateway, PASSWORD, cluster, code, login},
    toolbox::called,
};

/// What `asked` answers when `change` commits while it waits.
async fn meanwhile(gateway: &Gateway, change: &str, asked: impl Future<Output = Answer>) -> Answer {
    before_and_behind(gateway, change, "", asked).await
}

/// What `asked` answers when `first` is done before it, and the same transaction does `then` and commits while it waits.
async fn before_and_behind(gateway: &Gateway, first: &str, then: &str, asked: impl Future<Output = Answer>) -> Answer {
    let owner = cluster::owner(&gateway.database).await;
    owner.batch_execute(&format!("BEGIN; {first}")).await.expect("begun");
    let rest = async {
        cluster::until_somebody_waits(&gateway.database).await;
        owner.batch_execute(&format!("{then}; COMMIT")).await.expect("committed");
    };
    tokio::join!(asked, rest).0
}

async fn ask(actor: &Actor<'_>, document: &str) -> Answer {
    actor.query(document).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_a_password_that_is_changed_meanwhile_is_refused() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await.staff().await;
    let change = "UPDATE users SET password_hash = 'another' WHERE id = 2";
    let answer = meanwhile(&gateway, change, login(&gateway, "staff@acme.example")).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED", "{answer}");
    let sessions = "SELECT count(*) FROM sessions WHERE user_id = 2";
    let owner = cluster::owner(&gateway.database).await;
    assert_eq!(owner.query_one(sessions, &[]).await.expect("count").get::<_, i64>(0), 1, "the first one alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_a_password_at_once_the_second_is_refused() {
    let gateway = Gateway::start().await;
    let owner = cluster::owner(&gateway.database).await;
    // Two know the old password. What one of them does is committed while the other, a thief say, waits.
    let sets = "UPDATE users SET password_hash = 'another' WHERE id = :id";
    let ends = "UPDATE sessions SET revoked_at = now() WHERE user_id = :id";
    let holds = "SELECT id FROM users WHERE id = :id FOR NO KEY UPDATE";
    let cases = [
        ("another password, and an end to the other's session", format!("{sets}; {ends}"), "UNAUTHENTICATED"),
        ("another password, from the same session", sets.to_owned(), "BAD_USER_INPUT"),
        ("an end to the session, and the password as it was", format!("{holds}; {ends}"), "UNAUTHENTICATED"),
    ];
    for (number, (what, change, refused)) in cases.into_iter().enumerate() {
        let staff = gateway.tenant(&format!("t{number}")).await.staff().await;
        let id = staff.data("{ me { id } }").await["me"]["id"].as_str().expect("an id").replace("user_", "");
        let select = format!("SELECT password_hash FROM users WHERE id = {id}");
        let stored = async || owner.query_one(select.as_str(), &[]).await.expect("a person").get::<_, String>(0);
        let before = stored().await;
        let passwords = format!("currentPassword: \"{PASSWORD}\", newPassword: \"of the second\"");
        let steal = format!("mutation {{ changePassword(input: {{ {passwords} }}) }}");
        let answer = meanwhile(&gateway, &change.replace(":id", &id), ask(&staff, &steal)).await;
        assert_eq!(code(&answer), refused, "{what}: {answer}");
        let after = stored().await;
        assert!(after == before || after == "another", "{what}: nothing of the second's is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_removed_meanwhile_is_linked_to_nothing() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    staff.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    let start = r#"mutation { startConversation(input: { leadId: "lead_1" }) { id } }"#;
    let answer = meanwhile(&gateway, "DELETE FROM leads WHERE id = 1", ask(&staff, start)).await;
    assert_eq!(code(&answer), "NOT_FOUND", "{answer}");
    assert_eq!(staff.data("{ conversations { totalCount } }").await["conversations"]["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_moved_meanwhile_is_judged_by_where_they_are() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    acme.admin().await;
    acme.staff().await;
    let root = gateway.root().await;
    // They have just become the last administrator of another tenant.
    let change = format!("UPDATE users SET tenant_id = {}, role = 'TENANT_ADMIN' WHERE id = 3", rival.id.0);
    let assign = format!(r#"mutation {{ assignUserToTenant(userId: "user_3", tenantId: "{}") {{ id }} }}"#, acme.id);
    let answer = meanwhile(&gateway, &change, ask(&root, &assign)).await;
    assert_eq!(code(&answer), "CONFLICT", "{answer}");
    assert!(login(&gateway, "staff@acme.example").await.get("errors").is_none(), "with {PASSWORD}, in their new place");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_while_they_are_changed_stands_in_nobodys_way() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, root) = (acme.admin().await, gateway.root().await);
    acme.staff().await;
    let second = format!(
        r#"mutation {{ createUser(input: {{ email: "second@platform.example", password: "{PASSWORD}", role: ADMIN }}) {{ id }} }}"#
    );
    assert_eq!(root.data(&second).await["createUser"]["id"], "user_4");
    gateway.sign_in("second@platform.example").await;
    let promote = r#"mutation { updateUser(id: "user_3", input: { role: TENANT_ADMIN }) { id } }"#;
    admin.data(promote).await;
    let owner = cluster::owner(&gateway.database).await;
    let password = r#"password: "of somebody else's choice""#;
    for (actor, id, change) in [
        (&admin, 3, format!(r#"updateUser(id: "user_3", input: {{ {password} }}) {{ id }}"#)),
        (&root, 3, format!(r#"assignUserToTenant(userId: "user_3", tenantId: "{}") {{ id }}"#, rival.id)),
        (&root, 4, format!(r#"updateUser(id: "user_4", input: {{ {password} }}) {{ id }}"#)),
    ] {
        let stands = format!("UPDATE sessions SET revoked_at = NULL WHERE user_id = {id}");
        owner.batch_execute(&stands).await.expect("a session that stands");
        // As `logout` and `revokeSessions` do it: first the session ends, and then the log says whose.
        let ends = stands.replace("NULL", "now()");
        let says = format!(
            "INSERT INTO audit_entries (at, actor_id, impersonated, action, request_id) \
             VALUES (now(), {id}, false, 'session.logout', 'test')"
        );
        let answer = before_and_behind(&gateway, &ends, &says, ask(actor, &format!("mutation {{ {change} }}"))).await;
        assert!(answer.get("errors").is_none(), "{change}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_address_another_lead_gets_meanwhile_is_noted_all_the_same() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let staff = acme.staff().await;
    let another = |email: &str| {
        format!(
            "INSERT INTO leads (tenant_id, email, source, status, created_at, updated_at) \
             VALUES ({}, '{email}', 'WEB', 'NEW', now(), now())",
            acme.id.0
        )
    };
    staff.data(r#"mutation { createLead(input: { phone: "+15555550100" }) { id } }"#).await;
    let ann =
        r#"mutation { createLead(input: { phone: "+15555550100", email: "ann@acme.example" }) { id email notes } }"#;
    let answer = meanwhile(&gateway, &another("ann@acme.example"), ask(&staff, ann)).await;
    let noted = json!({ "id": "lead_1", "email": null, "notes": "E-mail: ann@acme.example" });
    assert_eq!(answer["data"]["createLead"], noted, "{answer}");
    // So it is in a conversation.
    staff.conversation().await;
    let cx = gateway.inside(acme.id);
    called(&cx, 1, "capture_lead", json!({ "name": null, "email": null, "phone": "+15555550101" })).await;
    let bob = json!({ "name": null, "email": "bob@acme.example", "phone": null });
    let says = called(&cx, 1, "capture_lead", bob);
    let told = meanwhile(&gateway, &another("bob@acme.example"), says).await;
    assert!(told.get("error").is_none(), "{told}");
    let lead = staff.data(r#"{ conversation(id: "conversation_1") { lead { phone email notes } } }"#).await;
    let noted = json!({ "phone": "+15555550101", "email": null, "notes": "E-mail: bob@acme.example" });
    assert_eq!(lead["conversation"]["lead"], noted);
}
