//! From which websites a tenant's chat is used, and how often: what a page is told, what a browser is let do.

use serde_json::{Value, json};

use crate::support::{
    Gateway, Plan, code, said,
    socket::{Frame, Socket},
};

const PROTOCOL: Option<&str> = Some("graphql-transport-ws");
const PAGE: &str = "https://www.acme.example";
const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { role } } }";
const START: &str = "mutation($i: StartVisitorSessionInput!) { startVisitorSession(input: $i) { accessToken } }";

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_that_the_tenant_allows_may_use_its_chat() {
    let gateway = Gateway::start().await;
    let acme = gateway.tenant("acme").await;
    let stranger = gateway.stranger();
    insta::assert_snapshot!(said(&stranger.on(PAGE).visit("acme").await), @"This tenant's `allowedOrigins` are empty, so no website can use its chat. An administrator of the platform adds them with updateTenant.");
    acme.allow(&["https://other.example"]).await;
    insta::assert_snapshot!(said(&stranger.on(PAGE).visit("acme").await), @"This tenant's `allowedOrigins` do not hold `https://www.acme.example`, so its chat can't be used from there. An administrator of the platform adds it with updateTenant.");
    acme.allow(&["HTTPS://WWW.acme.example:443/"]).await;
    let answer = stranger.on(PAGE).visit("acme").await;
    let visitor = stranger.with_token(answer["data"]["startVisitorSession"]["accessToken"].as_str().expect("a token"));
    insta::assert_snapshot!(said(&stranger.on("null").visit("acme").await), @"The page has no origin (`Origin: null`), and none of the tenant's `allowedOrigins` can name it. Serve it from a web server.");
    let look = "{ conversation(id: \"conversation_1\") { id } }";
    visitor.data(look).await;
    visitor.on(PAGE).data(look).await;
    // Our own pages are no website of somebody else's.
    visitor.on("http://localhost:8080").data(look).await;
    for foreign in [
        "https://evil.example",
        "http://www.acme.example",
        "https://www.acme.example:8443",
        "https://www.acme.example.evil.example",
        "null",
        "nonsense",
    ] {
        assert_eq!(code(&stranger.on(foreign).visit("acme").await), "FORBIDDEN", "{foreign}");
        assert_eq!(code(&visitor.on(foreign).query(look).await), "FORBIDDEN", "{foreign}");
        // By events, and over a socket, whose page is told at the handshake.
        let body =
            json!({ "query": "subscription { conversationEvents(conversationId: \"conversation_1\") { cursor } }" });
        let events = visitor.on(foreign).post("/graphql/stream").json(&body).send().await.expect("sent").text().await;
        assert!(events.expect("text").contains("\"code\":\"FORBIDDEN\""), "{foreign}");
        let mut socket = Socket::from_page(gateway.address, PROTOCOL, Some(foreign)).await;
        let token = visitor.token.as_deref().expect("a token");
        socket
            .say(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } }))
            .await;
        assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()), "{foreign}");
    }
    let mut socket = Socket::from_page(gateway.address, PROTOCOL, Some(PAGE)).await;
    let token = visitor.token.as_deref().expect("a token");
    socket.say(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } })).await;
    assert_eq!(socket.next().await, Frame::Message(json!({ "type": "connection_ack" })));
    // A website that is taken off the list is out, also where it is in.
    acme.allow(&["https://other.example"]).await;
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    // A person's token is bound to no page.
    acme.staff().await.on("https://evil.example").data(look).await;
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(code(&stranger.visit("nobody").await), "NOT_FOUND");
    assert_eq!(code(&stranger.visit("no subdomain").await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_call_from_a_tenant_s_page_and_from_no_other() {
    let gateway = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    let allowed = async |path: &str, origin: &str| {
        let preflight = gateway
            .http
            .request(reqwest::Method::OPTIONS, gateway.url(path))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
            .await
            .expect("an answer");
        let body = json!({ "query": "{ __typename }" });
        let answer =
            gateway.http.post(gateway.url(path)).header("origin", origin).json(&body).send().await.expect("an answer");
        let seen = |answer: &reqwest::Response| {
            let header = |name: &str| {
                answer.headers().get_all(name).iter().filter_map(|v| v.to_str().ok()).collect::<Vec<_>>().join(", ")
            };
            assert_eq!(header("access-control-allow-credentials"), "");
            // Whoever is not let in is told nothing of what they could have done.
            let told = answer.headers().keys().filter(|name| name.as_str().starts_with("access-control-")).count();
            assert_eq!(told > 0, !header("access-control-allow-origin").is_empty());
            assert!(header("vary").contains("origin"), "{}", header("vary"));
            header("access-control-allow-origin")
        };
        assert_eq!(seen(&preflight), seen(&answer));
        seen(&answer)
    };
    assert_eq!(allowed("/graphql", PAGE).await, "", "nobody's yet");
    acme.allow(&[PAGE]).await;
    for path in ["/graphql", "/graphql/stream"] {
        assert_eq!(allowed(path, PAGE).await, PAGE);
        for foreign in ["https://evil.example", "null", "*", "http://www.acme.example"] {
            assert_eq!(allowed(path, foreign).await, "", "{foreign}");
        }
    }
    // A browser opens sockets unasked, so they are refused where they come from a page that may not call.
    for foreign in ["https://evil.example", "null", "*", "http://www.acme.example"] {
        assert_eq!(Socket::refused(gateway.address, foreign).await, 403, "{foreign}");
    }
    let own = format!("http://{}", gateway.address);
    for page in [Some(PAGE), Some(own.as_str()), None] {
        Socket::from_page(gateway.address, PROTOCOL, page).await;
    }
    gateway.root().await.data("mutation { deactivateTenant(id: \"tenant_1001\") { id } }").await;
    assert_eq!(allowed("/graphql", PAGE).await, "", "a deactivated tenant's is nobody's");
    // What another node changed is seen within seconds.
    let owner = crate::support::cluster::owner(&gateway.database).await;
    owner.batch_execute("UPDATE tenants SET is_active = true").await.expect("changed");
    gateway.clock.advance(chrono::TimeDelta::seconds(11));
    assert_eq!(allowed("/graphql", PAGE).await, PAGE);
    // In production a visitor comes from a website; a program says which.
    insta::assert_snapshot!(said(&gateway.stranger().visit("acme").await), @"A visitor comes from a website: the request must carry its `Origin`, one of the tenant's `allowedOrigins`.");
    assert!(gateway.stranger().on(PAGE).visit("acme").await.get("errors").is_none());
    // In development any page may call, and each is named.
    let bench = Gateway::start().await;
    let body = json!({ "query": "{ __typename }" });
    let answer =
        bench.http.post(bench.url("/graphql")).header("origin", PAGE).json(&body).send().await.expect("an answer");
    assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_are_held_to_a_pace() {
    let settings = [
        ("RATE_LIMIT_VISITOR_SESSIONS_PER_ADDRESS", "3"),
        ("RATE_LIMIT_VISITOR_SESSIONS_PER_TENANT", "4"),
        ("RATE_LIMIT_VISITOR_MESSAGES_PER_DAY", "7"),
        ("TRUSTED_PROXIES", "1"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    gateway.tenant("rival").await;
    let visit = async |forwarded: &str, subdomain: &str| {
        let body = json!({ "query": START, "variables": { "i": { "subdomain": subdomain } } });
        let response =
            gateway.http.post(gateway.url("/graphql")).header("x-forwarded-for", forwarded).json(&body).send();
        let response = response.await.expect("an answer");
        let wait = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        let answer: Value = response.json().await.expect("JSON");
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("ok").to_owned();
        (code, answer["errors"][0]["extensions"]["retryAfter"].as_u64(), wait)
    };
    let ok = || ("ok".to_owned(), None, None);
    let limited = |seconds: u64| ("RATE_LIMITED".to_owned(), Some(seconds), Some(seconds.to_string()));
    // Three of an address, whatever it writes before what our proxy adds, and also for names that lead nowhere.
    assert_eq!(visit("1.1.1.1, 203.0.113.7", "acme").await, ok());
    assert_eq!(visit("2.2.2.2, 203.0.113.7", "nobody").await.0, "NOT_FOUND");
    assert_eq!(visit("3.3.3.3, 203.0.113.7", "acme").await, ok());
    assert_eq!(visit("4.4.4.4, 203.0.113.7", "rival").await, limited(20));
    // Others come in, until the tenant has had enough; that is the tenant's affair alone.
    assert_eq!(visit("203.0.113.8", "acme").await, ok());
    assert_eq!(visit("203.0.113.9", "acme").await, ok());
    assert_eq!(visit("203.0.113.9", "acme").await, limited(15));
    assert_eq!(visit("203.0.113.9", "rival").await, ok());
    gateway.clock.advance(chrono::TimeDelta::seconds(20));
    assert_eq!(visit("4.4.4.4, 203.0.113.7", "acme").await, ok());

    gateway.clock.advance(chrono::TimeDelta::minutes(2));
    let (visitor, _) = acme.visitor().await;
    let (other, _) = acme.visitor().await;
    let send = async || {
        let body = json!({ "query": SEND, "variables": { "input": { "content": "x" } } });
        let response = visitor.post("/graphql").json(&body).send().await.expect("an answer");
        let wait = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        let answer: Value = response.json().await.expect("JSON");
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("ok").to_owned();
        (code, answer["errors"][0]["extensions"]["retryAfter"].as_u64(), wait)
    };
    for _ in 0..5 {
        assert_eq!(send().await, ok());
    }
    assert_eq!(send().await, limited(5));
    assert_eq!(
        code(&visitor.subscribe(crate::support::CHAT, json!({ "input": { "content": "x" } })).await.error().await),
        "RATE_LIMITED"
    );
    assert!(other.ask(SEND, json!({ "input": { "content": "x" } })).await.get("errors").is_none());
    // The tenant's people are not meant by it.
    let staff = acme.staff().await;
    for _ in 0..8 {
        assert!(staff.ask(SEND, json!({ "input": { "content": "x" } })).await.get("errors").is_none());
    }
    // Seven a day it is.
    gateway.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(send().await, ok());
    assert_eq!(send().await, ok());
    assert_eq!(send().await, limited(24 * 3600 - 60));
    gateway.clock.advance(chrono::TimeDelta::hours(11));
    let renewed = visitor.data("mutation { renewVisitorSession { accessToken } }").await;
    let visitor = visitor.with_token(renewed["renewVisitorSession"]["accessToken"].as_str().expect("a token"));
    gateway.clock.advance(chrono::TimeDelta::hours(11));
    let renewed = visitor.data("mutation { renewVisitorSession { accessToken } }").await;
    let visitor = visitor.with_token(renewed["renewVisitorSession"]["accessToken"].as_str().expect("a token"));
    gateway.clock.advance(chrono::TimeDelta::hours(2));
    assert!(visitor.ask(SEND, json!({ "input": { "content": "x" } })).await.get("errors").is_none());
}
