//! The playground page, GraphiQL. Must not hold data: what it shows, it asks the graph for.

use std::sync::Arc;

use async_graphql::http::GraphiQLSource;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::http::{Web, problem::problem};

/// GraphiQL, loaded by the browser from a public host: in development only.
pub(super) async fn page(State(web): State<Arc<Web>>) -> Response {
    if !web.settings.is_development {
        let detail = "The playground is served in development only. The graph is at /graphql.";
        return problem(StatusCode::NOT_FOUND, detail);
    }
    let page = GraphiQLSource::build()
        .endpoint("/graphql")
        .subscription_endpoint("/graphql/ws")
        .title("Frontdesk playground")
        .finish();
    Html(page).into_response()
}
