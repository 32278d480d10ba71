//! The way to Google and back: an administrator is sent there with a state that is good once, and comes back with a code. Must
//! not trust anything of what comes back but the state's signature.

use std::sync::Arc;

use chrono::TimeDelta;
use url::Url;
use uuid::Uuid;

use crate::{
    channels::google::{Consent, Profile, Trouble, Verifier, Watch},
    context::{RequestId, Services, TenantCx},
    db::{
        identity,
        tables::{
            mailboxes::{self, MailboxChanges, NewConsent},
            secrets, tenants,
        },
    },
    domain::{
        jobs::{self, Job},
        mailbox::{ACCESS_TOKEN, REFRESH_TOKEN, Tokens, forget, give_back, keep},
        vault,
    },
    kernel::{
        email,
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::UserId,
    },
    secrets::Sealed,
};

/// How long somebody may be away.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// The name under which a verifier is sealed.
const VERIFIER: &str = "email_consent";

/// Where to send somebody, and what comes back with them.
pub struct Connection {
    /// Google's page.
    pub authorization_url: String,
    /// The state that is in it.
    pub state: String,
}

/// Somebody came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// From where we sent them.
    Back {
        /// Where they want to go on, with `email=` and what became of it.
        to: Option<String>,
        /// What became of it.
        became: Became,
    },
    /// With a state that is not good, or not any more.
    Lost(Refusal),
}

/// What became of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// The mailbox is connected.
    Connected,
    /// They said no.
    Denied,
    /// They left out a permission that is needed.
    Incomplete,
    /// The mailbox is connected for another tenant.
    Taken,
    /// Google did not do what it was asked.
    Failed,
}

impl Became {
    /// As programs know it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Denied => "denied",
            Self::Incomplete => "incomplete",
            Self::Taken => "taken",
            Self::Failed => "failed",
        }
    }

    /// As people know it.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Connected => "The mailbox is connected. You can close this page.",
            Self::Denied => "The mailbox was not connected: the consent was not given.",
            Self::Incomplete => "The mailbox was not connected: allow both reading and sending mail.",
            Self::Taken => "The mailbox was not connected: it can't be used here, it is connected already.",
            Self::Failed => "The mailbox was not connected: Google did not answer as it should. Try again in a moment.",
        }
    }
}

/// Sends an administrator to Google for a consent to read and answer a mailbox.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that nobody may be sent back to; `CONFLICT` where the server has no client at Google.
pub async fn start(cx: &TenantCx, return_to: Option<&str>) -> Outcome<Connection> {
    let services = cx.services();
    if !services.google.is_set_up() {
        let message =
            "This server can't connect mailboxes yet: its operator sets GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET.";
        return Err(Refusal::new(ErrorCode::Conflict, message).into());
    }
    let user = cx.scope().actor().user().ok_or_else(|| Failure::fault("nobody who could give a consent"))?;
    let tenant = cx.scope().tenant();
    let (id, verifier, now) = (Uuid::new_v4(), Verifier::new()?, cx.now());
    let expires_at = now + PATIENCE;
    cx.write(async |tx| {
        let own = tenants::own(tx).await?;
        let page = return_to.map(str::trim).filter(|text| !text.is_empty());
        let page = page.map(|text| services.returns.allowed(text, &own).ok_or_else(elsewhere)).transpose()?;
        let data_key = vault::data_key(services, tx, tenant).await?;
        let consent = NewConsent {
            id,
            tenant_id: tenant,
            user_id: user,
            verifier: services.secrets.seal(tenant, VERIFIER, &data_key, verifier.secret())?,
            return_to: page.map(String::from),
            created_at: now,
            expires_at,
        };
        mailboxes::ask(tx, &consent).await?;
        cx.audit(tx, "email.ask", tenant);
        Ok(())
    })
    .await?;
    let state = services.tokens.issue_consent(tenant, user, id, expires_at)?;
    let url = services.google.authorization_url(&state, &verifier);
    Ok(Connection { authorization_url: url.map_err(anyhow::Error::from)?, state })
}

fn elsewhere() -> Refusal {
    Refusal::input(
        "returnTo",
        "`returnTo` must be a page of this platform or of one of the tenant's `allowedOrigins`, with its scheme.",
    )
}

