//! HTTP and WebSocket to the letter of their protocols.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Gateway, Plan,
    socket::{Frame, Socket},
};

const PROTOCOL: Option<&str> = Some("graphql-transport-ws");

#[tokio::test(flavor = "multi_thread")]
async fn statuses_follow_the_media_type() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    let mut seen = Vec::new();
    for accept in ["application/json", "application/graphql-response+json", "*/*", "text/html", ""] {
        for (what, body) in [
            ("data", json!({ "query": "{ __typename }" })),
            ("null data", json!({ "query": "{ lead(id: \"lead_1\") { id } }" })),
            ("field error", json!({ "query": "{ lead(id: \"1\") { id } }" })),
            ("syntax", json!({ "query": "{" })),
            ("validation", json!({ "query": "{ nothing }" })),
            ("forbidden", json!({ "query": "{ tenants { totalCount } }" })),
            ("no query", json!({ "query": null })),
            ("batch", json!([{ "query": "{ __typename }" }])),
        ] {
            let mut request = staff.post("/graphql").json(&body);
            if !accept.is_empty() {
                request = request.header(header::ACCEPT, accept);
            }
            let response = request.send().await.expect("an answer");
            let (status, media) =
                (response.status().as_u16(), response.headers()["content-type"].to_str().expect("text").to_owned());
            let answer: Value = response.json().await.expect("JSON");
            seen.push(format!("{accept:<34} {what:<12} {status} {media} data: {}", answer.get("data").is_some()));
        }
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    application/json                   data         200 application/json; charset=utf-8 data: true
    application/json                   null data    200 application/json; charset=utf-8 data: true
    application/json                   field error  200 application/json; charset=utf-8 data: true
    application/json                   syntax       200 application/json; charset=utf-8 data: false
    application/json                   validation   200 application/json; charset=utf-8 data: false
    application/json                   forbidden    200 application/json; charset=utf-8 data: false
    application/json                   no query     400 application/json; charset=utf-8 data: false
    application/json                   batch        400 application/json; charset=utf-8 data: false
    application/graphql-response+json  data         200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  null data    200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  field error  200 application/graphql-response+json; charset=utf-8 data: true
    application/graphql-response+json  syntax       400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  validation   400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  forbidden    403 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  no query     400 application/graphql-response+json; charset=utf-8 data: false
    application/graphql-response+json  batch        400 application/graphql-response+json; charset=utf-8 data: false
    */*                                data         200 application/json; charset=utf-8 data: true
    */*                                null data    200 application/json; charset=utf-8 data: true
    */*                                field error  200 application/json; charset=utf-8 data: true
    */*                                syntax       200 application/json; charset=utf-8 data: false
    */*                                validation   200 application/json; charset=utf-8 data: false
    */*                                forbidden    200 application/json; charset=utf-8 data: false
    */*                                no query     400 application/json; charset=utf-8 data: false
    */*                                batch        400 application/json; charset=utf-8 data: false
    text/html                          data         406 application/json; charset=utf-8 data: false
    text/html                          null data    406 application/json; charset=utf-8 data: false
    text/html                          field error  406 application/json; charset=utf-8 data: false
    text/html                          syntax       406 application/json; charset=utf-8 data: false
    text/html                          validation   406 application/json; charset=utf-8 data: false
    text/html                          forbidden    406 application/json; charset=utf-8 data: false
    text/html                          no query     406 application/json; charset=utf-8 data: false
    text/html                          batch        406 application/json; charset=utf-8 data: false
                                       data         200 application/json; charset=utf-8 data: true
                                       null data    200 application/json; charset=utf-8 data: true
                                       field error  200 application/json; charset=utf-8 data: true
                                       syntax       200 application/json; charset=utf-8 data: false
                                       validation   200 application/json; charset=utf-8 data: false
                                       forbidden    200 application/json; charset=utf-8 data: false
                                       no query     400 application/json; charset=utf-8 data: false
                                       batch        400 application/json; charset=utf-8 data: false
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_is_read_and_only_what_is_well_formed() {
    let gateway = Gateway::start().await;
    let url = gateway.url("/graphql");
    let good = r#"{"query":"{ __typename }"}"#;
    let mut seen = Vec::new();
    for media in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/graphql",
    ] {
        let mut request = gateway.http.post(&url).body(good);
        if !media.is_empty() {
            request = request.header(header::CONTENT_TYPE, media);
        }
        seen.push(format!("{media:?} {}", request.send().await.expect("an answer").status()));
    }
    for (what, body) in [
        ("not JSON", b"{".to_vec()),
        ("two documents", format!("{good}{good}").into_bytes()),
        ("not UTF-8", b"{\"query\":\"{ __typename \xff }\"}".to_vec()),
        ("a lone surrogate", br#"{"query":"\ud800"}"#.to_vec()),
        ("a deep value", format!("{{\"query\":\"{{ __typename }}\",\"variables\":{}", "[".repeat(50_000)).into_bytes()),
        ("variables as a list", br#"{"query":"{ __typename }","variables":[]}"#.to_vec()),
        ("query as a number", br#"{"query":1}"#.to_vec()),
        ("a string", br#""x""#.to_vec()),
        ("too large", format!("{{\"query\":\"{}\"}}", "x".repeat(1_100_000)).into_bytes()),
    ] {
        let response = gateway
            .http
            .post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let status = response.status();
        let answer: Value = response.json().await.expect("JSON");
        seen.push(format!("{what}: {status} {}", answer["errors"][0]["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    "" 415 Unsupported Media Type
    "text/plain" 415 Unsupported Media Type
    "application/x-www-form-urlencoded" 415 Unsupported Media Type
    "multipart/form-data; boundary=x" 415 Unsupported Media Type
    "application/json; charset=latin1" 415 Unsupported Media Type
    "application/graphql" 415 Unsupported Media Type
    not JSON: 400 Bad Request "The body is not JSON."
    two documents: 400 Bad Request "The body is not JSON."
    not UTF-8: 400 Bad Request "The body is not JSON."
    a lone surrogate: 400 Bad Request "The body is not JSON."
    a deep value: 400 Bad Request "The body is not JSON."
    variables as a list: 400 Bad Request "`variables` must be an object."
    query as a number: 400 Bad Request "`query` must be a string."
    a string: 400 Bad Request "The body must be a JSON object with a `query`."
    too large: 413 Payload Too Large "The body is larger than the limit of 1 MiB. Send less at once."
    "#);
    for body in [
        r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null,"more":1}"#,
        r#"{"query":"query A { __typename }","operationName":"A"}"#,
        r#"{"query":"query A { __typename }","operationName":""}"#,
    ] {
        let response = gateway
            .http
            .post(&url)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body)
            .send()
            .await;
        assert_eq!(response.expect("an answer").json::<Value>().await.expect("JSON")["data"]["__typename"], "Query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_reads_and_never_writes() {
    let gateway = Gateway::start().await;
    let get = async |query: &[(&str, &str)], accept: Option<&str>| {
        let url = reqwest::Url::parse_with_params(&gateway.url("/graphql"), query).expect("a URL");
        let mut request = gateway.http.get(url);
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        request.send().await.expect("an answer")
    };
    let json = Some("application/json");
    let both = "query A { __typename } query B { me { id } }";
    let read = get(&[("query", both), ("operationName", "A"), ("variables", "{}")], json).await;
    assert_eq!(read.json::<Value>().await.expect("JSON"), json!({ "data": { "__typename": "Query" } }));
    let write = get(&[("query", "mutation { logout }")], json).await;
    assert_eq!(
        (write.status(), &write.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().expect("a value"))
    );
    assert_eq!(
        get(&[("query", "{ __typename }")], None).await.status(),
        StatusCode::BAD_REQUEST,
        "by a page of another site"
    );
    assert_eq!(get(&[], json).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(get(&[("query", "{ __typename }"), ("variables", "{")], json).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        get(&[("query", "{ __typename }"), ("query", "{ me { id } }")], json).await.status(),
        StatusCode::BAD_REQUEST
    );
    let follow = get(&[("query", "subscription { chat(input: { content: \"x\" }) { cursor } }")], json).await;
    assert_eq!(follow.status(), StatusCode::BAD_REQUEST);
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let response = gateway.http.request(method, gateway.url("/graphql")).send().await.expect("an answer");
        assert_eq!(
            (response.status(), &response.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, POST".parse().expect("a value"))
        );
    }
    let head = gateway.http.head(gateway.url("/graphql")).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_requests_id_and_what_browsers_heed() {
    let gateway = Gateway::start().await;
    let ask = async |id: Option<&str>| {
        let mut request = gateway.http.get(gateway.url("/healthz"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        response.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(ask(Some("abc-1")).await, "abc-1");
    for insane in [None, Some("a b"), Some("<script>"), Some(&*"x".repeat(65))] {
        let made = ask(insane).await;
        assert_eq!(made.len(), 36, "{made}");
    }
    let lost = gateway.http.get(gateway.url("/nowhere")).send().await.expect("an answer");
    assert_eq!(
        (lost.status(), &lost.headers()["content-type"]),
        (StatusCode::NOT_FOUND, &"application/problem+json; charset=utf-8".parse().expect("a value"))
    );
    let wrong = gateway.http.delete(gateway.url("/healthz")).send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_let_in_by_list_and_never_with_credentials() {
    let mut plan = Plan { is_production: true, ..Plan::default() };
    plan.web.cors_origins = vec!["https://good.example".to_owned()];
    let gateway = Gateway::planned(plan).await;
    let bare = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    for (gateway, origin, allowed) in [
        (&gateway, "https://good.example", true),
        (&gateway, "https://evil.example", false),
        (&gateway, "null", false),
        (&bare, "https://good.example", false),
    ] {
        let preflight = gateway
            .http
            .request(reqwest::Method::OPTIONS, gateway.url("/graphql"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-tenant-id")
            .send()
            .await
            .expect("an answer");
        let headers = preflight.headers();
        assert_eq!(
            headers.get("access-control-allow-origin").is_some_and(|value| value == origin),
            allowed,
            "{origin}"
        );
        assert!(headers.get("access-control-allow-credentials").is_none());
    }
}

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
            "A subscribe has a query",
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
async fn sockets_are_told_when_the_server_goes_down() {
    let mut gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway, None, None).await;
    gateway.stop().await;
    assert_eq!(socket.closed().await, (1001, "Going away".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_is_there_in_development() {
    let gateway = Gateway::start().await;
    for path in ["/", "/graphiql"] {
        let page = gateway.http.get(gateway.url(path)).send().await.expect("an answer");
        assert_eq!(page.status(), StatusCode::OK);
        let text = page.text().await.expect("text");
        assert!(text.contains("Frontdesk playground") && text.contains("/graphql/ws"), "{text}");
    }
}
