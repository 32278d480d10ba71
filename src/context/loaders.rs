//! Loaders: rows asked for one by one, fetched together. One set per operation, each bound to one tenant (or to the
//! platform), so that no key of another tenant can be loaded through it. Must not outlive the operation: they never forget.
//!
//! Over the `dataloader` crate, with three of its traps closed here and in `wave.rs`, and nowhere else: a batch for several runs in a
//! task of its own (the first waiter runs it, and when that waiter is dropped everybody else's keys are lost); only `try_load` is
//! called (`load` panics); and a batch answers every key, also when it fails.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, OnceLock},
};

use dataloader::{BatchFn, cached::Loader};

use crate::{
    context::{AdminCore, TenantCore, wave::Wave},
    db::tables::{
        audit::{self, EntryRow},
        booking::{self, Booking},
        calls::{self, CallRow},
        conversations::{self, ConversationRow},
        deliveries::{self, DeliveryRow},
        impersonations::{self, ImpersonationRow},
        knowledge::{self, DocumentRow},
        leads::{self, LeadRow},
        mails::{self, ReplyRow},
        meetings::{self, MeetingRow},
        messages::{self, MessageRow},
        prompts::{self, BundleRow, SectionRow},
        provisioning::{self, Provisioned},
        tenants::{self, TenantRow},
        texts::{self, TextRow},
        users::{self, UserRow},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::{
            AuditId, BundleId, ConversationId, DeliveryId, DocumentId, ImpersonationId, LeadId, MeetingId, MessageId,
            TenantId, UserId,
        },
        page::{Page, Slice},
    },
};

/// A page of one conversation's messages, as a key.
pub type MessagePage = (ConversationId, Page);
/// A page of one lead's conversations, as a key.
pub type LeadPage = (LeadId, Page);

