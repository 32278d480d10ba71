//! Is the process alive, and can it serve? Each dependency by its name.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{db::migrate, http::Web};

pub(super) async fn alive() -> &'static str {
    "ok"
}

pub(super) async fn ready(State(web): State<Arc<Web>>) -> Response {
    let (database, migrations) = match migrate::is_ready(&web.services.db).await {
        Ok(true) => ("ok", "ok"),
        Ok(false) => ("ok", "pending"),
        Err(_) => ("unreachable", "unknown"),
    };
    let is_ready = migrations == "ok" && !web.closing.is_cancelled();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": is_ready, "database": database, "migrations": migrations });
    (status, Json(body)).into_response()
}
