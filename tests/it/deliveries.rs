//! What providers delivered, looked after by hand.

use serde_json::json;

use crate::support::{Gateway, code};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_failed_is_seen_and_put_in_line_again() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, other, root) = (acme.admin().await, rival.admin().await, gateway.root().await);
    crate::support::cluster::owner(&gateway.database)
        .await
        .batch_execute(
            "INSERT INTO webhook_deliveries (tenant_id, provider, event_id, event_type, status, attempts, last_error, body, received_at, processed_at) VALUES
             (1001, 'TELNYX', 'a', 'message.received', 'DEAD', 8, 'the provider refused the number', '', '2026-11-21T11:00:00Z', NULL),
             (1001, 'TWILIO', 'b', 'message.received', 'PROCESSED', 1, NULL, '', '2026-11-21T11:01:00Z', '2026-11-21T11:01:01Z'),
             (NULL, 'TELNYX', 'c', 'message.received', 'RECEIVED', 0, NULL, '', '2026-11-21T11:02:00Z', NULL)",
        )
        .await
        .expect("deliveries");
    let list = |filter: &str| {
        format!(
            "{{ webhookDeliveries(filter: {filter}) {{ totalCount nodes {{ id provider eventId eventType status attempts lastError receivedAt processedAt }} }} }}"
        )
    };
    insta::assert_json_snapshot!(admin.data(&list("{}")).await["webhookDeliveries"], @r#"
    {
      "totalCount": 2,
      "nodes": [
        {
          "id": "delivery_2",
          "provider": "TWILIO",
          "eventId": "b",
          "eventType": "message.received",
          "status": "PROCESSED",
          "attempts": 1,
          "lastError": null,
          "receivedAt": "2026-11-21T11:01:00Z",
          "processedAt": "2026-11-21T11:01:01Z"
        },
        {
          "id": "delivery_1",
          "provider": "TELNYX",
          "eventId": "a",
          "eventType": "message.received",
          "status": "DEAD",
          "attempts": 8,
          "lastError": "the provider refused the number",
          "receivedAt": "2026-11-21T11:00:00Z",
          "processedAt": null
        }
      ]
    }
    "#);
    for (filter, count) in
        [("{ provider: \"telnyx\" }", 1), ("{ status: [DEAD, FAILED] }", 1), ("{ provider: \"x\" }", 0)]
    {
        assert_eq!(admin.data(&list(filter)).await["webhookDeliveries"]["totalCount"], count, "{filter}");
    }
    assert_eq!(other.data(&list("{}")).await["webhookDeliveries"]["totalCount"], 0);
    let quarantined = root.data(&list("{}")).await;
    assert_eq!(quarantined["webhookDeliveries"]["nodes"][0]["eventId"], "c");
    assert_eq!(quarantined["webhookDeliveries"]["totalCount"], 1, "and nothing of any tenant");
    let retry = |id: u32| format!("mutation {{ retryWebhookDelivery(id: \"delivery_{id}\") {{ status attempts }} }}");
    assert_eq!(code(&other.query(&retry(1)).await), "NOT_FOUND");
    assert_eq!(admin.data(&retry(1)).await["retryWebhookDelivery"], json!({ "status": "RECEIVED", "attempts": 0 }));
    assert_eq!(code(&admin.query(&retry(1)).await), "CONFLICT", "it is in line already");
    assert_eq!(code(&admin.query(&retry(2)).await), "CONFLICT", "it is done");
    assert_eq!(code(&admin.query(&retry(3)).await), "NOT_FOUND", "it is nobody's");
    let log = admin.data("{ auditLog(filter: { action: \"delivery\" }) { nodes { action target } } }").await;
    assert_eq!(log["auditLog"]["nodes"], json!([{ "action": "delivery.retry", "target": "delivery_1" }]));
}
