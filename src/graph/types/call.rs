//! `Call`.

use async_graphql::Object;

use crate::{
    db::tables::calls::CallRow,
    graph::scalars::DateTime,
    kernel::vocabulary::{CallDirection, CallOutcome},
};

/// The phone call that a conversation is of. What the provider has not told yet is null.
pub struct Call {
    pub row: CallRow,
}

/// The phone call that a conversation is of. What the provider has not told yet is null.
#[Object]
impl Call {
    /// When it began.
    async fn started_at(&self) -> Option<DateTime> {
        self.row.known.started_at.map(DateTime)
    }
    /// When it ended.
    async fn ended_at(&self) -> Option<DateTime> {
        self.row.known.ended_at.map(DateTime)
    }
    /// How long it was, in seconds.
    async fn duration_seconds(&self) -> Option<i32> {
        self.row.known.duration_seconds
    }
    /// What became of it.
    async fn outcome(&self) -> Option<CallOutcome> {
        self.row.known.outcome
    }
    /// Who called whom.
    async fn direction(&self) -> Option<CallDirection> {
        let known = &self.row.known;
        let customer = known.customer_number.as_ref();
        known.direction.or_else(|| {
            let is_end = |end: &Option<String>| customer.is_some() && end.as_ref() == customer;
            let inbound = is_end(&known.from_number).then_some(CallDirection::Inbound);
            inbound.or_else(|| is_end(&known.to_number).then_some(CallDirection::Outbound))
        })
    }
    /// Who called: a number, or a SIP address.
    async fn from(&self) -> Option<&str> {
        self.row.known.from_number.as_deref().or(self.row.known.customer_number.as_deref())
    }
    /// Who was called: a number, or a SIP address.
    async fn to(&self) -> Option<&str> {
        self.row.known.to_number.as_deref().or(self.row.known.agent_number.as_deref())
    }
    /// Where it can be heard, as the provider gave it; such addresses may expire.
    async fn recording_url(&self) -> Option<&str> {
        self.row.known.recording_url.as_deref()
    }
    /// What the provider makes of it, in short.
    async fn summary(&self) -> Option<&str> {
        self.row.known.summary.as_deref()
    }
}
