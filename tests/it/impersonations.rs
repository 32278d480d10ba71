//! Administrators of the platform who look into a tenant: by a lease, with a reason and an end, and by the header.

use serde_json::{Value, json};

use crate::support::{Actor, Gateway, code};

/// A lease on `tenant`, with more of its input; the answer.
async fn lease(root: &Actor<'_>, tenant: &str, more: &str) -> Value {
    let document = format!(
        "mutation {{ impersonateTenant(input: {{ tenantId: \"{tenant}\", reason: \"Ticket 7\" {more} }}) \
         {{ id reason isReadOnly startedAt expiresAt endedAt accessToken tenant {{ subdomain }} actor {{ email }} }} }}"
    );
    root.query(&document).await
}

/// Somebody who holds the lease's token.
fn under<'g>(root: &Actor<'g>, lease: &Value) -> Actor<'g> {
    root.with_token(lease["data"]["impersonateTenant"]["accessToken"].as_str().expect("a token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_looks_into_one_tenant_for_a_reason_and_changes_nothing() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, root) = (acme.admin().await, gateway.root().await);
    admin.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    let given = lease(&root, "tenant_1001", "").await;
    insta::assert_json_snapshot!(given, { ".data.impersonateTenant.accessToken" => "[token]" }, @r#"
    {
      "data": {
        "impersonateTenant": {
          "id": "impersonation_1",
          "reason": "Ticket 7",
          "isReadOnly": true,
          "startedAt": "2026-11-21T12:00:00Z",
          "expiresAt": "2026-11-21T12:15:00Z",
          "endedAt": null,
          "accessToken": "[token]",
          "tenant": {
            "subdomain": "acme"
          },
          "actor": {
            "email": "root@platform.example"
          }
        }
      }
    }
    "#);
    let visitor = under(&root, &given);
    let token = visitor.token.clone().expect("a token");
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(&token).expect("a token").claims;
    assert_eq!(claims["tenant_id"], 1001);
    assert_eq!(claims["act"], json!({ "sub": "1", "impersonation": 1 }));
    let seen = visitor
        .data("{ me { email tenant { id } } tenant { subdomain } leads { nodes { name } } users { totalCount } }")
        .await;
    insta::assert_json_snapshot!(seen, @r#"
    {
      "me": {
        "email": "root@platform.example",
        "tenant": null
      },
      "tenant": {
        "subdomain": "acme"
      },
      "leads": {
        "nodes": [
          {
            "name": "Ann"
          }
        ]
      },
      "users": {
        "totalCount": 1
      }
    }
    "#);
    // Whatever writes is refused, by the graph and by the database's own session.
    for document in [
        r#"mutation { createLead(input: { name: "Bob" }) { id } }"#,
        "mutation { logout }",
        "mutation { revokeSessions }",
    ] {
        assert_eq!(code(&visitor.query(document).await), "FORBIDDEN", "{document}");
    }
    let chat = visitor.post("/graphql/stream").json(&json!({
        "query": "subscription { chat(input: { content: \"Hi\" }) { __typename } }"
    }));
    let text = chat.send().await.expect("sent").text().await.expect("text");
    assert!(text.contains("FORBIDDEN") && text.contains("read-only"), "{text}");
    assert_eq!(
        admin.data("{ leads { totalCount } conversations { totalCount } }").await,
        json!({
            "leads": { "totalCount": 1 }, "conversations": { "totalCount": 0 }
        })
    );
    // It is for this tenant, and for nothing else.
    for name in ["rival", "1002"] {
        assert_eq!(code(&visitor.in_tenant(name).query("{ leads { totalCount } }").await), "FORBIDDEN");
    }
    visitor.in_tenant("acme").data("{ leads { totalCount } }").await;
    for document in [
        "{ tenants { totalCount } }",
        r#"mutation { createTenant(input: { name: "x", subdomain: "x" }) { id } }"#,
        r#"mutation { impersonateTenant(input: { tenantId: "tenant_1002", reason: "More" }) { id } }"#,
        r#"mutation { endImpersonation(id: "impersonation_1") { id } }"#,
    ] {
        assert_eq!(code(&visitor.query(document).await), "FORBIDDEN", "{document}");
    }
    // The tenant reads who looked, and why; nobody else does.
    let read = "{ impersonations { totalCount nodes { id reason actor { email } tenant { subdomain } accessToken endedAt } } }";
    insta::assert_json_snapshot!(admin.data(read).await, @r#"
    {
      "impersonations": {
        "totalCount": 1,
        "nodes": [
          {
            "id": "impersonation_1",
            "reason": "Ticket 7",
            "actor": {
              "email": "root@platform.example"
            },
            "tenant": {
              "subdomain": "acme"
            },
            "accessToken": null,
            "endedAt": null
          }
        ]
      }
    }
    "#);
    let rivals = rival.admin().await;
    assert_eq!(rivals.data(read).await["impersonations"]["totalCount"], 0);
    assert!(rivals.data("{ node(id: \"impersonation_1\") { id } }").await["node"].is_null());
    assert_eq!(code(&acme.staff().await.query(read).await), "FORBIDDEN");
    assert_eq!(root.data(read).await["impersonations"]["totalCount"], 1, "the platform sees all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_may_write_writes_as_the_tenants_administrator() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, root) = (acme.admin().await, gateway.root().await);
    let visitor = under(&root, &lease(&root, "tenant_1001", "isReadOnly: false minutes: 30").await);
    visitor.data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    visitor.data(r#"mutation { setupPrompt(input: { name: "x", businessPrompt: "y" }) { id } }"#).await;
    // But nothing of the administrator's own account: that takes their own token.
    for document in [
        "mutation { logout }",
        "mutation { revokeSessions }",
        r#"mutation { changePassword(input: { currentPassword: "correct horse battery", newPassword: "another good one" }) }"#,
    ] {
        assert_eq!(code(&visitor.query(document).await), "FORBIDDEN", "{document}");
    }
    let log = admin.data("{ auditLog(filter: { action: \"lead\" }) { nodes { action impersonated impersonation { reason } actor { email role } } } }").await;
    insta::assert_json_snapshot!(log["auditLog"]["nodes"], @r#"
    [
      {
        "action": "lead.create",
        "impersonated": true,
        "impersonation": {
          "reason": "Ticket 7"
        },
        "actor": {
          "email": "root@platform.example",
          "role": "ADMIN"
        }
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_dies_at_once_and_takes_its_streams_with_it() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, root) = (acme.admin().await, gateway.root().await);
    let conversation = admin.conversation().await;
    admin
        .data(&format!(
            "mutation {{ updateConversation(id: \"{conversation}\", input: {{ status: HUMAN }}) {{ id }} }}"
        ))
        .await;
    let visitor = under(&root, &lease(&root, "tenant_1001", "").await);
    admin
        .data(&format!("mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Hi\" }}) {{ message {{ id }} }} }}"))
        .await;
    let mut watched = visitor.watch(&conversation, Some("0-0")).await;
    watched.expect("MessageAdded").await;
    let end = r#"mutation { endImpersonation(id: "impersonation_1") { endedAt accessToken } }"#;
    assert_eq!(
        root.data(end).await["endImpersonation"],
        json!({ "endedAt": "2026-11-21T12:00:00Z", "accessToken": null })
    );
    assert_eq!(code(&visitor.query("{ leads { totalCount } }").await), "UNAUTHENTICATED");
    assert_eq!(watched.closed().await.0, 4403);
    // Ending it again changes nothing, and one that never was is not found.
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(root.data(end).await["endImpersonation"]["endedAt"], "2026-11-21T12:00:00Z");
    assert_eq!(code(&root.query(&end.replace("_1", "_9")).await), "NOT_FOUND");
    // Others end with their time, with the administrator's session, and with their role.
    let short = under(&root, &lease(&root, "tenant_1001", "minutes: 1").await);
    short.data("{ leads { totalCount } }").await;
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(code(&short.query("{ leads { totalCount } }").await), "UNAUTHENTICATED");
    let other = gateway.root().await;
    let of_session = under(&other, &lease(&other, "tenant_1001", "").await);
    other.data("mutation { logout }").await;
    assert_eq!(code(&of_session.query("{ leads { totalCount } }").await), "UNAUTHENTICATED");
    let of_role = under(&root, &lease(&root, "tenant_1001", "").await);
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner.batch_execute("UPDATE users SET role = 'USER' WHERE id = 1").await.expect("changed");
    assert_eq!(code(&of_role.query("{ leads { totalCount } }").await), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_is_not_ended_once_more() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await;
    let root = gateway.root().await;
    lease(&root, "tenant_1001", "minutes: 1").await;
    lease(&root, "tenant_1001", "minutes: 2").await;
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    let end = async |number: u8| {
        let document =
            format!("mutation {{ endImpersonation(id: \"impersonation_{number}\") {{ expiresAt endedAt }} }}");
        root.data(&document).await["endImpersonation"].clone()
    };
    // The first ended with its time, and nobody ended it before; the second still stands.
    assert_eq!(end(1).await, json!({ "expiresAt": "2026-11-21T12:01:00Z", "endedAt": null }));
    assert_eq!(end(2).await, json!({ "expiresAt": "2026-11-21T12:02:00Z", "endedAt": "2026-11-21T12:01:00Z" }));
    let log = root.data(r#"{ auditLog(filter: { action: "impersonation.end" }) { nodes { target } } }"#).await;
    assert_eq!(log["auditLog"]["nodes"], json!([{ "target": "impersonation_2" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looked_in_is_read_whatever_became_of_them() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, root) = (acme.admin().await, gateway.root().await);
    lease(&root, "tenant_1001", "").await;
    let second = r#"mutation { createUser(input: { email: "two@platform.example", password: "correct horse battery", role: ADMIN }) { id } }"#;
    root.data(second).await;
    let two = gateway.sign_in("two@platform.example").await;
    let read = "{ impersonations { nodes { actor { email } } } }";
    let expected = json!({ "nodes": [{ "actor": { "email": "root@platform.example" } }] });
    for change in [
        r#"updateUser(id: "user_1", input: { role: USER }) { id }"#.to_owned(),
        format!(r#"assignUserToTenant(userId: "user_1", tenantId: "{}") {{ id }}"#, rival.id),
    ] {
        two.data(&format!("mutation {{ {change} }}")).await;
        assert_eq!(admin.data(read).await["impersonations"], expected, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_needs_a_tenant_a_reason_and_an_end() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let root = gateway.root().await;
    let admin = acme.admin().await;
    for (input, expected, field) in [
        (r#"tenantId: "tenant_9", reason: "x""#, "NOT_FOUND", None),
        (r#"tenantId: "1001", reason: "x""#, "BAD_USER_INPUT", Some("tenantId")),
        (r#"tenantId: "tenant_1001", reason: " ""#, "BAD_USER_INPUT", Some("reason")),
        (r#"tenantId: "tenant_1001", reason: "x", minutes: 0"#, "BAD_USER_INPUT", Some("minutes")),
        (r#"tenantId: "tenant_1001", reason: "x", minutes: 481"#, "BAD_USER_INPUT", Some("minutes")),
    ] {
        let document = format!("mutation {{ impersonateTenant(input: {{ {input} }}) {{ id }} }}");
        let answer = root.query(&document).await;
        assert_eq!(code(&answer), expected, "{input}");
        assert_eq!(answer["errors"][0]["extensions"]["field"].as_str(), field, "{input}");
        assert_eq!(code(&admin.query(&document).await), "FORBIDDEN");
    }
    // A token that claims a lease which is another's, or of another tenant, opens nothing.
    lease(&root, "tenant_1001", "").await;
    let second = r#"mutation { createUser(input: { email: "two@platform.example", password: "correct horse battery", role: ADMIN }) { id } }"#;
    root.data(second).await;
    let two = gateway.sign_in("two@platform.example").await;
    let claiming = |whose: &Actor<'_>, tenant: Value| {
        let good = whose.token.clone().expect("a token");
        let mut claims: Value = jsonwebtoken::dangerous::insecure_decode(&good).expect("a token").claims;
        claims["act"] = json!({ "sub": claims["sub"], "impersonation": 1 });
        claims["tenant_id"] = tenant;
        let key = jsonwebtoken::EncodingKey::from_secret(crate::support::SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
    };
    for (what, token, is_in) in [
        ("the lease's own", claiming(&root, json!(1001)), true),
        ("of another tenant", claiming(&root, json!(1002)), false),
        ("of no tenant", claiming(&root, json!(null)), false),
        ("another administrator's", claiming(&two, json!(1001)), false),
    ] {
        let answer = root.with_token(token).query("{ leads { totalCount } }").await;
        assert_eq!(answer.get("errors").is_none(), is_in, "{what}: {answer}");
        assert!(is_in || code(&answer) == "UNAUTHENTICATED", "{what}: {answer}");
    }
}
