//! Hostile documents are refused before anything runs: no SQL, no data, and quickly enough to be no weapon.

use std::fmt::Write;

use frontdesk::http::WebSettings;
use serde_json::json;

use crate::support::{Gateway, Plan, code, said, socket::Socket};

fn nested(depth: usize) -> String {
    format!("{{ leads {} nodes {{ id }} {} }}", "{ nodes { conversations ".repeat(depth), "} }".repeat(depth))
}

/// 25 fragments, each spreading the next one twice: 2^25 fields.
fn bomb() -> String {
    let mut text = String::from("{ ...f0 } ");
    for number in 0..25 {
        write!(text, "fragment f{number} on Query {{ a: me {{ id }} ...f{0} ...f{0} }} ", number + 1).expect("written");
    }
    text + "fragment f25 on Query { me { id } }"
}

/// The same, in parts that are skipped: not executed, but walked by whoever validates.
fn skipped_bomb() -> String {
    let mut text = String::from("{ __typename ...f0 @skip(if: true) } ");
    for number in 0..24 {
        let next = number + 1;
        write!(text, "fragment f{number} on Query {{ ...f{next} @skip(if: true) ...f{next} @skip(if: true) }} ")
            .expect("written");
    }
    text + "fragment f24 on Query { __typename }"
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    format!("{{ {} }}", (0..count).map(item).collect::<Vec<_>>().join(" "))
}

