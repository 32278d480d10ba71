//! What was used, from the ledger.

use serde_json::json;

use crate::support::{Gateway, code};

const USAGE: &str = "query($from: DateTime!, $to: DateTime!) { usage(from: $from, to: $to) { promptTokens completionTokens messages \
                     byDay { day promptTokens completionTokens messages } byModel { model promptTokens completionTokens } } }";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_is_reported_by_day_and_by_model() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (staff, other) = (acme.staff().await, rival.staff().await);
    staff.data(r#"mutation { sendMessage(input: { content: "Hi" }) { message { id } } }"#).await;
    gateway.web.engine.drain(std::time::Duration::from_secs(10)).await;
    // What models used; the built-in responder has used nothing.
    crate::support::cluster::owner(&gateway.database)
        .await
        .batch_execute(
            "DELETE FROM usage_entries;
             INSERT INTO messages (id, tenant_id, conversation_id, role, status, content, created_at, updated_at)
             SELECT n, 1001, 1, 'ASSISTANT', 'COMPLETE', 'x', now(), now() FROM generate_series(101, 104) n;
             INSERT INTO usage_entries (tenant_id, message_id, model, prompt_tokens, completion_tokens, created_at) VALUES
             (1001, 101, 'large', 100, 10, '2026-11-19T23:59:59Z'), (1001, 102, 'small', 20, 2, '2026-11-20T00:00:00Z'),
             (1001, 103, 'large', 300, 30, '2026-11-20T12:00:00Z'), (1001, 104, 'large', 9, 9, '2026-11-21T00:00:00Z')",
        )
        .await
        .expect("a ledger");
    let range = json!({ "from": "2026-11-19T00:00:00Z", "to": "2026-11-21T00:00:00Z" });
    insta::assert_json_snapshot!(staff.ask(USAGE, range.clone()).await["data"]["usage"], @r#"
    {
      "promptTokens": 420,
      "completionTokens": 42,
      "messages": 3,
      "byDay": [
        {
          "day": "2026-11-19",
          "promptTokens": 100,
          "completionTokens": 10,
          "messages": 1
        },
        {
          "day": "2026-11-20",
          "promptTokens": 320,
          "completionTokens": 32,
          "messages": 2
        }
      ],
      "byModel": [
        {
          "model": "large",
          "promptTokens": 400,
          "completionTokens": 40
        },
        {
          "model": "small",
          "promptTokens": 20,
          "completionTokens": 2
        }
      ]
    }
    "#);
    assert_eq!(other.ask(USAGE, range).await["data"]["usage"]["promptTokens"], 0);
    for (from, to) in [
        ("2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z"),
        ("2025-01-01T00:00:00Z", "2026-11-20T00:00:00Z"),
    ] {
        let answer = staff.ask(USAGE, json!({ "from": from, "to": to })).await;
        assert_eq!((code(&answer), &answer["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!("to")));
    }
}
