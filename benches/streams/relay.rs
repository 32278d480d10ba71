//! The limit of anything between a model and a reader: axum and reqwest, bytes passed on as they come. It has no guard, stores nothing,
//! reads nothing of what it passes on, and knows no watchers. Must not know the program.

use std::env;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::net::TcpListener;

use crate::{processes, upstream};

/// Names the model's address.
pub const UPSTREAM: &str = "RELAY_UPSTREAM";

#[derive(Clone)]
struct Upstream {
    http: reqwest::Client,
    url: String,
}

/// Serves until killed.
pub async fn serve() {
    let url = format!("{}{}", env::var(UPSTREAM).expect("an address"), upstream::PATH);
    let http = reqwest::Client::builder().build().expect("a client");
    let routes = Router::new()
        .route("/healthz", get(|| async {}))
        .route(upstream::PATH, post(relay))
        .with_state(Upstream { http, url });
    let listener = TcpListener::bind(("127.0.0.1", processes::port_of_this_part())).await.expect("a listener");
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).expect("a socket"));
    axum::serve(listener, routes).await.expect("serving");
}

async fn relay(State(Upstream { http, url }): State<Upstream>, question: Bytes) -> impl IntoResponse {
    let answer = http.post(url).body(question).send().await.expect("an answer");
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(answer.bytes_stream()))
}