fn hostile() -> Vec<(&'static str, String, &'static str)> {
    let complex = "QUERY_TOO_COMPLEX";
    let bad = "BAD_USER_INPUT";
    vec![
        ("aliases of a root field", many(51, |n| format!("a{n}: me {{ id }}")), complex),
        ("aliases of a leaf", format!("{{ me {} }}", many(51, |n| format!("a{n}: id"))), complex),
        ("20,000 aliases", format!("{{ me {} }}", many(20_000, |n| format!("a{n}: id"))), complex),
        ("root fields", many(31, |_| "me { id }".to_owned()), complex),
        ("mutations in one request", format!("mutation {}", many(11, |n| format!("a{n}: logout"))), complex),
        ("repeated fields", format!("{{ me {} }}", many(4_001, |_| "id".to_owned())), complex),
        ("20,000 unknown fields", many(20_000, |n| format!("x{n}")), complex),
        ("directives on a field", format!("{{ me {{ id {} }} }}", "@skip(if: false) ".repeat(51)), complex),
        ("unknown directives", format!("{{ me {{ id {} }} }}", "@x ".repeat(500)), complex),
        ("depth", nested(10), complex),
        ("depth by inline fragments", format!("{{ {} me {{ id }} {} }}", "... on Query { ".repeat(200), "} ".repeat(200)), complex),
        ("brackets", "{ ".repeat(50_000), complex),
        ("list brackets", format!("{{ nodes(ids: {}) {{ id }} }}", "[".repeat(50_000)), complex),
        ("object brackets", format!("{{ lead(id: {}) {{ id }} }}", "{a:".repeat(30_000)), complex),
        ("a fragment bomb", bomb(), complex),
        ("a fragment that spreads itself", "{ ...a } fragment a on Query { ...a }".to_owned(), bad),
        ("fragments in a circle", "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned(), bad),
        ("an unused bomb", format!("{{ me {{ id }} }} {}", bomb().replacen("{ ...f0 }", "", 1)), complex),
        ("a bomb in another operation", format!("query A {{ me {{ id }} }} query B {}", bomb()), bad),
        ("pages in pages", "{ conversations(first: 100) { nodes { messages(first: 100) { nodes { id content role } } } } }".to_owned(), complex),
        ("pages in pages by variables", "query($n: Int = 100, $o: Int) { conversations(first: $n) { nodes { messages(first: $o, last: $n) { nodes { id content role } } } } }".to_owned(), complex),
        ("a skipped bomb", skipped_bomb(), complex),
        ("empty spreads", format!("{{ {} }}", "... on Query { ... on Query { ... on Query { __typename } } } ".repeat(1_500)), complex),
        ("introspection circles that are not deep", "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(), complex),
        ("counts in pages", many(20, |n| format!("a{n}: leads(first: 100) {{ nodes {{ conversations(first: 1) {{ totalCount }} }} }}")), complex),
        ("pages in edges", "{ conversations(first: 100) { edges { node { messages(last: 100) { edges { node { id role content } } } } } } }".to_owned(), complex),
        ("introspection circles", format!("{{ __schema {{ types {{ fields {{ type {} }} }} }} }}", "{ fields { type ".repeat(8) + "{ name }" + &"} }".repeat(8)), complex),
        ("a long name", format!("{{ {} }}", "x".repeat(100_000)), complex),
        ("long names", format!("{{ {} }}", format!("{} ", "x".repeat(1_000)).repeat(70)), complex),
        ("a long string", format!("{{ lead(id: \"{}\") {{ id }} }}", "x".repeat(200_000)), bad),
        ("escapes that do not end", format!("{{ lead(id: \"{}\") {{ id }} }}", "\\u{".repeat(150_000)), bad),
        ("only spaces", " ".repeat(100_000), bad),
        ("only comments", "# x\n".repeat(20_000), bad),
        ("an open string", "{ lead(id: \"".to_owned(), bad),
        ("an open block string", "{ lead(id: \"\"\"".to_owned(), bad),
        ("a tower behind a block string that does not end", format!("{{ lead(id: [\"\"\"\"{}", "[".repeat(900_000)), bad),
        ("numbers without anything between them", format!("{{ nodes(ids: [{}]) {{ id }} }}", "0".repeat(900_000)), complex),
        ("words without anything between them", format!("{{ nodes(ids: [{}]) {{ id }} }}", "null".repeat(200_000)), complex),
        ("a schema", "type Query { a: Int }".to_owned(), bad),
        ("a number that is none", "{ leads(first: 1e400) { totalCount } }".to_owned(), bad),
        ("a number too large", format!("{{ leads(first: {}) {{ totalCount }} }}", "9".repeat(5_000)), bad),
        ("control characters", "{ me \u{1} { id } }".to_owned(), bad),
        ("a lone brace", "}".to_owned(), bad),
        ("an unknown fragment", "{ ...nobody }".to_owned(), bad),
        ("a variable that is not defined", "{ lead(id: $x) { id } }".to_owned(), bad),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_before_any_sql() {
    let web = WebSettings { recheck: std::time::Duration::from_hours(1), ..WebSettings::default() };
    let gateway = Gateway::planned(Plan { housekeeping: None, web, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    // Who they are is asked once for each socket and each request that passes the limits: three statements, brackets
    // included. What is too much is refused before that.
    let mut socket = Socket::open(&gateway, admin.token.as_deref(), None).await;
    let corpus = hostile();
    assert!(corpus.len() >= 30);
    for (number, (what, document, expected)) in corpus.iter().enumerate() {
        let before = gateway.services.db.statements();
        socket.subscribe(&number.to_string(), document, json!({})).await;
        let refused = socket.message().await;
        // Refused as a whole, or by the field that looked at its argument.
        let payload = &refused["payload"];
        let error = if payload.is_array() { &payload[0] } else { &payload["errors"][0] };
        assert_eq!(error["extensions"]["code"], *expected, "{what} over a socket: {refused}");
        if !payload.is_array() {
            assert_eq!(socket.message().await["type"], "complete", "{what}");
        }
        for path in ["/graphql", "/graphql/stream"] {
            let response = admin.post(path).json(&json!({ "query": document })).send().await.expect("an answer");
            let text = response.text().await.expect("text");
            assert!(text.len() < 20_000, "{what}: {} bytes of answer", text.len());
            let json = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&text);
            let answer: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{what}: {text}"));
            assert_eq!(code(&answer), *expected, "{what}: {answer}");
        }
        let ran = gateway.services.db.statements() - before;
        assert!(ran <= if *expected == complex() { 0 } else { 9 }, "{what}: {ran} statements");
    }
    admin.data("{ me { id } }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_may_not_be_used_for_more_than_a_server_can_copy() {
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let stranger = gateway.stranger();
    let before = gateway.services.db.statements();
    let list = |count: usize| vec!["$x"; count].join(",");
    for (what, document, variable) in [
        (
            "a list for each of many fields",
            format!("query($x: Int) {}", many(500, |_| "leads(first: $x)".to_owned())),
            json!(vec![0; 500_000]),
        ),
        (
            "a long text in a list",
            format!("mutation($x: String!) {{ login(input: [{}]) {{ accessToken }} }}", list(1_900)),
            json!("x".repeat(100_000)),
        ),
        (
            "many small values",
            format!("mutation($x: String!) {{ login(input: [{}]) {{ accessToken }} }}", list(1_900)),
            json!(vec![json!({ "a": "" }); 200]),
        ),
    ] {
        let answer = stranger.ask(&document, json!({ "x": variable })).await;
        assert_eq!(code(&answer), "QUERY_TOO_COMPLEX", "{what}: {answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("bytes of variables, counted for each use; the limit is 16777216"),
            "{what}: {answer}"
        );
    }
    // The same where it is said by default, and where each use is followed by what a careless count would take for a part of it.
    let text = "x".repeat(100_000);
    for list in [list(1_900), "$x-1".repeat(1_000), "$x\u{feff}".repeat(1_900)] {
        let document = format!("mutation($x: String! = \"{text}\") {{ login(input: [{list}]) {{ accessToken }} }}");
        let answer = stranger.ask(&document, json!({})).await;
        assert_eq!(code(&answer), "QUERY_TOO_COMPLEX", "{}", said(&answer));
    }
    assert_eq!(gateway.services.db.statements(), before, "nobody was asked");
    // What ran for a short text is held to it for a long one.
    let staff = gateway.tenant("acme").await.staff().await;
    let document = format!("query($x: ID!) {{ nodes(ids: [{}]) {{ id }} }}", list(90));
    for (id, expected) in [("lead_1".to_owned(), None), ("x".repeat(500_000), Some("QUERY_TOO_COMPLEX"))] {
        let answer = staff.ask(&document, json!({ "x": id })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"].as_str(), expected, "{document}");
    }
    // A text as long as a request may be, where it is used once.
    let document = "query($x: String!) { lead(id: $x) { id } }";
    let answer = stranger.ask(document.replace("String", "ID").as_str(), json!({ "x": "x".repeat(1_000_000) })).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_was_left_out_is_what_its_default_says_to_us_and_to_the_library() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    // Were it skipped for the check and run by the library, staff would be administrators.
    for (probe, expected) in [
        (
            "mutation($x: Boolean = false) { createUser(input: { email: \"e@x.example\", password: \"0123456789\", role: TENANT_ADMIN }) @skip(if: $x) { id } }",
            "FORBIDDEN",
        ),
        ("query($x: Boolean! = true) { auditLog @include(if: $x) { totalCount } }", "FORBIDDEN"),
    ] {
        assert_eq!(code(&staff.query(probe).await), expected, "{probe}");
    }
    for probe in [
        "mutation($x: Boolean = true) { createUser(input: { email: \"e@x.example\", password: \"0123456789\", role: TENANT_ADMIN }) @skip(if: $x) { id } }",
        "query($x: Boolean = true) { auditLog @skip(if: $x) { totalCount } __typename }",
        "query($x: Boolean = false) { auditLog @include(if: $x) { totalCount } __typename }",
    ] {
        let answer = staff.query(probe).await;
        assert!(answer["data"].get("createUser").is_none() && answer["data"].get("auditLog").is_none(), "{answer}");
    }
    assert_eq!(admin.data("{ users { totalCount } }").await["users"]["totalCount"], 2, "nobody was made");
    // The same for the limits, for an administrator who could pay for it.
    let costly = "query($x: Boolean = true) { a: leads(first: 100) @skip(if: $x) { totalCount } b: __typename }";
    assert!(admin.query(costly).await["data"].get("a").is_none());
    let logins =
        many(11, |n| format!("a{n}: login(input: {{ email: \"x\", password: \"y\" }}) @skip(if: $x) {{ expiresIn }}"));
    let logins = format!("mutation($x: Boolean = false) {logins}");
    assert_eq!(code(&gateway.stranger().query(&logins).await), "QUERY_TOO_COMPLEX");
}

fn complex() -> &'static str {
    "QUERY_TOO_COMPLEX"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_limit_and_the_value() {
    let gateway = Gateway::start().await;
    let answer = gateway.stranger().query(&many(31, |_| "me { id }".to_owned())).await;
    insta::assert_json_snapshot!(answer, @r#"
    {
      "errors": [
        {
          "message": "The document has 31 root fields; the limit is 30. Ask for less at once.",
          "extensions": {
            "code": "QUERY_TOO_COMPLEX",
            "requestId": "test"
          }
        }
      ]
    }
    "#);
    let admin = gateway.tenant("acme").await.admin().await;
    // What is large but reasonable passes.
    admin
        .data("{ conversations(first: 100) { nodes { id subject lead { name email } messages(last: 10) { nodes { role content author { email } } } } } }")
        .await;
    // Skipped parts cost nothing and ask for no rights.
    let skipped = "query($is: Boolean!) { me { id } tenants @include(if: $is) { totalCount } }";
    let answer = admin.ask(skipped, json!({ "is": false })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(code(&admin.ask(skipped, json!({ "is": true })).await), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playgrounds_own_introspection_passes() {
    let gateway = Gateway::start().await;
    let introspection = r"query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
        types { ...FullType } directives { name description locations args { ...InputValue } } } }
      fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue }
        type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
      fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
      fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
    let data = gateway.stranger().data(introspection).await;
    assert_eq!(data["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_only_administrators_may_ask_what_the_schema_looks_like() {
    let gateway = Gateway::planned(Plan { is_production: true, ..Default::default() }).await;
    let acme = gateway.tenant("acme").await;
    let ask = "{ __schema { queryType { name } } }";
    assert!(gateway.stranger().query(ask).await["data"]["__schema"].is_null());
    assert!(acme.staff().await.query(ask).await["data"]["__schema"].is_null());
    assert_eq!(acme.admin().await.data(ask).await["__schema"]["queryType"]["name"], "Query");
    // And nobody is told what a misspelt name might have meant.
    let answer = gateway.stranger().query("{ mee { id } }").await.to_string();
    assert!(!answer.contains("Did you mean"), "{answer}");
    // Unless it is said otherwise.
    for (who, ann, stranger) in [("nobody", false, false), ("everybody", true, true)] {
        let settings = vec![("INTROSPECTION", who.to_owned())];
        let plan = Plan { is_production: true, settings, database: Some(gateway.database.clone()), ..Plan::default() };
        let node = Gateway::planned(plan).await;
        let told = [node.sign_in("admin@acme.example").await.query(ask).await, node.stranger().query(ask).await];
        assert_eq!(told.map(|answer| !answer["data"]["__schema"].is_null()), [ann, stranger], "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_given_up_and_a_change_says_that_it_may_have_been_done() {
    let patient = Gateway::start().await;
    let admin = patient.tenant("acme").await.admin().await;
    // A second server over the same database has less patience; somebody holds the leads.
    let operation = std::time::Duration::from_millis(100);
    let hasty = Gateway::planned(Plan { operation, database: Some(patient.database.clone()), ..Plan::default() }).await;
    let hurried = crate::support::Actor { gateway: &hasty, ..admin.clone() };
    let owner = crate::support::cluster::owner(&patient.database).await;
    owner.batch_execute("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let read = hurried.query("{ leads { totalCount } }").await;
    let write = hurried.query(r#"mutation { createLead(input: { name: "Ann" }) { id } }"#).await;
    owner.batch_execute("ROLLBACK").await.expect("let go");
    insta::assert_json_snapshot!([&read["errors"][0]["message"], &write["errors"][0]["message"]], @r#"
    [
      "The operation took longer than the limit of 0.1 s and was given up. Ask for less at once.",
      "The operation took longer than the limit of 0.1 s and was given up. Some of it may have been done: look before you send it again."
    ]
    "#);
    assert_eq!((code(&read), code(&write)), ("QUERY_TOO_COMPLEX", "UPSTREAM_UNAVAILABLE"));
    assert_eq!(admin.data("{ leads { totalCount } }").await["leads"]["totalCount"], 0);
}
