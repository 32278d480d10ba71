//! The orders that lists can be read in.

use async_graphql::{Enum, InputObject};

use crate::kernel::page::{List, Order, OrderBy};

/// Which end of an order comes first.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The least, the oldest, the first of the alphabet.
    Asc,
    /// The greatest, the newest, the last of the alphabet.
    Desc,
}

/// What leads can be ordered by.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadOrderField {
    /// When they were noted.
    CreatedAt,
    /// When they were last changed. One that changes while you page may be met twice, or not at all.
    UpdatedAt,
    /// What they are called, without regard to case; those without a name count as empty.
    Name,
}

/// An order of leads.
#[derive(InputObject)]
pub struct LeadOrder {
    /// By what.
    field: LeadOrderField,
    /// Which end first.
    direction: Direction,
}

impl From<LeadOrder> for Order {
    fn from(order: LeadOrder) -> Self {
        let by = match order.field {
            LeadOrderField::CreatedAt => OrderBy::CreatedAt,
            LeadOrderField::UpdatedAt => OrderBy::UpdatedAt,
            LeadOrderField::Name => OrderBy::Name,
        };
        Self { list: List::Leads, by, ascending: order.direction == Direction::Asc }
    }
}

/// What conversations can be ordered by.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationOrderField {
    /// When they began.
    CreatedAt,
    /// When something last happened in them. One that changes while you page may be met twice, or not at all.
    UpdatedAt,
}

/// An order of conversations.
#[derive(InputObject)]
pub struct ConversationOrder {
    /// By what.
    field: ConversationOrderField,
    /// Which end first.
    direction: Direction,
}

impl From<ConversationOrder> for Order {
    fn from(order: ConversationOrder) -> Self {
        let by = match order.field {
            ConversationOrderField::CreatedAt => OrderBy::CreatedAt,
            ConversationOrderField::UpdatedAt => OrderBy::UpdatedAt,
        };
        Self { list: List::Conversations, by, ascending: order.direction == Direction::Asc }
    }
}
