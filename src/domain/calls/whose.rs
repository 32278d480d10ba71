//! Whose call it is. A known call says it best; then the assistant or the number in a body that Telnyx wrote; then the
//! `tenant_id` in our own address, which nobody signed. All that say something must say the same, and the signature must hold
//! with that tenant's key. Must not read a body.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    channels::{
        delivery::Rejection,
        telnyx::{
            Signature,
            calls::{Asked, CallEvent, Claim, Signed},
        },
    },
    db::tables::calls::{self, DoorRow, LineRow},
    domain::{
        calls::measure,
        inbox::{Inbox, NO_KEY},
    },
    kernel::{
        failure::Outcome,
        ids::{self, TenantId},
    },
};

/// The tenant that an address names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// None.
    #[default]
    Nobody,
    /// This one.
    One(TenantId),
    /// Something that is no tenant's number, or several.
    Garbled,
}

impl Wanted {
    /// Reads the query of an address: `tenant_id=1042`, or `tenant_1042`.
    #[must_use]
    pub fn of(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut named = pairs.filter(|(name, _)| name == "tenant_id").map(|(_, value)| value);
        let (first, second) = (named.next(), named.next());
        match (first, second) {
            (None, _) => Self::Nobody,
            (Some(text), None) => ids::number(&text)
                .map(TenantId)
                .or_else(|| ids::parse(&text, "tenant_id").ok())
                .map_or(Self::Garbled, Self::One),
            (Some(_), Some(_)) => Self::Garbled,
        }
    }
}

/// What a request says of whose call it is about.
#[derive(Debug, Clone, Default)]
pub struct Clues {
    /// The provider's name of the call.
    pub call: Option<String>,
    /// The provider's name of the assistant's conversation.
    pub conversation: Option<String>,
    /// The assistant.
    pub assistant: Option<String>,
    /// Numbers of which one should be ours, the likeliest first.
    pub numbers: Vec<String>,
    /// A model may have written assistant and numbers, as in a tool's body: then they can contradict, and choose nobody.
    pub is_hearsay: bool,
    /// Whom our own address names.
    pub wanted: Wanted,
}

impl Clues {
    /// Those of an event.
    #[must_use]
    pub fn of(event: &CallEvent, wanted: Wanted) -> Self {
        Self {
            call: event.call.clone(),
            conversation: event.conversation.clone(),
            assistant: event.assistant.clone(),
            numbers: event.our_ends().into_iter().map(str::to_owned).collect(),
            is_hearsay: false,
            wanted,
        }
    }

    /// Those of what a tool is asked in a call.
    #[must_use]
    pub fn of_tool(call: Option<&str>, asked: &Asked, wanted: Wanted) -> Self {
        let said = |member: &str| {
            let text = asked.get(member).and_then(Value::as_str);
            text.filter(|text| !text.contains('\0')).map(str::to_owned)
        };
        Self {
            call: call.map(str::to_owned),
            conversation: None,
            assistant: said("assistant_id"),
            numbers: said("telnyx_agent_target").into_iter().collect(),
            is_hearsay: true,
            wanted,
        }
    }
}

/// Why nobody can say whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mystery {
    /// Nothing names a tenant that there is.
    Nobody,
    /// Two things name two tenants.
    Contradiction,
    /// The address names something that is no tenant.
    Garbled,
}

/// A request, and whose it is.
pub enum Heard<T> {
    /// Of this tenant, and signed with its key.
    Of(DoorRow, Signed<T>),
    /// Nobody's; `None` where no account that we know signed it.
    Nobodys(Option<Signed<T>>),
}

/// What was found out.
#[derive(Debug, Default)]
struct Evidence {
    /// Tenants that know the call.
    known: Vec<TenantId>,
    /// The tenant whose assistant, and the one whose number, is named.
    named: Vec<TenantId>,
    /// As `named`, by who knows whom.
    rumoured: Vec<TenantId>,
    /// An assistant or a number is named that is nobody's.
    names_stranger: bool,
    wanted: Wanted,
}

impl Evidence {
    fn suspects(&self) -> BTreeSet<TenantId> {
        let wanted = if let Wanted::One(tenant) = self.wanted { Some(tenant) } else { None };
        self.known.iter().chain(&self.named).copied().chain(wanted).collect()
    }

