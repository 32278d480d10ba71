//! Is the process alive, and can it serve? Each dependency by its name.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::time::timeout;

use crate::{db::migrate, http::Web};

pub(super) async fn alive() -> &'static str {
    "ok"
}

pub(super) async fn ready(State(web): State<Arc<Web>>) -> Response {
    let (database, migrations) = match timeout(web.settings.probe, migrate::readiness(&web.services.db)).await {
        Ok(Ok(found)) => (found.unwritable.unwrap_or("ok"), if found.is_migrated { "ok" } else { "pending" }),
        Ok(Err(_)) => ("unreachable", "unknown"),
        Err(_) => {
            tracing::error!("the database did not answer /readyz in time");
            ("unreachable", "unknown")
        }
    };
    let is_ready = (database, migrations) == ("ok", "ok") && !web.leaving.is_cancelled();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Without Redis, chats go on, each on its own node: the node stays in service, and somebody is to look.
    let (redis, is_degraded) = match web.engine.is_linked() {
        None => ("not used", false),
        Some(true) => ("ok", false),
        Some(false) => ("unreachable", true),
    };
    let (replica, is_degraded) = match web.services.db.has_replica().await {
        None => ("not used", is_degraded),
        Some(true) => ("ok", is_degraded),
        Some(false) => ("unreachable", true),
    };
    let body = json!({
        "ready": is_ready, "degraded": is_degraded, "database": database, "migrations": migrations, "redis": redis,
        "replica": replica,
    });
    (status, Json(body)).into_response()
}
