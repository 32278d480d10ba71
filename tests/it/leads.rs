//! Leads, and how lists are read.

use serde_json::{Value, json};

use crate::support::{Gateway, code};

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
        "createdAt": "2026-11-21T12:00:00+00:00",
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
