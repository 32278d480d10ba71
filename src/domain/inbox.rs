//! Takes in what phone providers post: finds whose it is, checks that the provider signed it, and keeps it once. Must not act
//! on it: whoever answers a provider answers at once.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tracing::{Span, field};
use uuid::Uuid;

use crate::{
    channels::{
        delivery::{Rejection, Verified},
        telnyx, twilio,
    },
    context::{RequestId, Services, TenantCx},
    db::{
        identity,
        tables::{
            calls::DoorRow,
            inbox::{self, NewDelivery, NumberRow},
        },
    },
    domain::{
        jobs::{self, Job},
        settings::{TWILIO_AUTH_TOKEN, TWILIO_SHARED_KEY},
        vault,
    },
    kernel::{failure::Outcome, ids::TenantId, vocabulary::DeliveryStatus},
};

/// What the platform's own accounts at the providers sign with.
#[derive(Debug, Clone, Default)]
pub struct InboxSettings {
    /// `TELNYX_PUBLIC_KEY`: base64. For tenants that have set none.
    pub telnyx_public_key: Option<String>,
    /// `TWILIO_AUTH_TOKEN`. For tenants that have set none.
    pub twilio_auth_token: Option<SecretString>,
    /// `TWILIO_SHARED_KEY`: the secret of a shared key. For tenants that have set none.
    pub twilio_shared_key: Option<SecretString>,
    /// `VOICE_FALLBACK_TENANT_ID`: whose a call is that says nothing of whose it is; nobody's, if unset.
    pub voice_fallback_tenant: Option<TenantId>,
}

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Kept,
    /// It was kept before.
    KnownAlready,
    /// It is kept apart: it is for no number that we know.
    Quarantined,
    /// It is not what it should be; nothing is kept.
    Rejected(Rejection),
}

pub(super) const NO_KEY: Rejection =
    Rejection::Unsigned("No key is set to check the signature with: see updateSmsSettings, or the server's settings.");

/// Where posts come in.
pub struct Inbox<'a> {
    /// Database, clock, keys.
    pub services: &'a Arc<Services>,
    /// What the platform's accounts sign with.
    pub settings: &'a InboxSettings,
    /// The request that brought it.
    pub request: RequestId,
}

