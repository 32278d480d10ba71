//! `send_registration_link`: the address at which the customer registers. It is filled in with what the call itself says,
//! never with what is known of a lead: whoever claims another's address must not read their number in a link.

use serde::Deserialize;

use crate::{
    channels::jackrabbit::{Openings, PrefillField, Registration, Wish},
    context::TenantCx,
    kernel::{
        email,
        failure::{Outcome, Refusal},
        phone, text,
    },
    tools::{Declaration, answer::Answer, means::Means, schema},
};

/// What the model gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    class_id: Option<String>,
    location: Option<String>,
    level: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

pub(super) fn declaration() -> Declaration {
    let person = |what: &str| schema::optional_text(&format!("{what}, if the customer said it here; else null."));
    Declaration {
        name: "send_registration_link",
        description: "Gives the address at which the customer registers. Pass `url` on exactly as it is, and give no other.",
        parameters: schema::object(&[
            (
                "class_id",
                schema::optional_text("`class_id` of one of get_classes; null to register without a certain class."),
            ),
            ("location", schema::optional_text("The place's name or code; null if it was not said.")),
            ("level", schema::optional_text("The level; null if it was not said.")),
            ("first_name", person("The parent's first name")),
            ("last_name", person("The parent's last name")),
            ("email", person("The parent's e-mail address")),
            ("phone", person("The parent's phone number with its country code, such as +15550100123")),
        ]),
    }
}

pub(super) async fn run(cx: &TenantCx, means: &Means, asked: Arguments) -> Outcome<Answer> {
    let class_id = text::optional("class_id", asked.class_id.as_deref(), 20)?;
    let location = text::optional("location", asked.location.as_deref(), 100)?;
    let level = text::optional("level", asked.level.as_deref(), 100)?;
    let address = text::given(asked.email.as_deref()).map(|text| email::normalise("email", text)).transpose()?;
    let number = text::given(asked.phone.as_deref()).map(|text| phone::normalise("phone", text)).transpose()?;
    let known = [
        (PrefillField::FirstName, text::optional("first_name", asked.first_name.as_deref(), 100)?),
        (PrefillField::LastName, text::optional("last_name", asked.last_name.as_deref(), 100)?),
        (PrefillField::Email, address),
        (PrefillField::Phone, number),
    ];
    let known: Vec<_> =
        known.iter().filter_map(|(field, value)| value.as_deref().map(|value| (*field, value))).collect();
    let openings = schedule(cx, means, class_id.is_some(), location.is_some()).await?;
    let classes = openings.as_ref().map(|openings| &*openings.classes).unwrap_or_default();
    let class = match &class_id {
        None => None,
        Some(id) => Some(classes.iter().find(|class| class.id == *id).ok_or_else(no_such_class)?),
    };
    if class.is_some_and(|class| !class.is_open() && !class.has_waitlist) {
        return Err(Refusal::input("class_id", "This class is full. Call get_classes and offer another.").into());
    }
    // A place by its code, where the school lists it; else as it was said, which only the tenant's own site can read.
    let place = Wish { location: location.clone(), ..Wish::default() };
    let code = class
        .or_else(|| location.as_ref().and_then(|_| classes.iter().find(|class| place.is_at(class))))
        .and_then(|class| class.location_code.as_deref());
    let mut wanted =
        Registration { org: means.org.as_deref(), class, location: code, level: level.as_deref(), known: &known };
    let url = match &means.registration_url {
        Some(pattern) => {
            wanted.location = code.or(location.as_deref());
            wanted.on_site(pattern)
        }
        None => wanted.at_jackrabbit(cx.services().jackrabbit.prefill()),
    };
    let url = url.ok_or_else(|| crate::kernel::failure::Failure::fault("no registration address could be made"))?;
    let is_waiting = class.is_some_and(|class| !class.is_open());
    let answer = Answer::default().with("url", url);
    Ok(if is_waiting {
        answer.with("note", "This class is full: the link leads to its wait list. Say so.")
    } else {
        answer
    })
}

/// The school's classes, if they are needed: to find a class there must be some; for a place's code it does not matter.
async fn schedule(cx: &TenantCx, means: &Means, for_class: bool, for_place: bool) -> Outcome<Option<Openings>> {
    let Some(org) = means.org.as_deref().filter(|_| for_class || for_place) else { return Ok(None) };
    match cx.services().jackrabbit.openings(org).await {
        Ok(openings) => Ok(Some(openings)),
        Err(failure) if for_class => Err(failure),
        Err(_) => Ok(None),
    }
}

fn no_such_class() -> Refusal {
    Refusal::input("class_id", "There is no such class. Call get_classes, and give a `class_id` of its answer.")
}
