//! What is sent again: the same message of the same sender, and nothing else.

use serde_json::{Value, json};

use crate::{
    chat::history,
    support::{
        Actor, Answer, CHAT, Gateway, Plan, code,
        shop::{Shop, THEIRS, carried},
    },
};

const SEND: &str =
    "mutation($input: SendMessageInput!) { sendMessage(input: $input) { conversation { id } message { id } } }";

fn input(conversation: &str, content: &str, id: &str) -> Value {
    json!({ "input": { "conversationId": conversation, "content": content, "clientMessageId": id } })
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
