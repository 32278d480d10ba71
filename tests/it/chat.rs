//! Two sides talk: a message comes in, a reply is written, and everybody who watches sees it as it comes.

use serde_json::{Value, json};

use crate::support::{
    Actor, Gateway, Plan, cluster,
    fake_model::{FakeModel, Script},
};

pub async fn with_faq(gateway: &Gateway) -> Actor<'_> {
    let admin = gateway.tenant("acme").await.admin().await;
    admin
        .data(r#"mutation { setupPrompt(input: { name: "Main", businessPrompt: "Acme sells anvils.", faq: "Q: How heavy is an anvil?\nA: About as heavy as it looks." }) { id } }"#)
        .await;
    admin
}

/// The text that a chat client would show.
pub fn shown(events: &[Value]) -> String {
    events.iter().fold(String::new(), |text, event| match event["__typename"].as_str() {
        Some("ReplyDelta") => text + event["text"].as_str().expect("text"),
        Some("ReplySnapshot") => event["text"].as_str().expect("text").to_owned(),
        _ => text,
    })
}

pub fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = events.iter().filter_map(|event| event["__typename"].as_str()).collect();
    kinds.dedup();
    kinds
}

const HISTORY: &str = "messages(last: 20) { nodes { role status content } }";

pub async fn history(actor: &Actor<'_>, conversation: &str) -> Value {
    let data = actor.data(&format!("{{ conversation(id: \"{conversation}\") {{ {HISTORY} }} }}")).await;
    data["conversation"]["messages"]["nodes"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_the_faq_answers_word_by_word_over_a_websocket() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Is an anvil heavy?").await.all().await;
    assert_eq!(kinds(&events), ["MessageAdded", "ReplyStarted", "ReplyDelta", "ReplyCompleted"]);
    assert_eq!(events[0]["message"], json!({ "id": "message_1", "role": "CUSTOMER", "content": "Is an anvil heavy?" }));
    assert_eq!(events.iter().filter(|event| event["__typename"] == "ReplyDelta").count(), 6, "a delta for each word");
    assert_eq!(shown(&events), "About as heavy as it looks.");
    let last = events.last().expect("an end");
    assert_eq!(
        (&last["finishReason"], &last["message"]),
        (&json!("STOP"), &json!({ "id": "message_2", "status": "COMPLETE", "content": "About as heavy as it looks." }))
    );
    insta::assert_json_snapshot!(history(&admin, &conversation).await, @r#"
    [
      {
        "role": "CUSTOMER",
        "status": "COMPLETE",
        "content": "Is an anvil heavy?"
      },
      {
        "role": "ASSISTANT",
        "status": "COMPLETE",
        "content": "About as heavy as it looks."
      }
    ]
    "#);
    let stored = admin
        .data(&format!("{{ conversation(id: \"{conversation}\") {{ messages(last: 1) {{ nodes {{ promptHash tokens {{ model }} author {{ id }} conversation {{ id }} }} }} }} composedPrompt(channel: WEB) {{ hash }} }}"))
        .await;
    assert_eq!(stored["conversation"]["messages"]["nodes"][0]["promptHash"], stored["composedPrompt"]["hash"]);
    assert_eq!(stored["conversation"]["messages"]["nodes"][0]["tokens"]["model"], "built-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_has_one_field_behind_whatever_fragments() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let said = async |document: &str| {
        let asked = admin.post("/graphql").header("accept", "text/event-stream").json(&json!({ "query": document }));
        asked.send().await.expect("a stream").text().await.expect("to its end")
    };
    let chat = r#"chat(input: { content: "Is an anvil heavy?" }) { __typename ... on ReplyDelta { text } }"#;
    for document in [
        format!("subscription {{ ...Ask }} fragment Ask on Subscription {{ {chat} }}"),
        format!(
            "subscription {{ ...Ask ...Ask {} }} fragment Ask on Subscription {{ {chat} }}",
            chat.replace("text", "messageId")
        ),
        format!("subscription($is: Boolean = true) {{ ... on Subscription @include(if: $is) {{ ... {{ {chat} }} }} }}"),
    ] {
        // The first is validated, the second is known.
        for _ in 0..2 {
            let text = said(&document).await;
            assert!(text.contains("heavy ") && text.contains("ReplyCompleted"), "{document}: {text}");
            assert_eq!(text.matches("ReplyStarted").count(), 1, "{document}: {text}");
        }
    }
    for document in [
        format!("subscription {{ a: {chat} b: {chat} }}"),
        format!("subscription {{ ...Ask b: {chat} }} fragment Ask on Subscription {{ {chat} }}"),
        format!("subscription {{ ... on Subscription @skip(if: true) {{ {chat} }} }}"),
    ] {
        let text = said(&document).await;
        assert!(text.contains("one field at its root") && text.contains("BAD_USER_INPUT"), "{document}: {text}");
    }
    assert_eq!(admin.data("{ conversations { totalCount } }").await["conversations"]["totalCount"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_server_sent_events_with_one_request() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let document =
        "subscription { chat(input: { content: \"Is an anvil heavy?\" }) { __typename ... on ReplyDelta { text } } }";
    for path in ["/graphql", "/graphql/stream"] {
        let response = admin
            .post(path)
            .header("accept", "text/event-stream")
            .json(&json!({ "query": document }))
            .send()
            .await
            .expect("a stream");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let text = response.text().await.expect("to its end");
        insta::allow_duplicates! { insta::assert_snapshot!(text, @r#"
        :

        event: next
        data: {"data":{"chat":{"__typename":"MessageAdded"}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyStarted"}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"About "}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"as "}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"heavy "}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"as "}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"it "}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyDelta","text":"looks."}}}

        event: next
        data: {"data":{"chat":{"__typename":"ReplyCompleted"}}}

        event: complete
        data:
        "#); }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_it_says_so() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Do you ship to the moon?").await.all().await;
    insta::assert_snapshot!(shown(&events), @"I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.");
    // With a profile, it says how to reach a person too.
    let profile = r#"mutation { updateTenantProfile(input: { businessName: "Acme", email: "Hello@acme.example", phoneNumber: "+15550100123" }) { profile { email } } }"#;
    admin.data(profile).await;
    let events = admin.chat(&conversation, "Do you ship to Mars?").await.all().await;
    insta::assert_snapshot!(shown(&events), @"I don't have an answer to that. You can reach Acme at hello@acme.example or +15550100123.");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_is_here_before_the_model_has_sent_its_second() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    events.expect("MessageAdded").await;
    events.expect("ReplyStarted").await;
    for word in ["One ", "two ", "three."] {
        call.text(word).await;
        assert_eq!(events.expect("ReplyDelta").await["text"], word);
    }
    assert_eq!(call.headers["authorization"], "Bearer test-key");
    insta::assert_json_snapshot!(call.body, { ".messages[0].content" => "[prompt]" }, @r#"
    {
      "model": "test-model",
      "stream": true,
      "tools": [
        {
          "type": "function",
          "function": {
            "name": "capture_lead",
            "description": "Keeps the customer's name, e-mail address and phone number. Call it as soon as the customer says one of them; give only what they said themselves.",
            "parameters": {
              "type": "object",
              "properties": {
                "name": {
                  "type": [
                    "string",
                    "null"
                  ],
                  "description": "The customer's name, up to 200 characters; null if it was not said."
                },
                "email": {
                  "type": [
                    "string",
                    "null"
                  ],
                  "description": "The customer's e-mail address; null if it was not said."
                },
                "phone": {
                  "type": [
                    "string",
                    "null"
                  ],
                  "description": "The customer's phone number with its country code, such as +15550100123; null if it was not said."
                }
              },
              "required": [
                "name",
                "email",
                "phone"
              ],
              "additionalProperties": false
            },
            "strict": false
          }
        }
      ],
      "messages": [
        {
          "role": "system",
          "content": "[prompt]"
        },
        {
          "role": "user",
          "content": "Hello"
        }
      ],
      "stream_options": {
        "include_usage": true
      }
    }
    "#);
    let system = call.body["messages"][0]["content"].as_str().expect("a prompt").to_owned();
    assert!(system.contains("Acme sells anvils.") && system.contains("never speak of other customers"), "{system}");
    call.finish().await;
    assert_eq!(events.expect("ReplyCompleted").await["message"]["content"], "One two three.");
    assert_eq!(events.next().await, None);
    let usage = admin.data(&format!("{{ conversation(id: \"{conversation}\") {{ messages(last: 1) {{ nodes {{ tokens {{ model prompt completion }} }} }} }} }}")).await;
    assert_eq!(
        usage["conversation"]["messages"]["nodes"][0]["tokens"],
        json!({ "model": "test-model", "prompt": 21, "completion": 4 })
    );
    let ledger = "SELECT model, prompt_tokens, completion_tokens FROM usage_entries";
    let rows = crate::support::cluster::owner(&gateway.database).await.query(ledger, &[]).await.expect("the ledger");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].get::<_, i32>(1), rows[0].get::<_, i32>(2)), (21, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_so_far_is_told_in_order() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    for (question, answer) in [("First", "Answer one"), ("Second", "Answer two")] {
        let events = admin.chat(&conversation, question).await;
        let call = model.call().await;
        call.text(answer).await;
        call.finish().await;
        events.all().await;
    }
    let _events = admin.chat(&conversation, "Third").await;
    let turns = model.call().await.body["messages"].as_array().expect("turns").clone();
    let said: Vec<_> = turns[1..].iter().map(|turn| (turn["role"].as_str(), turn["content"].as_str())).collect();
    assert_eq!(
        said,
        [
            (Some("user"), Some("First")),
            (Some("assistant"), Some("Answer one")),
            (Some("user"), Some("Second")),
            (Some("assistant"), Some("Answer two")),
            (Some("user"), Some("Third")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_on_when_its_asker_leaves_and_a_watcher_picks_it_up_exactly() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let mut asker = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    asker.expect("MessageAdded").await;
    asker.expect("ReplyStarted").await;
    call.text("One ").await;
    let cursor = asker.expect("ReplyDelta").await["cursor"].as_str().expect("a cursor").to_owned();
    drop(asker);
    call.text("two ").await;
    let mut resumed = admin.watch(&conversation, Some(&cursor)).await;
    assert_eq!(resumed.expect("ReplyDelta").await["text"], "two ");
    // Somebody who joins without a cursor first gets the text so far.
    let mut late = admin.watch(&conversation, None).await;
    assert_eq!(late.expect("ReplySnapshot").await["text"], "One two ");
    call.text("three.").await;
    call.finish().await;
    for watcher in [&mut resumed, &mut late] {
        assert_eq!(watcher.expect("ReplyDelta").await["text"], "three.");
        assert_eq!(watcher.expect("ReplyCompleted").await["message"]["content"], "One two three.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_a_restart_gets_what_it_missed_as_whole_texts() {
    let mut gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let (token, database) = (admin.token.clone(), gateway.database.clone());
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "Is an anvil heavy?").await.all().await;
    let cursor = events[0]["cursor"].as_str().expect("a cursor").to_owned();
    gateway.stop().await;
    let again = Gateway::planned(Plan { database: Some(database), ..Plan::default() }).await;
    again.clock.advance(chrono::TimeDelta::minutes(1));
    let admin = Actor { token, ..again.stranger() };
    // The clock stood still in this story, so all of it lies behind one moment: ask from just before it.
    let (millis, _) = cursor.split_once('-').expect("a cursor");
    let before = format!("{}-0", millis.parse::<i64>().expect("a number") - 1);
    let mut watcher = admin.watch(&conversation, Some(&before)).await;
    assert_eq!(watcher.expect("MessageAdded").await["message"]["content"], "Is an anvil heavy?");
    assert_eq!(watcher.expect("ReplySnapshot").await["text"], "About as heavy as it looks.");
    let end = watcher.expect("ReplyCompleted").await;
    // And on from there, live.
    admin.data(&format!("mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Thanks\" }}) {{ message {{ id }} }} }}")).await;
    let next = watcher.expect("MessageAdded").await;
    assert_eq!(next["message"]["content"], "Thanks");
    assert!(next["cursor"].as_str() > end["cursor"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_after_a_restart_is_told_what_they_missed_and_nothing_twice() {
    let mut gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let (token, database) = (admin.token.clone(), gateway.database.clone());
    let conversation = admin.conversation().await;
    let first = admin.chat(&conversation, "Is an anvil heavy?").await.all().await;
    let second = admin.chat(&conversation, "How heavy is it?").await.all().await;
    gateway.stop().await;
    // One was stored a little before all that, and its transaction was so late that nobody was told of it.
    let late = "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at) \
                SELECT tenant_id, id, 'AGENT', 'COMPLETE', 'I am here too.', moment, moment \
                FROM conversations, (VALUES (timestamptz '2026-11-21T11:59:57Z')) AS late (moment)";
    cluster::owner(&database).await.execute(late, &[]).await.expect("a row");
    let again = Gateway::planned(Plan { database: Some(database), ..Plan::default() }).await;
    again.clock.advance(chrono::TimeDelta::minutes(1));
    let admin = Actor { token, ..again.stranger() };
    admin.data(&format!("mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Thanks\" }}) {{ message {{ id }} }} }}")).await;
    let missed = async |behind: &Value| {
        let mut watcher = admin.watch(&conversation, behind["cursor"].as_str()).await;
        let mut told = Vec::new();
        loop {
            let event = watcher.next().await.expect("more");
            if event["message"]["content"] == "Thanks" {
                return told.join(", ");
            }
            let id = event["messageId"].as_str().or(event["message"]["id"].as_str()).expect("an id");
            told.push(format!("{} {id}", event["__typename"].as_str().expect("a type")));
        }
    };
    insta::assert_snapshot!(missed(&first[0]).await, @"ReplySnapshot message_2, ReplyCompleted message_2, MessageAdded message_3, ReplySnapshot message_4, ReplyCompleted message_4, MessageAdded message_5");
    insta::assert_snapshot!(missed(first.last().expect("an end")).await, @"MessageAdded message_3, ReplySnapshot message_4, ReplyCompleted message_4, MessageAdded message_5");
    insta::assert_snapshot!(missed(&second[0]).await, @"ReplySnapshot message_4, ReplyCompleted message_4, MessageAdded message_5");
    insta::assert_snapshot!(missed(second.last().expect("an end")).await, @"MessageAdded message_5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_longer_than_the_log_tells_its_question_once() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Tell me all").await;
    let call = model.call().await;
    let (mut seen, mut whole) = (Vec::new(), String::new());
    // Each piece alone is more than a log keeps.
    for piece in ["one ", "two ", "three "].map(|word| word.repeat(150_000)) {
        whole.push_str(&piece);
        call.text(&piece).await;
        while shown(&seen) != whole {
            seen.push(events.next().await.expect("more"));
        }
    }
    call.finish().await;
    seen.extend(events.all().await);
    assert!(shown(&seen) == whole);
    let count = |kind: &str| seen.iter().filter(|event| event["__typename"] == kind).count();
    assert_eq!((count("MessageAdded"), count("ReplyCompleted")), (1, 1));
}
