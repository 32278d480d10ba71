//! Statements that are prepared once for each connection although diesel would prepare them anew each time: updates, since what
//! is `None` in a changeset is left out of their text, and inserts that update what is there. Kept by their text. For
//! statements that are sent often, and have one text or few. Must not know any table.

use diesel::{
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
};

/// A statement that is prepared once for each connection.
pub(in crate::db) struct Kept<S>(S);

/// Has a statement prepared once for each connection.
pub(in crate::db) trait Keep: QueryFragment<Pg> + Sized {
    fn kept(self) -> Kept<Self> {
        Kept(self)
    }
}

impl<S: QueryFragment<Pg>> Keep for S {}

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for Kept<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<S> QueryId for Kept<S> {
    type QueryId = ();
    // Kept by the text, which may be one of several.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: Query> Query for Kept<S> {
    type SqlType = S::SqlType;
}

#[cfg(test)]
mod tests {
    use diesel::{debug_query, prelude::*};

    use super::*;
    use crate::db::schema::tenants;

    #[test]
    fn an_update_is_kept_by_its_text_which_diesel_alone_would_not_do() {
        let update = || diesel::update(tenants::table.find(1_i64)).set(tenants::is_active.eq(true));
        assert_eq!(update().is_safe_to_cache_prepared(&Pg).ok(), Some(false), "else it is needed no more");
        assert_eq!(update().kept().is_safe_to_cache_prepared(&Pg).ok(), Some(true));
        assert_eq!(debug_query(&update()).to_string(), debug_query(&update().kept()).to_string());
    }
}
