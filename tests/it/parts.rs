//! Apollo's subscriptions over HTTP: parts of one response.

use serde_json::json;

use crate::support::{
    CHAT, Gateway,
    fake_model::{FakeModel, Script},
};

const ACCEPT: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json";

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_parts_each_whole_when_it_is_sent() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let input = json!({ "conversationId": conversation, "content": "Hello" });
    let body = json!({ "query": CHAT, "variables": { "input": input } });
    let mut response = admin.post("/graphql").header("accept", ACCEPT).json(&body).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(header("cache-control"), "no-cache, no-transform");
    let mut text = String::new();
    let call = model.call().await;
    call.text("We are ").await;
    // What was said stands between two boundaries while the rest is still to come.
    while !text.contains("We are") || !text.ends_with("\r\n--graphql") {
        text.push_str(std::str::from_utf8(&response.chunk().await.expect("more").expect("more")).expect("text"));
    }
    call.text("open.").await;
    call.finish().await;
    while let Some(chunk) = response.chunk().await.expect("more") {
        text.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    // Who talks like a reader: parts between boundaries, each with a head and a body.
    let whole = text.strip_suffix("\r\n--graphql--\r\n").expect("an end");
    let parts: Vec<_> = whole.split("\r\n--graphql").skip(1).collect();
    let kinds: Vec<_> = parts
        .iter()
        .map(|part| {
            let (head, body) = part.split_once("\r\n\r\n").expect("a head");
            assert_eq!(head, "\r\ncontent-type: application/json");
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            body["payload"]["data"]["chat"]["__typename"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
        })
        .collect();
    insta::assert_snapshot!(kinds.join(" "), @"MessageAdded ReplyStarted ReplyDelta ReplyDelta ReplyCompleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_comes_as_a_part_too() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let mut seen = Vec::new();
    for query in [
        "subscription { nothing }",
        "{",
        "{ me { email } }",
        "subscription { chat(input: { content: \"\" }) { cursor } }",
    ] {
        let request = admin.post("/graphql").header("accept", ACCEPT).json(&json!({ "query": query }));
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        seen.push(format!("{query} {status}\n{}", response.text().await.expect("text").replace('\r', "")));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    subscription { nothing } 200

    --graphql
    content-type: application/json

    {"payload":{"errors":[{"message":"Unknown field \"nothing\" on type \"Subscription\".","locations":[{"line":1,"column":16}],"extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}}
    --graphql--

    { 200

    --graphql
    content-type: application/json

    {"payload":{"errors":[{"message":"This is not a GraphQL document: expected selection.","locations":[{"line":1,"column":2}],"extensions":{"code":"BAD_USER_INPUT","requestId":"test"}}]}}
    --graphql--

    { me { email } } 200

    --graphql
    content-type: application/json

    {"payload":{"data":{"me":{"email":"admin@acme.example"}}}}
    --graphql--

    subscription { chat(input: { content: "" }) { cursor } } 200

    --graphql
    content-type: application/json

    {"payload":{"errors":[{"message":"`content` must not be empty.","locations":[{"line":1,"column":16}],"path":["chat"],"extensions":{"code":"BAD_USER_INPUT","field":"content","requestId":"test"}}],"data":null}}
    --graphql--
    "#);
    // Whoever is deactivated meanwhile is told by the last part, beside the payload: nothing comes after it.
    let watch = json!({ "query": "subscription($id: ID!) { conversationEvents(conversationId: $id) { cursor } }",
                        "variables": { "id": admin.conversation().await } });
    let mut response = admin.post("/graphql").header("accept", ACCEPT).json(&watch).send().await.expect("an answer");
    assert_eq!(response.chunk().await.expect("more").expect("the opening"), "\r\n--graphql".as_bytes());
    gateway.until_watched().await;
    admin.data("mutation { logout }").await;
    let mut text = String::new();
    while let Some(chunk) = response.chunk().await.expect("more") {
        text.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    insta::assert_snapshot!(text.replace('\r', ""), @r#"

    content-type: application/json

    {"payload":null,"errors":[{"message":"This session has ended. Sign in again.","extensions":{"code":"UNAUTHENTICATED","requestId":"test"}}]}
    --graphql--
    "#);
}
