//! Conversations by text and by mail that staff began: nobody wrote there, so there is nobody to be answered.

use serde_json::json;

use crate::{
    chat::history,
    support::{
        code,
        fake_google::FakeGoogle,
        mailbox::{self, DESK},
        phones::set_sms,
        said,
        shop::OURS,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_say_where_nobody_wrote_is_refused_and_nobodys_words() {
    let google = FakeGoogle::start().await;
    let gateway = mailbox::gateway(&google).await;
    let admin = mailbox::with_mailbox(&google, &gateway.tenant("acme").await).await;
    set_sms(&admin, json!({ "isEnabled": true, "telnyxPhoneNumber": OURS })).await;
    let start = "mutation($i: StartConversationInput!) { startConversation(input: $i) { id channel } }";
    let set =
        "mutation($id: ID!, $s: ConversationStatus!) { updateConversation(id: $id, input: { status: $s }) { status } }";
    let send = "mutation($id: ID!) { sendMessage(input: { conversationId: $id, content: \"Yes, at 9.\" }) { message { role } } }";
    for (channel, why) in [("EMAIL", "by mail, so there is no thread"), ("SMS", "by text, so there is no number")] {
        let begun = admin.ask(start, json!({ "i": { "channel": channel } })).await["data"]["startConversation"].clone();
        assert_eq!(begun["channel"], channel, "it is begun all the same");
        let id = begun["id"].as_str().expect("an id");
        // Whoever answers there: both the number and the mailbox are ready.
        for status in ["HUMAN", "BOT"] {
            admin.ask(set, json!({ "id": id, "s": status })).await;
            let answer = admin.ask(send, json!({ "id": id })).await;
            assert_eq!(code(&answer), "CONFLICT", "{channel} {status}");
            assert!(said(&answer).contains(why), "{answer}");
        }
        assert_eq!(code(&admin.chat(id, "Yes, at 9.").await.error().await), "CONFLICT", "{channel}");
        assert_eq!(history(&admin, id).await, json!([]), "{channel}");
    }
    gateway.work().await;
    assert!(google.sent(DESK).is_empty());
}
