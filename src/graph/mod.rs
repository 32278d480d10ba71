//! The graph: types, resolvers, and the checks a document passes before any of them runs. Resolvers are thin: they parse,
//! call one function, and shape the answer. Must not know HTTP, and reaches the database only through a context.

pub mod answer;
pub mod auth;
mod check;
mod connection;
pub mod context;
mod documents;
mod doubles;
mod error;
mod escapes;
mod gather;
mod isolation;
mod limits;
mod measure;
mod merge;
mod mutation;
mod node;
mod plain;
mod plans;
mod query;
mod rules;
mod scalars;
mod scan;
mod serve;
mod subscription;
mod sum;
mod types;

use std::sync::Arc;

use async_graphql::{
    SDLExportOptions, Schema, SchemaBuilder, ServerError, ValidationMode, ValidationResult,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
};

pub use check::{Checked, Rejection, RejectionKind};
pub use documents::{Asked, DocumentId, DocumentSettings, Manifest, Trust};
pub use limits::Limits;
pub use mutation::Mutation;
pub use query::Query;
pub use serve::{Graph, GraphSettings, Introspection};
pub use subscription::Subscription;

/// The schema's Rust type.
pub type FrontdeskSchema = Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<node::Node>()
        .register_output_type::<types::chat_event::ChatEvent>()
        // Our own checks run first and are stricter; these stand behind them.
        .limit_depth(Limits::default().depth)
        .limit_recursive_depth(Limits::default().depth * 2)
}

/// What runs documents that are known to be valid: it does not look again. Of federation it has the switch alone, since without it
/// the library goes through all types for each root field to find out whether there is any; its fields are in no valid document.
fn runner() -> FrontdeskSchema {
    builder().validation_mode(ValidationMode::Fast).enable_federation().finish()
}

/// What judges documents by the specification's rules, and runs those that ask what the schema looks like.
fn judge(suggestions: bool) -> FrontdeskSchema {
    let builder = builder().extension(Judges);
    if suggestions { builder.finish() } else { builder.disable_suggestions().finish() }
}

/// Put to a request that is to be judged, and not to be run.
struct JudgeOnly;

/// Ends such an operation once it was validated: without an error, if it is valid.
struct Judges;

impl ExtensionFactory for Judges {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Judges {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let valid = next.run(ctx).await?;
        if ctx.data_opt::<JudgeOnly>().is_some() { Err(Vec::new()) } else { Ok(valid) }
    }
}

/// The schema as `schema.graphql` holds it.
#[must_use]
pub fn sdl() -> String {
    let text = builder().finish().sdl_with_options(
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
