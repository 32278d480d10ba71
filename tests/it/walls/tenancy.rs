//! A second tenant sees none of the first, by any field and any id: everything of A's is asked for by B, and B's answer is
//! exactly the answer for what does not exist.

use serde_json::{Value, json};

use super::roles::{Probe, probes};
use crate::support::{Actor, Gateway};

/// Everything that tenant A has, by noun.
async fn belongings(admin: &Actor<'_>) -> Vec<(&'static str, String)> {
    let lead = admin.data(r#"mutation { createLead(input: { name: "Canary" }) { id } }"#).await;
    let sent = admin
        .data(r#"mutation { sendMessage(input: { content: "canary" }) { conversation { id } message { id } reply { id } } }"#)
        .await;
    let prompt =
        admin.data(r#"mutation { setupPrompt(input: { name: "Canary", businessPrompt: "canary" }) { id } }"#).await;
    let document =
        admin.data(r#"mutation { addKnowledgeDocument(input: { title: "Canary", content: "canary" }) { id } }"#).await;
    let hours = r#"updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "17:00" }], closedDays: [{ date: "2026-12-24", reason: "canary" }] }) { slotMinutes }"#;
    let book = r#"bookMeeting(input: { startsAt: "2026-11-23T09:00:00Z", title: "Canary", notes: "canary" }) { id }"#;
    let meeting = admin.data(&format!("mutation {{ {hours} {book} }}")).await;
    let root = admin.gateway.root().await;
    let lease = r#"mutation { impersonateTenant(input: { tenantId: "tenant_1001", reason: "canary" }) { id } }"#;
    let lease = root.data(lease).await;
    crate::support::cluster::owner(&admin.gateway.database)
        .await
        .batch_execute(
            "INSERT INTO webhook_deliveries (tenant_id, provider, event_id, event_type, status, last_error, body, received_at)
             VALUES (1001, 'TELNYX', 'canary', 'message.received', 'DEAD', 'canary', '', now())",
        )
        .await
        .expect("a delivery");
    let me = admin.data("{ me { id } tenant { id } auditLog(first: 1) { nodes { id } } }").await;
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    vec![
        ("lead", id(&lead["createLead"])),
        ("conversation", id(&sent["sendMessage"]["conversation"])),
        ("message", id(&sent["sendMessage"]["message"])),
        ("message", id(&sent["sendMessage"]["reply"])),
        ("prompt", id(&prompt["setupPrompt"])),
        ("document", id(&document["addKnowledgeDocument"])),
        ("meeting", id(&meeting["bookMeeting"])),
        ("impersonation", id(&lease["impersonateTenant"])),
        ("delivery", "delivery_1".to_owned()),
        ("audit", id(&me["auditLog"]["nodes"][0])),
        ("user", id(&me["me"])),
        ("tenant", id(&me["tenant"])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_answers_for_anothers_id_as_for_one_that_does_not_exist() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let owner = acme.admin().await;
    let owned = belongings(&owner).await;
    // The last is a visitor of A's own website: any conversation but theirs is to them another's too.
    let rivals = [
        rival.admin().await,
        rival.staff().await,
        gateway.root().await.in_tenant("rival"),
        rival.visitor().await.0,
        acme.visitor().await.0,
    ];
    let before = snapshot(&owner).await;
    let mut asked = 0;
    for (number, rival) in rivals.iter().enumerate() {
        // Tenants themselves are the platform's administrators' own business, in whatever tenant they act.
        let theirs = |probe: &Probe| number != 2 || probe.requires != "ADMIN";
        for probe in probes().into_iter().filter(|probe| probe.document.contains("_999999") && theirs(probe)) {
            for (noun, id) in &owned {
                // The probe, once with A's id and once with an id of the same noun that nobody has.
                let with = |id: &str| rewritten(&probe.document, id);
                let (theirs, nobodys) = (with(id), with(&format!("{noun}_999999")));
                assert_eq!(
                    answered(rival, &theirs, probe.is_subscription).await.replace(id.as_str(), "ID"),
                    answered(rival, &nobodys, probe.is_subscription).await.replace(&format!("{noun}_999999"), "ID"),
                    "{theirs}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 100, "the probes were asked");
    assert_eq!(snapshot(&owner).await, before, "nothing was written");
}

/// Every id in a probe, replaced.
fn rewritten(document: &str, id: &str) -> String {
    let mut parts = document.split('"');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut is_inside = true;
    for part in parts {
        text.push('"');
        text.push_str(if is_inside && part.ends_with("_999999") { id } else { part });
        is_inside = !is_inside;
    }
    text
}

async fn answered(actor: &Actor<'_>, document: &str, is_subscription: bool) -> String {
    let path = if is_subscription { "/graphql/stream" } else { "/graphql" };
    let response = actor.post(path).json(&json!({ "query": document })).send().await.expect("an answer");
    response.text().await.expect("text")
}

/// All that the owner can read of their tenant.
async fn snapshot(owner: &Actor<'_>) -> Value {
    owner
        .data(
            "{ tenant { name isActive booking { closedDays { reason } } } users { nodes { email isActive } } leads { nodes { name } totalCount } \
             promptBundles { nodes { name sections { content } } } knowledgeDocuments { nodes { title chunkCount } } \
             searchKnowledge(question: \"canary\") { text } webhookDeliveries { nodes { eventId status lastError } } \
             meetings { totalCount nodes { title notes status lead { id } conversation { id } } } \
             availableSlots(from: \"2026-11-23T00:00:00Z\", to: \"2026-11-23T09:30:00Z\") { startsAt } \
             impersonations { nodes { reason actor { email } } } \
             conversations { totalCount nodes { status subject lead { id } messages(last: 50) { totalCount nodes { role content } } } } }",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_hold_only_ones_own() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    belongings(&acme.admin().await).await;
    let rival = rival.admin().await;
    let seen = snapshot(&rival).await.to_string();
    assert!(!seen.contains("anary"), "{seen}");
    assert_eq!(
        rival.data("{ users { nodes { email } } leads { totalCount } conversations { totalCount } }").await,
        json!({
            "users": { "nodes": [{ "email": "admin@rival.example" }] },
            "leads": { "totalCount": 0 },
            "conversations": { "totalCount": 0 },
        })
    );
    let composed = rival.data("{ composedPrompt { text } }").await.to_string();
    assert!(!composed.contains("canary"), "{composed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_as_a_reference_writes_nothing() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let owned = belongings(&acme.admin().await).await;
    let lead = &owned[0].1;
    let rival = rival.admin().await;
    let own = rival.conversation().await;
    for document in [
        format!(r#"mutation {{ startConversation(input: {{ leadId: "{lead}" }}) {{ id }} }}"#),
        format!(
            r#"mutation {{ updateConversation(id: "{own}", input: {{ leadId: "{lead}", subject: "x" }}) {{ id }} }}"#
        ),
    ] {
        let answer = rival.query(&document).await;
        assert_eq!(crate::support::code(&answer), "NOT_FOUND", "{document}");
    }
    let data = rival.data("{ conversations { totalCount nodes { subject lead { id } } } }").await;
    assert_eq!(data["conversations"], json!({ "totalCount": 1, "nodes": [{ "subject": null, "lead": null }] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_header_is_no_way_in() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let admin = rival.admin().await;
    for name in [acme.id.0.to_string(), acme.id.to_string(), "acme".to_owned()] {
        let answer = admin.in_tenant(&name).query("{ leads { totalCount } }").await;
        assert_eq!(crate::support::code(&answer), "FORBIDDEN", "{name}");
    }
    // One's own, in any spelling, is no offence.
    for name in [rival.id.0.to_string(), rival.id.to_string(), "rival".to_owned()] {
        admin.in_tenant(name).data("{ leads { totalCount } }").await;
    }
    let root = gateway.root().await;
    assert_eq!(crate::support::code(&root.query("{ leads { totalCount } }").await), "TENANT_REQUIRED");
    root.in_tenant("acme").data("{ leads { totalCount } tenant { subdomain } }").await;
    for (name, code) in [
        ("999999", "NOT_FOUND"),
        ("nobody", "NOT_FOUND"),
        ("1001,1002", "BAD_USER_INPUT"),
        ("*", "BAD_USER_INPUT"),
        ("01001", "BAD_USER_INPUT"),
        ("tenant_1 OR 1=1", "BAD_USER_INPUT"),
    ] {
        let answer = root.in_tenant(name).query("{ tenants { totalCount } }").await;
        assert_eq!(crate::support::code(&answer), code, "{name}");
    }
    let doubled = root.in_tenant("acme").post("/graphql").header("x-tenant-id", "rival");
    let answer: Value = doubled
        .json(&json!({ "query": "{ tenant { id } }" }))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(crate::support::code(&answer), "BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_and_the_policy_each_hold_alone() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    belongings(&acme.admin().await).await;
    let rival = rival.admin().await;
    let (visitor, _) = acme.visitor().await;
    let owner = crate::support::cluster::owner(&gateway.database).await;
    let tables: Vec<String> = owner
        .query(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relrowsecurity",
            &[],
        )
        .await
        .expect("tables")
        .iter()
        .map(|row| row.get(0))
        .collect();
    // With the policies switched off, the queries' own filter is all there is.
    for table in &tables {
        owner.batch_execute(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await.expect("switched off");
    }
    let seen = snapshot(&rival).await.to_string();
    assert!(!seen.contains("anary"), "the filter alone let through: {seen}");
    assert!(!rival.data("{ composedPrompt { text } }").await.to_string().contains("canary"));
    // And for a visitor of the same tenant, the program's own look at their one conversation.
    for document in [
        r#"{ conversation(id: "conversation_1") { id } }"#,
        r#"mutation { sendMessage(input: { conversationId: "conversation_1", content: "x" }) { message { id } } }"#,
        r#"mutation { stopReply(messageId: "message_2") { content } }"#,
        r#"mutation { revokeVisitorSessions(conversationId: "conversation_1") }"#,
    ] {
        let answer = visitor.query(document).await;
        let nothing = answer["data"] == json!({ "conversation": null }) || crate::support::code(&answer) == "NOT_FOUND";
        assert!(nothing, "{document}: {answer}");
    }
    assert_eq!(crate::support::code(&visitor.watch("conversation_1", None).await.error().await), "NOT_FOUND");
    for table in &tables {
        owner.batch_execute(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")).await.expect("switched on");
    }
    // That the policies hold without a filter is shown in `catalogue.rs`, where SQL is written by hand.
}