    /// The one tenant; where nothing says anything, the one that the operator set for that, which is another matter than
    /// a stranger's call.
    fn verdict(&self, fallback: Option<TenantId>) -> Result<TenantId, Mystery> {
        if self.wanted == Wanted::Garbled {
            return Err(Mystery::Garbled);
        }
        let suspects = self.suspects();
        let tenant = match (suspects.first(), suspects.len()) {
            (Some(tenant), 1) => *tenant,
            (Some(_), _) => return Err(Mystery::Contradiction),
            (None, _) => fallback.filter(|_| !self.names_stranger).ok_or(Mystery::Nobody)?,
        };
        let is_doubted = self.rumoured.iter().any(|rumoured| *rumoured != tenant);
        if is_doubted { Err(Mystery::Contradiction) } else { Ok(tenant) }
    }
}

impl Inbox<'_> {
    /// Finds whose call a request is about, and holds its signature against that tenant's key.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hear<T>(
        &self,
        claim: Claim<T>,
        clues: &Clues,
        signature: &Signature<'_>,
    ) -> Outcome<Result<Heard<T>, Rejection>> {
        let now = self.services.clock.now().timestamp();
        if let Err(rejection) = signature.could_hold(now) {
            return Ok(Err(rejection));
        }
        let fallback = self.settings.voice_fallback_tenant;
        let (evidence, doors) = self.look(clues, fallback).await?;
        let verdict = evidence
            .verdict(fallback)
            .and_then(|tenant| doors.iter().find(|door| door.tenant_id == tenant).cloned().ok_or(Mystery::Nobody))
            .and_then(
                |door| if is_a_strangers(&door, &evidence, clues) { Err(Mystery::Contradiction) } else { Ok(door) },
            );
        let platform = self.settings.telnyx_public_key.as_deref();
        match verdict {
            Ok(door) => {
                let Some(key) = door.public_key.as_deref().or(platform) else { return Ok(Err(NO_KEY)) };
                let verified = claim.verify(signature, key, now);
                if verified.is_ok() && evidence.suspects().is_empty() {
                    measure::fell_back(&self.services.metrics);
                }
                Ok(verified.map(|signed| Heard::Of(door, signed)))
            }
            Err(mystery) => {
                let mut keys = doors.iter().filter_map(|door| door.public_key.as_deref()).chain(platform);
                let key = keys.find(|key| claim.holds(signature, key, now).is_ok());
                // A caller hears a sentence also where no key of ours is the right one: it tells nothing.
                Ok(key.map(|key| claim.verify(signature, key, now)).transpose().map(|signed| {
                    measure::unresolved(&self.services.metrics, signed.as_ref().map(|_| mystery));
                    let (is_signed, request) = (signed.is_some(), &*self.request.0);
                    tracing::warn!(?mystery, is_signed, request, "whose call it is can't be told");
                    Heard::Nobodys(signed)
                }))
            }
        }
    }

    async fn look(&self, clues: &Clues, fallback: Option<TenantId>) -> Outcome<(Evidence, Vec<DoorRow>)> {
        self.services
            .db
            .identify(async |tx| {
                let known = calls::owners(tx, clues.call.as_deref(), clues.conversation.as_deref()).await?;
                let lines = calls::lines(tx, clues.assistant.as_deref(), &clues.numbers).await?;
                let evidence = weigh(known, &lines, clues);
                let suspects: Vec<_> = evidence.suspects().into_iter().chain(fallback).collect();
                Ok((evidence, calls::doors(tx, &suspects).await?))
            })
            .await
    }
}

/// An account that tenants share signs for each of them. Where our own address alone says whose an event is, another assistant
/// than the tenant's own contradicts it.
fn is_a_strangers(door: &DoorRow, evidence: &Evidence, clues: &Clues) -> bool {
    let others = door.assistant_id.as_ref().zip(clues.assistant.as_ref()).is_some_and(|(own, named)| own != named);
    let by_address_alone = evidence.known.is_empty() && evidence.named.is_empty();
    others && by_address_alone && door.public_key.is_none() && !clues.is_hearsay
}

