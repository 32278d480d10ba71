//! A call is over: what Telnyx says of it, in whatever shape and order, becomes one conversation with its call.

use frontdesk::{channels::telnyx::calls::Claim, domain::calls};
use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, Tenant, cluster,
    phones::Account,
    telnyx::{ASSISTANT, CALL, CALLER, LINE, beginning, event, with_line},
};

const PATH: &str = "ai-call-complete";
const TALK: &str = "66b5-conversation";

/// Works a body into the tenant's calls, as the worker does with one that was kept. Telnyx gives no two events one name, so
/// stories of several tenants can't all be posted.
async fn worked(tenant: &Tenant<'_>, body: &str) {
    let claim = Claim::event(body.as_bytes()).expect("an event");
    let cx = tenant.gateway.inside(tenant.id);
    cx.write(async |tx| calls::apply(&cx, tx, claim.content()).await).await.expect("applied");
}

fn ended() -> Value {
    let messages = json!([
        { "role": "system", "content": "You are the front desk." },
        { "role": "assistant", "content": "Acme Swim, how can I help?", "timestamp": "2026-11-21T12:00:02Z" },
        { "role": "user", "content": "Any room on Saturday?", "timestamp": "2026-11-21T12:00:09Z" },
        { "role": "tool", "tool_call_id": "t1", "content": "{\"total\":4}" },
        { "role": "assistant", "content": "Yes.", "timestamp": "2026-11-21T12:00:12Z" },
        { "role": "user", "content": "Sure?", "timestamp": "2026-11-21T12:00:15Z" },
        { "role": "assistant", "content": "Yes.", "timestamp": "2026-11-21T12:00:17Z" },
    ]);
    event(
        "ended-1",
        "call.conversation.ended",
        "2026-11-21T12:01:05Z",
        json!({ "call_control_id": CALL, "conversation_id": TALK, "assistant_id": ASSISTANT, "from": CALLER, "to": LINE,
            "duration_sec": 63, "reason": "hangup", "messages": messages }),
    )
}

fn hangup() -> Value {
    event(
        "hangup-1",
        "call.hangup",
        "2026-11-21T12:01:06Z",
        json!({ "call_control_id": CALL, "from": CALLER, "to": LINE, "start_time": "2026-11-21T12:00:00Z",
            "hangup_cause": "normal_clearing", "hangup_source": "caller" }),
    )
}

/// Without an envelope, and of a call whose name it does not say.
fn insight() -> Value {
    json!({ "record_type": "event", "event_type": "conversation_insight_result", "payload": { "request_id": "req-1",
        "conversation_id": TALK, "status": "completed", "insight_group_id": "964d",
        "results": [{ "insight_id": "i1", "result": "{\"intent\":\"register\"}" }, { "insight_id": "i2", "result": "Asked about Saturdays." }] } })
}

fn analyzed() -> Value {
    event(
        "analyzed-1",
        "call.analyzed",
        "2026-11-21T12:02:00Z",
        json!({ "call_control_id": CALL, "conversation_id": TALK, "duration_sec": 63, "cost": "unavailable",
            "recordings": [{ "url": "https://recordings.example/1.mp3?expires=1" }] }),
    )
}

