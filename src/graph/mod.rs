//! The graph: types, resolvers, and the checks a document passes before any of them runs. Resolvers are thin: they parse,
//! call one function, and shape the answer. Must not know HTTP, and reaches the database only through a context.

pub mod auth;
mod check;
mod connection;
pub mod context;
mod documents;
mod error;
mod isolation;
mod limits;
mod measure;
mod mutation;
mod node;
mod query;
mod rules;
mod scalars;
mod scan;
mod serve;
mod subscription;
mod types;

use async_graphql::{SDLExportOptions, Schema};

pub use check::{Checked, Rejection, RejectionKind};
pub use documents::{Asked, DocumentId, DocumentSettings, Manifest, Trust};
pub use limits::Limits;
pub use mutation::Mutation;
pub use query::Query;
pub use serve::{Graph, GraphSettings, Introspection, is_request_error};
pub use subscription::Subscription;

/// The schema's Rust type.
pub type FrontdeskSchema = Schema<Query, Mutation, Subscription>;

fn schema(suggestions: bool) -> FrontdeskSchema {
    let builder = Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<node::Node>()
        .register_output_type::<types::chat_event::ChatEvent>()
        // Our own checks run first and are stricter; these stand behind them.
        .limit_depth(Limits::default().depth)
        .limit_recursive_depth(Limits::default().depth * 2);
    if suggestions { builder.finish() } else { builder.disable_suggestions().finish() }
}

/// The schema as `schema.graphql` holds it.
#[must_use]
pub fn sdl() -> String {
    let text = schema(true).sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .prefer_single_line_descriptions()
            .use_space_ident(),
    );
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim())
}