fn weigh(known: Vec<TenantId>, lines: &[LineRow], clues: &Clues) -> Evidence {
    let by_assistant =
        clues.assistant.as_ref().and_then(|id| lines.iter().find(|line| line.assistant_id.as_ref() == Some(id)));
    let owner = |number: &String| lines.iter().find(|line| line.phone_number.as_ref() == Some(number));
    let by_number = clues.numbers.iter().find_map(owner);
    let named: Vec<_> = by_assistant.into_iter().chain(by_number).map(|line| line.tenant_id).collect();
    let names_stranger = named.is_empty() && (clues.assistant.is_some() || !clues.numbers.is_empty());
    let (named, rumoured) = if clues.is_hearsay { (Vec::new(), named) } else { (named, Vec::new()) };
    Evidence { known, named, rumoured, names_stranger, wanted: clues.wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);
    const NONE: &[TenantId] = &[];

    #[test]
    fn every_pair_of_words_on_whose_call_it_is_is_judged() {
        let (a, b, both) = (&[A][..], &[B][..], &[A, B][..]);
        let (one, other) = (Wanted::One(A), Wanted::One(B));
        for (known, named, wanted, is_stranger, fallback, verdict) in [
            // One thing says it.
            (a, NONE, Wanted::Nobody, false, None, Ok(A)),
            (NONE, a, Wanted::Nobody, false, None, Ok(A)),
            (NONE, NONE, one, false, None, Ok(A)),
            // Several say the same.
            (a, a, one, false, Some(B), Ok(A)),
            (NONE, &[A, A], one, false, None, Ok(A)),
            // Somebody says otherwise.
            (a, b, Wanted::Nobody, false, None, Err(Mystery::Contradiction)),
            (a, NONE, other, false, None, Err(Mystery::Contradiction)),
            (NONE, a, other, false, Some(A), Err(Mystery::Contradiction)),
            (NONE, both, Wanted::Nobody, false, None, Err(Mystery::Contradiction)),
            (both, NONE, one, false, None, Err(Mystery::Contradiction)),
            (a, NONE, Wanted::Garbled, false, Some(A), Err(Mystery::Garbled)),
            // A tenant may have an assistant that it never told us of; its key decides.
            (NONE, NONE, one, true, None, Ok(A)),
            // Nobody says anything.
            (NONE, NONE, Wanted::Nobody, false, None, Err(Mystery::Nobody)),
            (NONE, NONE, Wanted::Nobody, false, Some(B), Ok(B)),
            (NONE, NONE, Wanted::Nobody, true, Some(B), Err(Mystery::Nobody)),
            (NONE, NONE, Wanted::Garbled, false, Some(B), Err(Mystery::Garbled)),
            // What is known goes before what is set for what is not.
            (a, NONE, Wanted::Nobody, true, Some(B), Ok(A)),
        ] {
            let evidence = Evidence {
                known: known.to_vec(),
                named: named.to_vec(),
                names_stranger: is_stranger,
                wanted,
                ..Evidence::default()
            };
            assert_eq!(evidence.verdict(fallback), verdict, "{evidence:?} {fallback:?}");
        }
    }

    #[test]
    fn what_a_model_wrote_can_contradict_and_choose_nobody() {
        let rumour = |known: &[TenantId], fallback| {
            let evidence = Evidence { known: known.to_vec(), rumoured: vec![B], ..Evidence::default() };
            evidence.verdict(fallback)
        };
        assert_eq!(rumour(&[], None), Err(Mystery::Nobody));
        assert_eq!(rumour(&[A], None), Err(Mystery::Contradiction));
        assert_eq!(rumour(&[], Some(A)), Err(Mystery::Contradiction));
        assert_eq!(rumour(&[B], None), Ok(B));
    }

    #[test]
    fn an_address_names_one_tenant_or_none() {
        for (query, wanted) in [
            (None, Wanted::Nobody),
            (Some(""), Wanted::Nobody),
            (Some("x=1"), Wanted::Nobody),
            (Some("tenant_id=1"), Wanted::One(A)),
            (Some("a=b&tenant_id=tenant_1"), Wanted::One(A)),
            (Some("tenant_id="), Wanted::Garbled),
            (Some("tenant_id=01"), Wanted::Garbled),
            (Some("tenant_id=1,2"), Wanted::Garbled),
            (Some("tenant_id=1&tenant_id=1"), Wanted::Garbled),
            (Some("tenant_id=-1"), Wanted::Garbled),
            (Some("tenant_id=1%20"), Wanted::Garbled),
        ] {
            assert_eq!(Wanted::of(query), wanted, "{query:?}");
        }
    }

    #[test]
    fn numbers_are_looked_at_in_their_order() {
        let line =
            |tenant_id, number: &str| LineRow { tenant_id, phone_number: Some(number.into()), assistant_id: None };
        let lines = [line(A, "+1"), line(B, "+2")];
        let named = |numbers: &[&str]| {
            let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
            weigh(Vec::new(), &lines, &Clues { numbers, ..Clues::default() })
        };
        assert_eq!(named(&["+2", "+1"]).named, [B]);
        assert_eq!(named(&["+9", "+1"]).named, [A]);
        assert!(named(&["+9"]).names_stranger && !named(&[]).names_stranger);
    }
}
