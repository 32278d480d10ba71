//! People who might buy.

use crate::{
    context::TenantCx,
    db::tables::leads::{self, LeadRow, NewLead},
    kernel::{
        email,
        failure::{Outcome, Refusal},
        phone, text,
        vocabulary::{Channel, LeadStatus},
    },
};

/// A lead to be.
#[derive(Default)]
pub struct LeadForm {
    /// What they are called.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their number.
    pub phone: Option<String>,
    /// Where they came from; the web, unless said otherwise.
    pub source: Option<Channel>,
    /// Anything worth knowing.
    pub notes: Option<String>,
}

/// Adds a lead.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument, and when there is nothing to know the person by.
pub async fn create(cx: &TenantCx, form: &LeadForm) -> Outcome<LeadRow> {
    let now = cx.now();
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let lead = NewLead {
        tenant_id: cx.scope().tenant(),
        name: text::optional("name", form.name.as_deref(), 200)?,
        email: given(&form.email).map(|text| email::normalise("email", &text)).transpose()?,
        phone: given(&form.phone).map(|text| phone::normalise("phone", &text)).transpose()?,
        source: form.source.unwrap_or(Channel::Web),
        status: LeadStatus::New,
        notes: text::optional("notes", form.notes.as_deref(), 10_000)?,
        created_at: now,
        updated_at: now,
    };
    if lead.name.is_none() && lead.email.is_none() && lead.phone.is_none() {
        return Err(Refusal::input("input", "A lead needs a `name`, an `email` or a `phone`.").into());
    }
    cx.write(async |tx| {
        let row = leads::insert(tx, &lead).await?;
        cx.audit(tx, "lead.create", row.id).await?;
        Ok(row)
    })
    .await
}