/// Takes somebody in who comes back from Google, with the query of their request.
///
/// # Errors
/// Faults only, and a database that is away.
pub async fn finish(services: &Arc<Services>, request: RequestId, query: &[(String, String)]) -> Outcome<Arrival> {
    let said = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let token = match services.tokens.verify_consent(said("state").unwrap_or_default()) {
        Ok(token) => token,
        Err(refusal) => return Ok(Arrival::Lost(refusal)),
    };
    let scope = match identity::consenting(&services.db, &token).await {
        Err(Failure::Refused(refusal)) if refusal.code != ErrorCode::UpstreamUnavailable => {
            return Ok(Arrival::Lost(refusal));
        }
        scope => scope?,
    };
    let cx = TenantCx::new(scope, services.clone(), request);
    let used = cx.write(async |tx| mailboxes::use_up(tx, token.consent(), token.user(), cx.now()).await).await?;
    let Some((sealed, return_to)) = used else {
        let message = "This link was used already, or took too long. Start again from the settings of your mailbox.";
        return Ok(Arrival::Lost(Refusal::new(ErrorCode::Conflict, message)));
    };
    let became = match (said("code").filter(|code| !code.is_empty()), said("error")) {
        (Some(code), None) => {
            let data_keys = cx.read(async |tx| secrets::data_keys(tx, cx.scope().tenant()).await).await?;
            let sealed = Sealed { value: sealed, data_keys };
            let verifier =
                services.secrets.open(cx.scope().tenant(), VERIFIER, &sealed).map_err(anyhow::Error::from)?;
            connected(&cx, token.user(), code, &Verifier::kept(verifier)).await?
        }
        (_, Some("access_denied")) => Became::Denied,
        _ => Became::Failed,
    };
    Ok(Arrival::Back { to: return_to.and_then(|page| told(&page, became)), became })
}

/// The page, told what became of it.
fn told(page: &str, became: Became) -> Option<String> {
    let mut url = Url::parse(page).ok()?;
    url.query_pairs_mut().append_pair("email", became.as_str());
    Some(url.into())
}

/// What Google gave for a code.
struct Given {
    consent: Consent,
    profile: Profile,
    watch: Option<Watch>,
}

async fn connected(cx: &TenantCx, user: UserId, code: &str, verifier: &Verifier) -> Outcome<Became> {
    let given = match ask_google(cx, code, verifier).await {
        Ok(given) => given,
        Err(trouble) => {
            tracing::warn!(%trouble, tenant = %cx.scope().tenant(), "a mailbox could not be connected");
            return Ok(Became::Failed);
        }
    };
    let Some(given) = given else { return Ok(Became::Incomplete) };
    match store(cx, user, given).await {
        Ok(old) => {
            cx.services().work.notify_one();
            give_back(cx, old).await;
            Ok(Became::Connected)
        }
        Err(Failure::Refused(refusal)) if refusal.code == ErrorCode::Conflict => Ok(Became::Taken),
        Err(failure) => Err(failure),
    }
}

/// What lies at Google's. `None` when not all that is needed was allowed. The address is asked for, never taken from anybody.
async fn ask_google(cx: &TenantCx, code: &str, verifier: &Verifier) -> Result<Option<Given>, Trouble> {
    let google = &cx.services().google;
    let consent = google.exchange(code, verifier).await?;
    if !consent.is_enough {
        return Ok(None);
    }
    if consent.refresh.is_none() {
        return Err(Trouble::Lasting("no refresh token came with the consent".into()));
    }
    let mailbox = google.mailbox(consent.access.token.clone());
    let (profile, watch) = (mailbox.profile().await?, mailbox.watch().await?);
    Ok(Some(Given { consent, profile, watch }))
}

/// Keeps the mailbox in the place of the one before, whose tokens come back where it was another.
async fn store(cx: &TenantCx, user: UserId, given: Given) -> Outcome<Tokens> {
    let (now, tenant) = (cx.now(), cx.scope().tenant());
    let address = email::normalise("emailAddress", &given.profile.address)?;
    let lifetime = TimeDelta::from_std(given.consent.access.lifetime).unwrap_or_default();
    cx.write(async |tx| {
        mailboxes::make(tx, now).await?;
        let row = mailboxes::lock(tx).await?.ok_or_else(|| Failure::fault("a mailbox that was just made"))?;
        let is_same = row.connected_address.as_deref() == Some(&address);
        let old = forget(cx, tx).await?;
        let changes = MailboxChanges {
            connected_address: Some(Some(address)),
            connected_at: Some(Some(now)),
            connected_by: Some(Some(user)),
            generation: Some(row.generation + 1),
            revoked_at: Some(None),
            revoked_reason: Some(None),
            // Connected again, it is read on from where it was left.
            history_id: Some(row.history_id.filter(|_| is_same).or(Some(given.profile.history_id))),
            access_expires_at: Some(Some(now + lifetime)),
            refresh_lease_until: Some(None),
            watch_expires_at: Some(given.watch.map(|watch| watch.expires_at)),
            watch_renewed_at: Some(given.watch.map(|_| now)),
            updated_at: now,
        };
        mailboxes::change(tx, &changes).await?;
        keep(cx, tx, ACCESS_TOKEN, &given.consent.access.token).await?;
        if let Some(refresh) = &given.consent.refresh {
            keep(cx, tx, REFRESH_TOKEN, refresh).await?;
        }
        let care = Job::MailboxCare { generation: row.generation + 1 };
        jobs::enqueue(cx, tx, None, &care).await?;
        let waiting = jobs::hasten(cx, tx, &Job::Mail { mail: Uuid::nil() }).await?;
        if waiting > 0 {
            tracing::info!(%tenant, waiting, "mail that waited for a mailbox goes out");
        }
        cx.audit(tx, "email.connect", tenant);
        Ok(if is_same { Tokens::default() } else { old })
    })
    .await
}
