//! When passages can't be had: the customer gets a reply without them, staff read why, the operator hears of it, and nobody
//! reads a secret.

use std::time::Duration;

use frontdesk::retrieval::RetrieverSettings;
use serde_json::{Value, json};

use crate::{
    retrieval::{KEY, asked, chosen, count, found, gateway, metrics},
    support::{
        Gateway, cluster, code,
        fake_pinecone::{FakePinecone, Fault, Part},
        log::logged,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn when_retrieval_fails_the_customer_gets_an_answer_without_it_and_the_operator_hears_of_it() {
    let pinecone = FakePinecone::start().await;
    let mut settings = pinecone.settings();
    settings.patience = Duration::from_millis(1_500);
    let gateway = gateway(settings).await;
    let admin = gateway.tenant("acme").await.admin().await;
    pinecone.record(KEY, "tenant_1001", "hours#1", json!({ "text": "Open at nine." }));
    chosen(&admin, json!({ "provider": "PINECONE", "pineconeIndex": "docs", "pineconeApiKey": KEY })).await;
    let kind = |name: &str| ("content-type", name.to_owned());
    let json = |body: Value| (kind("application/json"), body.to_string());
    let status = |status, (header, body)| Fault::Status(status, header, body);
    let echo = format!("Invalid API Key {KEY}; your question was `Are you open?`");
    let away = format!("http://{}/elsewhere", pinecone.address);
    // Which part fails, how, the calls that it gets, the word for it, and what staff read.
    let faults = [
        (
            Part::Embeddings,
            status(
                401,
                json(
                    json!({ "error": { "message": echo, "type": "invalid_request_error", "param": null, "code": "invalid_api_key" } }),
                ),
            ),
            1,
            "refused",
        ),
        (
            Part::Embeddings,
            status(429, json(json!({ "error": { "message": echo, "code": "insufficient_quota" } }))),
            1,
            "refused",
        ),
        (Part::Embeddings, status(200, json(json!({ "data": [] }))), 1, "garbled"),
        (
            Part::Controller,
            status(404, json(json!({ "error": { "code": "NOT_FOUND", "message": echo }, "status": 404 }))),
            1,
            "refused",
        ),
        (Part::Index, status(400, json(json!({ "code": 3, "message": echo, "details": [] }))), 1, "refused"),
        (Part::Index, status(401, (kind("text/plain"), echo.clone())), 1, "refused"),
        (Part::Index, status(503, (kind("text/html"), "<html>busy</html>".to_owned())), 3, "refused"),
        (Part::Index, status(429, (("retry-after", "60".to_owned()), String::new())), 1, "refused"),
        (Part::Index, status(307, (("location", away), String::new())), 1, "refused"),
        (Part::Index, status(200, (kind("text/html"), "<html>hello</html>".to_owned())), 1, "garbled"),
        (
            Part::Index,
            status(200, (kind("application/json"), format!("{{\"matches\":[],\"x\":\"{}\"}}", "y".repeat(5 << 20)))),
            1,
            "garbled",
        ),
        (Part::Index, Fault::Silent, 1, "late"),
        (Part::Embeddings, Fault::Silent, 1, "late"),
    ];
    let mut said = String::new();
    for (part, fault, tries, outcome) in faults {
        let before = count(&metrics(&gateway).await, "pinecone", outcome);
        pinecone.calls();
        pinecone.fail(part, fault.clone(), 9);
        let reply = asked(&admin, "Are you open?").await;
        assert_eq!((&reply["status"], &reply["sources"]), (&serde_json::json!("COMPLETE"), &serde_json::json!([])));
        assert!(
            reply["content"].as_str().is_some_and(|text| text.starts_with("I don't have an answer to that.")),
            "{reply}"
        );
        assert_eq!(pinecone.calls().iter().filter(|call| call.part == part).count(), tries, "{outcome}");
        let search = found(&admin, "open").await;
        assert_eq!(code(&search), "UPSTREAM_UNAVAILABLE");
        assert!(!search.to_string().contains("canary"), "{search}");
        said.push_str(search["errors"][0]["message"].as_str().expect("a sentence"));
        said.push('\n');
        assert_eq!(count(&metrics(&gateway).await, "pinecone", outcome), before + 2, "{outcome}");
        pinecone.fail(part, fault, 0);
    }
    insta::assert_snapshot!(said, @"
    No passages could be looked for: the embedding model refused the key (401).
    No passages could be looked for: the embedding model refused with 429 insufficient_quota.
    No passages could be looked for: the embedding model sent no vector.
    No passages could be looked for: Pinecone's control plane refused with 404 NOT_FOUND.
    No passages could be looked for: the index at Pinecone refused the question (400). An index must be as wide as the server's embedding model.
    No passages could be looked for: the index at Pinecone refused the key (401).
    No passages could be looked for: the index at Pinecone refused with 503.
    No passages could be looked for: the index at Pinecone refused with 429.
    No passages could be looked for: the index at Pinecone refused with 307.
    No passages could be looked for: the index at Pinecone sent an answer that can't be read.
    No passages could be looked for: the index at Pinecone sent an answer that is too large.
    No passages could be looked for: it took too long.
    No passages could be looked for: it took too long.
    ");
    // What passes is tried again, and the customer notices nothing.
    for fault in [status(500, json(json!({}))), status(429, (("retry-after", "0".to_owned()), String::new()))] {
        pinecone.fail(Part::Index, fault, 2);
        assert_eq!(asked(&admin, "Are you open?").await["content"], "Open at nine.");
    }
    // It is in the log, once for each, with the tenant, and without keys, questions, or what a provider said.
    let log = logged();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("no passages could be looked for")).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("tenant_1001") && line.contains("the index at Pinecone refused with 400 3")),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("the embedding model refused with 401 invalid_api_key")),
        "{lines:#?}"
    );
    for secret in [KEY, "canary", "your question", "Are you open"] {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{secret} in {lines:#?}");
    }
    assert!(!log.contains(KEY) && !log.contains("sk-embedding-canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_up_is_said_to_staff_and_not_to_customers() {
    let pinecone = FakePinecone::start().await;
    let settings = RetrieverSettings { embeddings: None, ..pinecone.settings() };
    let gateway = gateway(settings).await;
    let admin = gateway.tenant("acme").await.admin().await;
    chosen(
        &admin,
        json!({ "provider": "PINECONE", "pineconeHost": pinecone.address.to_string(), "pineconeApiKey": KEY }),
    )
    .await;
    let message = async || found(&admin, "open").await["errors"][0]["message"].as_str().expect("a sentence").to_owned();
    insta::assert_snapshot!(message().await, @"No passages could be looked for: the server has no OPENAI_API_KEY for embeddings.");
    assert_eq!(asked(&admin, "Open?").await["sources"], json!([]));
    assert!(pinecone.calls().is_empty());
    assert_eq!(count(&metrics(&gateway).await, "pinecone", "unset"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_fails_to_search_a_reply_is_written_all_the_same() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let owner = cluster::owner(&gateway.database).await;
    let broken = "ALTER TABLE knowledge_chunks RENAME COLUMN search TO canary_search";
    owner.batch_execute(broken).await.expect("broken");
    let reply = asked(&staff, "Are you open?").await;
    assert_eq!((&reply["status"], &reply["sources"]), (&json!("COMPLETE"), &json!([])));
    // It is a fault of ours, and staff learn no more than that.
    let search = found(&staff, "open").await;
    assert_eq!(code(&search), "INTERNAL");
    assert!(!search.to_string().contains("search "), "{search}");
    assert_eq!(count(&metrics(&gateway).await, "unknown", "fault"), 2);
    let log = logged();
    let causes: Vec<_> =
        log.lines().filter(|line| line.contains("does not exist") && line.contains("search")).collect();
    assert_eq!(causes.len(), 2, "each is logged once: {causes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_stopped_waits_for_no_passages() {
    let pinecone = FakePinecone::start().await;
    let gateway = gateway(pinecone.settings()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    chosen(
        &admin,
        json!({ "provider": "PINECONE", "pineconeHost": pinecone.address.to_string(), "pineconeApiKey": KEY }),
    )
    .await;
    pinecone.fail(Part::Index, Fault::Silent, 1);
    let conversation = admin.conversation().await;
    let send = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { reply { id } } }";
    let sent = admin.ask(send, json!({ "i": { "conversationId": conversation, "content": "Open?" } })).await;
    let reply = sent["data"]["sendMessage"]["reply"]["id"].as_str().expect("an id");
    pinecone.called(Part::Index).await;
    let stopped = admin.data(&format!("mutation {{ stopReply(messageId: \"{reply}\") {{ status }} }}")).await;
    assert_eq!(stopped["stopReply"]["status"], "CANCELLED");
}
