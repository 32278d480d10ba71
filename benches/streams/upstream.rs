//! A model that speaks OpenAI's wire format on loopback and costs almost nothing: as many tokens as the question asks for, the first
//! at once, then twenty a second, each with the time at which it was sent. All end early when they are told to. Must not know who asks.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

use crate::{
    clock::{self, Stamp},
    processes,
};

/// Between two tokens.
pub const PACE: Duration = Duration::from_millis(50);
/// Where it is asked.
pub const PATH: &str = "/v1/chat/completions";
/// Behind it stands how many tokens are asked for.
const ASKS: &str = "tokens=";

/// Where it is told that all streams are to end with their next tokens.
const STOP: &str = "/stop";
/// How often it was told so.
static STOPS: AtomicU64 = AtomicU64::new(0);

/// So many that a stream goes on until it is told to end.
pub const MANY: u32 = 60_000;

/// Tells it to end all streams.
pub async fn stop(url: &str) {
    let answer = reqwest::get(format!("{url}{STOP}")).await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}

/// What a question must hold.
pub fn question(tokens: u32) -> String {
    format!("{ASKS}{tokens}.")
}

/// Serves until killed.
pub async fn serve() {
    let listener = TcpListener::bind(("127.0.0.1", processes::port_of_this_part())).await.expect("a listener");
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
        tokio::spawn(async move {
            // Whoever leaves, leaves.
            drop(answer_all(socket).await);
        });
    }
}

/// The requests of one connection, one after the other.
async fn answer_all(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = request(&mut socket, &mut buffer).await? {
        let Some((_, asked)) = request.rsplit_once(ASKS) else {
            if request.contains(STOP) {
                STOPS.fetch_add(1, Ordering::Relaxed);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            continue;
        };
        let tokens: u32 = asked.split('.').next().and_then(|number| number.parse().ok()).expect("a number of tokens");
        let (start, stops) = (Instant::now(), STOPS.load(Ordering::Relaxed));
        let mut piece =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        chunk(&mut piece, &frame(r#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}"#));
        for token in 0..tokens {
            sleep_until(start + PACE * token).await;
            let is_last = token + 1 == tokens || STOPS.load(Ordering::Relaxed) > stops;
            let text = Stamp { sent: clock::now(), number: token.into(), is_last }.text();
            let choice = format!(r#"{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}"#);
            chunk(&mut piece, &frame(&choice));
            socket.write_all(&piece).await?;
            piece.clear();
            if is_last {
                break;
            }
        }
        chunk(&mut piece, &frame(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#));
        let usage = format!(
            r#""choices":[],"usage":{{"prompt_tokens":100,"completion_tokens":{tokens},"total_tokens":{}}}"#,
            tokens + 100
        );
        chunk(&mut piece, &event(&usage));
        chunk(&mut piece, "data: [DONE]\n\n");
        piece.extend_from_slice(b"0\r\n\r\n");
        socket.write_all(&piece).await?;
    }
    Ok(())
}

fn frame(choice: &str) -> String {
    event(&format!(r#""choices":[{choice}],"usage":null"#))
}

fn event(rest: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",{rest}}}\n\n"
    )
}

fn chunk(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}

/// The next request, head and body; `None` when the peer has closed.
async fn request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let body: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
            let whole = head + 4 + body;
            if buffer.len() >= whole {
                let request = buffer.drain(..whole).collect::<Vec<_>>();
                return Ok(Some(String::from_utf8_lossy(&request).into_owned()));
            }
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
