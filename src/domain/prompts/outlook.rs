//! What would be if a bundle were in production: for one tenant, and for whom at all. Must not write.

use std::collections::HashMap;

use crate::{
    context::{AdminCx, TenantCx},
    db::tables::{
        prompts::{self, SectionRow},
        tenants::{self, TenantRow},
    },
    domain::prompts::{Composed, compose, missing},
    kernel::{
        failure::Outcome,
        ids::{BundleId, TenantId},
        vocabulary::Channel,
    },
};

/// Tenants that are looked at together when a base's reach is worked out.
const BATCH: i64 = 200;

/// What the model would see if a bundle were in production. A bundle of the base is shown with the tenant's own sections
/// where the editor acts in one, else alone.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn preview(
    tenant: Option<&TenantCx>,
    platform: Option<&AdminCx>,
    id: BundleId,
    channel: Option<Channel>,
) -> Outcome<Composed> {
    if let Some(cx) = tenant {
        let seen = cx
            .read(async |tx| {
                let bundle = prompts::find(tx, id).await?;
                let sections = prompts::sections(tx, &[id]).await?;
                Ok((bundle, sections, tenants::own(tx).await?, prompts::in_production(tx).await?))
            })
            .await?;
        let (bundle, sections, row, (base, own)) = seen;
        let lead = row.system_prompt.as_deref();
        match bundle {
            Some(bundle) if bundle.tenant_id.is_some() => return Ok(compose(lead, &base, &sections, channel)),
            Some(_) => return Ok(compose(lead, &sections, &own, channel)),
            // A draft of the base, which the platform's administrators alone can see.
            None => {
                let cx = platform.ok_or_else(missing)?;
                let sections = base_sections(cx, id).await?;
                return Ok(compose(lead, &sections, &own, channel));
            }
        }
    }
    let cx = platform.ok_or_else(missing)?;
    Ok(compose(None, &base_sections(cx, id).await?, &[], channel))
}

async fn base_sections(cx: &AdminCx, id: BundleId) -> Outcome<Vec<SectionRow>> {
    cx.administer(async |tx| {
        prompts::find(tx, id).await?.filter(|bundle| bundle.tenant_id.is_none()).ok_or_else(missing)?;
        prompts::sections(tx, &[id]).await
    })
    .await
}

/// The tenants whose composed prompt would change if this bundle of the base were published, in the order of their numbers,
/// from the one behind `behind` on. Which change follows from where their sections stand; what they say is not read.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn impact(cx: &AdminCx, id: BundleId, behind: TenantId, most: usize) -> Outcome<Vec<TenantRow>> {
    let next = base_sections(cx, id).await?;
    let now = cx.administer(async |tx| prompts::base_in_production(tx).await).await?;
    let mut behind = behind;
    let mut reached = Vec::new();
    loop {
        let tenants = cx.administer(async |tx| tenants::behind(tx, behind, BATCH).await).await?;
        let Some(last) = tenants.last() else { return Ok(reached) };
        behind = last.id;
        let ids: Vec<_> = tenants.iter().map(|tenant| tenant.id).collect();
        let mut shapes: HashMap<TenantId, Vec<SectionRow>> = HashMap::new();
        for (tenant, shape) in cx.services().db.housekeep(async |tx| prompts::shapes(tx, &ids).await).await? {
            shapes.entry(tenant).or_default().push(shape);
        }
        for tenant in tenants {
            if reached.len() == most {
                return Ok(reached);
            }
            if differ(&now, &next, shapes.get(&tenant.id).map_or(&[], Vec::as_slice)) {
                reached.push(tenant);
            }
        }
    }
}

/// Whether two bases compose to different prompts over the same sections of a tenant, on any channel.
fn differ(now: &[SectionRow], next: &[SectionRow], own: &[SectionRow]) -> bool {
    [None, Some(Channel::Web), Some(Channel::Sms), Some(Channel::Voice), Some(Channel::Email)]
        .into_iter()
        .any(|channel| compose(None, now, own, channel).text != compose(None, next, own, channel).text)
}
