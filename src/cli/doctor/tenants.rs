//! What would fail in silence, tenant by tenant. What only a tenant's own people can mend is a note: it must not hold up a
//! deployment. Must not read what customers said.

use std::collections::HashMap;

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::{
    cli::doctor::report::Area,
    config::Config,
    db::{
        Db, identity,
        tables::{
            provisioning::{self, Provisioned},
            secrets,
            settings::{EmailRow, SmsRow},
            tenants::{self, TenantRow},
        },
        tx::{Admin, Tx},
    },
    domain::{
        settings::{TELNYX_API_KEY, TWILIO_AUTH_TOKEN},
        vault::{self, Standing},
    },
    kernel::{
        clock::Clock,
        failure::Outcome,
        ids::TenantId,
        vocabulary::{RetrievalProvider, SmsAnswerer},
    },
    secrets::SecretKeys,
};

/// Tenants that are looked up at once.
const STEP: i64 = 200;
/// Tenants that are named for one fault.
const NAMED: usize = 20;
/// A watch that ends so soon was not renewed for days.
const SOON: TimeDelta = TimeDelta::hours(24);
/// Accounts at providers that are asked.
const ASKED: usize = 25;

/// An account of a tenant's, to be asked whether its key is taken.
pub(super) enum Account {
    /// At Telnyx.
    Telnyx { of: String, key: SecretString },
    /// At Twilio.
    Twilio { of: String, sid: String, token: SecretString },
}

/// What it takes to look at tenants.
pub(super) struct Case<'a> {
    /// Where they are; only reads.
    pub(super) db: &'a Db,
    /// The platform's own settings.
    pub(super) config: &'a Config,
    /// What opens their secrets, if the keys are such that anything could.
    pub(super) keys: Option<&'a SecretKeys>,
    /// What time it is.
    pub(super) clock: &'a Clock,
}

/// Findings of the same kind about several tenants.
#[derive(Default)]
struct Found {
    /// Those, and how bad it is, in the order in which they came up.
    kinds: Vec<(&'static str, bool, &'static str)>,
    by_kind: HashMap<&'static str, Vec<String>>,
    tenants: usize,
    opened: usize,
    behind: usize,
    lost: usize,
}

impl Found {
    fn add(&mut self, is_bad: bool, name: &'static str, found: String, mend: &'static str) {
        if !self.by_kind.contains_key(name) {
            self.kinds.push((name, is_bad, mend));
        }
        self.by_kind.entry(name).or_default().push(found);
    }

    fn tell(self, area: &mut Area<'_>, config: &Config, knows_keys: bool) {
        for (name, is_bad, mend) in self.kinds {
            let all = self.by_kind.get(name).map(Vec::as_slice).unwrap_or_default();
            for found in all.iter().take(NAMED) {
                area.judge(is_bad, name, found, mend);
            }
            if all.len() > NAMED {
                area.judge(is_bad, name, format!("And {} more of the same.", all.len() - NAMED), mend);
            }
        }
        if self.behind > 0 {
            let found = format!("{} data key(s) or value(s) are still under a key before SECRET_KEY.", self.behind);
            area.note("secrets-under-previous-key", found, "Run `frontdesk rotate-secrets`.");
        } else if knows_keys && self.lost == 0 && !config.previous_secret_keys.is_empty() {
            let found = "Nothing is under a key in SECRET_KEYS_PREVIOUS any more.";
            area.note(
                "previous-keys-unneeded",
                found,
                "Take SECRET_KEYS_PREVIOUS away, once no node uses the old key.",
            );
        }
        area.ok("tenants", format!("{} tenant(s); {} of their secrets open.", self.tenants, self.opened));
    }
}

