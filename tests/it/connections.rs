//! Clients that dawdle, crowd or talk too much: they are cut off, and nobody else notices.

use std::{net::SocketAddr, time::Duration};

use frontdesk::http::{ListenSettings, WebSettings};
use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::client::IntoClientRequest};

use crate::support::{Gateway, Plan};

/// Reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

async fn with(listen: ListenSettings) -> Gateway {
    Gateway::planned(Plan { web: WebSettings { listen, ..Plan::default().web }, ..Plan::default() }).await
}

/// What the server says to somebody who says `text`, until it hangs up.
async fn said(gateway: &Gateway, text: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    // It may hang up before it has heard all of it.
    let _ = stream.write_all(text).await;
    heard(stream).await
}

/// A connection from an address of this machine's.
async fn from(address: [u8; 4], gateway: &Gateway) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((address, 0))).expect("an address of loopback");
    socket.connect(gateway.address).await.expect("a connection")
}

/// A WebSocket from an address of this machine's, nothing said yet.
async fn socket_from(address: [u8; 4], gateway: &Gateway) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/graphql/ws", gateway.address).into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a protocol"));
    client_async(request, from(address, gateway).await).await.expect("a socket").0
}

/// Whether somebody at an address of this machine's is answered.
async fn is_let_in(address: [u8; 4], gateway: &Gateway) -> bool {
    let mut stream = from(address, gateway).await;
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await;
    heard(stream).await.starts_with("HTTP/1.1 200")
}

