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
}

impl Account {
    /// Whoever holds a checked token, or is at the other end of the line.
    #[must_use]
    pub fn of(token: Option<&AnyToken>, client: &Client) -> Self {
        match token {
            Some(AnyToken::Person(token)) => Self { person: user(token.user()), tenant: token.tenant() },
            Some(AnyToken::Visitor(token)) => {
                Self { person: token.session().to_string(), tenant: Some(token.tenant()) }
            }
            None => Self { person: client.network(), tenant: None },
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
            self.metrics.record(|| metrics::counter!(LIMITED, "limit" => what).increment(1));
            refusal
        })
    }

    /// Counts an operation that costs so many points.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait.
    pub async fn take_operation(&self, account: &Account, cost: usize) -> Result<(), Refusal> {
        let amount = u32::try_from(cost).unwrap_or(u32::MAX).max(1);
        let draws = |share: &Share, [requests, costs]: [&'static str; 2], whose: &str| {
            [Draw::one(requests, whose, share.requests), Draw { amount, ..Draw::one(costs, whose, share.cost) }]
        };
        let shares = &self.shares;
        let person = draws(&shares.of_a_person, ["requests of a person", "query cost of a person"], &account.person);
        let tenant = account.tenant.map(|tenant| {
            draws(&shares.of_a_tenant, ["requests of a tenant", "query cost of a tenant"], &tenant.to_string())
        });
        let all: Vec<_> = person.into_iter().chain(tenant.into_iter().flatten()).collect();
        self.limit(&all).await
    }

    /// Counts a reply that a model is asked for. The server's own work is bounded elsewhere: by hands, and by limits of each
    /// channel.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait.
    pub async fn take_generation(&self, actor: Actor, tenant: TenantId) -> Result<(), Refusal> {
        let person = match actor {
            Actor::Person { id, .. } => user(id),
            Actor::Visitor { session, .. } => session.to_string(),
            Actor::Server => return Ok(()),
        };
        let shares = &self.shares;
        self.limit(&[
            Draw::one("replies for a person", person, shares.of_a_person.generations),
            Draw::one("replies for a tenant", tenant.to_string(), shares.of_a_tenant.generations),
        ])
        .await
    }
}

/// Says what there is to count.
pub fn announce(metrics: &Metrics) {
    metrics.record(|| metrics::describe_counter!(LIMITED, "What was refused as too much at once, by the limit."));
}
