//! Rows that are at hand are put together without the library's help (`graph/plain.rs`), and look as if it had helped.

use serde_json::{Value, json};

use crate::support::Gateway;

/// Selects the same twice: as it is, and so that the library has to resolve each object.
fn both(of: &str, fields: &str) -> [String; 2] {
    [format!("{{ {of} {{ nodes {{ {fields} }} edges {{ cursor node {{ {fields} }} }} }} }}"), {
        let slow = format!("{fields} ... @include(if: true) {{ __typename }}");
        format!("{{ {of} {{ nodes {{ {slow} }} edges {{ cursor node {{ {slow} }} }} }} }}")
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_whichever_way_its_objects_are_put_together() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, root) = (acme.admin().await, gateway.root().await);
    let lead = admin.data(r#"mutation { createLead(input: { name: "Änn \"A\"", email: "ann@example.com", phone: "+15550100123" }) { id } }"#).await;
    admin.data(r#"mutation { createLead(input: { name: "Bob" }) { id } }"#).await;
    let lead = &lead["createLead"]["id"];
    let conversation = admin
        .data(&format!("mutation {{ startConversation(input: {{ leadId: {lead}, subject: \"Hi\" }}) {{ id }} }}"))
        .await;
    let conversation = conversation["startConversation"]["id"].as_str().expect("an id").to_owned();
    admin.chat(&conversation, "When are you open?").await.all().await;
    admin
        .data(r#"mutation { addKnowledgeDocument(input: { title: "Hours", content: "Nine to five." }) { id } }"#)
        .await;
    let messages = format!(
        "conversation(id: \"{conversation}\") {{ messages {{ nodes {{ FIELDS }} edges {{ cursor node {{ FIELDS }} }} }} }}"
    );
    for (who, of, fields) in [
        (&admin, "leads", "__typename id name mail: email phone source status notes createdAt updatedAt"),
        (&admin, "leads", "id ...F } } } fragment F on Lead { name ... on Lead { email } ... { phone"),
        (&admin, "conversations", "id channel status subject createdAt updatedAt"),
        (
            &admin,
            "conversations",
            "id lead { id name } messages(last: 2) { nodes { id content role status createdAt } }",
        ),
        (&admin, "users", "id email name role isActive createdAt lastLoginAt"),
        (&admin, "knowledgeDocuments", "id title sourceUrl createdAt"),
        (&admin, "auditLog", "id at action target impersonated outcome requestId detail"),
        (&root, "tenants", "id name subdomain isActive systemPrompt monthlyTokenQuota createdAt updatedAt"),
        (&root, "promptBundles", "id name status version isGlobal createdAt publishedAt"),
    ] {
        if fields.contains("fragment") {
            let whole = who.data(&format!("{{ {of} {{ nodes {{ {fields} }} }}")).await;
            let flat = who.data(&format!("{{ {of} {{ nodes {{ id name email phone }} }} }}")).await;
            assert_eq!(whole, flat);
            continue;
        }
        let [swift, slow] = both(of, fields);
        let (swift, mut slow) = (who.data(&swift).await, who.data(&slow).await);
        assert!(swift[of]["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()), "{of} has none");
        forget(&mut slow, fields.contains("__typename"));
        assert_eq!(swift, slow, "{of}");
    }
    let fields = "id role content status promptHash clientMessageId createdAt";
    let swift = admin.data(&format!("{{ {} }}", messages.replace("FIELDS", fields))).await;
    let slow = format!("{fields} ... @include(if: true) {{ __typename }}");
    let mut slow = admin.data(&format!("{{ {} }}", messages.replace("FIELDS", &slow))).await;
    forget(&mut slow, false);
    assert_eq!(swift, slow);
    // So are events of a chat: sent again, a message tells its own anew.
    let input =
        json!({ "input": { "conversationId": conversation, "content": "And on Sundays?", "clientMessageId": "c-1" } });
    let chat = async |more: &str| {
        let fields =
            "__typename cursor conversationId ... on ReplySnapshot { messageId text } ... on ReplyDelta { text }";
        let document =
            format!("subscription($input: SendMessageInput!) {{ chat(input: $input) {{ {fields} {more} }} }}");
        admin.subscribe(&document, input.clone()).await.all().await
    };
    chat("").await;
    let (swift, slow) = (chat("").await, chat("... @include(if: true) { __typename }").await);
    assert_eq!(swift[1]["__typename"], "ReplySnapshot");
    assert!(swift[1]["text"].as_str().is_some_and(|text| !text.is_empty()), "{swift:?}");
    assert_eq!(swift, slow);
    // What is asked for twice is merged, and what has an argument or a directive is heeded.
    let merged = admin.data("{ leads(first: 1) { edges { node { id } node { name } } } }").await;
    assert_eq!(merged["leads"]["edges"][0]["node"]["name"], "Bob");
    let merged = admin.data("{ leads(first: 1) { nodes { id } } leads(first: 1) { nodes { name } } }").await;
    assert_eq!(merged["leads"]["nodes"][0]["name"], "Bob");
    assert!(merged["leads"]["nodes"][0]["id"].is_string());
    let heeded = admin.data("{ leads(first: 1) { nodes { id @skip(if: true) name } } }").await;
    assert_eq!(heeded["leads"]["nodes"][0].to_string(), r#"{"name":"Bob"}"#);
}

/// Takes away what only the second document asked for.
fn forget(value: &mut Value, is_asked_for: bool) {
    match value {
        Value::Object(fields) => {
            if !is_asked_for {
                fields.remove("__typename");
            }
            fields.values_mut().for_each(|value| forget(value, is_asked_for));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| forget(value, is_asked_for)),
        _ => {}
    }
}
