//! Somebody visits a tenant's website and chats without a name: what their token opens, and nothing else.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::{
    chat::{history, kinds, shown, with_faq},
    support::{
        Gateway, SECRET, code,
        fake_model::{FakeModel, Script},
        said,
        socket::Socket,
    },
};

const SEND: &str =
    "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { role } reply { id } } }";
const START: &str = "mutation($i: StartVisitorSessionInput!) { startVisitorSession(input: $i) { accessToken } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_asks_reads_along_and_comes_back_after_a_reload() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let answer = gateway.stranger().visit("acme").await;
    insta::assert_json_snapshot!(answer, { ".data.startVisitorSession.accessToken" => "[token]" }, @r#"
    {
      "data": {
        "startVisitorSession": {
          "accessToken": "[token]",
          "expiresIn": 43200,
          "conversation": {
            "id": "conversation_1"
          }
        }
      }
    }
    "#);
    let token = answer["data"]["startVisitorSession"]["accessToken"].as_str().expect("a token");
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).expect("a token").claims;
    insta::assert_json_snapshot!(claims, { ".sub" => "[uuid]", ".jti" => "[uuid]" }, @r#"
    {
      "iss": "frontdesk",
      "aud": "frontdesk:visitor",
      "typ": "visitor",
      "sub": "[uuid]",
      "tenant_id": 1001,
      "conversation_id": 1,
      "jti": "[uuid]",
      "iat": 1795262400,
      "exp": 1795305600
    }
    "#);
    let visitor = gateway.stranger().with_token(token);

    // Without naming a conversation: there is only one.
    let input = json!({ "input": { "content": "Is an anvil heavy?", "clientMessageId": "one" } });
    let events = visitor.subscribe(crate::support::CHAT, input.clone()).await.all().await;
    assert_eq!(kinds(&events), ["MessageAdded", "ReplyStarted", "ReplyDelta", "ReplyCompleted"]);
    assert_eq!(shown(&events), "About as heavy as it looks.");
    // Sent again it is the same message.
    let again = visitor.subscribe(crate::support::CHAT, input).await.all().await;
    assert_eq!(again[0]["message"], events[0]["message"]);

    // The page is loaded anew: a fresh token, the same conversation, what was said, and what is said from now on.
    let renewed = visitor
        .data("mutation { renewVisitorSession { accessToken expiresIn cursor conversation { id status messages(last: 50) { totalCount nodes { role status content clientMessageId } } } } }")
        .await;
    insta::assert_json_snapshot!(renewed, { ".renewVisitorSession.accessToken" => "[token]" }, @r#"
    {
      "renewVisitorSession": {
        "accessToken": "[token]",
        "expiresIn": 43200,
        "cursor": "1795262399999-0",
        "conversation": {
          "id": "conversation_1",
          "status": "BOT",
          "messages": {
            "totalCount": 2,
            "nodes": [
              {
                "role": "CUSTOMER",
                "status": "COMPLETE",
                "content": "Is an anvil heavy?",
                "clientMessageId": "one"
              },
              {
                "role": "ASSISTANT",
                "status": "COMPLETE",
                "content": "About as heavy as it looks.",
                "clientMessageId": null
              }
            ]
          }
        }
      }
    }
    "#);
    let fresh = visitor.with_token(renewed["renewVisitorSession"]["accessToken"].as_str().expect("a token"));
    let after = events[0]["cursor"].as_str().expect("a cursor");
    let mut watched = fresh.watch("conversation_1", Some(after)).await;
    watched.expect("ReplyStarted").await;
    // From the beginning: everything, as whole texts, and then what comes.
    let start = renewed["renewVisitorSession"]["cursor"].as_str().expect("a cursor");
    let mut watched = fresh.watch("conversation_1", Some(start)).await;
    assert_eq!(watched.expect("MessageAdded").await["message"]["content"], "Is an anvil heavy?");
    assert_eq!(watched.expect("ReplySnapshot").await["text"], "About as heavy as it looks.");
    watched.expect("ReplyCompleted").await;
    fresh.ask(SEND, json!({ "input": { "content": "Thanks" } })).await;
    assert_eq!(watched.expect("MessageAdded").await["message"]["content"], "Thanks");
    // The tenant's people see the conversation as any other.
    assert_eq!(history(&admin, "conversation_1").await.as_array().expect("a list").len(), 4);
    let log = admin
        .data(r#"{ auditLog(filter: { action: "visitor" }, first: 5) { nodes { action actor { id } target } } }"#)
        .await;
    insta::assert_json_snapshot!(log, @r#"
    {
      "auditLog": {
        "nodes": [
          {
            "action": "visitor.start",
            "actor": null,
            "target": "conversation_1"
          }
        ]
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_s_token_opens_one_conversation_and_nothing_else() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let acme =
        crate::support::Tenant { gateway: &gateway, id: frontdesk::kernel::ids::TenantId(1001), slug: "acme".into() };
    let (ann, anns) = acme.visitor().await;
    let (bob, bobs) = acme.visitor().await;
    ann.chat(&anns, "Is an anvil heavy?").await.all().await;
    // Another's conversation is as one that is not there, and so are its messages.
    for (document, missing) in [
        ("{ conversation(id: \"ID\") { id } }", "conversation_999999"),
        (
            "mutation { sendMessage(input: { conversationId: \"ID\", content: \"x\" }) { message { id } } }",
            "conversation_999999",
        ),
        ("mutation { revokeVisitorSessions(conversationId: \"ID\") }", "conversation_999999"),
        ("mutation { stopReply(messageId: \"ID\") { id } }", "message_999999"),
    ] {
        let theirs = if missing.starts_with("message") { "message_2" } else { anns.as_str() };
        let (theirs, nobodys) =
            (bob.query(&document.replace("ID", theirs)).await, bob.query(&document.replace("ID", missing)).await);
        assert_eq!(theirs, nobodys, "{document}");
    }
    for id in [anns.as_str(), "conversation_999999"] {
        assert_eq!(code(&bob.watch(id, None).await.error().await), "NOT_FOUND");
        assert_eq!(code(&bob.chat(id, "x").await.error().await), "NOT_FOUND");
    }
    // Of their own they see what was said, and nothing of how, of whom it is linked to, or who else is there.
    bob.chat(&bobs, "Is an anvil heavy?").await.all().await;
    for field in [
        "lead { id }",
        "subject",
        "messages { nodes { author { email } } }",
        "messages { nodes { tokens { model } } }",
        "messages { nodes { promptHash } }",
        "messages { nodes { sources { text } } }",
        "messages { nodes { conversation { lead { notes } } } }",
        "messages { edges { node { ...M } } }",
    ] {
        let fragment = if field.contains("...M") { " fragment M on Message { promptHash }" } else { "" };
        let document = format!("{{ conversation(id: \"{bobs}\") {{ {field} }} }}{fragment}");
        let answer = bob.query(&document).await;
        assert_eq!(code(&answer), "FORBIDDEN", "{document}: {answer}");
        assert!(answer["data"].is_null());
        admin.data(&document).await;
    }
    let nosy =
        "subscription($i: SendMessageInput!) { chat(input: $i) { ... on ReplyCompleted { message { promptHash } } } }";
    let refused = bob.subscribe(nosy, json!({ "i": { "content": "x" } })).await.error().await;
    assert_eq!(code(&refused), "FORBIDDEN");
    insta::assert_snapshot!(said(&bob.query("{ leads { totalCount } }").await), @"This is a website visitor's token, which is good for the visitor's own conversation only.");
    // What is not asked of the database does not need a tenant either.
    assert_eq!(code(&bob.query("{ me { id } }").await), "FORBIDDEN");
    assert_eq!(code(&bob.in_tenant("acme").query("{ tenant { id } }").await), "FORBIDDEN");
    gateway.tenant("rival").await;
    assert_eq!(
        code(&bob.in_tenant("rival").query(&format!("{{ conversation(id: \"{bobs}\") {{ id }} }}")).await),
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_kind_is_none_of_the_other_and_a_changed_one_is_none_at_all() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let staff = acme.staff().await;
    let (visitor, conversation) = acme.visitor().await;
    let (_, second) = acme.visitor().await;
    let (good, persons) = (visitor.token.clone().expect("a token"), staff.token.clone().expect("a token"));
    let signed = |token: &str, changes: Value, secret: &str| {
        let mut claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).expect("a token").claims;
        for (name, value) in changes.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
    };
    let number = |id: &str| id.trim_start_matches("conversation_").parse::<i64>().expect("a number");
    let document = format!("{{ conversation(id: \"{conversation}\") {{ id }} }}");
    for (what, token) in [
        ("a visitor's as a person's", signed(&good, json!({ "typ": "access" }), SECRET)),
        ("a visitor's for people", signed(&good, json!({ "typ": "access", "aud": "frontdesk:graph" }), SECRET)),
        (
            "a visitor's with a person's claims",
            signed(
                &good,
                json!({ "typ": "access", "aud": "frontdesk:graph", "sub": "2",
            "email": "a@b.c", "role": "TENANT_ADMIN", "sid": "00000000-0000-4000-8000-000000000000" }),
                SECRET,
            ),
        ),
        ("a person's as a visitor's", signed(&persons, json!({ "typ": "visitor" }), SECRET)),
        ("a person's for visitors", signed(&persons, json!({ "typ": "visitor", "aud": "frontdesk:visitor" }), SECRET)),
        (
            "a person's with a visitor's claims",
            signed(
                &persons,
                json!({ "typ": "visitor", "aud": "frontdesk:visitor",
            "sub": "00000000-0000-4000-8000-000000000000", "conversation_id": number(&conversation) }),
                SECRET,
            ),
        ),
        ("another conversation", signed(&good, json!({ "conversation_id": number(&second) }), SECRET)),
        ("another tenant", signed(&good, json!({ "tenant_id": rival.id.0 }), SECRET)),
        ("no tenant", signed(&good, json!({ "tenant_id": null }), SECRET)),
        ("another session", signed(&good, json!({ "sub": "00000000-0000-4000-8000-000000000000" }), SECRET)),
        ("wrong audience", signed(&good, json!({ "aud": "frontdesk:graph" }), SECRET)),
        ("wrong issuer", signed(&good, json!({ "iss": "evil" }), SECRET)),
        ("expired", signed(&good, json!({ "exp": 1 }), SECRET)),
        ("issued in the future", signed(&good, json!({ "iat": 9_999_999_999_i64 }), SECRET)),
        ("another secret", signed(&good, json!({}), "another-secret-0123456789abcdefghi")),
        ("cut", good[..good.len() - 4].to_owned()),
    ] {
        for document in [document.as_str(), "{ leads { totalCount } }"] {
            let answer = visitor.with_token(&token).query(document).await;
            assert_eq!(code(&answer), "UNAUTHENTICATED", "{what}: {answer}");
        }
    }
    // A person of the tenant may do what a visitor may, but for what is a visitor's own.
    staff.data(&document).await;
    assert_eq!(code(&staff.query("mutation { renewVisitorSession { expiresIn } }").await), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_time_its_revocation_its_tenant_and_its_conversation() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let look = |id: &str| format!("{{ conversation(id: \"{id}\") {{ id }} }}");
    let (early, first) = acme.visitor().await;
    gateway.clock.advance(chrono::TimeDelta::hours(11));
    let renewed = early.data("mutation { renewVisitorSession { accessToken } }").await;
    let renewed = early.with_token(renewed["renewVisitorSession"]["accessToken"].as_str().expect("a token"));
    gateway.clock.advance(chrono::TimeDelta::hours(2));
    assert_eq!(code(&early.query(&look(&first)).await), "UNAUTHENTICATED", "its own token has expired");
    renewed.data(&look(&first)).await;

    let staff = acme.staff().await;
    // Staff end it: what is open is closed, and the token is worth nothing.
    let mut socket = Socket::open(&gateway, renewed.token.as_deref(), None).await;
    assert_eq!(
        staff.data(&format!("mutation {{ revokeVisitorSessions(conversationId: \"{first}\") }}")).await["revokeVisitorSessions"],
        1
    );
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    assert_eq!(code(&renewed.query(&look(&first)).await), "UNAUTHENTICATED");
    assert_eq!(code(&renewed.query("mutation { renewVisitorSession { expiresIn } }").await), "UNAUTHENTICATED");

    // A visitor ends it themselves.
    let (visitor, second) = acme.visitor().await;
    visitor.data(&format!("mutation {{ revokeVisitorSessions(conversationId: \"{second}\") }}")).await;
    insta::assert_snapshot!(said(&visitor.query(&look(&second)).await), @"This chat has ended. Start a new one with startVisitorSession.");

    let (visitor, third) = acme.visitor().await;
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner.batch_execute("DELETE FROM conversations WHERE id = 3").await.expect("gone");
    // Done behind the server's back, so what it remembers of the visitor stands for a second. There is nothing to see meanwhile.
    loop {
        let answer = visitor.query(&look(&third)).await;
        if answer.get("errors").is_some() {
            break;
        }
        assert!(answer["data"]["conversation"].is_null(), "{answer}");
    }
    assert_eq!(code(&visitor.query(&look(&third)).await), "UNAUTHENTICATED");

    let (visitor, fourth) = acme.visitor().await;
    gateway.root().await.data("mutation { deactivateTenant(id: \"tenant_1001\") { id } }").await;
    assert_eq!(code(&visitor.query(&look(&fourth)).await), "TENANT_INACTIVE");
    assert_eq!(code(&gateway.stranger().visit("acme").await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_answers_the_visitor_stays_the_customer() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let answer = gateway.stranger().visit("acme").await;
    let visitor =
        gateway.stranger().with_token(answer["data"]["startVisitorSession"]["accessToken"].as_str().expect("a token"));
    admin.data("mutation { updateConversation(id: \"conversation_1\", input: { status: HUMAN }) { id } }").await;
    let start =
        visitor.data("mutation { renewVisitorSession { cursor } }").await["renewVisitorSession"]["cursor"].clone();
    let mut watched = visitor.watch("conversation_1", start.as_str()).await;
    let sent = visitor.ask(SEND, json!({ "input": { "content": "Is somebody there?" } })).await;
    assert_eq!(sent["data"]["sendMessage"], json!({ "message": { "role": "CUSTOMER" }, "reply": null }));
    let sent = admin.ask(SEND, json!({ "input": { "conversationId": "conversation_1", "content": "I am." } })).await;
    assert_eq!(sent["data"]["sendMessage"], json!({ "message": { "role": "AGENT" }, "reply": null }));
    for (role, content) in [("CUSTOMER", "Is somebody there?"), ("AGENT", "I am.")] {
        let message = watched.expect("MessageAdded").await["message"].clone();
        assert_eq!((&message["role"], &message["content"]), (&json!(role), &json!(content)));
    }
    // `chat` tells of the message and ends: nobody but a person will answer.
    assert_eq!(kinds(&visitor.chat("conversation_1", "Good.").await.all().await), ["MessageAdded"]);
    admin.data("mutation { updateConversation(id: \"conversation_1\", input: { status: CLOSED }) { id } }").await;
    let closed = visitor.ask(SEND, json!({ "input": { "content": "Hello?" } })).await;
    insta::assert_snapshot!(format!("{} {}", code(&closed), said(&closed)), @"CONFLICT This conversation is closed. Start a new one with startVisitorSession.");
    assert_eq!(history(&visitor, "conversation_1").await.as_array().expect("a list").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_machinery_notes_is_not_for_visitors() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    let acme = gateway.tenant("acme").await;
    let (visitor, conversation) = acme.visitor().await;
    crate::support::cluster::owner(&gateway.database)
        .await
        .batch_execute(
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at)
             VALUES (1001, 1, 'TOOL', 'COMPLETE', 'internal', now(), now()), (1001, 1, 'SYSTEM', 'COMPLETE', 'internal', now(), now())",
        )
        .await
        .expect("rows");
    let seen = visitor
        .data(&format!(
            "{{ conversation(id: \"{conversation}\") {{ messages {{ totalCount nodes {{ content }} }} }} }}"
        ))
        .await;
    assert_eq!(seen["conversation"]["messages"], json!({ "totalCount": 0, "nodes": [] }));
    // A visitor stops what is being written to them.
    let mut events = visitor.chat(&conversation, "Tell me everything").await;
    let call = model.call().await;
    call.text("It all began ").await;
    events.expect("MessageAdded").await;
    let reply = events.expect("ReplyStarted").await["message"]["id"].as_str().expect("an id").to_owned();
    events.expect("ReplyDelta").await;
    let stopped = visitor.data(&format!("mutation {{ stopReply(messageId: \"{reply}\") {{ status content }} }}")).await;
    assert_eq!(stopped["stopReply"], json!({ "status": "CANCELLED", "content": "It all began " }));
    call.left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_known_is_linked_and_left_as_it_is() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data(r#"mutation { createLead(input: { name: "Maya", email: "maya@example.net" }) { id } }"#).await;
    let stranger = gateway.stranger();
    for lead in [
        json!({ "name": "Mallory", "email": "maya@example.net", "phone": "+15550100666", "notes": "Call this number!" }),
        json!({ "name": "Nia", "email": "nia@example.net", "source": "SMS" }),
    ] {
        let answer = stranger.ask(START, json!({ "i": { "subdomain": "acme", "lead": lead } })).await;
        assert!(answer["data"]["startVisitorSession"]["accessToken"].is_string(), "{answer}");
    }
    let seen = admin
        .data("{ leads(orderBy: { field: CREATED_AT, direction: ASC }) { nodes { name phone notes source conversations { totalCount } } } }")
        .await;
    insta::assert_json_snapshot!(seen["leads"]["nodes"], @r#"
    [
      {
        "name": "Maya",
        "phone": null,
        "notes": null,
        "source": "WEB",
        "conversations": {
          "totalCount": 1
        }
      },
      {
        "name": "Nia",
        "phone": null,
        "notes": null,
        "source": "WEB",
        "conversations": {
          "totalCount": 1
        }
      }
    ]
    "#);
    for lead in [json!({ "notes": "x" }), json!({})] {
        let nobody = stranger.ask(START, json!({ "i": { "subdomain": "acme", "lead": lead } })).await;
        assert_eq!((code(&nobody), &nobody["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!("lead")));
    }
}
