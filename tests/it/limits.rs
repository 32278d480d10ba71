//! How much of the server one person and one tenant may have, over every transport and over several nodes.

use chrono::TimeDelta;
use frontdesk::context::{Draw, Rate};
use serde_json::{Value, json};

use crate::support::{Actor, CHAT, Gateway, Plan, redis::Redis, socket::Socket};

const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";
const WHO: &str = "{ me { email } }";

async fn limited(settings: &[(&'static str, &str)]) -> Gateway {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Gateway::planned(Plan { settings, ..Plan::default() }).await
}

/// `ok`, or the limit that refuses.
fn came(answer: &Value) -> String {
    match &answer["errors"][0] {
        Value::Null => "ok".to_owned(),
        error => format!("{}: {}", error["extensions"]["code"].as_str().expect("a code"), error["message"]),
    }
}

async fn ask(actor: &Actor<'_>, document: &str) -> String {
    came(&actor.query(document).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_asks_too_often_waits_and_nobody_else_does() {
    let gateway = limited(&[("RATE_LIMIT_REQUESTS_PER_PERSON", "36"), ("RATE_LIMIT_REQUESTS_PER_TENANT", "54")]).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let rival = gateway.tenant("rival").await.admin().await;
    for _ in 0..6 {
        assert_eq!(ask(&admin, WHO).await, "ok");
    }
    // The same over every transport: the status and the standard header where there is one, and what to do.
    let body = json!({ "query": WHO });
    for accept in ["application/json", "application/graphql-response+json", "text/event-stream"] {
        let refused = admin.post("/graphql").header("accept", accept).json(&body).send().await.expect("an answer");
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (429, &"2".parse().unwrap()),
            "{accept}"
        );
        let answer: Value = refused.json().await.expect("JSON");
        assert!(answer.get("data").is_none(), "{answer}");
        let extensions = json!({ "code": "RATE_LIMITED", "retryAfter": 2, "requestId": "test" });
        assert_eq!(answer["errors"][0]["extensions"], extensions);
        insta::allow_duplicates!(
            insta::assert_snapshot!(came(&answer), @r#"RATE_LIMITED: "Too much at once (requests of a person). Try again in 2 s.""#)
        );
    }
    let mut socket = Socket::open(&gateway, rival.token.as_deref(), None).await;
    for _ in 0..5 {
        socket.subscribe("q", WHO, json!({})).await;
        assert_eq!(socket.message().await["type"], "next");
        assert_eq!(socket.message().await["type"], "complete");
    }
    socket.subscribe("q", WHO, json!({})).await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["payload"][0]["extensions"]["retryAfter"]), (&json!("error"), &json!(2)));
    // The socket itself goes on; another one has to wait.
    gateway.clock.advance(TimeDelta::seconds(2));
    socket.subscribe("q", WHO, json!({})).await;
    assert_eq!(socket.message().await["type"], "next");
    let mut other = Socket::raw(&gateway, Some("graphql-transport-ws")).await;
    let authorization = format!("Bearer {}", rival.token.as_deref().expect("a token"));
    other.say(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
    insta::assert_snapshot!(format!("{:?}", other.closed().await), @r#"(1013, "Too much at once (requests of a person). Try again in 2 s.")"#);
    // A colleague has a share of their own, within their tenant's.
    assert_eq!(ask(&admin, WHO).await, "ok");
    assert_eq!(ask(&staff, WHO).await, "ok");
    assert_eq!(ask(&staff, WHO).await, "ok");
    assert_eq!(ask(&staff, WHO).await, "ok");
    insta::assert_snapshot!(ask(&staff, WHO).await, @r#"RATE_LIMITED: "Too much at once (requests of a tenant). Try again in 1 s.""#);
    // Who has not signed in is told by their address; a token that is worth nothing gives no account of its own.
    for _ in 0..4 {
        assert_eq!(ask(&gateway.stranger(), "{ __typename }").await, "ok");
    }
    insta::assert_snapshot!(ask(&gateway.stranger(), "{ __typename }").await, @r#"RATE_LIMITED: "Too much at once (requests of a person). Try again in 2 s.""#);
    insta::assert_snapshot!(ask(&gateway.stranger().with_token("x"), "{ __typename }").await, @r#"RATE_LIMITED: "Too much at once (requests of a person). Try again in 2 s.""#);
    let metrics =
        gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let mut counted: Vec<_> = metrics.lines().filter(|line| line.starts_with("frontdesk_limited_total")).collect();
    counted.sort_unstable();
    insta::assert_snapshot!(counted.join("\n"), @r#"
    frontdesk_limited_total{limit="connections of a network"} 0
    frontdesk_limited_total{limit="requests of a person"} 7
    frontdesk_limited_total{limit="requests of a tenant"} 1
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dear_query_is_paid_for_before_the_next() {
    let gateway = limited(&[("RATE_LIMIT_COST_PER_PERSON", "600")]).await;
    let admin = gateway.tenant("acme").await.admin().await;
    // 50 rows of one field, and what is around them: a hundred may be spent at once, and ten come back each second.
    let dear = "{ leads(first: 50) { nodes { id name email phone } } }";
    assert_eq!(ask(&admin, dear).await, "ok");
    insta::assert_snapshot!(ask(&admin, WHO).await, @r#"RATE_LIMITED: "Too much at once (query cost of a person). Try again in 16 s.""#);
    gateway.clock.advance(TimeDelta::seconds(60));
    assert_eq!(ask(&admin, WHO).await, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_its_website_do_not_take_all_that_a_tenant_has() {
    let gateway = limited(&[("RATE_LIMIT_REQUESTS_PER_TENANT", "240"), ("TRUSTED_PROXIES", "1")]).await;
    let acme = gateway.tenant("acme").await;
    let (staff, (ann, _), (bob, _)) = (acme.staff().await, acme.visitor().await, acme.visitor().await);
    let from = async |visitor: &Actor<'_>, address: &str| {
        let asked =
            visitor.post("/graphql").header("x-forwarded-for", address).json(&json!({ "query": "{ __typename }" }));
        came(&asked.send().await.expect("an answer").json().await.expect("JSON"))
    };
    // However many sessions one address opens, it has a tenth: four at once.
    for visitor in [&ann, &bob, &ann, &bob] {
        assert_eq!(from(visitor, "203.0.113.7").await, "ok");
    }
    insta::assert_snapshot!(from(&ann, "203.0.113.7").await, @r#"RATE_LIMITED: "Too much at once (requests of a visitor's address). Try again in 3 s.""#);
    // All addresses together have a half.
    for number in 8..24 {
        assert_eq!(from(&ann, &format!("203.0.113.{number}")).await, "ok");
    }
    insta::assert_snapshot!(from(&bob, "203.0.113.99").await, @r#"RATE_LIMITED: "Too much at once (requests of a tenant's visitors). Try again in 1 s.""#);
    // The other half is the tenant's own people's.
    for _ in 0..20 {
        assert_eq!(ask(&staff, WHO).await, "ok");
    }
    insta::assert_snapshot!(ask(&staff, WHO).await, @r#"RATE_LIMITED: "Too much at once (requests of a tenant). Try again in 1 s.""#);
    // What is no document at all counts as well.
    let stranger = limited(&[("RATE_LIMIT_REQUESTS_PER_PERSON", "12")]).await;
    for _ in 0..2 {
        assert!(ask(&stranger.stranger(), "{ nonsense(").await.starts_with("BAD_USER_INPUT"));
    }
    assert!(ask(&stranger.stranger(), "{ nonsense(").await.starts_with("RATE_LIMITED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_asked_of_models_so_often_and_no_more() {
    let gateway =
        limited(&[("RATE_LIMIT_GENERATIONS_PER_PERSON", "12"), ("RATE_LIMIT_GENERATIONS_PER_TENANT", "18")]).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let send = async |actor: &Actor<'_>| came(&actor.ask(SEND, json!({ "input": { "content": "Hello" } })).await);
    for _ in 0..2 {
        assert_eq!(send(&admin).await, "ok");
    }
    insta::assert_snapshot!(send(&admin).await, @r#"RATE_LIMITED: "Too much at once (replies for a person). Try again in 5 s.""#);
    assert_eq!(send(&staff).await, "ok");
    insta::assert_snapshot!(send(&staff).await, @r#"RATE_LIMITED: "Too much at once (replies for a tenant). Try again in 4 s.""#);
    let refused = staff.subscribe(CHAT, json!({ "input": { "content": "Hello" } })).await.error().await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    // What was refused was not stored.
    let kept = admin.data("{ conversations { totalCount } }").await;
    assert_eq!(kept["conversations"]["totalCount"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_streams_may_be_open_at_once() {
    let gateway = limited(&[("RATE_LIMIT_STREAMS_PER_PERSON", "2"), ("RATE_LIMIT_STREAMS_PER_TENANT", "3")]).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let conversation = admin.conversation().await;
    let watch = json!({ "query": "subscription($id: ID!) { conversationEvents(conversationId: $id) { __typename } }",
                        "variables": { "id": conversation } });
    let over_sse =
        async |actor: &Actor<'_>| actor.post("/graphql/stream").json(&watch).send().await.expect("an answer");
    let refused_socket = async |actor: &Actor<'_>| {
        let mut socket = Socket::raw(&gateway, Some("graphql-transport-ws")).await;
        let authorization = format!("Bearer {}", actor.token.as_deref().expect("a token"));
        socket.say(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
        socket.closed().await
    };
    let socket = Socket::open(&gateway, admin.token.as_deref(), None).await;
    let stream = over_sse(&admin).await;
    assert_eq!(stream.status(), 200);
    let refused = over_sse(&admin).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"10".parse().unwrap()));
    insta::assert_snapshot!(came(&refused.json().await.expect("JSON")), @r#"RATE_LIMITED: "Too many open streams of a person: 2 at once. Close one of them first.""#);
    insta::assert_snapshot!(format!("{:?}", refused_socket(&admin).await), @r#"(1013, "Too many open streams of a person: 2 at once. Close one of them first.")"#);
    let of_staff = Socket::open(&gateway, staff.token.as_deref(), None).await;
    insta::assert_snapshot!(format!("{:?}", refused_socket(&staff).await), @r#"(1013, "Too many open streams of a tenant: 3 at once. Close one of them first.")"#);
    // Queries need no place, and what is closed makes room.
    assert_eq!(ask(&admin, WHO).await, "ok");
    drop((socket, stream, of_staff));
    while over_sse(&staff).await.status() != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_count_together_and_each_for_itself_while_redis_is_away() {
    let mut redis = Redis::start().await;
    let first = Gateway::start().await;
    let (acme, rival) = (first.tenant("acme").await, first.tenant("rival").await);
    let (ann, bob, cat) = (acme.admin().await, acme.staff().await, rival.admin().await);
    let node = async || {
        let settings = vec![("RATE_LIMIT_REQUESTS_PER_PERSON", "6".to_owned())];
        let (database, redis) = (Some(first.database.clone()), Some(redis.url()));
        Gateway::planned(Plan { database, redis, settings, ..Plan::default() }).await
    };
    let (one, two) = (node().await, node().await);
    let limited = "RATE_LIMITED";
    // One at once, whichever node they come to; the time is Redis's, whatever the nodes think.
    assert_eq!(ask(&ann.at(one.address), WHO).await, "ok");
    assert!(ask(&ann.at(two.address), WHO).await.starts_with(limited));
    assert!(ask(&ann.at(one.address), WHO).await.starts_with(limited));
    // Away: each node lets through what it would let through alone, and nobody waits for it.
    redis.stop();
    for node in [&one, &two] {
        assert_eq!(ask(&bob.at(node.address), WHO).await, "ok");
        assert!(ask(&bob.at(node.address), WHO).await.starts_with(limited));
    }
    // Silent is as good as away.
    redis.start_again().await;
    redis.freeze();
    assert!(ask(&bob.at(one.address), WHO).await.starts_with(limited));
    redis.thaw();
    // Back again, they count together.
    let once = Rate { burst: 1, per_minute: 1 };
    for number in 0.. {
        let take = async |node: &Gateway| node.services.limit(&[Draw::one("probes", number.to_string(), once)]).await;
        if take(&one).await.is_ok() && take(&two).await.is_err() {
            break;
        }
    }
    assert_eq!(ask(&cat.at(two.address), WHO).await, "ok");
    assert!(ask(&cat.at(one.address), WHO).await.starts_with(limited));
}
