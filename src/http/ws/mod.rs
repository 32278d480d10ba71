//! `/graphql/ws`: the protocol `graphql-transport-ws`, to the letter. Must not know what an operation means.

mod message;
mod session;

use std::sync::Arc;

use axum::{
    extract::{Request, State, WebSocketUpgrade},
    http::StatusCode,
    response::Response,
};

use crate::http::{Web, caller::Proof, cors, problem::problem};

const PROTOCOL: &str = "graphql-transport-ws";
/// Largest message of a client, in bytes; as large as a body over HTTP.
pub(super) const MESSAGE_MAX: usize = 1024 * 1024;

pub(super) async fn upgrade(State(web): State<Arc<Web>>, upgrade: WebSocketUpgrade, request: Request) -> Response {
    if !cors::may_open(&web, request.headers()).await {
        return problem(StatusCode::FORBIDDEN, "This website may not use the graph.");
    }
    // Programs may prove themselves in the handshake; browsers can't, and do so in connection_init.
    let proof = Proof::from_headers(&web, request.headers(), request.extensions());
    upgrade
        .protocols([PROTOCOL])
        // What is over our own limit is read to its end and told why; what is over twice that is cut off.
        .max_message_size(2 * MESSAGE_MAX)
        .max_frame_size(2 * MESSAGE_MAX)
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .on_upgrade(move |socket| {
            let sockets = web.sockets.clone();
            sockets.track_future(session::run(web, socket, proof))
        })
}
