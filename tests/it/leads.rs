//! Leads, and how lists are read.

use serde_json::{Value, json};

use crate::support::{Gateway, code, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_noted_and_read_back() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let made = staff
        .data(r#"mutation { createLead(input: { name: " Ann ", email: "Ann@Example.COM", phone: "+1 (555) 010-0123", notes: "tall" })
                 { id name email phone source status notes createdAt conversations { totalCount } } }"#)
        .await;
    insta::assert_json_snapshot!(made, @r#"
    {
      "createLead": {
        "id": "lead_1",
        "name": "Ann",
        "email": "ann@example.com",
        "phone": "+15550100123",
        "source": "WEB",
        "status": "NEW",
        "notes": "tall",
        "createdAt": "2026-11-21T12:00:00Z",
        "conversations": {
          "totalCount": 0
        }
      }
    }
    "#);
    let node = staff.data(r#"{ node(id: "lead_1") { __typename id ... on Lead { name } } nodes(ids: ["lead_1", "lead_2", "tenant_1001"]) { id } }"#).await;
    insta::assert_json_snapshot!(node, @r#"
    {
      "node": {
        "__typename": "Lead",
        "id": "lead_1",
        "name": "Ann"
      },
      "nodes": [
        {
          "id": "lead_1"
        },
        null,
        {
          "id": "tenant_1001"
        }
      ]
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_without_anything_to_know_it_by_is_refused() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for (input, field) in [
        ("{}", "input"),
        ("{ name: \"  \" }", "input"),
        ("{ email: \"ann\" }", "email"),
        ("{ name: \"A\\u0000nn\" }", "name"),
    ] {
        let answer = staff.query(&format!("mutation {{ createLead(input: {input}) {{ id }} }}")).await;
        assert_eq!(
            (code(&answer), &answer["errors"][0]["extensions"]["field"]),
            ("BAD_USER_INPUT", &json!(field)),
            "{answer}"
        );
    }
    let answer = staff.query("mutation { createLead(input: { phone: \"555-0123\" }) { id } }").await;
    assert_eq!(code(&answer), "BAD_USER_INPUT");
    // In other forms a number's field has another name, and the scalar knows none of them.
    assert!(said(&answer).contains("a phone number has its country code"), "{answer}");
    assert!(!said(&answer).contains("`phone`"), "{answer}");
    assert_eq!(staff.data("{ leads { totalCount } }").await["leads"]["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_forwards_and_backwards_while_it_grows() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let add = async |name: &str| {
        staff.data(&format!("mutation {{ createLead(input: {{ name: \"{name}\" }}) {{ id }} }}")).await;
    };
    for name in ["a", "b", "c", "d", "e"] {
        add(name).await;
        gateway.clock.advance(chrono::TimeDelta::milliseconds(1));
    }
    let page = async |arguments: &str| -> Value {
        let document = format!(
            "{{ leads({arguments}) {{ nodes {{ name }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        staff.data(&document).await["leads"].clone()
    };
    let names = |page: &Value| {
        page["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["name"].as_str().expect("a name").to_owned())
            .collect::<String>()
    };
    let ends =
        |page: &Value| (page["pageInfo"]["hasPreviousPage"].as_bool(), page["pageInfo"]["hasNextPage"].as_bool());
    let cursor = |page: &Value, which: &str| page["pageInfo"][which].as_str().expect("a cursor").to_owned();
    let first = page("first: 2").await;
    assert_eq!((names(&first).as_str(), ends(&first)), ("ed", (Some(false), Some(true))));
    // A newcomer at the front moves nothing behind the cursor.
    add("f").await;
    let second = page(&format!("first: 2, after: \"{}\"", cursor(&first, "endCursor"))).await;
    assert_eq!((names(&second).as_str(), ends(&second)), ("cb", (Some(true), Some(true))));
    let third = page(&format!("first: 2, after: \"{}\"", cursor(&second, "endCursor"))).await;
    assert_eq!((names(&third).as_str(), ends(&third)), ("a", (Some(true), Some(false))));
    let back = page(&format!("last: 2, before: \"{}\"", cursor(&third, "startCursor"))).await;
    assert_eq!((names(&back).as_str(), ends(&back)), ("cb", (Some(true), Some(true))));
    let last = page("last: 2").await;
    assert_eq!((names(&last).as_str(), ends(&last)), ("ba", (Some(true), Some(false))));
    // A cursor at the other end: it stands for somebody who is not on the page.
    let until = page(&format!("first: 5, before: \"{}\"", cursor(&second, "endCursor"))).await;
    assert_eq!((names(&until).as_str(), ends(&until)), ("fedc", (Some(false), Some(true))));
    let since = page(&format!("last: 5, after: \"{}\"", cursor(&second, "startCursor"))).await;
    assert_eq!((names(&since).as_str(), ends(&since)), ("ba", (Some(true), Some(false))));
    assert_eq!(names(&page("first: 0").await), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_somebody_else_is_a_place_and_no_key() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (staff, other) = (acme.staff().await, rival.staff().await);
    staff.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    let data = staff.data("{ leads { pageInfo { endCursor } } }").await;
    let cursor = data["leads"]["pageInfo"]["endCursor"].as_str().expect("a cursor");
    let seen = other.data(&format!("{{ leads(before: \"{cursor}\") {{ nodes {{ name }} }} }}")).await;
    assert_eq!(seen["leads"]["nodes"], json!([]));
    for arguments in [
        "first: -1",
        "first: 101",
        "last: 2147483647",
        "first: 1, last: 1",
        "after: \"x\"",
        "before: \"' OR 1=1\"",
        "after: \"\"",
    ] {
        assert_eq!(
            code(&staff.query(&format!("{{ leads({arguments}) {{ totalCount }} }}")).await),
            "BAD_USER_INPUT",
            "{arguments}"
        );
    }
    assert_eq!(code(&staff.query("{ leads(first: 2147483648) { totalCount } }").await), "BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_changed_where_something_is_said_and_cleared_where_null_is() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    staff
        .data(r#"mutation { createLead(input: { name: "Ann", email: "ann@example.com", notes: "tall" }) { id } }"#)
        .await;
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    let fields = "{ name email phone status notes createdAt updatedAt }";
    let update = async |input: &str| {
        staff.query(&format!(r#"mutation {{ updateLead(id: "lead_1", input: {input}) {fields} }}"#)).await
    };
    let changed = update(r#"{ status: QUALIFIED, phone: "+15550100123", notes: null }"#).await;
    insta::assert_json_snapshot!(changed, @r#"
    {
      "data": {
        "updateLead": {
          "name": "Ann",
          "email": "ann@example.com",
          "phone": "+15550100123",
          "status": "QUALIFIED",
          "notes": null,
          "createdAt": "2026-11-21T12:00:00Z",
          "updatedAt": "2026-11-21T12:01:00Z"
        }
      }
    }
    "#);
    // Something to know the person by must be left, and what was refused changed nothing.
    let refused = update("{ name: null, email: null, phone: null, status: LOST }").await;
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    assert_eq!(update("{}").await["data"]["updateLead"]["status"], "QUALIFIED");
    assert_eq!(code(&update("{ email: \"nobody\" }").await), "BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_deleted_leaves_its_conversations() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    staff.data(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    staff.data(r#"mutation { startConversation(input: { leadId: "lead_1", subject: "Kept" }) { id } }"#).await;
    let linked =
        staff.data(r#"{ lead(id: "lead_1") { conversations { totalCount nodes { subject lead { name } } } } }"#).await;
    assert_eq!(
        linked["lead"]["conversations"],
        json!({ "totalCount": 1, "nodes": [{ "subject": "Kept", "lead": { "name": "Ann" } }] })
    );
    let gone = r#"mutation { deleteLead(id: "lead_1") }"#;
    assert_eq!(staff.data(gone).await, json!({ "deleteLead": "lead_1" }));
    assert_eq!(code(&staff.query(gone).await), "NOT_FOUND");
    let left = staff.data(r#"{ lead(id: "lead_1") { id } conversations { nodes { subject lead { name } } } }"#).await;
    assert_eq!(left, json!({ "lead": null, "conversations": { "nodes": [{ "subject": "Kept", "lead": null }] } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_by_filters() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for (name, source) in [("Ann", "WEB"), ("Bob", "SMS"), ("Anna 100%", "SMS")] {
        staff
            .data(&format!("mutation {{ createLead(input: {{ name: \"{name}\", source: {source} }}) {{ id }} }}"))
            .await;
        gateway.clock.advance(chrono::TimeDelta::minutes(1));
    }
    staff.data(r#"mutation { updateLead(id: "lead_2", input: { status: WON }) { id } }"#).await;
    let found = async |filter: &str| {
        let data = staff.data(&format!("{{ leads(filter: {filter}) {{ totalCount nodes {{ name }} }} }}")).await;
        let nodes = data["leads"]["nodes"].as_array().expect("nodes").clone();
        assert_eq!(data["leads"]["totalCount"], nodes.len());
        nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (filter, names) in [
        ("{}", "Anna 100% Bob Ann"),
        ("{ search: \"ann\" }", "Anna 100% Ann"),
        ("{ search: \"%\" }", "Anna 100%"),
        ("{ status: [WON, LOST] }", "Bob"),
        ("{ source: [SMS], search: \"a\" }", "Anna 100%"),
        ("{ status: [] }", ""),
        ("{ createdAfter: \"2026-11-21T12:00:30Z\" }", "Anna 100% Bob"),
        ("{ createdBefore: \"2026-11-21T12:00:30Z\" }", "Ann"),
    ] {
        assert_eq!(found(filter).await, names, "{filter}");
    }
    for lead in ["null", "\"lead_1\""] {
        staff.data(&format!("mutation {{ startConversation(input: {{ leadId: {lead} }}) {{ id }} }}")).await;
    }
    staff.data(r#"mutation { updateConversation(id: "conversation_1", input: { status: CLOSED }) { id } }"#).await;
    for (filter, count) in [
        ("{}", 2),
        ("{ leadId: \"lead_1\" }", 1),
        ("{ status: [CLOSED] }", 1),
        ("{ status: [CLOSED], leadId: \"lead_1\" }", 0),
        ("{ channel: [SMS, VOICE] }", 0),
        ("{ channel: [WEB], createdBefore: \"2026-11-21T12:00:30Z\" }", 0),
    ] {
        let data = staff.data(&format!("{{ conversations(filter: {filter}) {{ totalCount }} }}")).await;
        assert_eq!(data["conversations"]["totalCount"], count, "{filter}");
    }
    let answer = staff.query("{ conversations(filter: { leadId: \"1\" }) { totalCount } }").await;
    assert_eq!(code(&answer), "BAD_USER_INPUT");
}
