//! `capture_lead`: notes who the customer is, and links the conversation to them.

use serde::Deserialize;
use serde_json::json;

use crate::{
    context::TenantCx,
    domain::{
        conversations::{self, ConversationEdit},
        leads::{self, LeadForm},
    },
    kernel::failure::{Outcome, Refusal},
    tools::{Call, Declaration},
};

pub(super) const NAME: &str = "capture_lead";

pub(super) fn declaration() -> Declaration {
    Declaration {
        name: NAME,
        description: "Notes the customer's name, e-mail address or phone number, as soon as they have given any of them.",
        parameters: json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "What the customer is called." },
                "email": { "type": "string", "description": "Their e-mail address." },
                "phone": { "type": "string", "description": "Their phone number." },
            },
        }),
    }
}

#[derive(Deserialize)]
struct Arguments {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

pub(super) async fn run(cx: &TenantCx, call: &Call<'_>) -> Outcome<String> {
    let Ok(said) = Arguments::deserialize(call.arguments) else {
        return Err(Refusal::input("arguments", "`name`, `email` and `phone` must be texts.").into());
    };
    let form = LeadForm { name: said.name, email: said.email, phone: said.phone, ..LeadForm::default() };
    let lead = leads::create(cx, &form).await?;
    let edit = ConversationEdit { lead: Some(Some(lead.id)), ..ConversationEdit::default() };
    conversations::update(cx, call.conversation, &edit).await?;
    Ok("Noted.".to_owned())
}
