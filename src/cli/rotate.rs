//! `frontdesk rotate-secrets`: goes from tenant to tenant, each in a transaction of its own. One whose key is lost is named, and
//! holds up nobody.

use crate::{
    app,
    cli::seed,
    config::Config,
    context::{RequestId, TenantCx},
    db::{
        identity,
        migrate::{self, OpenSettings},
        tables::tenants,
    },
    domain::vault,
    kernel::{clock::Clock, ids::TenantId},
};

/// Tenants that are looked up at once.
const STEP: i64 = 200;

pub(super) async fn run(config: &Config, open: &OpenSettings) -> anyhow::Result<()> {
    let services = app::services(config, migrate::open(open).await?, Clock::system())?;
    let operator = app::operator(&services);
    let (mut keys, mut values, mut lost, mut last) = (0, 0, 0, TenantId(0));
    loop {
        let found = operator.administer(async |tx| tenants::behind(tx, last, STEP).await).await.map_err(seed::plain)?;
        let Some(newest) = found.last() else { break };
        last = newest.id;
        for tenant in found {
            let request = RequestId("rotate-secrets".into());
            let cx = TenantCx::new(identity::server_work(tenant.id), services.clone(), request);
            let rotated = vault::rotate(&cx).await.map_err(seed::plain)?;
            keys += rotated.keys;
            values += rotated.values;
            if let Some(why) = rotated.lost {
                lost += 1;
                super::say(&format!("Tenant {} ({}): {why}", tenant.id, tenant.subdomain))?;
            }
        }
    }
    let name = services.secrets.name();
    super::say(&format!("Under the key {name}: {keys} data key(s) sealed anew, {values} value(s) of older versions."))?;
    if lost > 0 {
        anyhow::bail!("{lost} tenant(s) have secrets that do not open; see above");
    }
    super::say("Nothing needs SECRET_KEYS_PREVIOUS any more.")
}
