//! What a tenant's tools can draw on, read anew for each call.

use chrono::{DateTime, Utc};
use futures_util::try_join;
use serde_json::{Value, json};

use crate::{
    context::TenantCx,
    db::{
        tables::{booking, settings},
        tx::{Tenant, Tx},
    },
    domain::slots,
    kernel::{failure::Outcome, zone::Tz},
};

/// What a tenant's tools can draw on.
pub(super) struct Means {
    /// The school at Jackrabbit: its own, or the one that all share.
    pub org: Option<String>,
    /// The pattern of its own registration address.
    pub registration_url: Option<String>,
    /// Whether it is ever open for meetings.
    pub has_hours: bool,
    /// By which clock it lives.
    pub zone: Tz,
}

impl Means {
    pub(super) async fn of(cx: &TenantCx) -> Outcome<Self> {
        cx.read(async |tx| Self::read(cx, tx).await).await
    }

    pub(super) async fn read(cx: &TenantCx, tx: &Tx<Tenant>) -> Outcome<Self> {
        let own = tx.tenant();
        let ids = [own];
        let (settings, booking) = try_join!(settings::find_many(tx, &ids), booking::find_many(tx, &ids))?;
        let voice = settings.into_iter().next().map(|(_, settings)| settings.voice).unwrap_or_default();
        let booking = booking.into_values().next().unwrap_or_default();
        let shared = || cx.services().jackrabbit.shared_org().map(str::to_owned);
        Ok(Self {
            org: voice.jackrabbit_org_id.or_else(shared),
            registration_url: voice.registration_url,
            has_hours: !booking.hours.is_empty(),
            zone: slots::zone_of(&booking),
        })
    }

    /// A moment as people there say it, such as `Monday, November 23 at 9:30 AM`.
    pub(super) fn said(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%A, %B %-d at %-I:%M %p").to_string()
    }

    /// A time that is free, or booked.
    pub(super) fn time(&self, starts_at: DateTime<Utc>) -> Value {
        json!({ "starts_at": self.written(starts_at), "said": self.said(starts_at) })
    }

    /// A moment by the clock there, as programs write it.
    pub(super) fn written(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
}