impl Case<'_> {
    /// Gives accounts to be asked, where that `is_wanted`.
    pub(super) async fn look(&self, area: &mut Area<'_>, is_wanted: bool) -> Vec<Account> {
        let (mut found, mut accounts) = (Found::default(), Vec::new());
        match self.walk(&mut found, &mut accounts, is_wanted).await {
            Ok(()) => found.tell(area, self.config, self.keys.is_some()),
            Err(_) => unanswered(area),
        }
        accounts
    }

    async fn walk(&self, found: &mut Found, accounts: &mut Vec<Account>, is_wanted: bool) -> Outcome<()> {
        let (mut last, mut fallback) = (TenantId(0), self.config.inbox.voice_fallback_tenant);
        loop {
            let step = async |tx: &mut Tx<Admin>| {
                let tenants = tenants::behind(tx, last, STEP).await?;
                let ids: Vec<_> = tenants.iter().map(|tenant| tenant.id).collect();
                Ok((tenants, provisioning::find_many(tx, &ids).await?))
            };
            let (tenants, mut provisioned) = self.db.administer(&identity::operator(), step).await?;
            let Some(newest) = tenants.last() else { break };
            last = newest.id;
            found.tenants += tenants.len();
            for tenant in &tenants {
                let is = provisioned.remove(&tenant.id).unwrap_or_default();
                if tenant.is_active && fallback == Some(tenant.id) {
                    fallback = None;
                }
                self.tenant(found, tenant, &is).await?;
                if is_wanted && tenant.is_active && accounts.len() < ASKED {
                    self.accounts(accounts, tenant, &is).await?;
                }
            }
        }
        if let Some(tenant) = fallback {
            let found_out = format!("VOICE_FALLBACK_TENANT_ID names {tenant}, which is no active tenant.");
            found.add(true, "voice-fallback-unknown", found_out, "Name an active tenant, or take the setting away.");
        }
        Ok(())
    }

    async fn tenant(&self, found: &mut Found, tenant: &TenantRow, is: &Provisioned) -> Outcome<()> {
        let who = named(tenant);
        if let (Some(keys), false) = (self.keys, is.secrets.is_empty()) {
            let scope = identity::server_work(tenant.id);
            let standing = self.db.read(&scope, async |tx| vault::inspect(keys, tx).await).await?;
            secret(found, &who, &standing);
        }
        if tenant.is_active {
            self.mailbox(found, &who, &is.settings.email);
            if is.settings.retrieval.provider == RetrievalProvider::Pinecone
                && self.config.retrieval.embeddings.is_none()
            {
                let what =
                    format!("{who}: is answered from an index at Pinecone, and nothing turns questions into vectors.");
                found.add(true, "pinecone-without-embeddings", what, "Set OPENAI_API_KEY.");
            }
            self.texts(found, &who, &is.settings.sms, is);
        }
        Ok(())
    }

    fn mailbox(&self, found: &mut Found, who: &str, email: &EmailRow) {
        let (google, now) = (&self.config.google, self.clock.now());
        if email.connected_address.is_none() {
            return;
        }
        if google.client.is_none() {
            let mend = "Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET to what it was connected with.";
            found.add(true, "mailbox-without-client", format!("{who}: has a mailbox, and nothing opens it."), mend);
        }
        if email.revoked_reason.is_some() {
            let what = format!("{who}: Google no longer accepts the consent to its mailbox.");
            let mend = "Its administrators connect it again with startEmailConnection.";
            found.add(false, "mailbox-revoked", what, mend);
            return;
        }
        let mend = "See to it that a server runs, which renews it; if one does, its log says why it could not.";
        match email.watch_expires_at {
            None if google.topic.is_some() => {
                let what = format!("{who}: Gmail was never asked to tell of new mail.");
                found.add(false, "watch-missing", what, mend);
            }
            Some(ends) if ends <= now => {
                let what =
                    format!("{who}: Gmail stopped telling of new mail at {}.", ends.format("%Y-%m-%d %H:%M UTC"));
                found.add(true, "watch-expired", what, mend);
            }
            Some(ends) if ends <= now + SOON => {
                let what = format!("{who}: Gmail tells of new mail until {} only.", ends.format("%Y-%m-%d %H:%M UTC"));
                found.add(false, "watch-expires", what, mend);
            }
            None | Some(_) => {}
        }
    }

    fn texts(&self, found: &mut Found, who: &str, sms: &SmsRow, is: &Provisioned) {
        if !sms.is_enabled || sms.answered_by != SmsAnswerer::Frontdesk {
            return;
        }
        let set = "Its administrators set it with updateSmsSettings.";
        if sms.telnyx_phone_number.is_none() && sms.twilio_phone_number.is_none() {
            found.add(false, "texts-without-number", format!("{who}: texts are switched on, without a number."), set);
        }
        let has = |name| is.secret(name).is_some();
        if sms.telnyx_phone_number.is_some() && !has(TELNYX_API_KEY) {
            let what = format!("{who}: has a number at Telnyx, and no API key to answer with.");
            found.add(false, "texts-without-key", what, set);
        }
        if sms.twilio_phone_number.is_some() && (sms.twilio_account_sid.is_none() || !has(TWILIO_AUTH_TOKEN)) {
            let what = format!("{who}: has a number at Twilio, and no account or token to answer with.");
            found.add(false, "texts-without-key", what, set);
        }
        if sms.telnyx_phone_number.is_some()
            && sms.telnyx_public_key.is_none()
            && self.config.inbox.telnyx_public_key.is_none()
        {
            let what = format!("{who}: nothing says whose signature Telnyx's posts must bear, so all are refused.");
            found.add(true, "texts-unsigned", what, "Set TELNYX_PUBLIC_KEY, or the tenant's own telnyxPublicKey.");
        }
    }

    /// Opens what the tenant's accounts are asked with. What does not open was told before.
    async fn accounts(&self, accounts: &mut Vec<Account>, tenant: &TenantRow, is: &Provisioned) -> Outcome<()> {
        let (Some(keys), sms) = (self.keys, &is.settings.sms) else { return Ok(()) };
        if !sms.is_enabled {
            return Ok(());
        }
        let scope = identity::server_work(tenant.id);
        let opened = async |name: &'static str| -> Outcome<Option<SecretString>> {
            let sealed = self.db.read(&scope, async |tx| secrets::sealed(tx, name).await).await?;
            Ok(sealed.and_then(|sealed| keys.open(tenant.id, name, &sealed).ok()))
        };
        let of = named(tenant);
        if let Some(key) = opened(TELNYX_API_KEY).await? {
            accounts.push(Account::Telnyx { of: of.clone(), key });
        }
        if let (Some(sid), Some(token)) = (sms.twilio_account_sid.clone(), opened(TWILIO_AUTH_TOKEN).await?) {
            accounts.push(Account::Twilio { of, sid, token });
        }
        Ok(())
    }
}

fn secret(found: &mut Found, who: &str, standing: &Standing) {
    found.opened += standing.opened;
    found.behind += standing.behind;
    found.lost += standing.lost.len();
    for (name, why) in &standing.lost {
        let mend = "Give the lost key back in SECRET_KEYS_PREVIOUS; or have the tenant set the secret anew.";
        found.add(true, "secret-lost", format!("{who}: {name} does not open: {why}."), mend);
    }
}

fn named(tenant: &TenantRow) -> String {
    format!("Tenant {} ({})", tenant.id.0, tenant.subdomain)
}

pub(super) fn unanswered(area: &mut Area<'_>) {
    area.must_mend("tables-unanswered", "The tables could not be read to their end.", "Look into the database's log.");
}
