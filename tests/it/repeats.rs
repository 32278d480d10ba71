//! What is sent again: the same message of the same sender, and nothing else.

use serde_json::{Value, json};

use crate::{
    chat::{history, kinds, with_faq},
    support::{
        Actor, Answer, CHAT, Gateway, Plan, code,
        fake_model::{FakeModel, Script},
        fake_phones::FakePhones,
        shop::{Shop, THEIRS, carried},
    },
};

const SEND: &str =
    "mutation($input: SendMessageInput!) { sendMessage(input: $input) { conversation { id } message { id } } }";

fn input(conversation: &str, content: &str, id: &str) -> Value {
    json!({ "input": { "conversationId": conversation, "content": content, "clientMessageId": id } })
}

fn cursor(event: &Value) -> &str {
    event["cursor"].as_str().expect("a cursor")
}

fn refusal(answer: &Answer) -> (&str, &Value) {
    (code(answer), &answer["errors"][0]["extensions"]["field"])
}

async fn hand_over(admin: &Actor<'_>, conversation: &str) {
    let update = format!("updateConversation(id: \"{conversation}\", input: {{ status: HUMAN }}) {{ id }}");
    admin.data(&format!("mutation {{ {update} }}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_one_message_of_one_sender() {
    let settings = vec![("GRAPHQL_BATCH_MAX", "10".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff) = (acme.admin().await, acme.staff().await);
    let conversation = admin.conversation().await;
    let send = async |who: &Actor<'_>, content: &str| who.ask(SEND, input(&conversation, content, "c-1")).await;
    let field = json!("clientMessageId");
    let conflict = ("CONFLICT", &field);
    let first = send(&admin, "Hello").await;
    assert_eq!(first["data"]["sendMessage"]["message"]["id"], "message_1", "{first}");
    // Blanks around it are not kept, and so are no other words.
    assert_eq!(send(&admin, "  Hello\n").await, first);
    for (who, content) in [(&staff, "Hello"), (&staff, "Goodbye"), (&admin, "Goodbye"), (&admin, "hello")] {
        assert_eq!(refusal(&send(who, content).await), conflict, "{content}");
        let mut chat = who.subscribe(CHAT, input(&conversation, content, "c-1")).await;
        assert_eq!(refusal(&chat.error().await), conflict, "{content}");
    }
    let told = admin.subscribe(CHAT, input(&conversation, "Hello", "c-1")).await.all().await;
    assert_eq!(told[0]["message"]["id"], "message_1");
    let said = |content: &str| json!({ "query": SEND, "variables": input(&conversation, content, "c-2") });
    let batch = json!([said("Once"), said("Once"), said("Twice")]);
    let answers = admin.post("/graphql").json(&batch).send().await.expect("an answer");
    let answers: Vec<Value> = answers.json().await.expect("JSON");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["data"]["sendMessage"]["message"]["id"], "message_3", "{answers:?}");
    assert_eq!(refusal(&answers[2]), conflict);
    // What was the customer's part stays it, also when a person has taken over before it is sent again.
    hand_over(&admin, &conversation).await;
    assert_eq!(send(&admin, "Hello").await, first);
    assert_eq!(history(&admin, &conversation).await.as_array().map(Vec::len), Some(4));
    // A first message opens a conversation of its sender's own, and is that one message too.
    let open = async |who: &Actor<'_>, content: &str| {
        who.ask(SEND, json!({ "input": { "content": content, "clientMessageId": "c-1" } })).await
    };
    let opened = open(&admin, "Hello").await;
    assert_eq!(open(&admin, "Hello").await, opened);
    assert_eq!(refusal(&open(&admin, "Goodbye").await), conflict);
    let of_staff = open(&staff, "Goodbye").await["data"]["sendMessage"]["conversation"]["id"].clone();
    assert!(of_staff.is_string() && of_staff != opened["data"]["sendMessage"]["conversation"]["id"], "{of_staff}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_id_is_not_their_answerers() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, (visitor, conversation)) = (acme.admin().await, acme.visitor().await);
    hand_over(&admin, &conversation).await;
    let said = input(&conversation, "Yes", "1");
    let first = visitor.ask(SEND, said.clone()).await;
    assert_eq!(first["data"]["sendMessage"]["message"]["id"], "message_1", "{first}");
    assert_eq!(code(&admin.ask(SEND, said.clone()).await), "CONFLICT");
    assert_eq!(visitor.ask(SEND, said).await, first);
    let (yes, no) = (input(&conversation, "Yes", "2"), input(&conversation, "No", "2"));
    assert_eq!(admin.ask(SEND, yes.clone()).await["data"]["sendMessage"]["message"]["id"], "message_2");
    for other in [yes, no] {
        assert_eq!(code(&visitor.ask(SEND, other).await), "CONFLICT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_like_a_providers_takes_no_message_of_a_customers_away() {
    let (_phones, gateway) = carried().await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Hello?").await;
    let known = "{ conversation(id: \"conversation_1\") { messages { nodes { clientMessageId } } } }";
    let known = shop.admin.data(known).await["conversation"]["messages"]["nodes"][0]["clientMessageId"].clone();
    let known = known.as_str().expect("an id").to_owned();
    let send = async |conversation: &str, content: &str, id: &str| {
        shop.admin.ask(SEND, input(conversation, content, id)).await
    };
    // It is the customer's, whatever staff say under it; and so is the next one, which is still to come.
    assert_eq!(code(&send("conversation_1", "Hello?", &known).await), "CONFLICT");
    for id in [known.replace("e1", "e2").as_str(), "TWILIO:SM1", "gmail:1", "call/1/1"] {
        let answer = send("conversation_1", "Hello!", id).await;
        assert_eq!(refusal(&answer), ("BAD_USER_INPUT", &json!("clientMessageId")), "{id}");
    }
    shop.hears("e2", THEIRS, "Are you there?").await;
    shop.hears("e2", THEIRS, "Are you there?").await;
    assert_eq!(shop.roles().await, ["CUSTOMER", "ASSISTANT", "CUSTOMER", "ASSISTANT"]);
    // On the web no provider tells of anything, and every id is the client's own.
    let web = shop.admin.conversation().await;
    assert!(send(&web, "Hello", &known).await.get("errors").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_off_while_a_message_is_told_again_is_told_the_rest() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let admin = with_faq(&gateway).await;
    let conversation = admin.conversation().await;
    let chat = async || admin.subscribe(CHAT, input(&conversation, "Hello", "c-1")).await;
    let mut first = chat().await;
    let call = model.call().await;
    call.text("One ").await;
    for kind in ["MessageAdded", "ReplyStarted", "ReplyDelta"] {
        first.expect(kind).await;
    }
    drop(first);
    // While it is written. Behind the message comes the reply from its beginning, behind its text so far what is new.
    let mut again = chat().await;
    let asked = again.expect("MessageAdded").await;
    let so_far = again.expect("ReplySnapshot").await;
    assert_eq!(so_far["text"], "One ");
    drop(again);
    let mut behind_question = admin.watch(&conversation, Some(cursor(&asked))).await;
    behind_question.expect("ReplyStarted").await;
    assert_eq!(behind_question.expect("ReplyDelta").await["text"], "One ");
    let mut behind_text = admin.watch(&conversation, Some(cursor(&so_far))).await;
    call.text("two.").await;
    call.finish().await;
    for watcher in [&mut behind_question, &mut behind_text] {
        assert_eq!(watcher.expect("ReplyDelta").await["text"], "two.");
        assert_eq!(watcher.expect("ReplyCompleted").await["message"]["content"], "One two.");
    }
    // And once it is whole.
    let again = chat().await.all().await;
    assert_eq!(kinds(&again), ["MessageAdded", "ReplySnapshot", "ReplyCompleted"]);
    for event in &again[..2] {
        let mut rest = admin.watch(&conversation, Some(cursor(event))).await;
        for kind in ["ReplyStarted", "ReplyDelta", "ReplyDelta"] {
            rest.expect(kind).await;
        }
        assert_eq!(rest.expect("ReplyCompleted").await["message"]["content"], "One two.");
    }
    // Behind its end comes what is said next.
    let mut next = admin.watch(&conversation, Some(cursor(&again[2]))).await;
    admin.ask(SEND, input(&conversation, "Thanks", "c-2")).await;
    assert_eq!(next.expect("MessageAdded").await["message"]["content"], "Thanks");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_rest_is_told_as_whole_texts() {
    let mut gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let (token, database) = (admin.token.clone(), gateway.database.clone());
    let conversation = admin.conversation().await;
    let question = input(&conversation, "Is an anvil heavy?", "c-1");
    admin.subscribe(CHAT, question.clone()).await.all().await;
    gateway.stop().await;
    let again = Gateway::planned(Plan { database: Some(database), ..Plan::default() }).await;
    again.clock.advance(chrono::TimeDelta::minutes(1));
    let admin = Actor { token, ..again.stranger() };
    let told = admin.subscribe(CHAT, question).await.all().await;
    assert_eq!(kinds(&told), ["MessageAdded", "ReplySnapshot", "ReplyCompleted"]);
    let mut rest = admin.watch(&conversation, Some(cursor(&told[0]))).await;
    assert_eq!(rest.expect("ReplySnapshot").await["text"], "About as heavy as it looks.");
    assert_eq!(rest.expect("ReplyCompleted").await["message"], told[2]["message"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_answered_meanwhile_is_part_of_the_rest() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (admin, (visitor, conversation)) = (acme.admin().await, acme.visitor().await);
    hand_over(&admin, &conversation).await;
    let question = input(&conversation, "Is anybody there?", "1");
    visitor.subscribe(CHAT, question.clone()).await.all().await;
    admin.ask(SEND, input(&conversation, "I am.", "2")).await;
    let told = visitor.subscribe(CHAT, question).await.all().await;
    assert_eq!(kinds(&told), ["MessageAdded"]);
    let mut rest = visitor.watch(&conversation, Some(cursor(&told[0]))).await;
    assert_eq!(rest.expect("MessageAdded").await["message"]["content"], "I am.");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_told_that_a_reply_failed_hears_it_written_anew() {
    let (phones, model) = (FakePhones::start().await, FakeModel::start(Script::Status(500, "{}".to_owned())).await);
    let plan = || Plan { settings: phones.settings(), model: Some(model.base_url.clone()), ..Plan::default() };
    let mut gateway = Gateway::planned(plan()).await;
    let shop = Shop::open(&gateway).await;
    shop.hears("e1", THEIRS, "Any room on Saturday?").await;
    let mut watcher = shop.admin.watch("conversation_1", Some("1-0")).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Value| event["__typename"] != "ReplyFailed") {
        told.push(watcher.next().await.expect("more"));
    }
    let (failed, token) = (cursor(told.last().expect("its end")).to_owned(), shop.admin.token.clone());
    drop(watcher);
    let database = gateway.database.clone();
    gateway.stop().await;
    // On the next server the text's job is taken up again, while the watcher comes back with the place where it stood.
    let again = Gateway::planned(Plan { database: Some(database), ..plan() }).await;
    again.clock.advance(chrono::TimeDelta::minutes(1));
    model.calls().await;
    model.script(Script::ByHand);
    let admin = Actor { token, ..again.stranger() };
    let heard = async {
        let call = model.call().await;
        call.text("At").await;
        let mut watcher = admin.watch("conversation_1", Some(&failed)).await;
        let first = watcher.next().await.expect("the text so far");
        call.text(" 10.").await;
        call.finish().await;
        let mut heard = vec![first];
        while heard.last().is_some_and(|event| event["__typename"] != "ReplyCompleted") {
            heard.push(watcher.next().await.expect("more"));
        }
        heard
    };
    let (_, heard) = tokio::join!(again.work(), heard);
    assert!(heard.len() > 1, "{heard:?}");
    assert_eq!(phones.arrived(), ["At 10."]);
}
