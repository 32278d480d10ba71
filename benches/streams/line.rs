//! A connection that is read piece by piece: an event of an SSE response, or a message of a WebSocket. By hand, so that reading thousands
//! of them takes as little as can be from what is measured beside it. Must not know what the pieces say.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How it is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Sse,
    Socket,
}

/// A connection, and what of it was read and not taken yet.
pub struct Line {
    stream: TcpStream,
    way: Way,
    buffer: Vec<u8>,
    /// So much of the buffer was taken.
    taken: usize,
}

impl Line {
    /// Connects; as a socket, with a token, until it is acknowledged.
    pub async fn open(at: SocketAddr, way: Way, token: &str) -> Self {
        let stream = TcpStream::connect(at).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let mut line = Self { stream, way, buffer: Vec::new(), taken: 0 };
        if way == Way::Socket {
            let shake = format!(
                "GET /graphql/ws HTTP/1.1\r\nhost: {at}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
            );
            line.stream.write_all(shake.as_bytes()).await.expect("written");
            line.head("101").await;
            let payload = json!({ "authorization": format!("Bearer {token}") });
            line.say(&json!({ "type": "connection_init", "payload": payload })).await;
            let said = line.next().await.expect("an answer");
            assert!(said.contains("connection_ack"), "not let in: {said}");
        }
        line
    }

    /// Asks; over SSE by a request, whose answer must be 200.
    pub async fn ask(&mut self, path: &str, token: &str, body: &Value) {
        if self.way == Way::Socket {
            return self.say(&json!({ "id": "1", "type": "subscribe", "payload": body })).await;
        }
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.expect("written");
        self.head("200").await;
    }

    /// Reads once; `false` when the peer has closed.
    pub async fn read(&mut self) -> bool {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.reserve(1024);
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }

    /// The next piece that is whole.
    pub async fn take(&mut self) -> Option<&[u8]> {
        if self.way == Way::Sse {
            let rest = &self.buffer[self.taken..];
            let end = rest.windows(2).position(|end| end == b"\n\n")? + 2;
            self.taken += end;
            return Some(&self.buffer[self.taken - end..self.taken]);
        }
        loop {
            let rest = &self.buffer[self.taken..];
            let (&kind, &length) = (rest.first()?, rest.get(1)?);
            let (head, length) = match length {
                126 => (4, usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().expect("two bytes")))),
                127 => (
                    10,
                    usize::try_from(u64::from_be_bytes(rest.get(2..10)?.try_into().expect("eight bytes")))
                        .expect("a length"),
                ),
                short => (2, usize::from(short)),
            };
            rest.get(head..head + length)?;
            let from = self.taken + head;
            self.taken = from + length;
            match kind & 0x0f {
                1 => return Some(&self.buffer[from..self.taken]),
                9 => {
                    let pong = self.buffer[from..self.taken].to_vec();
                    self.frame(0x8a, &pong).await;
                }
                8 => panic!("closed: {}", String::from_utf8_lossy(&self.buffer[from..self.taken])),
                _ => {}
            }
        }
    }

    /// The next piece as text; waits for it.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(piece) = self.take().await {
                return Some(String::from_utf8_lossy(piece).into_owned());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Reads the head of an answer.
    async fn head(&mut self, status: &str) {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                self.taken = end + 4;
                let head = String::from_utf8_lossy(&self.buffer).into_owned();
                assert!(head.split(' ').nth(1) == Some(status), "no {status}: {head}");
                return;
            }
            assert!(self.read().await, "closed: {}", String::from_utf8_lossy(&self.buffer));
        }
    }

    async fn say(&mut self, message: &Value) {
        self.frame(0x81, message.to_string().as_bytes()).await;
    }

    /// Masked, as a client's must be: by nought, which changes nothing.
    async fn frame(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![kind];
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0xfe);
                frame.extend_from_slice(&u16::try_from(payload.len()).expect("a short message").to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.expect("written");
    }
}
