//! Prompts: what the assistant is told. The global base and the tenant's sections are merged by key, the tenant's wins
//! unless the base locked it, then ordered; the tenant's `system_prompt` leads.

mod edit;
mod outlook;

use std::collections::BTreeMap;

use async_graphql::Enum;
use futures_util::try_join;
use ring::digest::{SHA256, digest};

pub use edit::{BundleForm, Editor, FAQ, SetupForm, archive, create, publish, seed_base, setup, update};
pub use outlook::{impact, preview};

use crate::{
    db::{
        tables::{
            prompts::{self, SectionRow},
            tenants,
        },
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{Outcome, Refusal},
        vocabulary::Channel,
    },
};

/// Whose section it is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptOrigin {
    /// The global base's.
    Global,
    /// The tenant's own.
    Tenant,
}

/// A section of a composed prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposedSection {
    /// Its key.
    pub key: String,
    /// What the model is told.
    pub content: String,
    /// Where it stands.
    pub position: i32,
    /// Whose it is.
    pub origin: PromptOrigin,
    /// It replaced a section of the base.
    pub overrides_global: bool,
}

/// What the model will see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The whole text.
    pub text: String,
    /// SHA-256 of the text, in hex; stored on each reply.
    pub hash: String,
    /// Its parts, in order.
    pub sections: Vec<ComposedSection>,
}

/// Merges the base with a tenant's sections, for one channel or for all.
#[must_use]
pub fn compose(
    system_prompt: Option<&str>,
    base: &[SectionRow],
    own: &[SectionRow],
    channel: Option<Channel>,
) -> Composed {
    let wanted = |section: &&SectionRow| match (channel, section.channels()) {
        (Some(channel), Some(only)) => only.contains(&channel),
        _ => true,
    };
    let mut merged: BTreeMap<&str, ComposedSection> = BTreeMap::new();
    for section in base.iter().filter(wanted) {
        merged.insert(&section.key, composed(section, PromptOrigin::Global, false));
    }
    // A locked key is the base's on every channel, also on those that its section is not for.
    let is_locked = |key: &str| base.iter().any(|section| section.is_locked && section.key == key);
    for section in own.iter().filter(wanted).filter(|section| !is_locked(&section.key)) {
        let overrides = merged.contains_key(section.key.as_str());
        merged.insert(&section.key, composed(section, PromptOrigin::Tenant, overrides));
    }
    // By position, then by key: total and stable, since keys are unique.
    let mut sections: Vec<_> = merged.into_values().collect();
    sections.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.key.cmp(&b.key)));
    let lead = system_prompt.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let parts = sections.iter().map(|section| format!("## {}\n{}", section.key, section.content));
    let text = lead.into_iter().chain(parts).collect::<Vec<_>>().join("\n\n");
    let hash = hex::encode(digest(&SHA256, text.as_bytes()));
    Composed { text, hash, sections }
}

fn composed(section: &SectionRow, origin: PromptOrigin, overrides_global: bool) -> ComposedSection {
    ComposedSection {
        key: section.key.clone(),
        content: section.content.clone(),
        position: section.position,
        origin,
        overrides_global,
    }
}

/// The prompt that the tenant's replies are written under now.
///
/// # Errors
/// Faults only.
pub async fn in_force(tx: &Tx<Tenant>, channel: Option<Channel>) -> Outcome<Composed> {
    let (tenant, (base, own)) = try_join!(tenants::own(tx), prompts::in_production(tx))?;
    Ok(compose(tenant.system_prompt.as_deref(), &base, &own, channel))
}

fn missing() -> Refusal {
    Refusal::not_found("bundle")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::ids::BundleId;

    fn row(key: &str, content: &str, position: i32, is_locked: bool, channels: Option<Vec<Channel>>) -> SectionRow {
        SectionRow {
            bundle_id: BundleId(1),
            key: key.to_owned(),
            content: content.to_owned(),
            position,
            channels: channels.map(|list| serde_json::json!(list)),
            is_locked,
        }
    }

    #[test]
    fn with_nothing_of_its_own_a_tenant_gets_the_base_alone() {
        let base = [row("role", "Be kind.", 1, false, None)];
        assert_eq!(compose(None, &base, &[], None).text, "## role\nBe kind.");
    }

    #[test]
    fn the_system_prompt_leads_and_channels_are_heeded() {
        let own = [row("sms", "Be short.", 2, false, Some(vec![Channel::Sms])), row("all", "Be kind.", 3, false, None)];
        let on = |channel| compose(Some("I am first."), &[], &own, Some(channel)).text;
        assert_eq!(on(Channel::Sms), "I am first.\n\n## sms\nBe short.\n\n## all\nBe kind.");
        assert_eq!(on(Channel::Web), "I am first.\n\n## all\nBe kind.");
    }

    fn sections(is_base: bool) -> impl Strategy<Value = Vec<SectionRow>> {
        let channels = proptest::option::of(proptest::sample::subsequence(vec![Channel::Web, Channel::Sms], 1..=2));
        let members = ("[x-z]{1,3}", 0..4i32, any::<bool>(), channels);
        proptest::collection::btree_map("[a-e]", members, 0..5).prop_map(move |map| {
            map.into_iter()
                .map(|(key, (content, position, lock, only))| row(&key, &content, position, is_base && lock, only))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_tenant_wins_locked_stays_and_the_order_is_total_and_stable(
            base in sections(true),
            own in sections(false),
            channel in proptest::option::of(proptest::sample::select(vec![Channel::Web, Channel::Sms, Channel::Voice])),
        ) {
            let made = compose(None, &base, &own, channel);
            let is_for = |row: &&SectionRow| {
                channel.is_none_or(|channel| row.channels().is_none_or(|only| only.contains(&channel)))
            };
            let keys = base.iter().chain(&own).map(|row| row.key.clone()).collect::<std::collections::BTreeSet<_>>();
            for key in keys {
                let from_base = base.iter().filter(is_for).find(|row| row.key == key);
                let from_own = own.iter().filter(is_for).find(|row| row.key == key);
                let locked = base.iter().any(|row| row.key == key && row.is_locked);
                let expected = if locked { from_base } else { from_own.or(from_base) };
                let section = made.sections.iter().find(|section| section.key == key);
                prop_assert_eq!(section.map(|section| &section.content), expected.map(|row| &row.content));
                if let Some(section) = section {
                    prop_assert_eq!(section.origin == PromptOrigin::Tenant, from_own.is_some() && !locked);
                    prop_assert_eq!(section.overrides_global, from_own.is_some() && !locked && from_base.is_some());
                }
            }
            let order: Vec<_> = made.sections.iter().map(|section| (section.position, section.key.clone())).collect();
            let mut sorted = order.clone();
            sorted.sort();
            prop_assert_eq!(&order, &sorted);
            let (mut base, mut own) = (base, own);
            base.reverse();
            own.reverse();
            prop_assert_eq!(made, compose(None, &base, &own, channel));
        }
    }
}
