//! Lists in the orders that can be asked for, and leads that are found again.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Gateway, code, said};

#[tokio::test(flavor = "multi_thread")]
async fn leads_are_walked_in_every_order_from_both_ends() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for name in ["\"bea\"", "\"Ann\"", "null", "\"cy. d\"", "\"ann\""] {
        let input = format!("{{ name: {name}, notes: \"x\", email: \"{}@acme.example\" }}", uuid::Uuid::new_v4());
        staff.data(&format!("mutation {{ createLead(input: {input}) {{ id }} }}")).await;
        gateway.clock.advance(chrono::TimeDelta::seconds(1));
    }
    staff.data(r#"mutation { updateLead(id: "lead_2", input: { status: WON }) { id } }"#).await;
    let page = async |arguments: &str| -> (String, Value) {
        let data = staff.data(&format!("{{ leads({arguments}) {{ nodes {{ id }} pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} }} }}")).await;
        let ids = data["leads"]["nodes"].as_array().expect("nodes").iter();
        let ids = ids.map(|node| node["id"].as_str().expect("an id").trim_start_matches("lead_").to_owned());
        (ids.collect(), data["leads"]["pageInfo"].clone())
    };
    for (order, whole) in [
        ("{ field: NAME, direction: ASC }", "32514"),
        ("{ field: NAME, direction: DESC }", "41523"),
        ("{ field: CREATED_AT, direction: ASC }", "12345"),
        ("{ field: CREATED_AT, direction: DESC }", "54321"),
        ("{ field: UPDATED_AT, direction: ASC }", "13452"),
        ("{ field: UPDATED_AT, direction: DESC }", "25431"),
    ] {
        assert_eq!(page(&format!("orderBy: {order}")).await.0, whole, "{order}");
        // Forwards and backwards, two at a time, every row is met once and in its place.
        let (mut forwards, mut after) = (String::new(), String::new());
        loop {
            let (ids, info) = page(&format!("orderBy: {order}, first: 2 {after}")).await;
            forwards.push_str(&ids);
            if info["hasNextPage"] == false {
                break;
            }
            after = format!(", after: {}", info["endCursor"]);
        }
        assert_eq!(forwards, whole, "{order}");
        let (mut backwards, mut before) = (String::new(), String::new());
        loop {
            let (ids, info) = page(&format!("orderBy: {order}, last: 2 {before}")).await;
            backwards.insert_str(0, &ids);
            if info["hasPreviousPage"] == false {
                break;
            }
            before = format!(", before: {}", info["startCursor"]);
        }
        assert_eq!(backwards, whole, "{order}");
    }
    for field in ["CREATED_AT", "UPDATED_AT"] {
        staff
            .data(&format!("{{ conversations(orderBy: {{ field: {field}, direction: ASC }}) {{ totalCount }} }}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_a_place_in_its_own_list_and_order_and_in_no_other() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    admin.data(r#"mutation { addKnowledgeDocument(input: { title: "x", content: "y" }) { id } }"#).await;
    let conversation = admin.conversation().await;
    admin.chat(&conversation, "Hello").await.all().await;
    admin
        .data(&format!(
            r#"mutation {{ updateConversation(id: "{conversation}", input: {{ leadId: "lead_1" }}) {{ id }} }}"#
        ))
        .await;
    let newest_first = ["users", "auditLog", "promptBundles", "knowledgeDocuments", "leads", "conversations"];
    let mut lists = Vec::from(newest_first.map(|list| format!("list: {list}(PAGE)")));
    for (list, field, direction) in [
        ("leads", "CREATED_AT", "ASC"),
        ("leads", "UPDATED_AT", "ASC"),
        ("leads", "UPDATED_AT", "DESC"),
        ("leads", "NAME", "ASC"),
        ("leads", "NAME", "DESC"),
        ("conversations", "CREATED_AT", "ASC"),
        ("conversations", "UPDATED_AT", "DESC"),
    ] {
        lists.push(format!("list: {list}(orderBy: {{ field: {field}, direction: {direction} }}, PAGE)"));
    }
    let ask = async |list: &str, page: &str| -> Value {
        let list = format!("{} {{ pageInfo {{ endCursor }} }}", list.replace("PAGE", page));
        // Messages are a conversation's.
        if list.contains("messages") {
            admin.query(&format!("{{ conversation(id: \"{conversation}\") {{ {list} }} }}")).await
        } else {
            admin.query(&format!("{{ {list} }}")).await
        }
    };
    lists.push("list: messages(PAGE)".to_owned());
    let mut cursors = Vec::new();
    for list in &lists {
        let answer = ask(list, "first: 1").await;
        let list = answer.pointer("/data/list").or_else(|| answer.pointer("/data/conversation/list"));
        let cursor = list.and_then(|list| list["pageInfo"]["endCursor"].as_str()).expect("a cursor").to_owned();
        assert!(cursor.len() < 32, "{cursor}");
        cursors.push(cursor);
    }
    let refused = "`after` is not a cursor that this list gave out in this order.";
    for (cursor, own) in cursors.iter().zip(&lists) {
        for list in &lists {
            let answer = ask(list, &format!("after: \"{cursor}\"")).await;
            if list == own {
                assert!(answer.get("errors").is_none(), "{own}: {answer}");
            } else {
                assert_eq!((code(&answer), said(&answer)), ("BAD_USER_INPUT", refused), "{own} in {list}");
            }
        }
    }
    // A lead's conversations are conversations, newest first.
    let (newest, oldest) = (&cursors[5], &cursors[11]);
    let of_lead =
        |cursor: &str| format!("{{ lead(id: \"lead_1\") {{ conversations(after: \"{cursor}\") {{ totalCount }} }} }}");
    admin.data(&of_lead(newest)).await;
    assert_eq!(said(&admin.query(&of_lead(oldest)).await), refused);
    // What was given out when a cursor named the order alone is refused, and breaks nothing.
    for before in ["c1.1795262400000000", "u1.1795262400000000", "n1.ann"] {
        let cursor = URL_SAFE_NO_PAD.encode(before);
        for list in &lists {
            assert_eq!(said(&ask(list, &format!("after: \"{cursor}\"")).await), refused, "{before} in {list}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_ordered_by_what_last_happened_in_them() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for subject in ["one", "two"] {
        staff.data(&format!("mutation {{ startConversation(input: {{ subject: \"{subject}\" }}) {{ id }} }}")).await;
        gateway.clock.advance(chrono::TimeDelta::seconds(1));
    }
    for (search, count) in [("ONE", 1), ("zzz", 0), ("%", 0)] {
        let found =
            staff.data(&format!("{{ conversations(filter: {{ search: \"{search}\" }}) {{ totalCount }} }}")).await;
        assert_eq!(found["conversations"]["totalCount"], count, "{search}");
    }
    staff.data(r#"mutation { createLead(input: { name: "Zoe" }) { id } }"#).await;
    staff.data(r#"mutation { updateConversation(id: "conversation_2", input: { leadId: "lead_1" }) { id } }"#).await;
    let by_lead = staff.data("{ conversations(filter: { search: \"zoe\" }) { nodes { subject } } }").await;
    assert_eq!(by_lead["conversations"]["nodes"], json!([{ "subject": "two" }]));
    gateway.clock.advance(chrono::TimeDelta::seconds(1));
    staff.data(r#"mutation { updateConversation(id: "conversation_1", input: { status: HUMAN }) { id } }"#).await;
    let sent = staff
        .data(r#"mutation { sendMessage(input: { conversationId: "conversation_1", content: "Hi" }) { conversation { updatedAt } } }"#)
        .await;
    assert_eq!(sent["sendMessage"]["conversation"]["updatedAt"], "2026-11-21T12:00:03Z", "as it is after the message");
    let order = "orderBy: { field: UPDATED_AT, direction: DESC }, first: 1";
    let first =
        staff.data(&format!("{{ conversations({order}) {{ nodes {{ subject }} pageInfo {{ endCursor }} }} }}")).await;
    assert_eq!(first["conversations"]["nodes"], json!([{ "subject": "one" }]));
    let cursor = &first["conversations"]["pageInfo"]["endCursor"];
    let next = staff.data(&format!("{{ conversations({order}, after: {cursor}) {{ nodes {{ subject }} }} }}")).await;
    assert_eq!(next["conversations"]["nodes"], json!([{ "subject": "two" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_found_again_is_the_same_lead_and_learns_what_was_not_known() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (staff, other) = (acme.staff().await, rival.staff().await);
    let create =
        |input: &str| format!("mutation {{ createLead(input: {input}) {{ id name email phone source notes }} }}");
    staff.data(&create(r#"{ phone: "+1 555 010 0123", source: SMS, notes: "tall" }"#)).await;
    let again = staff
        .data(&create(
            r#"{ name: "Ann", phone: "+15550100123", email: "Ann@Example.com", source: WEB, notes: "left-handed" }"#,
        ))
        .await;
    insta::assert_json_snapshot!(again["createLead"], @r#"
    {
      "id": "lead_1",
      "name": "Ann",
      "email": "ann@example.com",
      "phone": "+15550100123",
      "source": "SMS",
      "notes": "tall\nleft-handed"
    }
    "#);
    // Nothing that is known is overwritten, and what was said before is not said twice.
    let by_mail = staff.data(&create(r#"{ name: "Anna", email: "ANN@example.com", notes: "tall" }"#)).await;
    assert_eq!(by_mail["createLead"], again["createLead"]);
    // Two leads, one known by the number and one by the address, stay two; what found no place is kept among the notes.
    staff.data(&create(r#"{ name: "Bob", email: "bob@example.com" }"#)).await;
    let between = staff.data(&create(r#"{ phone: "+15550100123", email: "bob@example.com" }"#)).await;
    let between = &between["createLead"];
    assert_eq!(between["id"], again["createLead"]["id"], "the number decides");
    assert_eq!(between["notes"], "tall\nleft-handed\nE-mail: bob@example.com");
    let moved = staff.data(&create(r#"{ phone: "+15550100124", email: "ann@example.com" }"#)).await;
    assert_eq!(moved["createLead"]["notes"], "tall\nleft-handed\nE-mail: bob@example.com\nPhone: +15550100124");
    let clash =
        staff.query(r#"mutation { updateLead(id: "lead_2", input: { email: "bob@example.com" }) { id } }"#).await;
    let updates = staff.data("{ leads(orderBy: { field: NAME, direction: ASC }) { nodes { id name email } } }").await;
    assert_eq!(updates["leads"]["nodes"].as_array().map(Vec::len), Some(2), "{updates} {clash}");
    let clash =
        staff.query(r#"mutation { updateLead(id: "lead_1", input: { email: "bob@example.com" }) { id } }"#).await;
    assert_eq!((code(&clash), &clash["errors"][0]["extensions"]["field"]), ("CONFLICT", &json!("email")));
    // Another tenant's lead with the same number is another lead.
    let theirs = other.data(&create(r#"{ phone: "+15550100123" }"#)).await;
    assert_ne!(theirs["createLead"]["id"], again["createLead"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_note_the_same_person_at_once_all_get_the_same_lead() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let note = |number: usize| {
        let input = if number.is_multiple_of(2) {
            r#"{ phone: "+15550100123", email: "ann@example.com" }"#
        } else {
            r#"{ email: "Ann@Example.com", phone: "+1 (555) 010-0123" }"#
        };
        let (staff, document) = (staff.clone(), format!("mutation {{ createLead(input: {input}) {{ id }} }}"));
        async move { staff.query(&document).await }
    };
    let answers = futures_util::future::join_all((0..50).map(note)).await;
    let ids: HashSet<_> = answers.iter().map(|answer| answer["data"]["createLead"]["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?} {:?}", answers.iter().find(|answer| answer.get("errors").is_some()));
    assert_eq!(staff.data("{ leads { totalCount } }").await["leads"]["totalCount"], 1);
}
