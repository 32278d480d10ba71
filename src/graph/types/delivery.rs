//! `WebhookDelivery`.

use async_graphql::{ID, InputObject, Object};

use crate::{
    context::View,
    db::tables::deliveries::{DeliveryFilter, DeliveryRow},
    graph::{connection::connection, plain::plain, scalars::DateTime, types::search},
    kernel::{failure::Outcome, ids::DeliveryId, vocabulary::DeliveryStatus},
};

/// An event that a provider delivered to one of our routes, and what became of it.
#[derive(Clone)]
pub struct WebhookDelivery {
    pub row: DeliveryRow,
}

impl WebhookDelivery {
    /// The one with this id, as far as it can be seen from here.
    pub async fn load(view: &View, id: DeliveryId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().delivery(id).await?,
            View::Platform(cx) => cx.loaders().delivery(id).await?,
        };
        Ok(row.map(|row| Self { row }))
    }
}

/// An event that a provider delivered to one of our routes, and what became of it.
#[Object]
impl WebhookDelivery {
    /// The global id, such as `delivery_9`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// Who delivered it: `TELNYX`, `TWILIO` or `GMAIL`.
    async fn provider(&self) -> &str {
        &self.row.provider
    }
    /// The provider's own id for it; delivered again, it is the same event.
    async fn event_id(&self) -> &str {
        &self.row.event_id
    }
    /// What it is, in the provider's words, such as `message.received`.
    async fn event_type(&self) -> &str {
        &self.row.event_type
    }
    /// How far the work on it has come.
    async fn status(&self) -> DeliveryStatus {
        self.row.status
    }
    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        self.row.attempts
    }
    /// Why the last try failed.
    async fn last_error(&self) -> Option<&str> {
        self.row.last_error.as_deref()
    }
    /// When it came.
    async fn received_at(&self) -> DateTime {
        self.row.received_at.into()
    }
    /// When it was done.
    async fn processed_at(&self) -> Option<DateTime> {
        self.row.processed_at.map(DateTime)
    }
}

plain!(WebhookDelivery {
    "id" => id,
    "provider" => provider,
    "eventId" => event_id,
    "eventType" => event_type,
    "status" => status,
    "attempts" => attempts,
    "lastError" => last_error,
    "receivedAt" => received_at,
    "processedAt" => processed_at,
});

connection!(
    WebhookDeliveryConnection, WebhookDeliveryEdge of WebhookDelivery,
    "A page of deliveries.", "A delivery and its place in the list."
);

/// Which deliveries to list.
#[derive(InputObject, Default)]
pub struct WebhookDeliveryFilter {
    /// Only this provider's: `TELNYX`, `TWILIO` or `GMAIL`.
    provider: Option<String>,
    /// Only those with one of these.
    #[graphql(validator(max_items = 10))]
    status: Option<Vec<DeliveryStatus>>,
}

impl From<WebhookDeliveryFilter> for DeliveryFilter {
    fn from(filter: WebhookDeliveryFilter) -> Self {
        Self { provider: search(filter.provider).map(|name| name.to_uppercase()), status: filter.status }
    }
}
