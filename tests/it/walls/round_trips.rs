//! SQL statements per operation, brackets of the transactions included: a number that does not grow with the rows.

use std::fmt::Write;

use crate::support::{Actor, Gateway, Plan};

async fn statements(actor: &Actor<'_>, document: &str) -> u64 {
    // Once for the prepared statements' own look-ups, and to see that it works.
    actor.data(document).await;
    let before = actor.gateway.services.db.statements();
    actor.data(document).await;
    actor.gateway.services.db.statements() - before
}

const NESTED: &str = "{ conversations(first: 100) { nodes { id lead { name } messages(last: 10) { nodes { content author { email } } } } } }";
const CARRIED: &str =
    "{ conversations(first: 100) { nodes { messages(last: 1) { nodes { mail { status } texts { status } } } } } }";

const BOTH_WAYS: &str = "{ leads(first: 100) { nodes { conversations(first: 2) { totalCount nodes { messages(first: 1) { totalCount } } } } } }";
const LOG: &str = "{ auditLog(first: 50) { nodes { actor { email } tenant { name } impersonation { reason } } } }";
const PLATFORM: &str = "{ tenants(first: 50) { nodes { name sms { isEnabled } onboarding { isDone } } } }";

async fn fill(admin: &Actor<'_>, conversations: usize) {
    let cx = admin.gateway.inside(frontdesk::kernel::ids::TenantId(1001));
    for number in 0..conversations {
        let form = frontdesk::domain::leads::LeadForm { name: Some(format!("Lead {number}")), ..Default::default() };
        let lead = frontdesk::domain::leads::create(&cx, &form).await.expect("a lead");
        let form = frontdesk::domain::conversations::ConversationForm {
            channel: frontdesk::kernel::vocabulary::Channel::Web,
            lead: Some(lead.id),
            subject: None,
        };
        let conversation = frontdesk::domain::conversations::start(&cx, &form).await.expect("a conversation");
        let document = format!(
            r#"mutation {{ updateConversation(id: "{0}", input: {{ status: HUMAN }}) {{ id }}
               sendMessage(input: {{ conversationId: "{0}", content: "Hello" }}) {{ message {{ id }} }} }}"#,
            conversation.id
        );
        admin.data(&document).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_costs_a_fixed_number_of_statements() {
    // What the first request of a burst costs: the others need not ask again who it is, which is three less.
    let settings = vec![("IDENTITY_CACHE_MILLISECONDS", "0".to_owned())];
    let gateway = Gateway::planned(Plan { housekeeping: None, settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    fill(&admin, 1).await;
    let root = gateway.root().await;
    let mut counted = String::new();
    let mut note = |name: &str, count: u64| writeln!(counted, "{name:<28}{count}").expect("written");
    note("nested, 1 conversation", statements(&admin, NESTED).await);
    note("leads and back, 1 lead", statements(&admin, BOTH_WAYS).await);
    note("audit log, few entries", statements(&admin, LOG).await);
    note("all tenants, 1 tenant", statements(&root, PLATFORM).await);
    fill(&admin, 99).await;
    let hours = r#"updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "10:00" }] }) { slotMinutes }"#;
    let book = |name: &str, time: &str, conversation: &str| {
        format!(
            r#"{name}: bookMeeting(input: {{ startsAt: "2026-11-23T09:{time}:00Z", conversationId: "conversation_{conversation}" }}) {{ id }}"#
        )
    };
    admin.data(&format!("mutation {{ {hours} {} {} }}", book("a", "00", "1"), book("b", "30", "2"))).await;
    for slug in ["two", "three", "four"] {
        gateway.tenant(slug).await;
    }
    note("all tenants, 4 tenants", statements(&root, PLATFORM).await);
    let ids: Vec<_> = (1..=20)
        .flat_map(|id| ["lead", "conversation", "message", "user", "audit"].map(|noun| format!("\"{noun}_{id}\"")))
        .collect();
    let nodes = format!("{{ nodes(ids: [{}]) {{ id }} }}", ids.join(", "));
    for (name, document) in [
        ("nested, 100 conversations", NESTED),
        ("100 chats, mails and texts", CARRIED),
        ("leads and back, 100 leads", BOTH_WAYS),
        ("audit log, 50 entries", LOG),
        ("100 nodes of five nouns", nodes.as_str()),
        ("settings and checklist", "{ tenant { sms { isEnabled } voice { isEnabled } onboarding { key } } }"),
        ("bundles with sections", "{ promptBundles { nodes { name ignoredKeys sections { key } } } }"),
        ("documents with counts", "{ knowledgeDocuments { nodes { title chunkCount } } }"),
        ("me", "{ me { email tenant { name } } }"),
        ("tenant", "{ tenant { name } }"),
        ("lead by id", r#"{ lead(id: "lead_1") { name } }"#),
        ("20 leads", "{ leads { nodes { name email phone source status createdAt } } }"),
        ("20 leads, counted", "{ leads { nodes { name } totalCount } }"),
        ("create a lead", r#"mutation { createLead(input: { name: "x" }) { id } }"#),
        ("meetings with both ends", "{ meetings { nodes { lead { name } conversation { subject } } } }"),
        ("composed prompt", "{ composedPrompt { text } }"),
    ] {
        note(name, statements(&admin, document).await);
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("round_trips", counted);
    });
}
