//! The two servers that are compared, over one PostgreSQL. Must not know the workloads.

use std::path::Path;

use secrecy::ExposeSecret;

use crate::{
    data::Shape,
    processes::{Database, Server},
};

/// Everything that runs. Dropping it ends it all.
pub struct Servers {
    /// The program itself.
    pub graph: Server,
    /// The limit without GraphQL and guard.
    pub bare: Server,
    pub database: Database,
}

impl Servers {
    pub async fn start(shape: &Shape, out: &Path) -> Self {
        let database = Database::start(shape).await;
        let graph = database.program(out, &[]).await;
        let bare = Server::part("bare", &[("BARE_DATABASE_URL", database.owner.expose_secret())]).await;
        Self { graph, bare, database }
    }
}
