//! What the specification says of fields that are selected several times, of variables that must be there, and of fields that fail.

use serde_json::{Value, json};

use crate::support::{Gateway, code, said};

#[tokio::test(flavor = "multi_thread")]
async fn what_two_fragments_select_is_done_once() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let count = async |of: &str| admin.data(&format!("{{ {of} {{ totalCount }} }}")).await[of]["totalCount"].clone();
    let made = admin
        .data(
            "mutation { ...A ...B } fragment A on Mutation { startConversation(input: { subject: \"Hi\" }) { id } } \
             fragment B on Mutation { startConversation(input: { subject: \"Hi\" }) { subject status } }",
        )
        .await;
    assert_eq!(made, json!({ "startConversation": { "id": "conversation_1", "subject": "Hi", "status": "BOT" } }));
    assert_eq!(count("conversations").await, 1);
    admin
        .data("mutation { createLead(input: { name: \"A\" }) { id } createLead(input: { name: \"A\" }) { name } }")
        .await;
    assert_eq!(count("leads").await, 1);
    // A character in two escapes, as Python writes it, is one.
    let smiles = r#"mutation { createLead(input: { name: "A \ud83d\ude00" }) { name } }"#;
    assert_eq!(admin.data(smiles).await["createLead"]["name"], "A 😀");
    // Two names are two leads.
    admin
        .data("mutation { a: createLead(input: { name: \"A\" }) { id } b: createLead(input: { name: \"A\" }) { id } }")
        .await;
    assert_eq!(count("leads").await, 4);

    // A list is read once, so its rows can't be another's. The first time it is looked at, the second time its plan is recalled.
    let once = "{ leads(first: 2) { nodes { id createdAt name } } }";
    let beside = "{ ...A ...B } fragment A on Query { leads(first: 2) { nodes { id createdAt } } } \
                  fragment B on Query { leads(first: 2) { nodes { id name } } }";
    let asked = async |document: &str| {
        let before = gateway.services.db.statements();
        let answer = admin.data(document).await;
        (answer, gateway.services.db.statements() - before)
    };
    for _ in 0..2 {
        let (one, other) = (asked(once).await, asked(beside).await);
        assert_eq!(one, other);
    }
    // Nor is a reply asked for twice.
    let chat = "subscription($i: SendMessageInput!, $x: Boolean!) { chat(input: $i) { __typename } ...F @include(if: $x) } \
                fragment F on Subscription { chat(input: $i) { cursor } }";
    let input = json!({ "conversationId": "conversation_1", "content": "When are you open?" });
    let events = admin.subscribe(chat, json!({ "i": input, "x": true })).await.all().await;
    assert!(events.iter().all(|event| event["cursor"].is_string()), "{events:?}");
    let added = events.iter().filter(|event| event["__typename"] == "MessageAdded").count();
    assert_eq!(added, 1);
    let messages = "{ conversation(id: \"conversation_1\") { messages { nodes { role } } } }";
    let messages = admin.data(messages).await["conversation"]["messages"]["nodes"].clone();
    assert_eq!(messages, json!([{ "role": "CUSTOMER" }, { "role": "ASSISTANT" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_left_out_another_gets_who_asks_for_it() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let document =
        "query($x: Boolean!, $y: Boolean = true) { me { role @include(if: $x) } me { name @skip(if: $y) email } }";
    for (variables, expected) in [
        (json!({ "x": true }), json!({ "role": "TENANT_ADMIN", "email": "admin@acme.example" })),
        (json!({ "x": false }), json!({ "email": "admin@acme.example" })),
        (
            json!({ "x": true, "y": false }),
            json!({ "role": "TENANT_ADMIN", "email": "admin@acme.example", "name": null }),
        ),
        (json!({ "x": false }), json!({ "email": "admin@acme.example" })),
    ] {
        let answer = admin.ask(document, variables.clone()).await;
        assert_eq!(answer["data"]["me"], expected, "{variables}");
    }
    let answer = admin.ask(document, json!({})).await;
    assert_eq!(code(&answer), "BAD_USER_INPUT", "a plan for others does not stand for who gives nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_argument_is_not_copied_to_wherever_it_is_spread() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let spread = (0..22).map(|n| format!("a{n}: lead(id: \"lead_1\") {{ ...L }} ")).collect::<Vec<_>>().concat();
    let within =
        (0..20).map(|n| format!("b{n}: conversations(first: 1) {{ nodes {{ ...C }} }} ")).collect::<Vec<_>>().concat();
    let long = "x".repeat(50_000);
    let document = format!(
        "{{ {spread} }} fragment L on Lead {{ {within} }} \
         fragment C on Conversation {{ messages(first: 1, after: \"{long}\") {{ __typename __typename }} }}"
    );
    let answer = admin.ask(&document, json!({})).await;
    assert_eq!(
        (code(&answer), said(&answer).contains("bytes after spreading")),
        ("QUERY_TOO_COMPLEX", true),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fields_under_one_name_are_refused_and_nothing_is_done() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let made =
        "mutation { a: createLead(input: { name: \"Maya\" }) { id } b: createLead(input: { name: \"Tom\" }) { id } }";
    assert_eq!(admin.data(made).await, json!({ "a": { "id": "lead_1" }, "b": { "id": "lead_2" } }));
    for document in [
        "query($a: ID!, $b: ID!) { lead(id: $a) { id } ...F } fragment F on Query { lead(id: $b) { name } }",
        "query($a: ID!, $b: ID!) { lead(id: $a) { ...L } b: lead(id: $b) { id } } fragment L on Lead { id: name ... on Node { id } }",
        "mutation($a: ID!, $b: ID!) { updateLead(id: $a, input: { notes: \"x\" }) { id } ...F } \
         fragment F on Mutation { updateLead(id: $b, input: { notes: \"x\" }) { id } }",
    ] {
        let answer = admin.ask(document, json!({ "a": "lead_1", "b": "lead_2" })).await;
        assert_eq!((code(&answer), said(&answer).contains("is asked for twice")), ("BAD_USER_INPUT", true), "{answer}");
    }
    let notes = admin.data("{ leads { nodes { notes } } }").await;
    assert_eq!(notes["leads"]["nodes"], json!([{ "notes": null }, { "notes": null }]));
    // Where they can't both be meant, they may be.
    let node = "query($a: ID!) { node(id: $a) { id id ... on Lead { x: name } ... on User { x: email } } }";
    let node = admin.ask(node, json!({ "a": "lead_1" })).await;
    assert_eq!(node["data"]["node"], json!({ "id": "lead_1", "x": "Maya" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_must_be_given_is_missed_before_anything_runs() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    admin.data("mutation { createLead(input: { name: \"Maya\", notes: \"Ask for Ben\" }) { id } }").await;
    for (document, variables) in [
        ("mutation($who: ID!) { revokeSessions(userId: $who) }", json!({ "user": "user_2" })),
        ("mutation($who: ID!) { revokeSessions(userId: $who) }", json!({ "who": null })),
        ("mutation($n: String!) { updateLead(id: \"lead_1\", input: { notes: $n }) { id } }", json!({ "n": null })),
        ("query($f: LeadFilter!) { leads(filter: $f) { totalCount } }", json!({})),
        ("query($x: Boolean!) { me { id email @include(if: $x) } }", json!({})),
        ("query($x: Boolean! = true) { me { id email @include(if: $x) } }", json!({ "x": null })),
    ] {
        let answer = admin.ask(document, variables).await;
        assert_eq!((code(&answer), said(&answer).contains("is required")), ("BAD_USER_INPUT", true), "{answer}");
    }
    let stands = "query($x: Boolean! = true, $y: String) { lead(id: \"lead_1\") { notes @include(if: $x) } leads(filter: { search: $y }) { totalCount } }";
    let stands = admin.data(stands).await;
    assert_eq!(stands, json!({ "lead": { "notes": "Ask for Ben" }, "leads": { "totalCount": 1 } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_may_be_null_and_fails_leaves_the_rest_of_the_answer() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let answer = admin.ask("{ me { role } lead(id: \"x\") { id } }", Value::Null).await;
    assert_eq!(answer["data"], json!({ "me": { "role": "TENANT_ADMIN" }, "lead": null }));
    assert_eq!((code(&answer), &answer["errors"][0]["path"]), ("BAD_USER_INPUT", &json!(["lead"])));
    let root = gateway.root().await;
    let answer = root.ask("{ node(id: \"lead_1\") { id } tenants { totalCount } }", Value::Null).await;
    assert_eq!(answer["data"], json!({ "node": null, "tenants": { "totalCount": 1 } }));
    // Of a field in a list it says which.
    admin.data("mutation { startConversation(input: {}) { id } }").await;
    let pages = "{ conversations { nodes { id messages(first: 1000) { nodes { id } } } } }";
    let answer = admin.ask(pages, Value::Null).await;
    assert_eq!(answer["errors"][0]["path"], json!(["conversations", "nodes", 0, "messages"]), "{answer}");
}
