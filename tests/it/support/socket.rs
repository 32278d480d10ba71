//! A client of `graphql-transport-ws`.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout_at};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::Gateway;

/// How long a test waits for what must come; reached only when it fails.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came over a socket.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Message(Value),
    Closed(u16, String),
}

impl Socket {
    /// A socket with this subprotocol, nothing said yet.
    pub async fn raw(gateway: &Gateway, protocol: Option<&str>) -> Self {
        Self::from_page(gateway.address, protocol, None).await
    }

    /// As [`Socket::raw`], opened at a node by a page of this website.
    pub async fn from_page(node: SocketAddr, protocol: Option<&str>, origin: Option<&str>) -> Self {
        Self::with_headers(node, [("sec-websocket-protocol", protocol), ("origin", origin)]).await
    }

    /// A socket whose handshake says who it is, as those of programs may; no more said yet.
    pub async fn proven(gateway: &Gateway, authorization: Option<&str>) -> Self {
        let headers = [("sec-websocket-protocol", Some("graphql-transport-ws")), ("authorization", authorization)];
        Self::with_headers(gateway.address, headers).await
    }

    async fn with_headers(node: SocketAddr, headers: [(&'static str, Option<&str>); 2]) -> Self {
        let mut request = format!("ws://{node}/graphql/ws").into_client_request().expect("a request");
        for (name, value) in headers {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().expect("a header's value"));
            }
        }
        let (stream, _) = connect_async(request).await.expect("a socket");
        Self { stream }
    }

    /// The status that a page of this website gets instead of a socket.
    pub async fn refused(node: SocketAddr, origin: &str) -> u16 {
        let mut request = format!("ws://{node}/graphql/ws").into_client_request().expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a protocol"));
        request.headers_mut().insert("origin", origin.parse().expect("an origin"));
        match connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A socket that was acknowledged.
    pub async fn open(gateway: &Gateway, token: Option<&str>, tenant: Option<&str>) -> Self {
        Self::open_at(gateway.address, token, tenant).await
    }

    /// The same, at a node that is not this process.
    pub async fn open_at(node: SocketAddr, token: Option<&str>, tenant: Option<&str>) -> Self {
        let mut socket = Self::from_page(node, Some("graphql-transport-ws"), None).await;
        let mut payload = json!({});
        if let Some(token) = token {
            payload["authorization"] = json!(format!("Bearer {token}"));
        }
        if let Some(tenant) = tenant {
            payload["x-tenant-id"] = json!(tenant);
        }
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.next().await, Frame::Message(json!({ "type": "connection_ack" })));
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.say_text(&message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("sent");
    }

    pub async fn subscribe(&mut self, id: &str, document: &str, variables: Value) {
        let payload = json!({ "query": document, "variables": variables });
        self.say(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// The next message, or the end.
    pub async fn next(&mut self) -> Frame {
        // One patience for all: the server's pings are no progress.
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let frame = timeout_at(until, self.stream.next()).await.expect("in time");
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return Frame::Message(serde_json::from_str(text.as_str()).expect("JSON"));
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Frame::Closed(close.code.into(), close.reason.as_str().to_owned());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return Frame::Closed(1006, format!("{other:?}")),
            }
        }
    }

    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Frame::Message(message) => message,
            Frame::Closed(code, reason) => panic!("closed: {code} {reason}"),
        }
    }

    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Frame::Closed(code, reason) => (code, reason),
            Frame::Message(message) => panic!("not closed: {message}"),
        }
    }
}

/// The events of one subscription.
pub struct Events {
    socket: Socket,
}

impl Events {
    pub fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// The next event, or `None` after `complete`.
    pub async fn next(&mut self) -> Option<Value> {
        let message = self.socket.message().await;
        match message["type"].as_str() {
            Some("next") => {
                let payload = &message["payload"];
                assert!(payload.get("errors").is_none(), "{payload}");
                Some(payload["data"].as_object().and_then(|data| data.values().next()).cloned().expect("an event"))
            }
            Some("complete") => None,
            _ => panic!("{message}"),
        }
    }

    /// The next event, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let event = self.next().await.unwrap_or_else(|| panic!("ended before {kind}"));
        assert_eq!(event["__typename"], kind, "{event}");
        event
    }

    /// All events to the end.
    pub async fn all(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// The error that ended it, or came instead of it.
    pub async fn error(&mut self) -> Value {
        let message = self.socket.message().await;
        match message["type"].as_str() {
            Some("error") => json!({ "errors": message["payload"] }),
            Some("next") => message["payload"].clone(),
            _ => panic!("{message}"),
        }
    }

    /// How the server closed the socket.
    pub async fn closed(&mut self) -> (u16, String) {
        self.socket.closed().await
    }
}
