//! Loaders: rows asked for one by one, fetched together. One set per operation, each bound to one tenant, so that no key
//! of another tenant can be loaded through it. Must not outlive the operation: they never forget.
//!
//! Over the `dataloader` crate, with three of its traps closed here and nowhere else: the batch runs in a task of its
//! own (the first waiter runs it, and when that waiter is dropped everybody else's keys are lost); only `try_load` is
//! called (`load` panics); and a batch answers every key, also when it fails.

use std::{collections::HashMap, sync::Arc, task::Poll};

use dataloader::{BatchFn, cached::Loader};

use crate::{
    context::TenantCore,
    db::tables::{
        conversations::{self, ConversationRow},
        leads::{self, LeadRow},
        messages::{self, MessageRow},
        prompts::{self, SectionRow},
        tenants::{self, TenantRow},
        users::{self, UserRow},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::{BundleId, ConversationId, LeadId, UserId},
        page::{Page, Slice},
        task,
    },
};

/// A page of one conversation's messages, as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// Whose messages.
    pub conversation: ConversationId,
    /// Which of them.
    pub page: Page,
}

macro_rules! loaders {
    ($($(#[$doc:meta])* $name:ident($key:ty) -> $value:ty = $batch:ident via $fetch:path;)+) => {
        $(
            struct $batch(Arc<TenantCore>);

            impl BatchFn<$key, Result<$value, Refusal>> for $batch {
                async fn load(&mut self, keys: &[$key]) -> HashMap<$key, Result<$value, Refusal>> {
                    match $fetch(&self.0, keys).await {
                        Ok(mut found) => keys
                            .iter()
                            .map(|key| (*key, Ok(found.remove(key).unwrap_or_default())))
                            .collect(),
                        Err(failure) => {
                            let refusal = shared(failure);
                            keys.iter().map(|key| (*key, Err(refusal.clone()))).collect()
                        }
                    }
                }
            }
        )+

        /// The loaders of one operation.
        pub struct Loaders {
            $($name: Loader<$key, Result<$value, Refusal>, $batch>,)+
        }

        impl Loaders {
            pub(super) fn new(core: &Arc<TenantCore>) -> Self {
                Self { $($name: Loader::new($batch(core.clone())),)+ }
            }

            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the batch ran into.
                pub async fn $name(&self, key: $key) -> Outcome<$value> {
                    let loader = self.$name.clone();
                    let mut loading = Box::pin(async move { loader.try_load(key).await });
                    // Polled here first, which notes the key: all fields of one level do so in one go, since none of
                    // them gets past the yield before the last has come to it. Only then does a batch set out.
                    let loaded = if let Poll::Ready(loaded) = futures_util::poll!(&mut loading) {
                        loaded
                    } else {
                        tokio::task::yield_now().await;
                        task::spawn(loading).await.map_err(|error| Failure::Fault(error.into()))?
                    };
                    loaded
                        .map_err(|error| Failure::Fault(error.into()))?
                        .map_err(Failure::Refused)
                }
            )+
        }
    };
}

loaders! {
    /// The tenant itself.
    own_tenant(()) -> Option<TenantRow> = TenantBatch via fetch_tenant;
    /// A lead.
    lead(LeadId) -> Option<LeadRow> = LeadBatch via fetch_leads;
    /// A conversation.
    conversation(ConversationId) -> Option<ConversationRow> = ConversationBatch via fetch_conversations;
    /// A person of the tenant.
    user(UserId) -> Option<UserRow> = UserBatch via fetch_users;
    /// A page of a conversation's messages.
    messages(PageKey) -> Option<Slice<MessageRow>> = MessageBatch via fetch_messages;
    /// The sections of a prompt bundle.
    sections(BundleId) -> Vec<SectionRow> = SectionBatch via fetch_sections;
}

/// One failure for many waiters. A fault is logged here, once; the waiters get the neutral answer.
fn shared(failure: Failure) -> Refusal {
    match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Fault(error) => {
            tracing::error!(error = %format!("{error:#}"), "a batch failed");
            Refusal::new(ErrorCode::Internal, "Something went wrong on our side.")
        }
    }
}

async fn fetch_tenant(cx: &TenantCore, _: &[()]) -> Outcome<HashMap<(), Option<TenantRow>>> {
    let row = cx.read(async |tx| tenants::own(tx).await).await?;
    Ok(HashMap::from([((), Some(row))]))
}

async fn fetch_leads(cx: &TenantCore, keys: &[LeadId]) -> Outcome<HashMap<LeadId, Option<LeadRow>>> {
    let rows = cx.read(async |tx| leads::find_many(tx, keys).await).await?;
    Ok(rows.into_iter().map(|row| (row.id, Some(row))).collect())
}

async fn fetch_conversations(
    cx: &TenantCore,
    keys: &[ConversationId],
) -> Outcome<HashMap<ConversationId, Option<ConversationRow>>> {
    let rows = cx.read(async |tx| conversations::find_many(tx, keys).await).await?;
    Ok(rows.into_iter().map(|row| (row.id, Some(row))).collect())
}

async fn fetch_users(cx: &TenantCore, keys: &[UserId]) -> Outcome<HashMap<UserId, Option<UserRow>>> {
    let rows = cx.read(async |tx| users::find_many(tx, keys).await).await?;
    Ok(rows.into_iter().map(|row| (row.id, Some(row))).collect())
}

async fn fetch_sections(cx: &TenantCore, keys: &[BundleId]) -> Outcome<HashMap<BundleId, Vec<SectionRow>>> {
    let rows = cx.read(async |tx| prompts::sections(tx, keys).await).await?;
    let mut sections: HashMap<BundleId, Vec<SectionRow>> = HashMap::new();
    for row in rows {
        sections.entry(row.bundle_id).or_default().push(row);
    }
    Ok(sections)
}

/// All keys of one field ask for the same page, so this is one statement; each further shape of page costs one more.
async fn fetch_messages(cx: &TenantCore, keys: &[PageKey]) -> Outcome<HashMap<PageKey, Option<Slice<MessageRow>>>> {
    let mut shapes: HashMap<Page, Vec<ConversationId>> = HashMap::new();
    for key in keys {
        shapes.entry(key.page).or_default().push(key.conversation);
    }
    cx.read(async |tx| {
        let mut found = HashMap::new();
        for (page, conversations) in &shapes {
            for (conversation, slice) in messages::pages(tx, conversations, page).await? {
                found.insert(PageKey { conversation, page: *page }, Some(slice));
            }
        }
        Ok(found)
    })
    .await
}
