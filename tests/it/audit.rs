//! The audit log: what was done, by whom, and who came in from outside.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Gateway, PASSWORD, cluster::owner, code, login};

const LOG: &str = "query($f: AuditFilter) { auditLog(filter: $f) { totalCount nodes \
                   { id at action target outcome impersonated detail requestId actor { email } tenant { subdomain } } } }";

const REFUSE: &str =
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the log is full'; END $$";

/// Has the log take no entry of which `when` is true.
fn refusing(when: &str) -> String {
    format!("CREATE TRIGGER refuse BEFORE INSERT ON audit_entries FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_in_the_log_with_who_did_it() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let root = gateway.root().await;
    admin.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    root.in_tenant("acme").data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    admin.query(r#"mutation { createLead(input: { email: "no address" }) { id } }"#).await;
    // Nothing of the one that was refused: it was rolled back with what it would have recorded.
    let log = admin.ask(LOG, json!({ "f": { "action": "lead.create" } })).await;
    insta::assert_json_snapshot!(log["data"]["auditLog"], @r#"
    {
      "totalCount": 2,
      "nodes": [
        {
          "id": "audit_9",
          "at": "2026-11-21T12:00:00Z",
          "action": "lead.create",
          "target": "lead_2",
          "outcome": "DONE",
          "impersonated": true,
          "detail": null,
          "requestId": "test",
          "actor": {
            "email": "root@platform.example"
          },
          "tenant": {
            "subdomain": "acme"
          }
        },
        {
          "id": "audit_7",
          "at": "2026-11-21T12:00:00Z",
          "action": "lead.create",
          "target": "lead_1",
          "outcome": "DONE",
          "impersonated": false,
          "detail": null,
          "requestId": "test",
          "actor": {
            "email": "admin@acme.example"
          },
          "tenant": {
            "subdomain": "acme"
          }
        }
      ]
    }
    "#);
    admin.data(r#"mutation { updateLead(id: "lead_1", input: { status: WON, notes: null }) { id } }"#).await;
    let changed = admin.ask(LOG, json!({ "f": { "action": "lead.update" } })).await;
    assert_eq!(changed["data"]["auditLog"]["nodes"][0]["detail"], "status, notes", "what was changed, not to what");
    let node = log["data"]["auditLog"]["nodes"][0]["id"].as_str().expect("an id");
    let found = admin.data(&format!("{{ node(id: \"{node}\") {{ ... on AuditEntry {{ action target }} }} }}")).await;
    assert_eq!(found["node"], json!({ "action": "lead.create", "target": "lead_2" }));
}

/// An entry travels with the end of what it records, where its connection has added one before, and is waited for where it has not.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_does_not_take_is_not_done() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let create = |name: &str| format!("mutation {{ createLead(input: {{ name: \"{name}\" }}) {{ name }} }}");
    admin.data(&create("Ann")).await;
    let owner = owner(&gateway.database).await;
    owner.batch_execute(REFUSE).await.expect("a function");
    owner.batch_execute(&refusing("NEW.action = 'lead.create'")).await.expect("refused from now on");
    for name in ["Bob", "Cid", "Dan"] {
        assert_eq!(code(&admin.query(&create(name)).await), "INTERNAL", "{name}");
    }
    owner.batch_execute("DROP TRIGGER refuse ON audit_entries").await.expect("taken again");
    for name in ["Eve", "Fay"] {
        assert_eq!(admin.data(&create(name)).await["createLead"]["name"], name);
    }
    let leads = admin.data("{ leads(orderBy: { field: NAME, direction: ASC }) { nodes { name } } }").await;
    assert_eq!(leads["leads"]["nodes"], json!([{ "name": "Ann" }, { "name": "Eve" }, { "name": "Fay" }]));
    // Over all connections, the new ones too.
    for round in 0..2 {
        let creates: Vec<_> = (0..16).map(|number| create(&format!("Guy {round} {number}"))).collect();
        join_all(creates.iter().map(|create| admin.data(create))).await;
    }
    let log = admin.ask(LOG, json!({ "f": { "action": "lead.create" } })).await;
    assert_eq!(log["data"]["auditLog"]["totalCount"], 3 + 32);
}

/// Who is moved is told of in both tenants' logs, or is not moved.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_entries_each_must_be_taken() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (root, staff) = (gateway.root().await, acme.staff().await);
    let id = staff.data("{ me { id } }").await["me"]["id"].as_str().expect("an id").to_owned();
    let owner = owner(&gateway.database).await;
    owner.batch_execute(REFUSE).await.expect("a function");
    let to = |tenant: &str| {
        format!(
            "mutation {{ assignUserToTenant(userId: \"{id}\", tenantId: \"{tenant}\") {{ tenant {{ subdomain }} }} }}"
        )
    };
    for refused in [acme.id, rival.id, acme.id] {
        let refuse = refusing(&format!("NEW.action = 'user.assign' AND NEW.tenant_id = {}", refused.0));
        owner.batch_execute(&refuse).await.expect("refused from now on");
        assert_eq!(code(&root.query(&to(&rival.id.to_string())).await), "INTERNAL", "{refused}");
        owner.batch_execute("DROP TRIGGER refuse ON audit_entries").await.expect("taken again");
        assert_eq!(staff.data("{ tenant { subdomain } }").await["tenant"]["subdomain"], "acme");
    }
    let moved = root.data(&to(&rival.id.to_string())).await;
    assert_eq!(moved["assignUserToTenant"]["tenant"]["subdomain"], "rival");
    for tenant in [&acme, &rival] {
        let log = tenant.admin().await.ask(LOG, json!({ "f": { "action": "user.assign" } })).await;
        assert_eq!(log["data"]["auditLog"]["totalCount"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_by_the_header_is_recorded_whatever_they_do() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let inside = gateway.root().await.in_tenant("acme");
    inside.data("{ leads { totalCount } tenant { name } again: leads { totalCount } }").await;
    inside.data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    inside.query("{ leads(first: -1) { totalCount } }").await;
    // What is the platform's own, and what was never let in, is no look into the tenant.
    inside.data("{ tenants { totalCount } }").await;
    let log = admin.ask(LOG, json!({ "f": { "action": "impersonation" } })).await;
    let seen: Vec<_> = log["data"]["auditLog"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| {
            json!([node["action"], node["detail"], node["outcome"], node["actor"]["email"], node["impersonated"]])
        })
        .collect();
    insta::assert_json_snapshot!(seen, @r#"
    [
      [
        "impersonation.query",
        "leads",
        "DONE",
        "root@platform.example",
        true
      ],
      [
        "impersonation.mutation",
        "createLead",
        "DONE",
        "root@platform.example",
        true
      ],
      [
        "impersonation.query",
        "leads, tenant",
        "DONE",
        "root@platform.example",
        true
      ]
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_to_a_visitor_and_at_the_door_is_recorded_too() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, root) = (acme.admin().await, gateway.root().await);
    let given = root
        .data(r#"mutation { impersonateTenant(input: { tenantId: "tenant_1001", reason: "x" }) { accessToken } }"#)
        .await;
    let visitor = root.with_token(given["impersonateTenant"]["accessToken"].as_str().expect("a token"));
    visitor.query(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    let log = admin.ask(LOG, json!({ "f": { "action": "impersonation.mutation" } })).await;
    let refused = &log["data"]["auditLog"]["nodes"][0];
    assert_eq!((&refused["outcome"], &refused["detail"]), (&json!("REFUSED"), &json!("createLead")));
    // A wrong password is recorded beside the answer, so it may be a moment behind it.
    let wrong = r#"mutation { login(input: { email: "admin@acme.example", password: "wrong" }) { accessToken } }"#;
    assert_eq!(code(&gateway.stranger().query(wrong).await), "UNAUTHENTICATED");
    let outcomes = loop {
        let log = admin.ask(LOG, json!({ "f": { "action": "session.login" } })).await;
        let nodes = log["data"]["auditLog"]["nodes"].as_array().expect("nodes").clone();
        if nodes.len() == 2 {
            break nodes.iter().map(|node| node["outcome"].clone()).collect::<Vec<_>>();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(outcomes, ["REFUSED", "DONE"]);
    assert!(login(&gateway, "admin@acme.example").await.get("errors").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_reads_its_own_log_and_the_platform_all() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, rivals, root) = (acme.admin().await, rival.admin().await, gateway.root().await);
    admin.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    gateway.clock.advance(chrono::TimeDelta::minutes(10));
    rivals.data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    let count = async |actor: &crate::support::Actor<'_>, filter: Value| -> i64 {
        let answer = actor.ask(LOG, json!({ "f": filter })).await;
        answer["data"]["auditLog"]["totalCount"].as_i64().unwrap_or_else(|| panic!("{answer}"))
    };
    assert_eq!(count(&admin, json!({ "action": "lead.create" })).await, 1);
    assert_eq!(count(&rivals, json!({ "action": "lead" })).await, 1);
    assert_eq!(count(&root, json!({ "action": "lead" })).await, 2);
    assert_eq!(count(&root, json!({ "action": "lea" })).await, 0, "a family ends at a dot");
    assert_eq!(count(&root, json!({ "action": "%" })).await, 0);
    assert_eq!(count(&root, json!({ "action": "lead", "after": "2026-11-21T12:05:00Z" })).await, 1);
    assert_eq!(count(&root, json!({ "action": "lead", "before": "2026-11-21T13:05:00+01:00" })).await, 1);
    assert_eq!(count(&root, json!({ "action": "lead", "actorId": "user_2" })).await, 1);
    assert_eq!(code(&acme.staff().await.query("{ auditLog { totalCount } }").await), "FORBIDDEN");
    for filter in
        [json!({ "actorId": "2" }), json!({ "after": "yesterday" }), json!({ "after": "+262000-01-01T00:00:00Z" })]
    {
        assert_eq!(code(&root.ask(LOG, json!({ "f": filter })).await), "BAD_USER_INPUT", "{filter}");
    }
    let theirs = admin.ask(LOG, json!({})).await["data"]["auditLog"]["nodes"][0]["id"].clone();
    let node = rivals.ask("query($id: ID!) { node(id: $id) { id } }", json!({ "id": theirs })).await;
    assert_eq!(node["data"]["node"], Value::Null);
    // The log is added to, and never changed: not even the platform's own role may.
    let login = crate::support::cluster::login(&gateway.database).await;
    for (role, change) in [
        ("frontdesk_admin", "UPDATE audit_entries SET action = 'x'"),
        ("frontdesk_tenant", "DELETE FROM audit_entries"),
        ("frontdesk_identity", "SELECT * FROM audit_entries"),
    ] {
        login.batch_execute(&format!("BEGIN; SET LOCAL ROLE {role}")).await.expect("begin");
        let refused = login.batch_execute(change).await.expect_err(change);
        assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"), "{role}: {change}");
        login.batch_execute("ROLLBACK").await.expect("rollback");
    }
    assert_eq!(PASSWORD.len(), 21, "and no password stands in it");
    assert!(!root.ask(LOG, json!({})).await.to_string().contains(PASSWORD));
}
