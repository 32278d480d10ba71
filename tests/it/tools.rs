//! What a model asks for is done, and it is told what came of it.

use serde_json::{Value, json};

use crate::{
    chat::{kinds, shown},
    support::{
        Gateway, Plan,
        fake_model::{FakeModel, Script, calls, delta, end, gemini},
    },
};

const ADA: &str = r#"{"name":"Ada","email":"ada@example.com"}"#;

fn said(text: &str) -> Script {
    Script::Bytes(format!("{}{}", delta(text), end()))
}

/// The events without what differs from run to run.
fn plain(events: &[Value]) -> Vec<Value> {
    let bare = |event: &Value| {
        let mut event = event.clone();
        event.as_object_mut().expect("an event").retain(|name, _| name != "cursor" && name != "conversationId");
        event
    };
    events.iter().map(bare).collect()
}

/// How many tools were told to run.
fn runs(events: &[Value]) -> usize {
    events.iter().filter(|event| event["__typename"] == "ToolCalled").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_calls_a_tool_and_goes_on_with_what_it_said() {
    let model = FakeModel::start(Script::ByHand).await;
    let first = format!("{}{}", delta("Let me note that."), calls(&[("call_7", "capture_lead", ADA)]));
    model.scripts([Script::Bytes(first), said("Thank you, Ada.")]);
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "I am Ada, ada@example.com").await.all().await;
    insta::assert_json_snapshot!(plain(&events), @r#"
    [
      {
        "__typename": "MessageAdded",
        "message": {
          "id": "message_1",
          "role": "CUSTOMER",
          "content": "I am Ada, ada@example.com"
        }
      },
      {
        "__typename": "ReplyStarted",
        "message": {
          "id": "message_2",
          "status": "STREAMING"
        }
      },
      {
        "__typename": "ReplyDelta",
        "messageId": "message_2",
        "text": "Let me note that."
      },
      {
        "__typename": "ToolCalled",
        "messageId": "message_2",
        "name": "capture_lead"
      },
      {
        "__typename": "ReplyDelta",
        "messageId": "message_2",
        "text": "\n\nThank you, Ada."
      },
      {
        "__typename": "ReplyCompleted",
        "finishReason": "STOP",
        "message": {
          "id": "message_2",
          "status": "COMPLETE",
          "content": "Let me note that.\n\nThank you, Ada."
        }
      }
    ]
    "#);
    let (asked, told) = (model.call().await, model.call().await);
    assert_eq!(asked.body["tools"][0]["function"]["name"], "capture_lead");
    assert_eq!(asked.body["tools"], told.body["tools"]);
    insta::assert_json_snapshot!(told.body["messages"].as_array().expect("messages")[1..], @r#"
    [
      {
        "role": "user",
        "content": "I am Ada, ada@example.com"
      },
      {
        "role": "assistant",
        "content": "Let me note that.",
        "tool_calls": [
          {
            "type": "function",
            "id": "call_7",
            "function": {
              "name": "capture_lead",
              "arguments": "{\"name\":\"Ada\",\"email\":\"ada@example.com\"}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "content": "{\"noted\":[\"name\",\"email\"]}",
        "tool_call_id": "call_7"
      }
    ]
    "#);
    assert!(model.is_idle().await);
    let seen = admin
        .data(&format!(
            "{{ conversation(id: \"{conversation}\") {{ lead {{ name email }} messages(last: 1) {{ nodes {{ tokens {{ model prompt completion }} }} }} }} }}"
        ))
        .await;
    assert_eq!(seen["conversation"]["lead"], json!({ "name": "Ada", "email": "ada@example.com" }));
    // Both rounds are on the bill.
    let tokens = &seen["conversation"]["messages"]["nodes"][0]["tokens"];
    assert_eq!(tokens, &json!({ "model": "test-model", "prompt": 42, "completion": 8 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_calls_a_tool_and_gets_its_signature_back() {
    let model = FakeModel::start(Script::ByHand).await;
    let call = json!([
        { "text": "A thought.", "thought": true },
        { "functionCall": { "name": "capture_lead", "args": { "name": "Ada" } }, "thoughtSignature": "AQI=" },
        { "functionCall": { "id": "f2", "name": "capture_lead", "args": { "phone": "+15550100100" } } },
    ]);
    let answer = json!([{ "text": "Thank you, Ada." }]);
    model.scripts([Script::Bytes(gemini(&call, "STOP")), Script::Bytes(gemini(&answer, "STOP"))]);
    let gateway = Gateway::planned(Plan { gemini: Some(model.gemini_url.clone()), ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "I am Ada").await.all().await;
    assert_eq!(kinds(&events), ["MessageAdded", "ReplyStarted", "ToolCalled", "ReplyDelta", "ReplyCompleted"]);
    assert_eq!(runs(&events), 2);
    assert_eq!(shown(&events), "Thank you, Ada.");
    let (asked, told) = (model.call().await, model.call().await);
    assert_eq!(asked.path, "/v1beta/models/test-gemini:streamGenerateContent?alt=sse");
    assert_eq!(asked.body["tools"][0]["functionDeclarations"][0]["name"], "capture_lead");
    insta::assert_json_snapshot!(told.body["contents"], @r#"
    [
      {
        "role": "user",
        "parts": [
          {
            "text": "I am Ada"
          }
        ]
      },
      {
        "role": "model",
        "parts": [
          {
            "functionCall": {
              "name": "capture_lead",
              "args": {
                "name": "Ada"
              }
            },
            "thoughtSignature": "AQI="
          },
          {
            "functionCall": {
              "id": "f2",
              "name": "capture_lead",
              "args": {
                "phone": "+15550100100"
              }
            }
          }
        ]
      },
      {
        "role": "user",
        "parts": [
          {
            "functionResponse": {
              "name": "capture_lead",
              "response": {
                "name": "capture_lead",
                "content": "{\"noted\":[\"name\"]}"
              }
            }
          },
          {
            "functionResponse": {
              "name": "capture_lead",
              "response": {
                "name": "capture_lead",
                "content": "{\"noted\":[\"phone\"]}"
              },
              "id": "f2"
            }
          }
        ]
      }
    ]
    "#);
    let tokens = format!(
        "{{ conversation(id: \"{conversation}\") {{ messages(last: 1) {{ nodes {{ tokens {{ model prompt completion }} }} }} }} }}"
    );
    assert_eq!(
        admin.data(&tokens).await["conversation"]["messages"]["nodes"][0]["tokens"],
        json!({ "model": "test-gemini", "prompt": 18, "completion": 12 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_run_is_told_to_the_model() {
    let model = FakeModel::start(Script::ByHand).await;
    let mut made = vec![
        ("a", "drop_tables", "{}"),
        ("b", "capture_lead", "{\"name\": "),
        ("c", "capture_lead", "[1]"),
        ("d", "capture_lead", r#"{"email":"nowhere"}"#),
        ("e", "capture_lead", r#"{"email":7}"#),
        ("f", "capture_lead", "{}"),
    ];
    made.extend([("g", "capture_lead", ADA), ("h", "capture_lead", ADA), ("i", "capture_lead", ADA)]);
    model.scripts([Script::Bytes(calls(&made)), said("Sorry.")]);
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await.all().await;
    assert_eq!(shown(&events), "Sorry.");
    // Told are those that were run.
    assert_eq!(runs(&events), 5);
    model.call().await;
    let told = model.call().await;
    let results =
        told.body["messages"].as_array().expect("messages").iter().filter(|message| message["role"] == "tool");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let results: Vec<_> = results
        .map(|message| text(&message["tool_call_id"]) + " " + &text(&message["content"]).replace('"', ""))
        .collect();
    insta::assert_json_snapshot!(results, @r#"
    [
      "a Error: there is no such tool.",
      "b Error: the arguments are not a JSON object.",
      "c Error: the arguments are not a JSON object.",
      "d {error:`email` must be an e-mail address such as `ada@example.com`.}",
      "e {error:The arguments are not as the tool takes them: invalid type: integer `7`, expected a string}",
      "f {error:A lead needs a `name`, an `email` or a `phone`.}",
      "g {noted:[name,email]}",
      "h {noted:[name,email]}",
      "i Error: not run. At most 8 tools are run at once; call again for the rest."
    ]
    "#);
    assert_eq!(admin.data("{ leads { totalCount } }").await["leads"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_five_rounds_a_model_must_do_with_what_it_has() {
    let model = FakeModel::start(Script::ByHand).await;
    let again = Script::Bytes(calls(&[("x", "capture_lead", ADA)]));
    model.scripts([vec![again.clone(); 5], vec![said("At last.")]].concat());
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Hello").await.all().await;
    assert_eq!(shown(&events), "At last.");
    for _ in 0..5 {
        assert!(model.call().await.body["tools"].is_array());
    }
    let last = model.call().await;
    assert!(last.body.get("tools").is_none(), "{}", last.body);
    assert!(model.is_idle().await);
    // One that asks for more tools even then has said nothing.
    model.script(again);
    let events = admin.chat(&conversation, "Hello?").await.all().await;
    let end = events.last().expect("an end");
    assert_eq!((&end["cause"], model.calls().await), (&json!("EMPTY_ANSWER"), 6), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stopped_while_a_tool_works() {
    let model = FakeModel::start(Script::ByHand).await;
    model.script(Script::Bytes(format!("{}{}", delta("One moment."), calls(&[("x", "capture_lead", ADA)]))));
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    // The tool is held up by somebody who has the leads locked.
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner.batch_execute("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let mut events = admin.chat(&conversation, "I am Ada").await;
    for kind in ["MessageAdded", "ReplyStarted", "ReplyDelta"] {
        events.expect(kind).await;
    }
    let called = events.expect("ToolCalled").await;
    assert_eq!((&called["name"], &called["messageId"]), (&json!("capture_lead"), &json!("message_2")));
    let stopped = admin.data("mutation { stopReply(messageId: \"message_2\") { status content } }").await;
    assert_eq!(stopped["stopReply"], json!({ "status": "CANCELLED", "content": "One moment." }));
    events.expect("ReplyCompleted").await;
    owner.batch_execute("ROLLBACK").await.expect("unlocked");
    assert_eq!(admin.data("{ leads { totalCount } }").await["leads"]["totalCount"], 0);
    assert_eq!(model.calls().await, 1, "nobody is asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_after_its_tools_is_asked_again_but_nobody_else_is() {
    let (model, other) = (FakeModel::start(Script::ByHand).await, FakeModel::start(Script::ByHand).await);
    let first = Script::Bytes(format!("{}{}", delta("One moment."), calls(&[("x", "capture_lead", ADA)])));
    let plan = Plan { model: Some(model.base_url.clone()), gemini: Some(other.gemini_url.clone()), ..Plan::default() };
    let gateway = Gateway::planned(plan).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data("mutation { updateModelSettings(input: { allowFallback: true }) { provider } }").await;
    let conversation = admin.conversation().await;
    let down = Script::Status(503, String::new());
    model.scripts([first.clone(), down.clone(), said("Thank you.")]);
    let events = admin.chat(&conversation, "I am Ada").await.all().await;
    assert_eq!(shown(&events), "One moment.\n\nThank you.");
    model.scripts([first, down]);
    let events = admin.chat(&conversation, "I am Ada").await.all().await;
    let end = events.last().expect("an end");
    assert_eq!((&end["cause"], &end["message"]["content"]), (&json!("UNREACHABLE"), &json!("One moment.")));
    assert!(other.is_idle().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_asks_when_says_who_they_are_and_is_booked_all_in_one_chat() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin
        .data(
            r#"mutation { updateBookingSettings(input: { openingHours: [{ weekday: MONDAY, opensAt: "09:00", closesAt: "10:00" }] }) { slotMinutes } }"#,
        )
        .await;
    let conversation = admin.conversation().await;
    let call = |id, name, arguments| Script::Bytes(calls(&[(id, name, arguments)]));
    model.scripts([
        call("call_1", "get_available_slots", r#"{"from_date":"2026-11-23","days":1}"#),
        said("Monday at nine, or half past?"),
    ]);
    admin.chat(&conversation, "When could I come by?").await.all().await;
    model.call().await;
    let told = model.call().await.body["messages"].as_array().and_then(|all| all.last().cloned()).expect("a result");
    let told: Value = serde_json::from_str(told["content"].as_str().expect("a text")).expect("JSON");
    let times: Vec<_> = told["slots"].as_array().expect("slots").iter().map(|slot| slot["starts_at"].clone()).collect();
    assert_eq!(times, ["2026-11-23T09:00:00Z", "2026-11-23T09:30:00Z"]);
    model.scripts([
        call("call_2", "capture_lead", ADA),
        call("call_3", "book_meeting", r#"{"starts_at":"2026-11-23T09:30:00Z","title":"A first look"}"#),
        said("See you then, Ada."),
    ]);
    let events = admin.chat(&conversation, "Half past. I am Ada, ada@example.com.").await.all().await;
    assert_eq!((runs(&events), shown(&events).as_str()), (2, "See you then, Ada."));
    let booked =
        admin.data("{ meetings { nodes { startsAt status title lead { name email } conversation { id } } } }").await;
    insta::assert_json_snapshot!(booked["meetings"]["nodes"], @r#"
    [
      {
        "startsAt": "2026-11-23T09:30:00Z",
        "status": "BOOKED",
        "title": "A first look",
        "lead": {
          "name": "Ada",
          "email": "ada@example.com"
        },
        "conversation": {
          "id": "conversation_1"
        }
      }
    ]
    "#);
    assert_eq!(
        admin
            .data(r#"{ availableSlots(from: "2026-11-23T00:00:00Z", to: "2026-11-24T00:00:00Z") { startsAt } }"#)
            .await["availableSlots"],
        json!([{ "startsAt": "2026-11-23T09:00:00Z" }])
    );
}