/// All that comes over a connection until the server hangs up.
async fn heard(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it hangs up");
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_well(gateway: &Gateway) -> bool {
    // On a connection of its own: one that was kept may be closed by now, as it should.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let asked = http.get(gateway.url("/healthz")).send();
    timeout(PATIENCE, asked).await.expect("in time").expect("an answer").status() == StatusCode::OK
}

/// Where bodies are posted to.
const POSTS: [&str; 5] =
    ["/graphql", "/graphql/stream", "/api/v1/telnyx/sms", "/api/v1/twilio/sms", "/api/v1/email/pubsub"];

/// A request with the beginning of a body of JSON; `framing` is the header that says how long that is.
fn begun(path: &str, framing: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {framing}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_given_up() {
    let gateway = with(ListenSettings { body: Duration::from_millis(200), ..ListenSettings::default() }).await;
    for path in POSTS {
        let answer = said(&gateway, begun(path, "Content-Length: 100", "{").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("The body took too long to arrive."), "{path}: {answer}");
        assert!(is_well(&gateway).await);
    }
    assert_eq!(ListenSettings::default().body, Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_not_called_too_large() {
    let gateway = Gateway::start().await;
    for path in POSTS {
        for (framing, body) in [("Content-Length: 100", "{"), ("Transfer-Encoding: chunked", "1\r\n{\r\n")] {
            let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
            stream.write_all(begun(path, framing, body).as_bytes()).await.expect("sent");
            // It says no more, and listens.
            stream.shutdown().await.expect("an end");
            let answer = heard(stream).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{path}, {framing}: {answer}");
            assert!(answer.contains("The body breaks off before its end."), "{path}, {framing}: {answer}");
            assert_eq!(answer.contains("\"BAD_USER_INPUT\""), path.starts_with("/graphql"), "{path}: {answer}");
        }
    }
    assert!(is_well(&gateway).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_silent_or_never_comes_to_an_end_is_hung_up_on() {
    // By its time for headers: for its silence alone, each would be let be for longer than anybody waits here.
    let headers = Duration::from_millis(200);
    let gateway = with(ListenSettings { headers, idle: 2 * PATIENCE, ..ListenSettings::default() }).await;
    for text in [
        "",
        "G",
        "PRI * HT",
        "GET /healthz HTTP/1.1\r\nHost: here\r\n",
        "POST /graphql HTTP/1.1\r\nHost: here\r\nX-Slow: ",
    ] {
        let answer = said(&gateway, text.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{text:?}: {answer}");
        assert!(is_well(&gateway).await);
    }
    // One that did ask something is answered, and hung up on when it asks nothing more.
    let answer = said(&gateway, b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_http_2_is_hung_up_on_at_once() {
    // Whatever has a time here has more than anybody waits for.
    let gateway = with(ListenSettings { headers: 2 * PATIENCE, idle: 2 * PATIENCE, ..ListenSettings::default() }).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    // A frame of type 4 (SETTINGS) with nothing in it, on stream 0.
    let begun = [preface, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for text in [&preface[..16], preface, &begun] {
        let answer = said(&gateway, text).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    }
    assert!(is_well(&gateway).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_on_and_on_and_reads_no_answer_is_hung_up_on() {
    let idle = Duration::from_millis(200);
    let gateway = with(ListenSettings { connections: 1, idle, ..ListenSettings::default() }).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small window");
    let mut stream = socket.connect(gateway.address).await.expect("a connection");
    // More than all buffers between us hold.
    let asks = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n".repeat(500_000);
    let sent = timeout(PATIENCE, stream.write_all(&asks)).await.expect("it hangs up");
    assert!(sent.is_err());
    assert!(is_well(&gateway).await, "its place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_places_are_taken_the_next_waits_until_one_is_free() {
    let listen = ListenSettings { connections: 4, headers: Duration::from_millis(500), ..ListenSettings::default() };
    let gateway = with(listen).await;
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(TcpStream::connect(gateway.address).await.expect("a connection"));
    }
    assert!(is_well(&gateway).await, "the silent ones were hung up on");
    for mut stream in crowd {
        let mut rest = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("hung up on").ok();
        assert!(rest.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_takes_a_quarter_of_the_places_and_others_still_get_in() {
    // Nobody is hung up on for silence while this goes on.
    let listen = ListenSettings { connections: 48, headers: 2 * PATIENCE, ..ListenSettings::default() };
    let gateway = with(listen).await;
    let crowding = [127, 0, 0, 2];
    let mut crowd = Vec::new();
    for _ in 0..12 {
        crowd.push(from(crowding, &gateway).await);
    }
    assert_eq!(heard(from(crowding, &gateway).await).await, "");
    assert!(is_well(&gateway).await, "we come from another address");
    let told = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(told.contains("frontdesk_limited_total{limit=\"connections of a network\"} 1\n"), "{told}");
    // Whoever leaves makes room for another of theirs.
    assert!(!is_let_in(crowding, &gateway).await);
    crowd.pop();
    timeout(PATIENCE, async { while !is_let_in(crowding, &gateway).await {} }).await.expect("room");
    // Behind a proxy, all come from its address.
    let (settings, web) = (vec![("TRUSTED_PROXIES", "1".to_owned())], WebSettings { listen, ..Plan::default().web });
    let gateway = Gateway::planned(Plan { web, settings, ..Plan::default() }).await;
    for _ in 0..12 {
        crowd.push(from(crowding, &gateway).await);
    }
    assert!(is_let_in(crowding, &gateway).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_keeps_its_place_until_it_is_closed() {
    // Nobody is hung up on for saying nothing while this goes on.
    let listen = ListenSettings { connections: 48, headers: 2 * PATIENCE, ..ListenSettings::default() };
    let web = WebSettings { listen, init_patience: 2 * PATIENCE, ..Plan::default().web };
    let gateway = Gateway::planned(Plan { web, ..Plan::default() }).await;
    let crowding = [127, 0, 0, 2];
    let mut crowd = Vec::new();
    for _ in 0..12 {
        crowd.push(socket_from(crowding, &gateway).await);
    }
    assert!(!is_let_in(crowding, &gateway).await);
    assert!(is_well(&gateway).await, "we come from another address");
    crowd.pop();
    timeout(PATIENCE, async { while !is_let_in(crowding, &gateway).await {} }).await.expect("room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::start().await;
    let many: String = (0..2_000).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    for headers in [format!("X-Long: {}\r\n", "y".repeat(140_000)), many] {
        let answer = said(&gateway, format!("GET /healthz HTTP/1.1\r\nHost: here\r\n{headers}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let answer =
        said(&gateway, format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "y".repeat(120_000)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(is_well(&gateway).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_down_says_so_first_and_serves_meanwhile() {
    let web = WebSettings { notice: Duration::from_secs(2), ..Plan::default().web };
    let mut gateway = Gateway::planned(Plan { web, ..Plan::default() }).await;
    let (http, ready, alive) = (gateway.http.clone(), gateway.url("/readyz"), gateway.url("/healthz"));
    let status = async |url: &str| http.get(url).send().await.map(|answer| answer.status());
    assert_eq!(status(&ready).await.expect("an answer"), StatusCode::OK);
    let watches = async {
        while status(&ready).await.expect("an answer") == StatusCode::OK {}
        // Whoever balances the load needs a moment to notice; what comes until then is served.
        assert_eq!(status(&ready).await.expect("an answer"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&alive).await.expect("an answer"), StatusCode::OK);
        while status(&alive).await.is_ok() {}
    };
    tokio::join!(timeout(PATIENCE, watches), gateway.stop()).0.expect("in time");
}
