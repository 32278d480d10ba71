//! What a provider posted: first anybody's word, then, once its signature held, a delivery. Only a provider's own file makes
//! one of the second kind. Must not know tenants, nor keep anything.

/// A delivery whose signature held, under the key that it was checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    provider: &'static str,
    event: Event,
    body: Vec<u8>,
}

/// Which event a delivery is of, as its body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's name for it: the same on every try.
    pub id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// Whom it came from, where a customer's message is: what one customer writes is worked on in its order.
    pub from: Option<String>,
}

/// Why a post is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Its body is not what the provider sends.
    Unreadable(&'static str),
    /// Its signature does not hold.
    Unsigned(&'static str),
}

impl Verified {
    pub(in crate::channels) fn new(provider: &'static str, event: Event, body: Vec<u8>) -> Self {
        Self { provider, event, body }
    }

    /// The provider, as it stands in the database.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