impl Inbox<'_> {
    /// Takes in a post that says it is Telnyx's. The tenant is that of the number in the signed body, and its key, where it
    /// has one, the only one that will do.
    ///
    /// # Errors
    /// When the database is away: the provider will try again.
    pub async fn telnyx(&self, body: &[u8], signature: &telnyx::Signature<'_>) -> Outcome<Taken> {
        let claim = match telnyx::Claim::read(body) {
            Ok(claim) => claim,
            Err(rejection) => return Ok(Taken::Rejected(rejection)),
        };
        let now = self.services.clock.now().timestamp();
        if let Err(rejection) = signature.could_hold(now) {
            return Ok(Taken::Rejected(rejection));
        }
        let ours = self.services.db.identify(async |tx| inbox::by_telnyx_numbers(tx, claim.numbers()).await).await?;
        // A group with two tenants in it is neither's.
        let owner = <[NumberRow; 1]>::try_from(ours).ok().map(|[row]| row);
        let key =
            owner.as_ref().and_then(|row| row.telnyx_public_key.as_ref()).or(self.settings.telnyx_public_key.as_ref());
        let Some(key) = key else { return Ok(Taken::Rejected(NO_KEY)) };
        match claim.verify(signature, key, now) {
            Ok(delivery) => self.keep(owner.map(|row| row.tenant_id), &delivery, None).await,
            Err(rejection) => Ok(Taken::Rejected(rejection)),
        }
    }

    /// Takes in what says that it is Twilio's, sent to `path` (with its query). The tenant is that of the number, if the
    /// account is its own too.
    ///
    /// # Errors
    /// When the database is away, or the tenant's token can't be opened.
    pub async fn twilio(
        &self,
        path: &str,
        (way, body): (twilio::Way, &[u8]),
        signature: &twilio::Signature<'_>,
    ) -> Outcome<Taken> {
        let claim = match twilio::Claim::read(way, body) {
            Ok(claim) => claim,
            Err(rejection) => return Ok(Taken::Rejected(rejection)),
        };
        if let Err(rejection) = signature.could_hold() {
            return Ok(Taken::Rejected(rejection));
        }
        let ours = self.services.db.identify(async |tx| inbox::by_twilio_number(tx, claim.number()).await).await?;
        let owner = ours
            .filter(|row| row.twilio_account_sid.as_ref().is_none_or(|account| account == claim.account()))
            .map(|row| row.tenant_id);
        // A secret is of one algorithm: what the header asks for chooses the secret, and never how it is used.
        let (algorithm, name, platforms) = match signature.algorithm() {
            Some(twilio::Algorithm::SharedKey) => {
                (twilio::Algorithm::SharedKey, TWILIO_SHARED_KEY, &self.settings.twilio_shared_key)
            }
            _ => (twilio::Algorithm::AuthToken, TWILIO_AUTH_TOKEN, &self.settings.twilio_auth_token),
        };
        let own = match owner {
            Some(tenant) => self.own_secret(tenant, name).await?,
            None => None,
        };
        let Some(secret) = own.as_ref().or(platforms.as_ref()) else {
            return Ok(Taken::Rejected(NO_KEY));
        };
        let key = twilio::Key { algorithm, secret: secret.expose_secret() };
        // Twilio signs the address by which the outside knows us.
        let url = format!("{}{path}", self.services.public_url);
        // The address of a receipt names the text that it is about, and is signed.
        let text = path.split_once('?').and_then(|(_, query)| twilio::named(query));
        match claim.verify(signature, &key, &url) {
            Ok(delivery) => self.keep(owner, &delivery, text).await,
            Err(rejection) => Ok(Taken::Rejected(rejection)),
        }
    }

    async fn own_secret(&self, tenant: TenantId, name: &'static str) -> Outcome<Option<SecretString>> {
        let cx = self.inside(tenant);
        cx.read(async |tx| vault::open(&cx, tx, name).await).await
    }

    /// Keeps a delivery and puts in line what is to be done about it: both, or neither.
    pub(super) async fn keep(
        &self,
        owner: Option<TenantId>,
        delivery: &Verified,
        text: Option<Uuid>,
    ) -> Outcome<Taken> {
        let row = NewDelivery {
            tenant_id: owner,
            provider: delivery.provider(),
            event_id: &delivery.event().id,
            event_type: &delivery.event().kind,
            status: DeliveryStatus::Received,
            body: delivery.body(),
            received_at: self.services.clock.now(),
        };
        let Some(tenant) = owner else {
            tracing::warn!(provider = delivery.provider(), event = delivery.event().id, "a delivery for nobody");
            let kept = self.services.db.housekeep(async |tx| inbox::quarantine(tx, row).await).await?;
            return Ok(if kept.is_some() { Taken::Quarantined } else { Taken::KnownAlready });
        };
        let cx = self.inside(tenant);
        let kept = cx.write(async |tx| {
            let Some(id) = inbox::keep(tx, row).await? else { return Ok(false) };
            let lane = delivery.event().from.as_ref().map(|from| format!("from:{from}"));
            jobs::enqueue(&cx, tx, lane, &Job::Delivery { delivery: id, text }).await?;
            Ok(true)
        });
        if !kept.await? {
            return Ok(Taken::KnownAlready);
        }
        self.services.work.notify_one();
        Ok(Taken::Kept)
    }

    /// What a call's provider asks of a tenant is done in the server's own name, once it is known to be the provider.
    #[must_use]
    pub fn behind(&self, door: &DoorRow) -> TenantCx {
        self.inside(door.tenant_id)
    }

    /// In the server's own name: a provider is nobody.
    fn inside(&self, tenant: TenantId) -> TenantCx {
        Span::current().record("tenant", field::display(tenant));
        TenantCx::new(identity::server_work(tenant), self.services.clone(), self.request.clone())
    }
}
