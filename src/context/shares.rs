//! How much of the server one person and one tenant may have: requests, what queries cost, replies of models, open streams.
//! Judged before the database is asked for anything, by what a checked token says. Must not decide who may do what.

use crate::{
    context::{
        Client, Services,
        throttle::{Draw, Rate},
    },
    db::scope::Actor,
    kernel::{
        failure::Refusal,
        ids::{TenantId, UserId},
        metrics::Metrics,
    },
    tokens::visitor::AnyToken,
};

/// Refusals, by the limit.
const LIMITED: &str = "frontdesk_limited_total";
/// What the operations that were let in cost.
const COST: &str = "frontdesk_operation_cost_total";

/// All visitors of a tenant together may take so much of its share: a half.
pub(super) const VISITORS: u32 = 2;
/// Its visitors of one address: a tenth.
const ADDRESS: u32 = 10;

/// What one may have.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Operations, over any transport.
    pub requests: Rate,
    /// What they cost, in the points of the graph's limits: a field once for each row that a list may give.
    pub cost: Rate,
    /// Replies that models are asked for.
    pub generations: Rate,
    /// WebSockets and event streams that are open at once, on each node.
    pub streams: usize,
}

impl Share {
    /// So many times less of all of it.
    pub(super) fn part(self, times: u32) -> Self {
        let streams = self.streams.div_ceil(usize::try_from(times).unwrap_or(usize::MAX));
        Self {
            requests: self.requests.part(times),
            cost: self.cost.part(times),
            generations: self.generations.part(times),
            streams,
        }
    }
}

/// What everybody may have (`RATE_LIMIT_…_PER_PERSON`, `…_PER_TENANT`).
#[derive(Debug, Clone, Copy)]
pub struct ShareSettings {
    /// One user, one website visitor, or all who have not signed in of one address.
    pub of_a_person: Share,
    /// One tenant, all of its people and visitors together.
    pub of_a_tenant: Share,
}

/// On whose account something is done, as far as that is known before the database is asked. Administrators of the platform
/// who name a tenant in a header act on their own account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    pub(super) person: String,
    pub(super) tenant: Option<TenantId>,
    /// A visitor's network: many sessions are no more people than one, and strangers don't take all that a tenant has.
    pub(super) visits_from: Option<String>,
}

impl Account {
    /// Whoever holds a checked token, or is at the other end of the line.
    #[must_use]
    pub fn of(token: Option<&AnyToken>, client: &Client) -> Self {
        match token {
            Some(AnyToken::Person(token)) => {
                Self { person: user(token.user()), tenant: token.tenant(), visits_from: None }
            }
            Some(AnyToken::Visitor(token)) => {
                let (person, tenant) = (token.session().to_string(), Some(token.tenant()));
                Self { person, tenant, visits_from: Some(client.network()) }
            }
            None => Self { person: client.network(), tenant: None, visits_from: None },
        }
    }
}

fn user(user: UserId) -> String {
    format!("user {user}")
}

impl Services {
    /// Counts all of `draws`, or none of them.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait.
    pub async fn limit(&self, draws: &[Draw]) -> Result<(), Refusal> {
        self.throttle.take(draws).await.map_err(|(what, refusal)| {
            self.limited(what);
            refusal
        })
    }

    /// Counts that somebody was refused as too much, by `what` there was too much of.
    pub fn limited(&self, what: &'static str) {
        self.metrics.record(|| metrics::counter!(LIMITED, "limit" => what).increment(1));
    }

    /// Counts an operation that costs so many points.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait.
    pub async fn take_operation(&self, account: &Account, cost: usize) -> Result<(), Refusal> {
        let amount = u32::try_from(cost).unwrap_or(u32::MAX).max(1);
        let mut all = Vec::with_capacity(8);
        let mut take = |[requests, costs]: [&'static str; 2], whose: &str, share: Share| {
            all.push(Draw::one(requests, whose, share.requests));
            all.push(Draw { amount, ..Draw::one(costs, whose, share.cost) });
        };
        let (a_person, a_tenant) = (self.shares.of_a_person, self.shares.of_a_tenant);
        take(["requests of a person", "query cost of a person"], &account.person, a_person);
        if let Some(tenant) = account.tenant.map(|tenant| tenant.to_string()) {
            take(["requests of a tenant", "query cost of a tenant"], &tenant, a_tenant);
            if let Some(network) = &account.visits_from {
                take(
                    ["requests of a tenant's visitors", "query cost of a tenant's visitors"],
                    &tenant,
                    a_tenant.part(VISITORS),
                );
                let here = format!("{tenant} {network}");
                take(
                    ["requests of a visitor's address", "query cost of a visitor's address"],
                    &here,
                    a_tenant.part(ADDRESS),
                );
            }
        }
        self.limit(&all).await?;
        self.metrics.record(|| metrics::counter!(COST).increment(u64::from(amount)));
        Ok(())
    }

    /// Counts a reply that a model is asked for. The server's own work is bounded elsewhere: by hands, and by limits of each
    /// channel.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait.
    pub async fn take_generation(&self, actor: Actor, tenant: TenantId) -> Result<(), Refusal> {
        let (whose, a_tenant) = (tenant.to_string(), self.shares.of_a_tenant);
        let of_a_person = |person| Draw::one("replies for a person", person, self.shares.of_a_person.generations);
        let mut all = vec![Draw::one("replies for a tenant", whose.clone(), a_tenant.generations)];
        match actor {
            Actor::Person { id, .. } => all.push(of_a_person(user(id))),
            Actor::Visitor { session, .. } => {
                all.push(of_a_person(session.to_string()));
                all.push(Draw::one("replies for a tenant's visitors", whose, a_tenant.part(VISITORS).generations));
                all.push(Draw::one("messages of a visitor", session.to_string(), self.visitors.messages));
            }
            Actor::Server => return Ok(()),
        }
        self.limit(&all).await
    }
}

/// Says what there is to count.
pub fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_counter!(LIMITED, "What was refused as too much at once, by the limit.");
        for limit in ["requests of a person", "requests of a tenant", "connections of a network"] {
            metrics::counter!(LIMITED, "limit" => limit).increment(0);
        }
        metrics::describe_counter!(
            COST,
            "Points that operations cost: fields, once for each row that a list may give."
        );
        metrics::counter!(COST).increment(0);
    });
}
