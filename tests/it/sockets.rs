//! WebSockets to the letter of `graphql-transport-ws`.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Gateway, Plan, cluster,
    socket::{Frame, Socket},
};

const PROTOCOL: Option<&str> = Some("graphql-transport-ws");

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_held_to_the_protocol() {
    let mut plan = Plan::default();
    plan.web.init_patience = std::time::Duration::from_secs(2);
    let gateway = Gateway::planned(plan).await;
    let init = json!({ "type": "connection_init" });
    let ask = |id: Value| json!({ "id": id, "type": "subscribe", "payload": { "query": "{ __typename }" } });
    for (what, messages, code, reason) in [
        ("a late init", vec![], 4408, "Connection initialisation timeout"),
        ("subscribe before init", vec![ask(json!("1"))], 4401, "Unauthorized"),
        ("a second init", vec![init.clone(), init.clone()], 4429, "Too many initialisation requests"),
        ("an unknown type", vec![json!({ "type": "start" })], 4400, "Unknown message type"),
        ("no type", vec![json!({})], 4400, "Unknown message type"),
        ("a list", vec![json!([])], 4400, "Messages are JSON objects"),
        ("an empty id", vec![init.clone(), ask(json!(""))], 4400, "An id is a string of 1 to 256 bytes"),
        ("a number for an id", vec![init.clone(), ask(json!(1))], 4400, "An id is a string of 1 to 256 bytes"),
        (
            "no payload",
            vec![init.clone(), json!({ "id": "1", "type": "subscribe" })],
            4400,
            "A subscribe has a payload",
        ),
        (
            "no query",
            vec![init.clone(), json!({ "id": "1", "type": "subscribe", "payload": {} })],
            4400,
            "`query` is missing.",
        ),
        ("a payload that is text", vec![json!({ "type": "ping", "payload": "x" })], 4400, "A payload is an object"),
        (
            "a bad token",
            vec![json!({ "type": "connection_init", "payload": { "authorization": "Bearer x" } })],
            4403,
            "Forbidden",
        ),
    ] {
        let mut socket = Socket::raw(&gateway, PROTOCOL).await;
        for message in &messages {
            socket.say(message.clone()).await;
        }
        let end = loop {
            if let Frame::Closed(code, reason) = socket.next().await {
                break (code, reason);
            }
        };
        assert_eq!(end, (code, reason.to_owned()), "{what}");
    }
    let mut socket = Socket::raw(&gateway, PROTOCOL).await;
    socket.say_text("{not json").await;
    assert_eq!(socket.closed().await.0, 4400);
    let mut socket = Socket::raw(&gateway, None).await;
    assert_eq!(socket.closed().await, (4406, "Subprotocol not acceptable".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_carries_many_operations() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let mut socket = Socket::raw(&gateway, PROTOCOL).await;
    // Before init, a ping is answered with its payload.
    socket.say(json!({ "type": "ping", "payload": { "t": 1 } })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong", "payload": { "t": 1 } }));
    socket.say(json!({ "type": "pong" })).await;
    socket.say(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", admin.token.as_deref().expect("a token")) } })).await;
    assert_eq!(socket.message().await, json!({ "type": "connection_ack" }));
    socket.subscribe("q", "{ me { email } }", json!({})).await;
    assert_eq!(
        socket.message().await,
        json!({ "id": "q", "type": "next", "payload": { "data": { "me": { "email": "admin@acme.example" } } } })
    );
    assert_eq!(socket.message().await, json!({ "id": "q", "type": "complete" }));
    // An id that has ended may be used again; one that lives may not.
    socket.subscribe("q", "{ nothing }", json!({})).await;
    let error = socket.message().await;
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("BAD_USER_INPUT"))
    );
    let watch = "subscription($id: ID!) { conversationEvents(conversationId: $id) { __typename } }";
    socket.subscribe("a", watch, json!({ "id": conversation })).await;
    socket.subscribe("b", watch, json!({ "id": conversation })).await;
    socket.say(json!({ "id": "b", "type": "complete" })).await;
    socket.say(json!({ "id": "unknown", "type": "complete" })).await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    let mut told = Socket::open(&gateway, admin.token.as_deref(), None).await;
    told.subscribe("1", watch, json!({ "id": conversation })).await;
    // A mutation beside them on the socket, until the first watcher is set up and hears of it.
    let send = "mutation($id: ID!) { updateConversation(id: $id, input: { status: HUMAN }) { id } sendMessage(input: { conversationId: $id, content: \"x\" }) { message { id } } }";
    loop {
        socket.subscribe("m", send, json!({ "id": conversation })).await;
        let mut heard = false;
        loop {
            let message = socket.message().await;
            assert_ne!(message["id"], "b", "it was ended");
            heard |= message["id"] == "a";
            if message["id"] == "m" && message["type"] == "complete" {
                break;
            }
        }
        if heard {
            break;
        }
    }
    socket.subscribe("a", watch, json!({ "id": conversation })).await;
    let end = loop {
        if let Frame::Closed(code, reason) = socket.next().await {
            break (code, reason);
        }
    };
    assert_eq!(end, (4409, "Subscriber for a already exists".to_owned()));
    // The other socket lives on, and hears what is said from now on.
    let variables = json!({ "id": conversation });
    let keep_sending = async {
        loop {
            admin.ask(send, variables.clone()).await;
        }
    };
    let heard = tokio::select! {
        message = told.message() => message,
        () = keep_sending => unreachable!("it never ends"),
    };
    assert_eq!(heard["payload"]["data"]["conversationEvents"]["__typename"], "MessageAdded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_holds_a_bounded_number_of_operations_and_bytes() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let watch = "subscription($id: ID!) { conversationEvents(conversationId: $id) { __typename } }";
    let mut socket = Socket::open(&gateway, admin.token.as_deref(), None).await;
    for number in 0..65 {
        socket.subscribe(&number.to_string(), watch, json!({ "id": conversation })).await;
    }
    assert_eq!(socket.closed().await, (4429, "Too many operations on this socket".to_owned()));
    let mut socket = Socket::open(&gateway, admin.token.as_deref(), None).await;
    socket.say_text(&"x".repeat(1_100 * 1024)).await;
    assert_eq!(socket.closed().await, (1009, "A message holds 1 MiB at most".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_answer_pings_is_let_go() {
    let mut plan = Plan::default();
    plan.web.ping = std::time::Duration::from_millis(30);
    let gateway = Gateway::planned(plan).await;
    // A raw connection, whose other end never reads and so never answers a ping.
    let mut raw = tokio::net::TcpStream::connect(gateway.address).await.expect("connected");
    raw.write_all(
        b"GET /graphql/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
    )
    .await
    .expect("asked");
    let mut bytes = Vec::new();
    // To the end: the server lets go, though nobody has said a word.
    tokio::time::timeout(std::time::Duration::from_secs(20), raw.read_to_end(&mut bytes))
        .await
        .expect("in time")
        .expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_not_have_is_not_said_and_a_tenant_may_be_a_number() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let (staff, root) = (acme.staff().await, gateway.root().await);
    let [staff, root] = [staff, root].map(|actor| format!("Bearer {}", actor.token.expect("a token")));
    let (staff, root) = (Some(staff.as_str()), Some(root.as_str()));
    let number = acme.id.0;
    let mut came = Vec::new();
    for (what, handshake, payload) in [
        ("a token that is null", None, json!({ "authorization": null })),
        ("a token that is empty", None, json!({ "authorization": "" })),
        ("null under one name, a token under the other", None, json!({ "authorization": null, "token": staff })),
        ("null, and a token in the handshake", staff, json!({ "authorization": null, "tenantId": "" })),
        ("nothing, and a token in the handshake", staff, json!({ "authorization": "", "x-tenant-id": null })),
        ("another token than in the handshake", staff, json!({ "authorization": root })),
        ("a tenant's number", root, json!({ "tenantId": number })),
        ("a tenant's number as text", root, json!({ "tenantId": number.to_string() })),
        ("no tenant", root, json!({ "tenantId": null })),
        ("half a number", root, json!({ "tenantId": 1.5 })),
        ("no name at all", root, json!({ "tenantId": [number] })),
        ("a token that is no text", staff, json!({ "authorization": true })),
    ] {
        let mut socket = Socket::proven(&gateway, handshake).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        let end = match socket.next().await {
            Frame::Closed(code, _) => code.to_string(),
            Frame::Message(_) => {
                socket.subscribe("1", "{ tenant { name } }", json!({})).await;
                let answer = socket.message().await["payload"].clone();
                let code = ["/0/extensions/code", "/errors/0/extensions/code"].map(|place| answer.pointer(place));
                let said = code[0].or(code[1]).or(answer.pointer("/data/tenant/name"));
                said.and_then(Value::as_str).unwrap_or_else(|| panic!("{what}: {answer}")).to_owned()
            }
        };
        came.push(format!("{what}: {end}"));
    }
    insta::assert_snapshot!(came.join("\n"), @r"
    a token that is null: UNAUTHENTICATED
    a token that is empty: UNAUTHENTICATED
    null under one name, a token under the other: acme Inc.
    null, and a token in the handshake: acme Inc.
    nothing, and a token in the handshake: acme Inc.
    another token than in the handshake: TENANT_REQUIRED
    a tenant's number: acme Inc.
    a tenant's number as text: acme Inc.
    no tenant: TENANT_REQUIRED
    half a number: 4403
    no name at all: 4403
    a token that is no text: 4403
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nobody_is_told_that_their_token_is_worth_nothing() {
    // Each look asks the database.
    let settings = vec![("IDENTITY_CACHE_MILLISECONDS", "0".to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let token = admin.token.as_deref().expect("a token");
    let end = async |token: &str| {
        let mut socket = Socket::raw(&gateway, PROTOCOL).await;
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        socket.closed().await
    };
    cluster::take_away(&gateway.database).await;
    let away = "The database can't be reached just now. Nothing was changed; try again in a moment.";
    assert_eq!(end(token).await, (1013, away.to_owned()));
    // What nobody signed is worth nothing at any time.
    assert_eq!(end("x").await, (4403, "Forbidden".to_owned()));
    cluster::give_back(&gateway.database).await;
    Socket::open(&gateway, Some(token), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_told_when_the_server_goes_down() {
    let mut gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway, None, None).await;
    gateway.stop().await;
    assert_eq!(socket.closed().await, (1001, "Going away".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_break_off_without_an_end_when_the_server_goes_down() {
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let mut gateway = Gateway::start().await;
        let mut stream = {
            let admin = gateway.tenant("acme").await.admin().await;
            let watch = json!({ "query": "subscription($id: ID!) { conversationEvents(conversationId: $id) { cursor } }",
                                "variables": { "id": admin.conversation().await } });
            admin.post("/graphql").header("accept", accept).json(&watch).send().await.expect("an answer")
        };
        gateway.until_watched().await;
        gateway.stop().await;
        // An end would say that the subscription is over, and clients would not come again.
        let mut text = Vec::new();
        let broken = loop {
            match stream.chunk().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let text = String::from_utf8(text).expect("text");
        assert!(broken && !text.contains("complete") && !text.contains("graphql--"), "{accept}: {text:?}");
    }
}

/// What was said, in short. Of a subscription's events, whose number is the server's, one is enough; errors are worded by each.
fn short(messages: &[Value]) -> Vec<String> {
    let mut all: Vec<_> = messages
        .iter()
        .map(|message| match (message["type"].as_str(), message["id"].as_str()) {
            (Some("error"), Some(id)) => format!("error {id}"),
            (Some("next"), Some("s")) => "next s".to_owned(),
            _ => message.to_string(),
        })
        .collect();
    all.dedup_by(|next, last| next == last && next == "next s");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_servers_own_recordings_hold_here() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/graphql-transport-ws.json")).expect("JSON");
    let mut plan = Plan::default();
    plan.web.init_patience = std::time::Duration::from_secs(1);
    let gateway = Gateway::planned(plan).await;
    let admin = gateway.tenant("acme").await.admin().await;
    let conversation = admin.conversation().await;
    let good = format!("Bearer {}", admin.token.as_deref().expect("a token"));
    let cases = vectors["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 21);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        // Better than the reference, as the recording itself says: the operation ends, and the socket lives.
        let (mut expected, mut end) = (case["server"].as_array().expect("messages").clone(), case["close"].clone());
        if name == "syntax-error" {
            expected.push(json!({ "id": "1", "type": "error" }));
            end = Value::Null;
        }
        let is_end = |message: &Value| message["type"] == "complete" || message["type"] == "error";
        let ends = expected.iter().any(is_end);
        // A client whose protocol is not echoed hangs up by itself: one that asks for none is told.
        let protocol = case["subprotocol"].as_str().filter(|protocol| Some(*protocol) == PROTOCOL);
        let mut socket = Socket::raw(&gateway, protocol).await;
        let mut heard = Vec::new();
        let mut closed = None;
        for message in case["client"].as_array().expect("messages") {
            let mut message = message.clone();
            // Their subscription becomes one of ours: one that ends, or one that is still there when its id comes again.
            if message["payload"]["query"] == "subscription{tick}" {
                let of_ours = if name == "duplicate-id" {
                    format!("conversationEvents(conversationId: \"{conversation}\")")
                } else {
                    "chat(input: { content: \"Hello\" })".to_owned()
                };
                message["payload"]["query"] = json!(format!("subscription {{ {of_ours} {{ cursor }} }}"));
            }
            // So does their token; and somebody has to be signed in to subscribe.
            if message["type"] == "connection_init" && case["init_accepted"] == true {
                message["payload"] = json!({ "authorization": good });
            }
            match message.as_str() {
                Some("WAIT") => {}
                Some(text) => socket.say_text(text).await,
                None => socket.say(message.clone()).await,
            }
            // What is to end is waited for; then its id may be used again.
            while ends && message["type"] == "subscribe" && closed.is_none() {
                match socket.next().await {
                    Frame::Message(message) => heard.push(message),
                    Frame::Closed(code, reason) => closed = Some((code, reason)),
                }
                if heard.last().is_some_and(is_end) {
                    break;
                }
            }
        }
        if end.is_null() {
            // Nothing more comes: what is asked last is answered last.
            socket.say(json!({ "type": "ping", "payload": { "last": true } })).await;
            expected.push(json!({ "type": "pong", "payload": { "last": true } }));
        }
        let until_pong = |heard: &[Value]| heard.last().is_some_and(|last| last["payload"]["last"] == true);
        while closed.is_none() && !until_pong(&heard) {
            match socket.next().await {
                Frame::Message(message) => heard.push(message),
                Frame::Closed(code, reason) => closed = Some((code, reason)),
            }
        }
        // What is malformed is worded by each.
        let told = closed.map(|(code, reason)| if code == 4400 { json!([code]) } else { json!([code, reason]) });
        let end = if end["code"] == 4400 { json!([4400]) } else { json!([end["code"], end["reason"]]) };
        assert_eq!(told.unwrap_or(json!([null, null])), end, "{name}: {heard:?}");
        assert_eq!(short(&heard), short(&expected), "{name}");
    }
}
