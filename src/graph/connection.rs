//! Connections by the Relay cursor specification. One macro makes a connection type for a node type, so that all of them
//! look the same. Must not fetch.

use async_graphql::SimpleObject;

/// Where a page lies in its list.
#[derive(SimpleObject, Debug, Clone)]
pub struct PageInfo {
    /// There are items behind this page.
    pub has_next_page: bool,
    /// There are items before this page.
    pub has_previous_page: bool,
    /// The first item's cursor; for `before`.
    pub start_cursor: Option<String>,
    /// The last item's cursor; for `after`.
    pub end_cursor: Option<String>,
}

/// Makes `$connection` and `$edge` for `$node`. `$total` counts the whole list, and runs only when `totalCount` is asked
/// for.
macro_rules! connection {
    ($connection:ident, $edge:ident of $node:ident, $connection_doc:literal, $edge_doc:literal) => {
        #[doc = $edge_doc]
        #[derive(Clone)]
        pub struct $edge {
            node: $node,
            place: $crate::kernel::page::Position,
            order: $crate::kernel::page::Order,
        }

        impl $edge {
            /// Its place, as clients see it.
            fn place(&self) -> String {
                self.place.encode(self.order)
            }
        }

        #[doc = $edge_doc]
        #[async_graphql::Object]
        impl $edge {
            /// The item.
            async fn node(&self) -> &$node {
                &self.node
            }
            /// The item's place in the list; for `after` and `before`.
            async fn cursor(&self) -> String {
                self.place()
            }
        }

        impl $crate::graph::plain::Plain for $edge {
            fn plain(&self, ctx: &async_graphql::Context<'_>, out: &mut Vec<u8>) -> Option<()> {
                match ctx.item.node.name.node.as_str() {
                    "cursor" => $crate::graph::plain::Leaf::write(self.place().as_str(), out),
                    "node" => {
                        let ctx = ctx.with_selection_set(&ctx.item.node.selection_set);
                        $crate::graph::plain::object(&ctx, &self.node, out)?;
                    }
                    _ => return None,
                }
                Some(())
            }
        }

        #[doc = $connection_doc]
        pub struct $connection {
            edges: Vec<$edge>,
            has_next: bool,
            has_previous: bool,
            total: Box<
                dyn Fn() -> futures_util::future::BoxFuture<'static, $crate::kernel::failure::Outcome<i64>>
                    + Send
                    + Sync,
            >,
        }

        impl $connection {
            /// A connection over a slice of rows; `total` is called only for `totalCount`.
            pub fn new<R, F>(
                slice: $crate::kernel::page::Slice<R>,
                place: impl Fn(&R) -> $crate::kernel::page::Position,
                node: impl Fn(R) -> $node,
                total: impl Fn() -> F + Send + Sync + 'static,
            ) -> Self
            where
                F: Future<Output = $crate::kernel::failure::Outcome<i64>> + Send + 'static,
            {
                let order = slice.order;
                let edge = |row: R| $edge { place: place(&row), order, node: node(row) };
                let edges: Vec<_> = slice.rows.into_iter().map(edge).collect();
                let (has_next, has_previous) = (slice.has_next, slice.has_previous);
                Self { edges, has_next, has_previous, total: Box::new(move || Box::pin(total())) }
            }
        }

        #[doc = $connection_doc]
        #[async_graphql::Object]
        impl $connection {
            /// The page's items, each with its cursor.
            async fn edges(&self) -> $crate::graph::plain::SwiftList<'_, $edge> {
                $crate::graph::plain::SwiftList(self.edges.iter().collect())
            }
            /// The page's items alone.
            async fn nodes(&self) -> $crate::graph::plain::SwiftList<'_, $node> {
                $crate::graph::plain::SwiftList(self.edges.iter().map(|edge| &edge.node).collect())
            }
            /// Where the page lies in the list.
            async fn page_info(&self) -> $crate::graph::connection::PageInfo {
                $crate::graph::connection::PageInfo {
                    has_next_page: self.has_next,
                    has_previous_page: self.has_previous,
                    start_cursor: self.edges.first().map($edge::place),
                    end_cursor: self.edges.last().map($edge::place),
                }
            }
            /// How many items the whole list has. Counted only when asked for.
            async fn total_count(&self) -> async_graphql::Result<i32> {
                let total = (self.total)().await?;
                Ok(i32::try_from(total).unwrap_or(i32::MAX))
            }
        }
    };
}
pub(super) use connection;