macro_rules! loaders {
    ($(#[$set_doc:meta])* $set:ident over $core:ty {
        $($(#[$doc:meta])* $name:ident($key:ty) -> $value:ty = $batch:ident via $fetch:path;)+
    }) => {
        $(
            struct $batch(Arc<$core>, Wave);

            impl BatchFn<$key, Result<$value, Refusal>> for $batch {
                async fn load(&mut self, keys: &[$key]) -> HashMap<$key, Result<$value, Refusal>> {
                    self.1.sets_out();
                    match $fetch(&self.0, keys).await {
                        Ok(mut found) => keys
                            .iter()
                            .map(|key| (key.clone(), Ok(found.remove(key).unwrap_or_default())))
                            .collect(),
                        Err(failure) => {
                            let refusal = shared(failure);
                            keys.iter().map(|key| (key.clone(), Err(refusal.clone()))).collect()
                        }
                    }
                }
            }
        )+

        $(#[$set_doc])*
        pub struct $set {
            core: Arc<$core>,
            wave: Wave,
            // Made when first asked: an operation uses two or three.
            $($name: OnceLock<Loader<$key, Result<$value, Refusal>, $batch>>,)+
        }

        impl $set {
            pub(super) fn new(core: &Arc<$core>) -> Self {
                Self { core: core.clone(), wave: Wave::default(), $($name: OnceLock::new(),)+ }
            }

            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the batch ran into.
                pub async fn $name(&self, key: $key) -> Outcome<$value> {
                    let rider = self.wave.join();
                    let loader = self.$name.get_or_init(|| {
                        // One, in which the key is noted; the wait for the others' is the wave's.
                        Loader::new($batch(self.core.clone(), self.wave.clone())).with_yield_count(1)
                    });
                    let loader = loader.clone();
                    let loaded = rider.ride(async move { loader.try_load(key).await }).await;
                    loaded
                        .map_err(|error| Failure::Fault(error.into()))?
                        .map_err(|error| Failure::Fault(error.into()))?
                        .map_err(Failure::Refused)
                }
            )+
        }
    };
}

loaders! {
    /// The loaders of one operation in a tenant.
    Loaders over TenantCore {
        /// The tenant itself.
        own_tenant(()) -> Option<TenantRow> = TenantBatch via fetch_tenant;
        /// The tenant's settings, and what of it is set up.
        provisioned(()) -> Option<Provisioned> = ProvisionBatch via fetch_provisioned;
        /// When the tenant meets its customers.
        booking(()) -> Option<Booking> = BookingBatch via fetch_booking;
        /// A meeting.
        meeting(MeetingId) -> Option<MeetingRow> = MeetingBatch via fetch_meetings;
        /// A lead.
        lead(LeadId) -> Option<LeadRow> = LeadBatch via fetch_leads;
        /// A conversation.
        conversation(ConversationId) -> Option<ConversationRow> = ConversationBatch via fetch_conversations;
        /// The phone call that a conversation is of.
        call(ConversationId) -> Option<CallRow> = CallBatch via fetch_calls;
        /// A page of a lead's conversations.
        conversations(LeadPage) -> Option<Slice<ConversationRow>> = LeadPageBatch via fetch_lead_pages;
        /// How many conversations a lead has.
        conversation_count(LeadId) -> i64 = ConversationCountBatch via fetch_conversation_counts;
        /// A person of the tenant, or an administrator who looked into it.
        user(UserId) -> Option<UserRow> = UserBatch via fetch_users;
        /// A page of a conversation's messages.
        messages(MessagePage) -> Option<Slice<Arc<MessageRow>>> = MessageBatch via fetch_messages;
        /// How many messages a conversation has.
        message_count(ConversationId) -> i64 = MessageCountBatch via fetch_message_counts;
        /// The sections of a prompt bundle.
        sections(BundleId) -> Vec<SectionRow> = SectionBatch via fetch_sections;
        /// Keys of the base's sections that no tenant can override.
        locked_keys(()) -> Vec<String> = LockedBatch via fetch_locked;
        /// How many pieces a document was cut into.
        chunk_count(DocumentId) -> i64 = ChunkCountBatch via fetch_chunk_counts;
        /// A document's text.
        document_text(DocumentId) -> Option<String> = DocumentTextBatch via fetch_document_texts;
        /// A document.
        document(DocumentId) -> Option<DocumentRow> = DocumentBatch via fetch_documents;
        /// The texts that carried a message.
        texts(MessageId) -> Vec<TextRow> = TextBatch via fetch_texts;
        /// The mail that carried a message.
        mail(MessageId) -> Option<ReplyRow> = MailBatch via fetch_mails;
        /// A message.
        message(MessageId) -> Option<MessageRow> = OneMessageBatch via fetch_single_messages;
        /// A prompt bundle.
        bundle(BundleId) -> Option<BundleRow> = BundleBatch via fetch_bundles;
        /// An entry of the audit log.
        entry(AuditId) -> Option<EntryRow> = EntryBatch via fetch_entries;
        /// A delivered event.
        delivery(DeliveryId) -> Option<DeliveryRow> = DeliveryBatch via fetch_deliveries;
        /// A lease by which somebody looked in.
        impersonation(ImpersonationId) -> Option<ImpersonationRow> = ImpersonationBatch via fetch_impersonations;
    }
}

loaders! {
    /// The loaders of one operation on the platform.
    PlatformLoaders over AdminCore {
        /// A tenant.
        tenant(TenantId) -> Option<TenantRow> = AnyTenantBatch via fetch_any_tenants;
        /// A tenant's settings, and what of it is set up.
        provisioned(TenantId) -> Option<Provisioned> = AnyProvisionBatch via fetch_any_provisioned;
        /// When a tenant meets its customers.
        booking(TenantId) -> Option<Booking> = AnyBookingBatch via fetch_any_booking;
        /// Any person.
        user(UserId) -> Option<UserRow> = AnyUserBatch via fetch_any_users;
        /// The sections of a bundle of the base.
        sections(BundleId) -> Vec<SectionRow> = BaseSectionBatch via fetch_base_sections;
        /// A bundle of the base.
        bundle(BundleId) -> Option<BundleRow> = BaseBundleBatch via fetch_base_bundles;
        /// An entry of the audit log.
        entry(AuditId) -> Option<EntryRow> = AnyEntryBatch via fetch_any_entries;
        /// A delivered event that no tenant could be found for.
        delivery(DeliveryId) -> Option<DeliveryRow> = LostDeliveryBatch via fetch_lost_deliveries;
        /// A lease.
        impersonation(ImpersonationId) -> Option<ImpersonationRow> = AnyImpersonationBatch via fetch_any_impersonations;
    }
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

fn by_key<K: Eq + Hash, R>(rows: Vec<R>, key: impl Fn(&R) -> K) -> HashMap<K, Option<R>> {
    rows.into_iter().map(|row| (key(&row), Some(row))).collect()
}

fn grouped(rows: Vec<SectionRow>) -> HashMap<BundleId, Vec<SectionRow>> {
    let mut sections: HashMap<BundleId, Vec<SectionRow>> = HashMap::new();
    for row in rows {
        sections.entry(row.bundle_id).or_default().push(row);
    }
    sections
}

async fn fetch_tenant(cx: &TenantCore, _: &[()]) -> Outcome<HashMap<(), Option<TenantRow>>> {
    let row = cx.read(async |tx| tenants::own(tx).await).await?;
    Ok(HashMap::from([((), Some(row))]))
}

async fn fetch_provisioned(cx: &TenantCore, _: &[()]) -> Outcome<HashMap<(), Option<Provisioned>>> {
    let own = cx.scope.tenant();
    let mut found = cx.read(async |tx| provisioning::find_many(tx, &[own]).await).await?;
    Ok(HashMap::from([((), found.remove(&own))]))
}

async fn fetch_booking(cx: &TenantCore, _: &[()]) -> Outcome<HashMap<(), Option<Booking>>> {
    let own = cx.scope.tenant();
    let mut found = cx.read(async |tx| booking::find_many(tx, &[own]).await).await?;
    Ok(HashMap::from([((), found.remove(&own))]))
}

async fn fetch_any_booking(cx: &AdminCore, keys: &[TenantId]) -> Outcome<HashMap<TenantId, Option<Booking>>> {
    let found = cx.administer(async |tx| booking::find_many(tx, keys).await).await?;
    Ok(found.into_iter().map(|(id, found)| (id, Some(found))).collect())
}

async fn fetch_meetings(cx: &TenantCore, keys: &[MeetingId]) -> Outcome<HashMap<MeetingId, Option<MeetingRow>>> {
    Ok(by_key(cx.read(async |tx| meetings::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_leads(cx: &TenantCore, keys: &[LeadId]) -> Outcome<HashMap<LeadId, Option<LeadRow>>> {
    Ok(by_key(cx.read(async |tx| leads::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_conversations(
    cx: &TenantCore,
    keys: &[ConversationId],
) -> Outcome<HashMap<ConversationId, Option<ConversationRow>>> {
    Ok(by_key(cx.read(async |tx| conversations::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_texts(cx: &TenantCore, keys: &[MessageId]) -> Outcome<HashMap<MessageId, Vec<TextRow>>> {
    cx.read(async |tx| texts::of_messages(tx, keys).await).await
}

async fn fetch_mails(cx: &TenantCore, keys: &[MessageId]) -> Outcome<HashMap<MessageId, Option<ReplyRow>>> {
    Ok(by_key(cx.read(async |tx| mails::of_messages(tx, keys).await).await?, |row| row.message_id))
}

async fn fetch_calls(cx: &TenantCore, keys: &[ConversationId]) -> Outcome<HashMap<ConversationId, Option<CallRow>>> {
    let rows = cx.read(async |tx| calls::of_conversations(tx, keys).await).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.conversation_id?, Some(row)))).collect())
}

async fn fetch_users(cx: &TenantCore, keys: &[UserId]) -> Outcome<HashMap<UserId, Option<UserRow>>> {
    Ok(by_key(cx.read(async |tx| users::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_sections(cx: &TenantCore, keys: &[BundleId]) -> Outcome<HashMap<BundleId, Vec<SectionRow>>> {
    Ok(grouped(cx.read(async |tx| prompts::sections(tx, keys).await).await?))
}

async fn fetch_locked(cx: &TenantCore, _: &[()]) -> Outcome<HashMap<(), Vec<String>>> {
    let (base, _) = cx.read(async |tx| prompts::in_production(tx).await).await?;
    Ok(HashMap::from([((), base.into_iter().filter(|row| row.is_locked).map(|row| row.key).collect())]))
}

async fn fetch_conversation_counts(cx: &TenantCore, keys: &[LeadId]) -> Outcome<HashMap<LeadId, i64>> {
    cx.read(async |tx| conversations::counts_by_lead(tx, keys).await).await
}

async fn fetch_message_counts(cx: &TenantCore, keys: &[ConversationId]) -> Outcome<HashMap<ConversationId, i64>> {
    cx.read(async |tx| messages::counts(tx, keys).await).await
}

async fn fetch_chunk_counts(cx: &TenantCore, keys: &[DocumentId]) -> Outcome<HashMap<DocumentId, i64>> {
    cx.read(async |tx| knowledge::chunk_counts(tx, keys).await).await
}

async fn fetch_impersonations(
    cx: &TenantCore,
    keys: &[ImpersonationId],
) -> Outcome<HashMap<ImpersonationId, Option<ImpersonationRow>>> {
    Ok(by_key(cx.read(async |tx| impersonations::find_many(tx, keys).await).await?, |row| row.id))
}

/// The keys of pages by the page that they ask for. All keys of one field ask for the same, so each is one statement.
fn shapes<K: Copy>(keys: &[(K, Page)]) -> HashMap<&Page, Vec<K>> {
    let mut shapes: HashMap<&Page, Vec<K>> = HashMap::new();
    for (of, page) in keys {
        shapes.entry(page).or_default().push(*of);
    }
    shapes
}

async fn fetch_messages(
    cx: &TenantCore,
    keys: &[MessagePage],
) -> Outcome<HashMap<MessagePage, Option<Slice<Arc<MessageRow>>>>> {
    cx.read(async |tx| {
        let mut found = HashMap::new();
        for (page, of) in shapes(keys) {
            let slices = messages::pages(tx, &of, page).await?;
            found.extend(slices.into_iter().map(|(id, slice)| ((id, page.clone()), Some(slice))));
        }
        Ok(found)
    })
    .await
}

async fn fetch_lead_pages(
    cx: &TenantCore,
    keys: &[LeadPage],
) -> Outcome<HashMap<LeadPage, Option<Slice<ConversationRow>>>> {
    cx.read(async |tx| {
        let mut found = HashMap::new();
        for (page, of) in shapes(keys) {
            let slices = conversations::pages_by_lead(tx, &of, page).await?;
            found.extend(slices.into_iter().map(|(id, slice)| ((id, page.clone()), Some(slice))));
        }
        Ok(found)
    })
    .await
}

async fn fetch_document_texts(cx: &TenantCore, keys: &[DocumentId]) -> Outcome<HashMap<DocumentId, Option<String>>> {
    let rows = cx.read(async |tx| knowledge::texts(tx, keys).await).await?;
    Ok(rows.into_iter().map(|(id, text)| (id, Some(text))).collect())
}

async fn fetch_documents(cx: &TenantCore, keys: &[DocumentId]) -> Outcome<HashMap<DocumentId, Option<DocumentRow>>> {
    Ok(by_key(cx.read(async |tx| knowledge::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_single_messages(cx: &TenantCore, keys: &[MessageId]) -> Outcome<HashMap<MessageId, Option<MessageRow>>> {
    Ok(by_key(cx.read(async |tx| messages::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_bundles(cx: &TenantCore, keys: &[BundleId]) -> Outcome<HashMap<BundleId, Option<BundleRow>>> {
    Ok(by_key(cx.read(async |tx| prompts::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_base_bundles(cx: &AdminCore, keys: &[BundleId]) -> Outcome<HashMap<BundleId, Option<BundleRow>>> {
    Ok(by_key(cx.administer(async |tx| prompts::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_entries(cx: &TenantCore, keys: &[AuditId]) -> Outcome<HashMap<AuditId, Option<EntryRow>>> {
    Ok(by_key(cx.read(async |tx| audit::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_any_entries(cx: &AdminCore, keys: &[AuditId]) -> Outcome<HashMap<AuditId, Option<EntryRow>>> {
    Ok(by_key(cx.administer(async |tx| audit::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_deliveries(cx: &TenantCore, keys: &[DeliveryId]) -> Outcome<HashMap<DeliveryId, Option<DeliveryRow>>> {
    Ok(by_key(cx.read(async |tx| deliveries::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_lost_deliveries(
    cx: &AdminCore,
    keys: &[DeliveryId],
) -> Outcome<HashMap<DeliveryId, Option<DeliveryRow>>> {
    Ok(by_key(cx.administer(async |tx| deliveries::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_any_tenants(cx: &AdminCore, keys: &[TenantId]) -> Outcome<HashMap<TenantId, Option<TenantRow>>> {
    Ok(by_key(cx.administer(async |tx| tenants::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_any_provisioned(cx: &AdminCore, keys: &[TenantId]) -> Outcome<HashMap<TenantId, Option<Provisioned>>> {
    let found = cx.administer(async |tx| provisioning::find_many(tx, keys).await).await?;
    Ok(found.into_iter().map(|(id, found)| (id, Some(found))).collect())
}

async fn fetch_any_users(cx: &AdminCore, keys: &[UserId]) -> Outcome<HashMap<UserId, Option<UserRow>>> {
    Ok(by_key(cx.administer(async |tx| users::find_many(tx, keys).await).await?, |row| row.id))
}

async fn fetch_base_sections(cx: &AdminCore, keys: &[BundleId]) -> Outcome<HashMap<BundleId, Vec<SectionRow>>> {
    Ok(grouped(cx.administer(async |tx| prompts::sections(tx, keys).await).await?))
}

async fn fetch_any_impersonations(
    cx: &AdminCore,
    keys: &[ImpersonationId],
) -> Outcome<HashMap<ImpersonationId, Option<ImpersonationRow>>> {
    Ok(by_key(cx.administer(async |tx| impersonations::find_many(tx, keys).await).await?, |row| row.id))
}
