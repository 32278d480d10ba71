//! The graph's objects, one file a noun: a row, and the context in which it was read. Must not query but through the
//! context's loaders.

pub mod audit;
pub mod booking;
pub mod call;
pub mod chat_event;
pub mod conversation;
pub mod delivery;
pub mod impersonation;
pub mod knowledge;
pub mod lead;
pub mod mail_delivery;
pub mod mailbox;
pub mod meeting;
pub mod message;
pub mod order;
pub mod prompt;
pub mod session;
pub mod settings;
pub mod tenant;
pub mod text_message;
pub mod usage;
pub mod user;
pub mod visitor;

use async_graphql::{MaybeUndefined, Result};

use crate::kernel::{
    failure::Refusal,
    page::{List, Order, Page, PageArgs},
};

/// What a field gives that may be null. Where it fails it is null and says why, and the rest of the answer stands (6.4.4): so the
/// library has it of an option of results, where the failure of a result takes the whole object with it.
pub(super) async fn nullable<T>(find: impl AsyncFnOnce() -> Result<Option<T>>) -> Option<Result<T>> {
    find().await.transpose()
}

/// The arguments of a connection field, checked.
pub(super) fn page(
    list: List,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> Result<Page, Refusal> {
    ordered_page(Order::newest(list), first, after, last, before)
}

/// As [`page`], of a list that is in another order, or in one that the client chose.
pub(super) fn ordered_page(
    order: Order,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> Result<Page, Refusal> {
    Page::read(&PageArgs { first, after, last, before }, order)
}

/// Omitted: leave as it is. Null: clear. A value: set.
pub(super) fn change<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// Omitted: leave as it is. A value: set. Null is refused: `field` can't be empty.
pub(super) fn given<T>(field: &'static str, value: MaybeUndefined<T>) -> Result<Option<T>, Refusal> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => {
            Err(Refusal::input(field, format!("`{field}` can't be cleared; leave it out to keep it as it is.")))
        }
    }
}

/// A search word, bounded; a NUL can be in no text, so nothing would be found with it.
pub(super) fn search(word: Option<String>) -> Option<String> {
    word.map(|word| word.trim().replace('\0', "\u{fffd}").chars().take(200).collect::<String>())
        .filter(|word| !word.is_empty())
}
