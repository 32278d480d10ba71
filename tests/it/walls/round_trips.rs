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

const NESTED: &str = "{ conversations(first: 50) { nodes { id lead { name } messages(last: 10) { nodes { content author { email } } } } } }";

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
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    fill(&admin, 1).await;
    let with_one = statements(&admin, NESTED).await;
    fill(&admin, 20).await;
    let mut counted = format!("{:<28}{with_one}\n", "nested, 1 conversation");
    for (name, document) in [
        ("nested, 21 conversations", NESTED),
        ("me", "{ me { email tenant { name } } }"),
        ("tenant", "{ tenant { name } }"),
        ("lead by id", r#"{ lead(id: "lead_1") { name } }"#),
        ("20 leads", "{ leads { nodes { name email phone source status createdAt } } }"),
        ("20 leads, counted", "{ leads { nodes { name } totalCount } }"),
        ("create a lead", r#"mutation { createLead(input: { name: "x" }) { id } }"#),
        ("composed prompt", "{ composedPrompt { text } }"),
    ] {
        writeln!(counted, "{name:<28}{}", statements(&admin, document).await).expect("written");
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("round_trips", counted);
    });
}
