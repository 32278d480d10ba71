//! `capture_lead`: keeps what the customer said of themselves. Tells only what was said in the call: who is known already,
//! and by what, is nobody's business.

use serde::Deserialize;

use crate::{
    context::TenantCx,
    db::tables::conversations::ConversationRow,
    domain::leads::{self, LeadForm},
    kernel::failure::Outcome,
    tools::{Declaration, answer::Answer, schema},
};

/// What the model gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

pub(super) fn declaration() -> Declaration {
    Declaration {
        name: "capture_lead",
        description: "Keeps the customer's name, e-mail address and phone number. Call it as soon as the customer says one \
                      of them; give only what they said themselves.",
        parameters: schema::object(&[
            ("name", schema::optional_text("The customer's name, up to 200 characters; null if it was not said.")),
            ("email", schema::optional_text("The customer's e-mail address; null if it was not said.")),
            (
                "phone",
                schema::optional_text(
                    "The customer's phone number with its country code, such as +15550100123; null if it was not said.",
                ),
            ),
        ]),
    }
}

pub(super) async fn run(cx: &TenantCx, conversation: &ConversationRow, said: Arguments) -> Outcome<Answer> {
    let form = LeadForm { name: said.name, email: said.email, phone: said.phone, ..LeadForm::default() };
    leads::capture(cx, conversation.id, &form).await?;
    let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let noted: Vec<_> = [("name", said(&form.name)), ("email", said(&form.email)), ("phone", said(&form.phone))]
        .into_iter()
        .filter(|(_, is_said)| *is_said)
        .map(|(name, _)| name.into())
        .collect();
    Ok(Answer::default().listing("noted", noted))
}
