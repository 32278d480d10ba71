//! What the assistant is told when a call begins: whom it answers for, what it can offer, and whether the caller is known.
//! From our own data alone, since it has a second. A number that the network does not vouch for may be anybody's: then it is
//! not told whose it is.

use serde_json::{Map, Value, json};

use crate::{
    channels::{jackrabbit::Language, telnyx::calls::CallEvent},
    context::TenantCx,
    db::tables::{
        leads, meetings,
        tenants::{self, TenantRow},
    },
    domain::calls,
    kernel::{failure::Outcome, phone},
    tools::{means::Means, voice::words},
};

/// Notes that a call begins, and gives the assistant its variables.
///
/// # Errors
/// Faults of ours.
pub async fn greeting(cx: &TenantCx, event: &CallEvent) -> Outcome<Value> {
    cx.write(async |tx| calls::apply(cx, tx, event).await).await?;
    let means = Means::of(cx).await?;
    let number = event.customer.as_deref().and_then(|number| phone::normalise("phone", number).ok());
    let (tenant, lead, meeting) = cx
        .read(async |tx| {
            let tenant = tenants::own(tx).await?;
            let Some(number) = &number else { return Ok((tenant, None, None)) };
            let Some(lead) = leads::by_phone(tx, number).await? else { return Ok((tenant, None, None)) };
            let meeting = meetings::next_of_lead(tx, lead.id, cx.now()).await?;
            Ok((tenant, Some(lead), meeting))
        })
        .await?;
    let mut told = business(cx, &tenant, &means);
    told.insert("caller_known".to_owned(), word(lead.is_some()));
    let lead = lead.filter(|_| event.is_attested);
    let text = |text: Option<String>| Value::from(text.unwrap_or_default());
    told.insert("caller_name".to_owned(), text(lead.as_ref().and_then(|lead| lead.name.clone())));
    told.insert("caller_status".to_owned(), text(lead.as_ref().map(|lead| lead.status.as_str().to_lowercase())));
    let meeting = meeting.filter(|_| lead.is_some());
    told.insert("caller_next_meeting".to_owned(), text(meeting.map(|meeting| means.said(meeting.starts_at))));
    let metadata = json!({ "tenant_id": cx.scope().tenant().0.to_string() });
    Ok(json!({ "dynamic_variables": told, "conversation": { "metadata": metadata } }))
}

/// What an assistant is told whose call can't be served. The variables are there, so that no name in braces is read out.
#[must_use]
pub fn no_greeting() -> Value {
    let blank = ["business_name", "caller_name", "caller_status", "caller_next_meeting"];
    let mut told: Map<_, _> = blank.into_iter().map(|name| (name.to_owned(), "".into())).collect();
    for name in ["line_open", "caller_known", "registration_offered", "classes_offered", "booking_offered"] {
        told.insert(name.to_owned(), word(false));
    }
    told.insert("notice".to_owned(), words::nobody(Language::English).into());
    json!({ "dynamic_variables": told })
}

fn business(cx: &TenantCx, tenant: &TenantRow, means: &Means) -> Map<String, Value> {
    let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    let registers = means.org.is_some() || means.registration_url.is_some();
    [
        ("line_open", word(true)),
        ("notice", "".into()),
        ("business_name", tenant.business_name.as_ref().unwrap_or(&tenant.name).clone().into()),
        ("business_phone", text(&tenant.phone_number)),
        ("business_email", text(&tenant.contact_email)),
        ("business_website", text(&tenant.website_url)),
        ("business_time", means.said(cx.now()).into()),
        ("registration_offered", word(registers)),
        ("classes_offered", word(means.org.is_some())),
        ("booking_offered", word(means.has_hours)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Variables are texts.
fn word(is_so: bool) -> Value {
    if is_so { "true" } else { "false" }.into()
}
