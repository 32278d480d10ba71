//! Turns: a message said once, replies that wait in line, are stopped, or are a person's.

use serde_json::json;

use crate::{
    chat::{history, kinds, shown, with_faq},
    support::{
        Gateway, code,
        fake_model::{FakeModel, Script, delta, end},
        said,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_sent_again_is_one_message_and_one_reply() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let send = format!(
        "mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Hello\", clientMessageId: \"c-1\" }}) \
         {{ message {{ id clientMessageId }} reply {{ id }} }} }}"
    );
    let answers = futures_util::future::join_all((0..50).map(|_| admin.query(&send))).await;
    for answer in &answers {
        assert_eq!(
            answer["data"]["sendMessage"],
            json!({ "message": { "id": "message_1", "clientMessageId": "c-1" }, "reply": { "id": "message_2" } }),
            "{answer}"
        );
    }
    let call = model.call().await;
    call.text("Hi.").await;
    // Following it by `chat` joins the reply that is on its way...
    let variables =
        json!({ "input": { "conversationId": conversation, "content": "Hello", "clientMessageId": "c-1" } });
    let mut joined = admin.subscribe(crate::support::CHAT, variables.clone()).await;
    joined.expect("MessageAdded").await;
    call.finish().await;
    let mut events = Vec::new();
    while let Some(event) = joined.next().await {
        events.push(event);
    }
    assert_eq!(events.last().expect("an end")["message"]["content"], "Hi.");
    // ...and one that has ended is told in short.
    let again = admin.subscribe(crate::support::CHAT, variables).await.all().await;
    assert_eq!(kinds(&again), ["MessageAdded", "ReplySnapshot", "ReplyCompleted"]);
    assert!(model.is_idle().await, "one call, one bill");
    assert_eq!(history(&admin, &conversation).await.as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_sent_again_opens_one_conversation() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let send = r#"mutation { sendMessage(input: { content: "Hello", clientMessageId: "c-1" }) { conversation { id } message { id } } }"#;
    let answers = futures_util::future::join_all((0..20).map(|_| admin.query(send))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(admin.data("{ conversations { totalCount } }").await["conversations"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_was_lost_is_given_back_after_its_conversation_was_closed() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let send = async |id: &str| {
        let input = json!({ "i": { "conversationId": conversation, "content": "Hello", "clientMessageId": id } });
        let document = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } reply { id } } }";
        admin.ask(document, input).await
    };
    let first = send("c-1").await;
    assert_eq!(
        first["data"]["sendMessage"],
        json!({ "message": { "id": "message_1" }, "reply": { "id": "message_2" } })
    );
    admin
        .data(&format!(
            "mutation {{ updateConversation(id: \"{conversation}\", input: {{ status: CLOSED }}) {{ id }} }}"
        ))
        .await;
    assert_eq!(send("c-1").await, first);
    // What was not said before comes too late.
    assert_eq!(code(&send("c-2").await), "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_while_a_reply_is_written_wait_their_turn() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let first = admin.chat(&conversation, "First").await;
    let call = model.call().await;
    let mut second = admin.chat(&conversation, "Second").await;
    second.expect("MessageAdded").await;
    assert!(model.is_idle().await, "the second waits");
    call.text("One.").await;
    call.finish().await;
    first.all().await;
    let call = model.call().await;
    let turns = call.body["messages"].as_array().expect("turns").len();
    assert_eq!(turns, 4, "prompt, question, answer, question");
    call.text("Two.").await;
    call.finish().await;
    second.expect("ReplyStarted").await;
    assert_eq!(second.expect("ReplyDelta").await["text"], "Two.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stopped_and_keeps_what_was_written() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let mut events = admin.chat(&conversation, "Hello").await;
    let call = model.call().await;
    call.text("One ").await;
    events.expect("MessageAdded").await;
    let reply = events.expect("ReplyStarted").await["message"]["id"].as_str().expect("an id").to_owned();
    events.expect("ReplyDelta").await;
    let stop = format!("mutation {{ stopReply(messageId: \"{reply}\") {{ status content }} }}");
    let stopped = admin.data(&stop).await;
    assert_eq!(stopped["stopReply"], json!({ "status": "CANCELLED", "content": "One " }));
    // The provider sees its connection closed.
    call.left().await;
    let end = events.expect("ReplyCompleted").await;
    assert_eq!((&end["finishReason"], &end["message"]["status"]), (&json!("CANCELLED"), &json!("CANCELLED")));
    // Again changes nothing, a question can't be stopped, and the conversation goes on.
    assert_eq!(admin.data(&stop).await, stopped);
    assert_eq!(code(&admin.query("mutation { stopReply(messageId: \"message_1\") { id } }").await), "BAD_USER_INPUT");
    let mut next = admin.chat(&conversation, "Go on").await;
    next.expect("MessageAdded").await;
    let call = model.call().await;
    assert_eq!(call.body["messages"][2]["content"], "One ", "here they saw it, and the model is told of it");
    call.text("Two.").await;
    call.finish().await;
    assert_eq!(next.all().await.last().expect("an end")["message"]["content"], "Two.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_has_cut_off_is_told_to_no_model_again() {
    let cut = end().replace("\"stop\"", "\"content_filter\"");
    let model = FakeModel::start(Script::Bytes(delta("Something ugly") + &cut)).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let events = admin.chat(&conversation, "First").await.all().await;
    let end = events.last().expect("an end");
    assert_eq!((&end["cause"], &end["message"]["content"]), (&json!("CONTENT_FILTERED"), &json!("Something ugly")));
    model.call().await;
    model.script(Script::ByHand);
    let _second = admin.chat(&conversation, "Second").await;
    let said = model.call().await.body["messages"].as_array().expect("messages").clone();
    let said: Vec<_> = said[1..].iter().map(|said| said["content"].clone()).collect();
    assert_eq!(said, ["First", "Second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_waits_in_line_is_stopped_at_once() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let first = admin.chat(&conversation, "First").await;
    let call = model.call().await;
    let mut second = admin.chat(&conversation, "Second").await;
    second.expect("MessageAdded").await;
    let stopped = admin.data("mutation { stopReply(messageId: \"message_4\") { status content } }").await;
    assert_eq!(stopped["stopReply"], json!({ "status": "CANCELLED", "content": "" }));
    assert_eq!(second.expect("ReplyCompleted").await["finishReason"], "CANCELLED");
    // The one before it goes on, and nobody is asked for the one that was stopped.
    call.text("One.").await;
    call.finish().await;
    assert_eq!(first.all().await.last().expect("an end")["message"]["content"], "One.");
    assert!(model.is_idle().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_waits_in_line_is_not_written_once_a_person_has_taken_over() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let first = admin.chat(&conversation, "First").await;
    let call = model.call().await;
    let mut second = admin.chat(&conversation, "Second").await;
    second.expect("MessageAdded").await;
    admin
        .data(&format!(
            "mutation {{ updateConversation(id: \"{conversation}\", input: {{ status: HUMAN }}) {{ id }} }}"
        ))
        .await;
    // What is being written goes on: people see it, and may stop it.
    call.text("One.").await;
    call.finish().await;
    assert_eq!(first.all().await.last().expect("an end")["message"]["content"], "One.");
    assert_eq!(second.expect("ReplyCompleted").await["finishReason"], "CANCELLED");
    assert!(model.is_idle().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_answers_the_assistant_keeps_silent() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let set = |status: &str| {
        format!("mutation {{ updateConversation(id: \"{conversation}\", input: {{ status: {status} }}) {{ status }} }}")
    };
    admin.data(&set("HUMAN")).await;
    let events = admin.chat(&conversation, "I am a person.").await.all().await;
    assert_eq!(kinds(&events), ["MessageAdded"]);
    assert_eq!(events[0]["message"]["role"], "AGENT");
    admin.data(&set("CLOSED")).await;
    let answer = admin.query(&format!("mutation {{ sendMessage(input: {{ conversationId: \"{conversation}\", content: \"Hello?\" }}) {{ message {{ id }} }} }}")).await;
    insta::assert_snapshot!(format!("{} {}", code(&answer), said(&answer)), @"CONFLICT This conversation is closed. Start a new one, or open it again with updateConversation.");
    admin.data(&set("BOT")).await;
    assert_eq!(admin.chat(&conversation, "Is an anvil heavy?").await.all().await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_chat_and_hear_nothing_of_each_other() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (ours, theirs) = (acme.admin().await, rival.admin().await);
    for (admin, answer) in [(&ours, "Anvils are heavy."), (&theirs, "Feathers are light.")] {
        let input = json!({ "i": { "name": "x", "businessPrompt": "x", "faq": format!("Q: How heavy are your goods?\nA: {answer}") } });
        admin.ask("mutation($i: SetupPromptInput!) { setupPrompt(input: $i) { id } }", input).await;
    }
    let (here, there) = (ours.conversation().await, theirs.conversation().await);
    let mut refused = theirs.watch(&here, None).await;
    assert_eq!(code(&refused.error().await), "NOT_FOUND");
    let (one, two) = tokio::join!(async { ours.chat(&here, "How heavy?").await.all().await }, async {
        theirs.chat(&there, "How heavy?").await.all().await
    },);
    assert_eq!((shown(&one).as_str(), shown(&two).as_str()), ("Anvils are heavy.", "Feathers are light."));
    let mut foreign = theirs.chat(&here, "Let me in").await;
    assert_eq!(code(&foreign.error().await), "NOT_FOUND");
    assert_eq!(history(&ours, &here).await.as_array().map(Vec::len), Some(2));
}