fn texml() -> String {
    let fields = [
        ("CallSid", CALL),
        ("CallStatus", "completed"),
        ("SequenceNumber", "4"),
        ("From", CALLER),
        ("To", LINE),
        ("CallDuration", "66"),
        ("CallbackSource", "call-progress-events"),
        ("Timestamp", "2026-11-21T12:01:06Z"),
    ];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn shapes() -> Vec<String> {
    let json = [beginning(true), ended(), hangup(), insight(), analyzed()];
    json.iter().map(Value::to_string).chain([texml()]).collect()
}

async fn told(actor: &Actor<'_>) -> Value {
    actor
        .data(
            "{ conversations { nodes { channel status createdAt lead { phone source name } \
               call { direction from to startedAt endedAt durationSeconds outcome recordingUrl summary } \
               messages { nodes { role status content createdAt } } } } }",
        )
        .await["conversations"]["nodes"]
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_once_in_whatever_order_its_pieces_come() {
    let gateway = Gateway::start().await;
    let account = Account::recorded();
    let acme = gateway.tenant("acme").await;
    let admin = with_line(&acme, &account, LINE, ASSISTANT).await;
    let path = format!("{PATH}?tenant_id={}", acme.id.0);
    account.asks(&gateway, "dynamic-variables", &beginning(true), None).await;
    for body in shapes().iter().skip(1) {
        for _ in 0..3 {
            assert_eq!(account.posts_to(&gateway, &path, body, None).await.status(), 200, "{body}");
        }
        gateway.work().await;
    }
    let whole = told(&admin).await;
    insta::assert_json_snapshot!(whole, @r#"
    [
      {
        "channel": "VOICE",
        "status": "BOT",
        "createdAt": "2026-11-21T12:00:00Z",
        "lead": {
          "phone": "+15555550111",
          "source": "VOICE",
          "name": null
        },
        "call": {
          "direction": "INBOUND",
          "from": "+15555550111",
          "to": "+15555550122",
          "startedAt": "2026-11-21T12:00:00Z",
          "endedAt": "2026-11-21T12:01:06Z",
          "durationSeconds": 66,
          "outcome": "COMPLETED",
          "recordingUrl": "https://recordings.example/1.mp3?expires=1",
          "summary": "Asked about Saturdays."
        },
        "messages": {
          "nodes": [
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "Acme Swim, how can I help?",
              "createdAt": "2026-11-21T12:00:02Z"
            },
            {
              "role": "CUSTOMER",
              "status": "COMPLETE",
              "content": "Any room on Saturday?",
              "createdAt": "2026-11-21T12:00:09Z"
            },
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "Yes.",
              "createdAt": "2026-11-21T12:00:12Z"
            },
            {
              "role": "CUSTOMER",
              "status": "COMPLETE",
              "content": "Sure?",
              "createdAt": "2026-11-21T12:00:15Z"
            },
            {
              "role": "ASSISTANT",
              "status": "COMPLETE",
              "content": "Yes.",
              "createdAt": "2026-11-21T12:00:17Z"
            }
          ]
        }
      }
    ]
    "#);
    // Backwards, from the middle, and each twice, for others.
    for (slug, order) in [("back", [5, 4, 3, 2, 1, 0]), ("middle", [3, 5, 1, 0, 4, 2]), ("insight", [3, 4, 0, 2, 5, 1])]
    {
        let other = gateway.tenant(slug).await;
        let line = other.admin().await;
        line.data("mutation { updateVoiceSettings(input: { isEnabled: true }) { isEnabled } }").await;
        for piece in order.iter().chain(&order) {
            worked(&other, &shapes()[*piece]).await;
        }
        let same = told(&line).await;
        assert_eq!(same[0]["call"], whole[0]["call"], "{slug}");
        assert_eq!(same[0]["messages"], whole[0]["messages"], "{slug}");
        assert_eq!((&same[0]["lead"], same.as_array().map(Vec::len)), (&whole[0]["lead"], Some(1)), "{slug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_transcript_adds_what_the_first_left_out() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = with_line(&acme, &Account::recorded(), LINE, ASSISTANT).await;
    let mut short = ended();
    let lines = short["data"]["payload"]["messages"].as_array_mut().expect("lines");
    lines.truncate(5);
    worked(&acme, &short.to_string()).await;
    let said = async || {
        let told = told(&admin).await;
        let lines = told[0]["messages"]["nodes"].as_array().expect("lines").clone();
        lines.iter().map(|line| line["content"].as_str().expect("words").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(said().await, ["Acme Swim, how can I help?", "Any room on Saturday?", "Yes."]);
    worked(&acme, &ended().to_string()).await;
    worked(&acme, &short.to_string()).await;
    assert_eq!(said().await, ["Acme Swim, how can I help?", "Any room on Saturday?", "Yes.", "Sure?", "Yes."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_assistant_of_the_chat_keeps_out_of_a_call() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = with_line(&acme, &Account::recorded(), LINE, ASSISTANT).await;
    worked(&acme, &ended().to_string()).await;
    let document = r#"mutation { sendMessage(input: { conversationId: "conversation_1", content: "Call her back on Monday." }) {
        message { role } reply { id } } }"#;
    insta::assert_json_snapshot!(admin.data(document).await["sendMessage"], @r#"
    {
      "message": {
        "role": "AGENT"
      },
      "reply": null
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_number_is_nobodys_lead_and_a_known_one_is_found() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let admin = with_line(&acme, &Account::recorded(), LINE, ASSISTANT).await;
    admin.data(&format!(r#"mutation {{ createLead(input: {{ name: "Ann", phone: "{CALLER}" }}) {{ id }} }}"#)).await;
    let mut hidden = ended();
    hidden["data"]["payload"]["from"] = json!("anonymous");
    hidden["data"]["payload"]["call_control_id"] = json!("v3:hidden");
    hidden["data"]["payload"]["conversation_id"] = json!("another");
    worked(&acme, &hidden.to_string()).await;
    worked(&acme, &ended().to_string()).await;
    // One that we made: the customer is who was called.
    let mut made = hangup();
    made["data"]["payload"] = json!({ "call_control_id": "v3:made", "from": LINE, "to": CALLER, "direction": "outgoing",
        "start_time": "2026-11-21T12:00:00Z", "hangup_cause": "no_answer" });
    worked(&acme, &made.to_string()).await;
    let seen = admin
        .data("{ leads { totalCount nodes { name phone source } } conversations { nodes { lead { name } call { outcome direction from } } } }")
        .await;
    insta::assert_json_snapshot!(seen, @r#"
    {
      "leads": {
        "totalCount": 1,
        "nodes": [
          {
            "name": "Ann",
            "phone": "+15555550111",
            "source": "WEB"
          }
        ]
      },
      "conversations": {
        "nodes": [
          {
            "lead": {
              "name": "Ann"
            },
            "call": {
              "outcome": "NO_ANSWER",
              "direction": "OUTBOUND",
              "from": "+15555550122"
            }
          },
          {
            "lead": {
              "name": "Ann"
            },
            "call": {
              "outcome": "COMPLETED",
              "direction": null,
              "from": "+15555550111"
            }
          },
          {
            "lead": null,
            "call": {
              "outcome": "COMPLETED",
              "direction": null,
              "from": "anonymous"
            }
          }
        ]
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shape_is_kept_once_for_the_tenant_of_the_call() {
    let gateway = Gateway::start().await;
    let (own, other) = (Account::recorded(), Account::new(2));
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let admin = with_line(&acme, &own, LINE, ASSISTANT).await;
    let neighbour = with_line(&rival, &other, "+15555550133", "assistant-rival").await;
    let path = format!("{PATH}?tenant_id={}", acme.id.0);
    for body in shapes().iter().skip(1).chain(&shapes()[1..]) {
        assert_eq!(own.posts_to(&gateway, &path, body, None).await.status(), 200, "{body}");
        // Nobody else's signature will do.
        assert_eq!(other.posts_to(&gateway, &path, body, None).await.status(), 403, "{body}");
    }
    let document = "{ webhookDeliveries { nodes { provider eventId eventType } } }";
    insta::assert_json_snapshot!(admin.data(document).await["webhookDeliveries"]["nodes"], @r#"
    [
      {
        "provider": "TELNYX",
        "eventId": "v3:FAKEccid:completed:4",
        "eventType": "texml.completed"
      },
      {
        "provider": "TELNYX",
        "eventId": "analyzed-1",
        "eventType": "call.analyzed"
      },
      {
        "provider": "TELNYX",
        "eventId": "req-1",
        "eventType": "conversation_insight_result"
      },
      {
        "provider": "TELNYX",
        "eventId": "hangup-1",
        "eventType": "call.hangup"
      },
      {
        "provider": "TELNYX",
        "eventId": "ended-1",
        "eventType": "call.conversation.ended"
      }
    ]
    "#);
    assert_eq!(neighbour.data(document).await["webhookDeliveries"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_switched_off_keeps_what_comes_and_tells_nothing_of_it() {
    let gateway = Gateway::start().await;
    let account = Account::recorded();
    let admin = with_line(&gateway.tenant("acme").await, &account, LINE, ASSISTANT).await;
    admin.data("mutation { updateVoiceSettings(input: { isEnabled: false }) { isEnabled } }").await;
    assert_eq!(account.posts_to(&gateway, PATH, &ended().to_string(), None).await.status(), 200);
    gateway.work().await;
    let seen = admin
        .data("{ webhookDeliveries { nodes { eventId status } } conversations { totalCount } leads { totalCount } }")
        .await;
    insta::assert_json_snapshot!(seen, @r#"
    {
      "webhookDeliveries": {
        "nodes": [
          {
            "eventId": "ended-1",
            "status": "PROCESSED"
          }
        ]
      },
      "conversations": {
        "totalCount": 0
      },
      "leads": {
        "totalCount": 0
      }
    }
    "#);
    // Switched on again, what comes is told.
    admin.data("mutation { updateVoiceSettings(input: { isEnabled: true }) { isEnabled } }").await;
    assert_eq!(account.posts_to(&gateway, PATH, &texml(), None).await.status(), 200);
    gateway.work().await;
    assert_eq!(told(&admin).await[0]["call"]["outcome"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_be_found_for_is_kept_apart() {
    let platform = Account::new(9);
    let settings = vec![("TELNYX_PUBLIC_KEY", platform.key())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let own = Account::recorded();
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let admin = with_line(&acme, &own, LINE, ASSISTANT).await;
    // Of nobody's, and of two tenants at once.
    let mut strange = ended();
    strange["data"]["payload"] =
        json!({ "call_control_id": "v3:strange", "to": "+15555550199", "assistant_id": "strange" });
    assert_eq!(platform.posts_to(&gateway, PATH, &strange.to_string(), None).await.status(), 200);
    let path = format!("{PATH}?tenant_id={}", rival.id.0);
    assert_eq!(own.posts_to(&gateway, &path, &hangup().to_string(), None).await.status(), 200);
    // By an account that is nobody's.
    let forged = Account::new(3).posts_to(&gateway, PATH, &strange.to_string(), None).await;
    assert_eq!(forged.status(), 403);
    let document = "{ webhookDeliveries { nodes { eventId status } } }";
    assert_eq!(admin.data(document).await["webhookDeliveries"]["nodes"], json!([]));
    let apart = gateway.root().await.data(document).await["webhookDeliveries"]["nodes"].clone();
    insta::assert_json_snapshot!(apart, @r#"
    [
      {
        "eventId": "hangup-1",
        "status": "RECEIVED"
      },
      {
        "eventId": "ended-1",
        "status": "RECEIVED"
      }
    ]
    "#);
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "CallSid=a",
        r#"{"data":{"id":7,"event_type":"call.hangup","payload":{}}}"#,
        "CallSid=a&CallSid=a&CallStatus=x",
    ] {
        let refused = own.posts_to(&gateway, PATH, body, None).await;
        assert_eq!(refused.status(), 400, "{body}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json; charset=utf-8");
    }
    let rows = cluster::owner(&gateway.database).await.query("SELECT 1 FROM webhook_deliveries", &[]).await;
    assert_eq!(rows.expect("rows").len(), 2);
}
