//! From a webhook to a token: one trace, by the program itself, and no word of anybody's in it. A collector that is away costs
//! nothing but its traces.

use std::time::{Duration, Instant};

use frontdesk::kernel::clock::Clock;
use serde_json::json;

use crate::support::{
    CHAT, Gateway, Plan, SECRET,
    collector::{Collector, Seen},
    fake_model::{self, FakeModel, Script},
    fake_phones::FakePhones,
    phones::{Account, says, set_sms},
    process::{Logged, Server},
};

const OURS: &str = "+15555550122";
const THEIRS: &str = "+15555550177";
/// In every word that nobody may see.
const MARK: &str = "canary-song";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server beside the gateway that sends its traces to `collector`.
async fn traced(gateway: &Gateway, collector: &str, others: &[(&str, &str)]) -> Server {
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=canary-song%20of%20ours"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    Server::over(gateway, &[&settings, others].concat()).await
}

fn children<'s>(spans: &'s [Seen], of: &Seen) -> Vec<&'s Seen> {
    spans.iter().filter(|span| span.parent == of.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_one_trace_from_its_webhook_to_its_answer() {
    let (phones, collector) = (FakePhones::start().await, Collector::start().await);
    let arguments = json!({ "name": MARK, "email": "canary-song@example.org" }).to_string();
    let model = FakeModel::start(Script::Bytes(fake_model::calls(&[("c1", "capture_lead", &arguments)]))).await;
    model.scripts([
        Script::Bytes(fake_model::calls(&[("c1", "capture_lead", &arguments)])),
        Script::Bytes(fake_model::delta(&format!("A {MARK} of words.")) + &fake_model::end()),
    ]);
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    let (account, tenant) = (Account::new(1), gateway.tenant("acme").await);
    let admin = tenant.admin().await;
    let key = format!("telnyx-{MARK}-0123456789");
    let input =
        json!({ "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key(), "telnyxApiKey": key });
    set_sms(&admin, input).await;
    let mut server = traced(
        &gateway,
        &collector.url,
        &[
            ("TELNYX_API_BASE_URL", &phones.telnyx),
            ("OPENAI_BASE_URL", &model.base_url),
            ("OPENAI_API_KEY", "openai-canary-song"),
        ],
    )
    .await;
    let mut logged = Logged::of(&mut server);
    let url = format!("{}/api/v1/telnyx/sms?from={THEIRS}", server.url());
    let body = says("e1", THEIRS, OURS, &format!("Is there room for a {MARK}?"));
    let request = account.signs(gateway.http.post(url), &body, Clock::system().now().timestamp());
    assert_eq!(request.header("x-request-id", "webhook-1").send().await.expect("an answer").status(), 200);
    let sent = phones.next(0).await;
    assert_eq!((sent.text, sent.traceparent.as_str()), (format!("A {MARK} of words."), ""));
    // It goes down in order, and what it has not sent yet is sent then.
    server.stop().await;
    let root = collector.span("POST /api/v1/telnyx/sms");
    insta::assert_snapshot!(collector.tree(&root.trace), @"
    POST /api/v1/telnyx/sms
      job delivery
        job answer
          reply
            chat *gen_ai.first_token
            execute_tool
            chat *gen_ai.first_token
          job text
            send text
    ");
    assert_eq!((root.kind, root.word("http.route")), (2, "/api/v1/telnyx/sms"));
    assert_eq!((root.word("http.response.status_code"), root.word("url.path")), ("200", "/api/v1/telnyx/sms"));
    assert_eq!((root.word("request_id"), root.word("tenant")), ("webhook-1", tenant.id.to_string().as_str()));
    let chats: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "chat").collect();
    for chat in &chats {
        assert_eq!((chat.word("gen_ai.system"), chat.word("gen_ai.request.model")), ("openai", "gpt-4o-mini"));
        assert_eq!((chat.word("gen_ai.usage.input_tokens"), chat.word("gen_ai.usage.output_tokens")), ("21", "4"));
    }
    let tool = collector.span("execute_tool");
    assert_eq!((tool.word("gen_ai.tool.name"), tool.is_error), ("capture_lead", false));
    assert_eq!(collector.span("reply").word("outcome"), "COMPLETE");
    let text = collector.span("send text");
    assert_eq!((text.kind, text.word("messaging.system")), (3, "TELNYX"));
    // Whatever was asked of the database is below what asked for it.
    let spans = collector.spans();
    let transactions: Vec<_> = spans.iter().filter(|span| span.name == "transaction").collect();
    assert!(transactions.iter().all(|span| span.word("db.system") == "postgresql"
        && span.word("db.role").starts_with("frontdesk_")
        && ["read", "write"].contains(&span.word("db.operation.name"))
        && spans.iter().any(|parent| parent.id == span.parent)));
    let kept = children(&spans, &root).into_iter().find(|span| span.word("db.role") == "frontdesk_tenant");
    assert_eq!(kept.expect("the inbox").word("db.statements"), "2", "the event and its job");
    // Nobody else is told of our traces, and our traces tell nobody's words.
    for _ in 0..2 {
        assert!(model.call().await.headers.get("traceparent").is_none());
    }
    assert_eq!(collector.header("x-team"), "canary-song of ours");
    let log = logged.rest().await;
    let said = json!(log).to_string();
    for (place, text) in [("traced", collector.text()), ("logged", said)] {
        for canary in [MARK, "5555550177", "5555550122", "example.org", SECRET] {
            assert!(!text.contains(canary), "{canary} is {place}");
        }
    }
    // A line of the log says which trace it is of, and whose.
    let answered = log.iter().find(|line| line["fields"]["message"] == "answered").expect("a line");
    assert_eq!(answered["span"]["trace_id"], root.trace);
    assert_eq!(answered["span"]["request_id"], "webhook-1");
    assert_eq!(answered["span"]["tenant"], tenant.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_goes_on_with_the_trace_of_whoever_asks() {
    let collector = Collector::start().await;
    let model = FakeModel::start(Script::Bytes(fake_model::delta("At nine.") + &fake_model::end())).await;
    let gateway = Gateway::planned(Plan { clock: Clock::system(), ..Plan::default() }).await;
    let (visitor, conversation) = gateway.tenant("acme").await.visitor().await;
    let settings = [("OPENAI_BASE_URL", model.base_url.as_str()), ("OPENAI_API_KEY", "test-key")];
    let server = traced(&gateway, &collector.url, &settings).await;
    let ask = async |path: &str, parent: &str| {
        let request = gateway.http.post(format!("{}{path}", server.url()));
        let variables = json!({ "input": { "conversationId": conversation, "content": "When do you open?" } });
        let request = request
            .bearer_auth(visitor.token.as_deref().expect("a token"))
            .header("traceparent", parent)
            .header("tracestate", "vendor=canary-song")
            .header("baggage", "user=canary-song")
            .json(&json!({ "query": CHAT, "variables": variables }));
        request.send().await.expect("an answer").text().await.expect("text")
    };
    let told = ask("/graphql/stream", PARENT).await;
    assert!(told.contains("At nine.") && told.contains("event: complete"), "{told}");
    // What is no parent begins a trace of its own.
    ask("/graphql", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01").await;
    // Somebody who takes no trace of it has none taken.
    ask("/graphql", "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00").await;
    // Each operation on a socket is a trace.
    let events = visitor.at(server.address()).chat(&conversation, "And on Sunday?").await.all().await;
    assert_eq!(events.last().expect("an end")["__typename"], "ReplyCompleted");
    // What looks after the server's health is no trace.
    gateway.http.get(format!("{}/readyz", server.url())).send().await.expect("an answer");
    server.stop().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    insta::assert_snapshot!(collector.tree(trace), @"
    POST /graphql/stream
      subscription
        reply
          chat *gen_ai.first_token
    ");
    let root = collector.span("POST /graphql/stream");
    assert_eq!((root.trace.as_str(), root.parent.as_str()), (trace, "b7ad6b7169203331"));
    let operation = collector.span("subscription");
    assert_eq!(operation.word("graphql.operation.type"), "subscription");
    let others: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "POST /graphql").collect();
    assert_eq!(others.len(), 1);
    assert!(others[0].trace != trace && others[0].parent.is_empty());
    assert!(collector.spans().iter().all(|span| span.trace != "0af7651916cd43dd8448eb211c80319d"));
    let socket = collector.span("WS /graphql/ws");
    insta::assert_snapshot!(collector.tree(&socket.trace), @"
    WS /graphql/ws
      subscription
        reply
          chat *gen_ai.first_token
    ");
    let mut roots: Vec<_> = collector.spans().into_iter().filter(|span| span.kind == 2).map(|span| span.name).collect();
    roots.sort_unstable();
    assert_eq!(roots, ["GET /graphql/ws", "POST /graphql", "POST /graphql/stream", "WS /graphql/ws"]);
    assert!(!collector.text().contains(MARK));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_is_told_of_once_and_one_that_is_silent_holds_nobody_up() {
    let (gateway, collector) = (Gateway::start().await, Collector::start().await);
    collector.answer(400);
    let mut server = traced(&gateway, &collector.url, &[]).await;
    let mut logged = Logged::of(&mut server);
    let ask = async || {
        let answer = server.ask("query Kind { __typename }").await;
        assert_eq!(answer["data"]["__typename"], "Query");
    };
    while collector.count() < 3 {
        ask().await;
    }
    collector.answer(200);
    ask().await;
    let log = logged.until("traces are delivered again").await;
    let told: Vec<_> = log.iter().filter(|line| line["level"] == "WARN").map(|line| &line["fields"]).collect();
    let said = "traces can't be delivered; they are dropped until their collector is back";
    assert_eq!(told, [&json!({ "message": said, "why": "HTTP export failed with status code: 400" })]);
    assert_eq!(collector.span("query").word("graphql.operation.name"), "Kind");
    // It takes the next post and never says a word: more than may wait for it is dropped.
    collector.answer(1);
    let before = collector.count();
    ask().await;
    collector.posts(before + 1).await;
    for _ in 0..50 {
        ask().await;
    }
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_collects_traces_there_are_none() {
    let gateway = Gateway::start().await;
    let mut server = traced(&gateway, "", &[]).await;
    let mut logged = Logged::of(&mut server);
    server.ask("query Kind { __typename }").await;
    server.stop().await;
    let log = logged.rest().await;
    let answered = log.iter().find(|line| line["fields"]["message"] == "answered").expect("a line");
    let mut span = answered["span"].clone();
    assert!(span["request_id"].take().is_string());
    insta::assert_json_snapshot!(span, @r#"
    {
      "request_id": null,
      "http.request.method": "POST",
      "http.route": "/graphql",
      "name": "request"
    }
    "#);
}
