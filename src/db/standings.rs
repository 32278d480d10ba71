//! What `identity.rs` has read of callers a moment ago, so that each of a burst of requests need not ask again. Kept for a second at
//! the most, forgotten at once when this process changes any of it. Other nodes' changes are seen when that second is over. Must
//! not judge: rows are kept, not verdicts, and a row that was not good enough to let somebody in is not kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    db::tables::{sessions::SessionRow, tenants::TenantStanding, users::UserRow, visitors::VisitorRow},
    kernel::ids::UserId,
};

/// For how long a row is believed, unless the operator says otherwise.
pub const BELIEVED: Duration = Duration::from_secs(1);
/// Callers of whom something is kept. Who is pushed out is looked up again.
const MOST: usize = 20_000;

/// Who offers a proof: a person's session, or a visitor's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::db) enum Bearer {
    Person(UserId, Uuid),
    Visitor(Uuid),
}

/// A person, their tenant, their session.
pub(in crate::db) type Rows = (UserRow, Option<TenantStanding>, SessionRow);

/// What the database said of them.
#[derive(Clone)]
pub(in crate::db) enum Said {
    Person(Arc<Rows>),
    Visitor(Arc<(VisitorRow, TenantStanding)>),
}

/// Rows of callers, for as long as they are believed.
pub(in crate::db) struct Standings {
    rows: Cache<Bearer, (Instant, u64, Said)>,
    believed: Duration,
    /// Rises when something is forgotten: rows that were read before that are not kept after it.
    changes: AtomicU64,
}

/// The moment from which on a change would be missed.
#[derive(Clone, Copy)]
pub(in crate::db) struct Moment(Instant, u64);

impl Standings {
    pub(in crate::db) fn new(believed: Duration) -> Self {
        Self { rows: Cache::new(MOST), believed, changes: AtomicU64::new(0) }
    }

    /// To be taken before the rows are read.
    pub(in crate::db) fn moment(&self) -> Moment {
        Moment(Instant::now(), self.changes.load(Ordering::SeqCst))
    }

    pub(in crate::db) fn recall(&self, bearer: &Bearer) -> Option<Said> {
        let (read_at, change, said) = self.rows.get(bearer)?;
        let is_fresh = read_at.elapsed() < self.believed && change == self.changes.load(Ordering::SeqCst);
        is_fresh.then_some(said)
    }

    /// Keeps what was read since `moment`. A change meanwhile makes it worth nothing, also if it is noticed only afterwards.
    pub(in crate::db) fn keep(&self, bearer: Bearer, Moment(read_at, change): Moment, said: Said) {
        if !self.believed.is_zero() {
            self.rows.insert(bearer, (read_at, change, said));
        }
    }

    /// Something that decides about callers was changed, or may have been.
    pub(in crate::db) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::kernel::ids::{ConversationId, TenantId};

    fn visitor() -> (Bearer, Said) {
        let (id, tenant_id) = (Uuid::from_u128(7), TenantId(1));
        let expires_at = DateTime::UNIX_EPOCH;
        let row = VisitorRow { id, tenant_id, conversation_id: ConversationId(1), expires_at, revoked_at: None };
        let tenant = TenantStanding {
            id: tenant_id,
            subdomain: "exampleco".to_owned(),
            is_active: true,
            allowed_origins: serde_json::json!([]),
        };
        (Bearer::Visitor(id), Said::Visitor(Arc::new((row, tenant))))
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_believed_for_a_moment() {
        let standings = Standings::new(BELIEVED);
        let (bearer, said) = visitor();
        standings.keep(bearer.clone(), standings.moment(), said);
        assert!(standings.recall(&bearer).is_some());
        tokio::time::advance(BELIEVED).await;
        assert!(standings.recall(&bearer).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_forgets_them_also_while_they_are_being_read() {
        let standings = Standings::new(BELIEVED);
        let (bearer, said) = visitor();
        let reading = standings.moment();
        standings.forget();
        standings.keep(bearer.clone(), reading, said.clone());
        assert!(standings.recall(&bearer).is_none(), "read before the change");
        standings.keep(bearer.clone(), standings.moment(), said);
        assert!(standings.recall(&bearer).is_some(), "read after it");
        standings.forget();
        assert!(standings.recall(&bearer).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_where_the_operator_wants_each_request_to_ask() {
        let standings = Standings::new(Duration::ZERO);
        let (bearer, said) = visitor();
        standings.keep(bearer.clone(), standings.moment(), said);
        assert!(standings.recall(&bearer).is_none());
    }
}
