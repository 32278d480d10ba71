//! Rows, forms and queries, one file a noun. A query's first argument is the transaction it may run in; where two roles
//! may run it, it says so by a generic. Must not decide anything: rules are the domain's.

pub mod audit;
pub mod conversations;
pub mod leads;
pub mod messages;
pub mod prompts;
pub mod sessions;
pub mod tenants;
pub mod usage;
pub mod users;

/// One page of a boxed query in descending order of (time, id), the newest first. A macro, since the types of boxed
/// queries over different tables share no trait that could be written down in fewer lines.
macro_rules! page_of {
    ($query:expr, $page:expr, $time:expr, $id:expr) => {{
        use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl};
        let page: &$crate::kernel::page::Page = $page;
        let mut query = $query.limit(page.limit());
        if let Some(place) = page.after {
            query = query.filter($time.lt(place.at).or($time.eq(place.at).and($id.lt(place.id))));
        }
        if let Some(place) = page.before {
            query = query.filter($time.gt(place.at).or($time.eq(place.at).and($id.gt(place.id))));
        }
        if page.backwards { query.order(($time.asc(), $id.asc())) } else { query.order(($time.desc(), $id.desc())) }
    }};
}
use page_of;

/// A search word as a LIKE pattern that means "contains it", with its own wildcards taken literally.
fn contains(search: &str) -> String {
    let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
