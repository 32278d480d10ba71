//! A document that was looked at before is not looked at again, and answers as if it had been: right values run, wrong ones are
//! refused before anything runs, whoever came first.

use serde_json::{Value, json};

use crate::support::{Gateway, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_is_refused_the_same_before_and_after_a_right_one() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let document = "query Q($filter: LeadFilter, $first: Int, $by: LeadOrder, $id: ID!) \
                    { leads(filter: $filter, first: $first, orderBy: $by) { nodes { id } } lead(id: $id) { id } }";
    let right = json!({ "filter": { "search": "a", "status": ["NEW"] }, "first": 5, "by": { "field": "NAME", "direction": "ASC" }, "id": "lead_1" });
    let wrong: Vec<Value> = [
        ("/filter/status/0", json!("NOBODY")),
        ("/filter/status", json!("NOBODY")),
        ("/filter/search", json!(7)),
        ("/filter", json!({ "unknown": "a" })),
        ("/first", json!("five")),
        ("/by/field", json!("SHOE_SIZE")),
        ("/id", json!(null)),
        ("/id", json!(["lead_1"])),
    ]
    .into_iter()
    .map(|(path, value)| {
        let mut variables = right.clone();
        *variables.pointer_mut(path).expect(path) = value;
        variables
    })
    .collect();
    let refusals = async || {
        let mut said = Vec::new();
        for variables in &wrong {
            let mut answer = staff.ask(document, variables.clone()).await;
            assert!(answer["data"].is_null(), "nothing ran: {answer}");
            answer["errors"][0]["extensions"]["requestId"].take();
            said.push(answer);
        }
        said
    };
    let before = refusals().await;
    for _ in 0..2 {
        assert_eq!(staff.ask(document, right.clone()).await["data"], json!({ "leads": { "nodes": [] }, "lead": null }));
    }
    assert_eq!(refusals().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_where_an_enum_is_meant_vouches_for_itself_alone() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let document = "mutation($email: String!, $role: String!) { createLead(input: { name: \"A\" }) { id } \
                    createUser(input: { email: $email, password: \"0123456789\", role: $role }) { role } }";
    let ask = async |email: &str, role: &str| admin.ask(document, json!({ "email": email, "role": role })).await;
    assert_eq!(ask("e@x.example", "USER").await["data"]["createUser"]["role"], "USER");
    assert_eq!(ask("f@x.example", "TENANT_ADMIN").await["data"]["createUser"]["role"], "TENANT_ADMIN");
    let refused = ask("g@x.example", "NOBODY").await;
    assert!(refused["data"].is_null(), "nothing ran: {refused}");
    assert_eq!(admin.data("{ leads { totalCount } }").await["leads"]["totalCount"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_one_may_run_is_still_refused_to_another() {
    let gateway = Gateway::start().await;
    let (root, staff) = (gateway.root().await, gateway.tenant("acme").await.staff().await);
    let document = "{ tenants { nodes { subdomain } } }";
    for _ in 0..2 {
        assert_eq!(root.data(document).await["tenants"]["nodes"][0]["subdomain"], "acme");
        assert_eq!(crate::support::code(&staff.query(document).await), "FORBIDDEN");
        assert_eq!(crate::support::code(&gateway.stranger().query(document).await), "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_document_stays_invalid_and_a_limit_holds_for_values_that_come_later() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    for _ in 0..2 {
        let answer = staff.query("{ me { id shoeSize } }").await;
        assert!(answer["data"].is_null());
        assert!(crate::support::said(&answer).contains("shoeSize"), "{answer}");
    }
    let document =
        "query Q($n: Int) { conversations(first: $n) { nodes { messages(first: $n) { nodes { id content role } } } } }";
    staff.ask(document, json!({ "n": 5 })).await["data"].is_object().then_some(()).expect("runs");
    let large = staff.ask(document, json!({ "n": 100 })).await;
    assert_eq!(crate::support::code(&large), "QUERY_TOO_COMPLEX");
    let skipped = "query Q($if: Boolean!) { me { id email @include(if: $if) } }";
    for is_there in [true, false, true] {
        let me = staff.ask(skipped, json!({ "if": is_there })).await["data"]["me"].clone();
        assert_eq!(me.get("email").is_some(), is_there);
    }
}

/// Of federation, the schema that runs documents has the switch alone.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anything_of_federation() {
    let gateway = Gateway::planned(Plan::default()).await;
    let staff = gateway.tenant("acme").await.staff().await;
    for document in ["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }"] {
        for _ in 0..2 {
            let answer = staff.query(document).await;
            assert!(answer["data"].is_null() && crate::support::said(&answer).contains("Unknown field"), "{answer}");
        }
    }
    let seen = staff.data("{ __schema { types { name } directives { name } queryType { fields { name } } } }").await;
    let text = seen.to_string();
    for word in ["_Service", "_Any", "_Entity", "\"_service\"", "\"_entities\"", "\"key\"", "\"external\""] {
        assert!(!text.contains(word), "{word}");
    }
    // Beside what is not about the schema, it is answered too.
    let both = staff.data("{ me { email } __type(name: \"Lead\") { name } }").await;
    assert_eq!(both, json!({ "me": { "email": "staff@acme.example" }, "__type": { "name": "Lead" } }));
}
