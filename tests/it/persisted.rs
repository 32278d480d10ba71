//! Documents by their hash, which clients register by themselves; and trusted documents, which were known when they were built.

use reqwest::StatusCode;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::support::{Actor, Answer, Gateway, Plan, code, log, said, socket::Socket};

const ME: &str = "query Me { me { email } }";
/// The SHA-256 of it, in hex.
const HASH: &str = "2b6937164a591dad2211e87b42ccb137728471dbe7d74bfc563b32591321c6f8";
const OTHER: &str = "query Other { me { id email } }";

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn send(actor: &Actor<'_>, body: Value) -> Answer {
    actor.post("/graphql").json(&body).send().await.expect("an answer").json().await.expect("JSON")
}

async fn get(actor: &Actor<'_>, query: &[(&str, &str)]) -> Answer {
    let url = reqwest::Url::parse_with_params(&actor.gateway.url("/graphql"), query).expect("a URL");
    let request = actor.gateway.http.get(url).bearer_auth(actor.token.as_deref().expect("a token"));
    request.send().await.expect("an answer").json().await.expect("JSON")
}

/// The code of the first error, or who it is that asks.
fn short(answer: &Answer) -> String {
    match answer["data"]["me"]["email"].as_str() {
        Some(email) => email.to_owned(),
        None => format!("{} {}", code(answer), said(answer)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sends_a_document_once_and_then_its_hash() {
    let gateway = Gateway::start().await;
    let (ann, eve) = (gateway.tenant("acme").await.admin().await, gateway.tenant("rival").await.admin().await);
    let by_hash = json!({ "extensions": persisted(HASH) });
    let whole = json!({ "query": ME, "extensions": persisted(HASH) });
    let mut seen = vec![
        // Apollo and urql know it by this very message.
        ("nobody has sent it", short(&send(&ann, by_hash.clone()).await)),
        ("sent with its hash", short(&send(&ann, whole.clone()).await)),
        ("by its hash", short(&send(&ann, by_hash.clone()).await)),
        ("an empty document", short(&send(&ann, json!({ "query": "", "extensions": persisted(HASH) })).await)),
        ("by somebody else, who sees their own", short(&send(&eve, by_hash.clone()).await)),
        ("in a URL", short(&get(&ann, &[("extensions", &persisted(HASH).to_string())]).await)),
        (
            "by the name that the appendix gives hashes",
            short(&send(&ann, json!({ "documentId": format!("sha256:{HASH}") })).await),
        ),
        ("in capitals", short(&send(&ann, json!({ "extensions": persisted(&HASH.to_uppercase()) })).await)),
        (
            "another's hash",
            short(&send(&ann, json!({ "query": "{ me { id } }", "extensions": persisted(HASH) })).await),
        ),
        ("no hash", short(&send(&ann, json!({ "extensions": persisted("xyz") })).await)),
        (
            "an older version",
            short(
                &send(&ann, json!({ "extensions": { "persistedQuery": { "version": 0, "sha256Hash": HASH } } })).await,
            ),
        ),
        ("both an id and a document", short(&send(&ann, json!({ "query": ME, "documentId": "x" })).await)),
        ("an id that is a number", short(&send(&ann, json!({ "documentId": 1 })).await)),
        ("neither", short(&send(&ann, json!({ "extensions": {} })).await)),
    ];
    // Over a socket too.
    let mut socket = Socket::open(&gateway, ann.token.as_deref(), None).await;
    socket.say(json!({ "id": "1", "type": "subscribe", "payload": { "extensions": persisted(HASH) } })).await;
    seen.push(("over a socket", short(&socket.message().await["payload"])));
    let seen: Vec<_> = seen.into_iter().map(|(what, answer)| format!("{what}: {answer}")).collect();
    insta::assert_snapshot!(seen.join("\n"), @"
    nobody has sent it: PERSISTED_QUERY_NOT_FOUND PersistedQueryNotFound
    sent with its hash: admin@acme.example
    by its hash: admin@acme.example
    an empty document: admin@acme.example
    by somebody else, who sees their own: admin@rival.example
    in a URL: admin@acme.example
    by the name that the appendix gives hashes: admin@acme.example
    in capitals: admin@acme.example
    another's hash: BAD_USER_INPUT `sha256Hash` is not the SHA-256 of `query`, in hex.
    no hash: PERSISTED_QUERY_NOT_FOUND PersistedQueryNotFound
    an older version: BAD_USER_INPUT `extensions.persistedQuery` must be of version 1, with a `sha256Hash`.
    both an id and a document: BAD_USER_INPUT Give `query` or `documentId`, not both.
    an id that is a number: BAD_USER_INPUT `documentId` must be a string.
    neither: BAD_USER_INPUT `query` is missing.
    over a socket: admin@acme.example
    ");
    // Who asks for a stream is told before there is one: clients send the document then, and some would send it twice.
    let mut seen = Vec::new();
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let request = ann.post("/graphql").header("accept", accept).json(&json!({ "documentId": "other" }));
        let response = request.send().await.expect("an answer");
        let (status, media) = (response.status().as_u16(), response.headers()["content-type"].clone());
        seen.push(format!("{status} {} {}", media.to_str().expect("text"), response.text().await.expect("text")));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    400 application/json; charset=utf-8 {"errors":[{"message":"The server knows no document of this id.","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND","requestId":"test"}}]}
    400 application/json; charset=utf-8 {"errors":[{"message":"The server knows no document of this id.","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND","requestId":"test"}}]}
    "#);
    // What can't run is not kept.
    let wrong = persisted(&hex::encode(digest(&SHA256, b"{")));
    for (document, expected) in [(json!("{"), "BAD_USER_INPUT"), (Value::Null, "PERSISTED_QUERY_NOT_FOUND")] {
        let answer = send(&ann, json!({ "query": document, "extensions": wrong })).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
    // Where it is switched off, clients are told so once and for all.
    let settings = vec![("AUTOMATIC_PERSISTED_QUERIES", "off".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let ann = gateway.tenant("acme").await.admin().await;
    assert_eq!(short(&send(&ann, by_hash).await), "PERSISTED_QUERY_NOT_SUPPORTED PersistedQueryNotSupported");
    assert_eq!(short(&send(&ann, whole).await), "admin@acme.example");
}

/// A manifest as Apollo's tool writes it, and one as Relay's compiler does.
struct Manifests(Vec<std::path::PathBuf>);

impl Manifests {
    fn write(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("frontdesk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let apollo = json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations":
            [{ "id": HASH, "name": "Me", "type": "query", "body": ME }] });
        let relay = json!({ "b1946ac92492d2347c6235b4d2611184": "query Role {\n  me {\n    email\n  }\n}\n" });
        let files = [("apollo.json", apollo), ("relay.json", relay)].map(|(name, content)| {
            let file = folder.join(name);
            std::fs::write(&file, content.to_string()).expect("written");
            file
        });
        Self(files.into())
    }

    fn plan(&self, trust: &str) -> Plan {
        let files: Vec<_> = self.0.iter().map(|file| file.display().to_string()).collect();
        let settings = vec![("TRUSTED_DOCUMENTS", trust.to_owned()), ("TRUSTED_DOCUMENTS_FILES", files.join(","))];
        Plan { settings, ..Plan::default() }
    }
}

impl Drop for Manifests {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0[0].parent().expect("a folder"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_documents_run_and_others_are_told_of_or_refused() {
    let manifests = Manifests::write("manifests");
    // Signing in is a document too, and is in no manifest here: they do it at a node that takes all.
    let open = Gateway::start().await;
    let ann = open.tenant("acme").await.admin().await;
    let mut seen = Vec::new();
    for trust in ["off", "log", "allow-list", "id-only"] {
        let plan = Plan { database: Some(open.database.clone()), ..manifests.plan(trust) };
        let node = Gateway::planned(plan).await;
        let admin = ann.at(node.address);
        for (what, body) in [
            ("its text", json!({ "query": ME })),
            ("its text in other spaces", json!({ "query": "query Role{me{email}} # of Relay's" })),
            ("its text and hash", json!({ "query": ME, "extensions": persisted(HASH) })),
            ("its hash", json!({ "extensions": persisted(HASH) })),
            ("its id", json!({ "documentId": "b1946ac92492d2347c6235b4d2611184" })),
            ("its hash as an id", json!({ "documentId": format!("sha256:{HASH}") })),
            ("another id", json!({ "documentId": "other" })),
            ("another document", json!({ "query": OTHER })),
        ] {
            seen.push(format!("{trust:<11} {what:<25} {}", short(&send(&admin, body).await)));
        }
        let accept = "application/graphql-response+json";
        let other = json!({ "query": "{ me { id } }" });
        let status = admin.post("/graphql").header("accept", accept).json(&other).send().await.expect("an answer");
        let expected = if trust == "off" || trust == "log" { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(status.status(), expected, "{trust}");
        // Once more, and over a socket.
        let mut socket = Socket::open_at(node.address, ann.token.as_deref(), None).await;
        socket.subscribe("1", OTHER, json!({})).await;
        let message = socket.message().await;
        assert_eq!(message["type"], if expected == StatusCode::OK { "next" } else { "error" }, "{message}");
    }
    let hash = hex::encode(digest(&SHA256, OTHER.as_bytes()));
    let told = log::logged().lines().filter(|line| line.contains(&hash)).count();
    assert_eq!(told, 1, "it is told of once, by the one node that is to");
    insta::assert_snapshot!(seen.join("\n"), @"
    off         its text                  admin@acme.example
    off         its text in other spaces  admin@acme.example
    off         its text and hash         admin@acme.example
    off         its hash                  admin@acme.example
    off         its id                    admin@acme.example
    off         its hash as an id         admin@acme.example
    off         another id                PERSISTED_QUERY_NOT_FOUND The server knows no document of this id.
    off         another document          admin@acme.example
    log         its text                  admin@acme.example
    log         its text in other spaces  admin@acme.example
    log         its text and hash         admin@acme.example
    log         its hash                  admin@acme.example
    log         its id                    admin@acme.example
    log         its hash as an id         admin@acme.example
    log         another id                PERSISTED_QUERY_NOT_FOUND The server knows no document of this id.
    log         another document          admin@acme.example
    allow-list  its text                  admin@acme.example
    allow-list  its text in other spaces  admin@acme.example
    allow-list  its text and hash         admin@acme.example
    allow-list  its hash                  admin@acme.example
    allow-list  its id                    admin@acme.example
    allow-list  its hash as an id         admin@acme.example
    allow-list  another id                PERSISTED_QUERY_NOT_FOUND The server knows no document of this id.
    allow-list  another document          DOCUMENT_NOT_TRUSTED This server runs documents alone that it knows beforehand, and this is none. Publish it with the clients' manifest.
    id-only     its text                  DOCUMENT_NOT_TRUSTED This server runs documents by their ids alone. Send the `documentId` of one that it knows.
    id-only     its text in other spaces  DOCUMENT_NOT_TRUSTED This server runs documents by their ids alone. Send the `documentId` of one that it knows.
    id-only     its text and hash         DOCUMENT_NOT_TRUSTED This server runs documents by their ids alone. Send the `documentId` of one that it knows.
    id-only     its hash                  admin@acme.example
    id-only     its id                    admin@acme.example
    id-only     its hash as an id         admin@acme.example
    id-only     another id                PERSISTED_QUERY_NOT_FOUND The server knows no document of this id.
    id-only     another document          DOCUMENT_NOT_TRUSTED This server runs documents by their ids alone. Send the `documentId` of one that it knows.
    ");
}
