//! What people and programs get wrong: each gets a code and a sentence, and nothing breaks.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Actor, Gateway, Plan, cluster, code, log, login, said};

async fn refused(actor: &Actor<'_>, document: &str, variables: Value) -> String {
    let answer = actor.ask(document, variables).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["requestId"], "test", "{answer}");
    format!("{} {}", code(&answer), error["message"].as_str().expect("a sentence"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_has_its_sentence() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = acme.admin().await;
    let conversation = admin.conversation().await;
    let send =
        "mutation($c: ID, $t: String!) { sendMessage(input: { conversationId: $c, content: $t }) { message { id } } }";
    let mut seen = Vec::new();
    for (what, document, variables) in [
        ("empty message", send, json!({ "c": conversation, "t": "  \n" })),
        ("100 kB message", send, json!({ "c": conversation, "t": "x".repeat(100_000) })),
        ("NUL in a message", send, json!({ "c": conversation, "t": "a\u{0}b" })),
        ("missing conversation", send, json!({ "c": "conversation_999999", "t": "x" })),
        ("malformed id", send, json!({ "c": "5", "t": "x" })),
        ("id of another noun", send, json!({ "c": "lead_5", "t": "x" })),
        ("id too large", send, json!({ "c": "conversation_99999999999999999999", "t": "x" })),
        ("null content", send, json!({ "c": conversation, "t": null })),
        ("malformed lead id", "{ lead(id: \"1 OR 1=1\") { id } }", json!({})),
        ("malformed node id", "{ node(id: \"nothing\") { id } }", json!({})),
        ("unknown noun", "{ node(id: \"planet_1\") { id } }", json!({})),
        (
            "broken cursor",
            "subscription { conversationEvents(conversationId: \"conversation_1\", after: \"x\") { cursor } }",
            json!({}),
        ),
        ("unknown field", "{ me { emial } }", json!({})),
        ("missing argument", "{ lead { id } }", json!({})),
        ("unknown operation", "query A { me { id } } query B { me { id } }", json!({})),
        ("syntax", "{ me { id }", json!({})),
        ("no selection", "{ me }", json!({})),
        ("wrong enum", "mutation { startConversation(input: { channel: FAX }) { id } }", json!({})),
        (
            "short password",
            "mutation { createUser(input: { email: \"a@b.example\", password: \"short\" }) { id } }",
            json!({}),
        ),
        (
            "no address",
            "mutation { createUser(input: { email: \"nobody\", password: \"long enough\" }) { id } }",
            json!({}),
        ),
        (
            "taken address",
            "mutation { createUser(input: { email: \"ADMIN@acme.example\", password: \"long enough\" }) { id } }",
            json!({}),
        ),
        ("empty prompt", "mutation { setupPrompt(input: { name: \"x\", businessPrompt: \" \" }) { id } }", json!({})),
    ] {
        let sentence = if document.starts_with("subscription") {
            let mut events = admin.subscribe(document, variables).await;
            let answer = events.error().await;
            format!("{} {}", code(&answer), answer["errors"][0]["message"].as_str().expect("a sentence"))
        } else {
            refused(&admin, document, variables).await
        };
        seen.push(format!("{what}: {sentence}"));
    }
    let root = gateway.root().await;
    for (what, input) in [
        ("taken subdomain", r#"{ name: "x", subdomain: "ACME" }"#),
        ("reserved subdomain", r#"{ name: "x", subdomain: "www" }"#),
        ("subdomain of digits", r#"{ name: "x", subdomain: "1042" }"#),
        ("subdomain with a dot", r#"{ name: "x", subdomain: "a.b" }"#),
        ("no name", r#"{ name: "", subdomain: "x" }"#),
        ("origin with a path", r#"{ name: "x", subdomain: "x", allowedOrigins: ["https://x.example/path"] }"#),
        ("origins by a pattern", r#"{ name: "x", subdomain: "x", allowedOrigins: ["https://*.x.example"] }"#),
        ("negative quota", r#"{ name: "x", subdomain: "x", monthlyTokenQuota: -1 }"#),
    ] {
        let document = format!("mutation {{ createTenant(input: {input}) {{ id }} }}");
        seen.push(format!("{what}: {}", refused(&root, &document, json!({})).await));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    empty message: BAD_USER_INPUT `content` must not be empty.
    100 kB message: BAD_USER_INPUT `content` is 100000 characters long; at most 16000 are allowed.
    NUL in a message: BAD_USER_INPUT `content` holds a NUL character, which can't be stored.
    missing conversation: NOT_FOUND No such conversation.
    malformed id: BAD_USER_INPUT `conversationId` must be an id like `conversation_81`.
    id of another noun: BAD_USER_INPUT `conversationId` must be an id like `conversation_81`.
    id too large: BAD_USER_INPUT `conversationId` must be an id like `conversation_81`.
    null content: BAD_USER_INPUT The variable `$t` of type `String!` is required, and was not given.
    malformed lead id: BAD_USER_INPUT `id` must be an id like `lead_81`.
    malformed node id: BAD_USER_INPUT `id` must be a global id such as `lead_81`.
    unknown noun: BAD_USER_INPUT `id` must be a global id such as `lead_81`.
    broken cursor: BAD_USER_INPUT `after` is not a cursor of a chat event.
    unknown field: BAD_USER_INPUT Unknown field "emial" on type "User".
    missing argument: BAD_USER_INPUT Field "lead" argument "id" of type "Query" is required but not provided
    unknown operation: BAD_USER_INPUT The document holds several operations; name one of them in `operationName`.
    syntax: BAD_USER_INPUT This is not a GraphQL document: expected selection.
    no selection: BAD_USER_INPUT Field "me" of type "User" must have a selection of subfields
    wrong enum: BAD_USER_INPUT Invalid value for argument "input.channel", enumeration type "Channel" does not contain the value "FAX"
    short password: BAD_USER_INPUT `password` must be 10 to 1024 characters long.
    no address: BAD_USER_INPUT `email` must be an e-mail address such as `ada@example.com`.
    taken address: CONFLICT An account with this e-mail address exists already.
    empty prompt: BAD_USER_INPUT `businessPrompt` must not be empty.
    taken subdomain: CONFLICT This subdomain is taken; choose another.
    reserved subdomain: BAD_USER_INPUT The subdomain `www` is reserved; choose another.
    subdomain of digits: BAD_USER_INPUT `subdomain` must hold a letter: digits alone would read as a tenant's number.
    subdomain with a dot: BAD_USER_INPUT `subdomain` must be 1 to 63 letters, digits and inner dashes, such as `exampleco`.
    no name: BAD_USER_INPUT `name` must not be empty.
    origin with a path: BAD_USER_INPUT `https://x.example/path` is not an origin; write it like `https://www.example.com`, without a path.
    origins by a pattern: BAD_USER_INPUT `https://*.x.example` is not one origin; list each by itself, like `https://www.example.com`.
    negative quota: BAD_USER_INPUT `monthlyTokenQuota` must not be negative.
    "#);
    // Nothing was written by any of it.
    let data = admin.data("{ conversations { totalCount } users { totalCount } }").await;
    assert_eq!(data, json!({ "conversations": { "totalCount": 1 }, "users": { "totalCount": 1 } }));
    assert_eq!(root.data("{ tenants { totalCount } }").await["tenants"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_looks_like_sql_is_text() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let evil = "Robert'); DROP TABLE leads; -- %_\\";
    let made =
        admin.ask("mutation($n: String) { createLead(input: { name: $n }) { name } }", json!({ "n": evil })).await;
    assert_eq!(made["data"]["createLead"]["name"], evil);
    let search = "query($s: String) { users(filter: { search: $s }) { totalCount } }";
    for (word, found) in [("%", 0), ("_", 0), ("\\", 0), ("' OR ''='", 0), ("admin@", 1), ("ACME", 1), ("\u{0}", 0)] {
        let answer = admin.ask(search, json!({ "s": word })).await;
        assert_eq!(answer["data"]["users"]["totalCount"], found, "{word:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_database_is_away_callers_are_told_to_come_back_and_it_heals() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data("{ me { id } }").await;
    cluster::take_away(&gateway.database).await;
    let answer = admin.query("{ leads { totalCount } }").await;
    assert_eq!(code(&answer), "UPSTREAM_UNAVAILABLE", "{answer}");
    assert!(!answer.to_string().contains("postgres"), "{answer}");
    let ready = gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
    assert_eq!(ready.status(), 503);
    insta::assert_snapshot!(ready.text().await.expect("text"), @r#"{"ready":false,"degraded":false,"database":"unreachable","migrations":"unknown","redis":"not used","replica":"not used"}"#);
    assert_eq!(gateway.http.get(gateway.url("/healthz")).send().await.expect("an answer").status(), 200);
    cluster::give_back(&gateway.database).await;
    admin.data("{ leads { totalCount } }").await;
    let ready = gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
    insta::assert_snapshot!(ready.text().await.expect("text"), @r#"{"ready":true,"degraded":false,"database":"ok","migrations":"ok","redis":"not used","replica":"not used"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_keeps_nobody_waiting_who_asks_whether_it_does() {
    let mut plan = Plan { housekeeping: None, ..Plan::default() };
    plan.web.probe = Duration::from_millis(100);
    let gateway = Gateway::planned(plan).await;
    let ready = async || gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
    // Who looks which migrations have run waits for whoever holds their list.
    let holder = cluster::owner(&gateway.database).await;
    let hold = "BEGIN; LOCK TABLE __diesel_schema_migrations IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(hold).await.expect("held");
    // More often than the pool has connections: none is lost by it.
    for _ in 0..10 {
        let answer = timeout(Duration::from_secs(10), ready()).await.expect("in time");
        assert_eq!(answer.status(), 503);
        let said: Value = answer.json().await.expect("JSON");
        assert_eq!((&said["database"], &said["migrations"]), (&json!("unreachable"), &json!("unknown")));
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    while ready().await.status() != 200 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_database_takes_no_writes_nobody_is_told_that_they_may_not_write() {
    let before = Gateway::start().await;
    let admin = before.tenant("acme").await.admin().await;
    let lead = r#"mutation { createLead(input: { name: "Ann" }) { id } }"#;
    admin.data(lead).await;
    // As where a disk is full. Who is connected goes on; a node that comes up now does not.
    let postgres = cluster::owner("postgres").await;
    let switch = format!("ALTER DATABASE {} SET default_transaction_read_only = on", before.database);
    postgres.batch_execute(&switch).await.expect("switched");
    // Past a pooler, whose own connections would stay as they were begun.
    let direct = cluster::owner_url(&before.database).expose_secret().replace("user=postgres", "user=frontdesk_app");
    let settings = vec![("DATABASE_URL", direct)];
    let plan = Plan { database: Some(before.database.clone()), housekeeping: None, settings, ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let admin = admin.at(gateway.address);
    for answer in [admin.query(lead).await, login(&gateway, "admin@acme.example").await] {
        assert_eq!(code(&answer), "UPSTREAM_UNAVAILABLE", "{answer}");
        assert_eq!(
            said(&answer),
            "The database takes no changes just now. Nothing was changed; try again in a moment."
        );
    }
    assert!(log::logged().contains("the database takes no writes"));
    assert_eq!(admin.data("{ leads { totalCount } }").await["leads"]["totalCount"], 1, "it can be read");
    let ready = gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
    assert_eq!(ready.status(), 503);
    insta::assert_snapshot!(ready.text().await.expect("text"), @r#"{"ready":false,"degraded":false,"database":"takes no writes: default_transaction_read_only is on","migrations":"ok","redis":"not used","replica":"not used"}"#);
    // Connections that only read are not kept, so it heals.
    let switch = format!("ALTER DATABASE {} RESET default_transaction_read_only", before.database);
    postgres.batch_execute(&switch).await.expect("switched");
    while gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer").status() != 200 {}
    admin.data(lead).await;
}
