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
    let readiness = timeout(web.settings.probe, migrate::readiness(&web.services.db));
    let (readiness, helpers) = tokio::join!(readiness, web.helpers());
    let (database, migrations) = match readiness {
        Ok(Ok(found)) => (found.unwritable.unwrap_or("ok"), if found.is_migrated { "ok" } else { "pending" }),
        Ok(Err(_)) => ("unreachable", "unknown"),
        Err(_) => {
            tracing::error!("the database, or a free connection to it, did not come to /readyz in time");
            ("unreachable", "unknown")
        }
    };
    let is_ready = (database, migrations) == ("ok", "ok") && !web.leaving.is_cancelled();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let is_degraded = helpers.iter().any(|(_, is_there)| *is_there == Some(false));
    let [redis, replica] = helpers.map(|(_, is_there)| match is_there {
        None => "not used",
        Some(true) => "ok",
        Some(false) => "unreachable",
    });
    let body = json!({
        "ready": is_ready, "degraded": is_degraded, "database": database, "migrations": migrations, "redis": redis,
        "replica": replica,
    });
    (status, Json(body)).into_response()
}

impl Web {
    /// What this node goes on without, and whether it is there; `None` where it is not used. Without Redis, chats go on, each on its own
    /// node; without the copy, the database itself is read: the node stays in service, and somebody is to look.
    pub(super) async fn helpers(&self) -> [(&'static str, Option<bool>); 2] {
        [("redis", self.engine.is_linked()), ("replica", self.services.db.has_replica().await)]
    }
}
