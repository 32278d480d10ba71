//! Rows, forms and queries, one file a noun. A query's first argument is the transaction it may run in; where two roles
//! may run it, it says so by a generic. Must not decide anything: rules are the domain's.

pub mod audit;
pub mod backlog;
pub mod booking;
pub mod calls;
pub mod conversations;
pub mod deliveries;
pub mod impersonations;
pub mod inbox;
pub mod jobs;
pub mod knowledge;
pub mod leads;
pub mod mailboxes;
pub mod mails;
pub mod meetings;
pub mod messages;
pub mod prompts;
pub mod provisioning;
pub mod quotas;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod tenants;
pub mod texts;
pub mod usage;
pub mod users;
pub mod visitors;

/// One page of a boxed query in the order of (key, id). The key is a time, unless the last argument names another reading
/// of a [`Position`](crate::kernel::page::Position). A macro, since the types of boxed queries over different tables
/// share no trait that could be written down in fewer lines.
macro_rules! page_of {
    ($query:expr, $page:expr, $key:expr, $id:expr) => {
        page_of!($query, $page, $key, $id, at)
    };
    ($query:expr, $page:expr, $key:expr, $id:expr, $reading:ident) => {{
        use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl};
        let page: &$crate::kernel::page::Page = $page;
        let mut query = $query.limit(page.limit());
        let rising = page.order.ascending;
        // Behind `after` in a rising list is the same side as before `before` in a falling one.
        let (above, below) = if rising { (&page.after, &page.before) } else { (&page.before, &page.after) };
        if let Some(place) = above {
            query = query.filter($key.gt(place.$reading()).or($key.eq(place.$reading()).and($id.gt(place.id))));
        }
        if let Some(place) = below {
            query = query.filter($key.lt(place.$reading()).or($key.eq(place.$reading()).and($id.lt(place.id))));
        }
        if rising == page.backwards {
            query.order(($key.desc(), $id.desc()))
        } else {
            query.order(($key.asc(), $id.asc()))
        }
    }};
}
use page_of;

/// Whether a change, where there is one, is to another value than the one that stands.
fn differs<T: PartialEq>(change: Option<&T>, stands: &T) -> bool {
    change.is_some_and(|change| change != stands)
}

/// A word for a LIKE pattern, with its own wildcards taken literally.
fn literal(word: &str) -> String {
    word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A search word as a LIKE pattern that means "contains it".
fn contains(search: &str) -> String {
    format!("%{}%", literal(search))
}
