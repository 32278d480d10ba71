//! Changes that change nothing: what stands is the answer, and neither its time nor the log tells of a change.

use chrono::{SecondsFormat, TimeDelta};

use crate::support::Gateway;

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_was_not_changed() {
    let gateway = Gateway::start().await;
    let (admin, root) = (gateway.tenant("acme").await.admin().await, gateway.root().await);
    admin
        .data(r#"mutation { createLead(input: { name: "Ann" }) { id } startConversation(input: { leadId: "lead_1" }) { id } }"#)
        .await;
    let logged = async || admin.data("{ auditLog { totalCount } }").await["auditLog"]["totalCount"].as_i64();
    for (who, field, news, same) in [
        (
            &admin,
            r#"updateLead(id: "lead_1", input: INPUT)"#,
            r#"{ email: "Ann@x.example", status: WON }"#,
            r#"{ name: " Ann ", email: "ann@X.example", phone: null, status: WON, notes: "" }"#,
        ),
        (
            &admin,
            r#"updateConversation(id: "conversation_1", input: INPUT)"#,
            r#"{ status: HUMAN, subject: "Parking" }"#,
            r#"{ status: HUMAN, subject: "Parking ", leadId: "lead_1" }"#,
        ),
        (
            &admin,
            "updateTenantProfile(input: INPUT)",
            r#"{ businessName: "Acme", timeZone: "America/Chicago" }"#,
            r#"{ businessName: "Acme", websiteUrl: null, timeZone: "America/Chicago" }"#,
        ),
        (
            &root,
            r#"updateTenant(id: "tenant_1001", input: INPUT)"#,
            r#"{ name: "Acme", allowedOrigins: ["https://acme.example"], monthlyTokenQuota: 5 }"#,
            r#"{ name: "Acme", subdomain: "ACME", isActive: true, allowedOrigins: ["https://ACME.example"], systemPrompt: null }"#,
        ),
    ] {
        let change = async |input: &str| {
            gateway.clock.advance(TimeDelta::seconds(1));
            let document = format!("mutation {{ is: {} {{ updatedAt }} }}", field.replace("INPUT", input));
            who.data(&document).await["is"]["updatedAt"].clone()
        };
        let before = logged().await;
        let changed = change(news).await;
        assert_eq!(changed, gateway.clock.now().to_rfc3339_opts(SecondsFormat::Secs, true), "{field}");
        let after = logged().await;
        assert_eq!(after, before.map(|count| count + 1), "{field}");
        for nothing in ["{}", news, same] {
            assert_eq!(change(nothing).await, changed, "{field} {nothing}");
        }
        assert_eq!(logged().await, after, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_beside_a_tenant_are_changed_for_themselves() {
    let gateway = Gateway::start().await;
    let (admin, root) = (gateway.tenant("acme").await.admin().await, gateway.root().await);
    let at = async || admin.data("{ tenant { updatedAt } }").await;
    let before = at().await;
    gateway.clock.advance(TimeDelta::seconds(1));
    admin.data("mutation { updateSmsSettings(input: { isEnabled: true }) { isEnabled } }").await;
    let place = r#"updateTenant(id: "tenant_1001", input: { pineconeEnvironment: "us-east-1" })"#;
    let set = root.data(&format!("mutation {{ {place} {{ retrieval {{ pineconeEnvironment }} }} }}")).await;
    assert_eq!(set["updateTenant"]["retrieval"]["pineconeEnvironment"], "us-east-1");
    assert_eq!(at().await, before);
    // Both are in the log.
    let log = admin.data("{ auditLog(first: 2) { nodes { action detail } } }").await;
    insta::assert_json_snapshot!(log["auditLog"]["nodes"], @r#"
    [
      {
        "action": "tenant.update",
        "detail": "pineconeEnvironment"
      },
      {
        "action": "settings.sms",
        "detail": "isEnabled"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_switched_off_once() {
    let gateway = Gateway::start().await;
    gateway.tenant("acme").await;
    let root = gateway.root().await;
    let off = r#"mutation { deactivateTenant(id: "tenant_1001") { isActive updatedAt } }"#;
    let first = root.data(off).await;
    assert_eq!(first["deactivateTenant"]["isActive"], false);
    gateway.clock.advance(TimeDelta::seconds(1));
    assert_eq!(root.data(off).await, first);
    let log = r#"{ auditLog(filter: { action: "tenant.deactivate" }) { totalCount } }"#;
    assert_eq!(root.in_tenant("acme").data(log).await["auditLog"]["totalCount"], 1);
}
