//! What is said on the phone, in English and in Spanish: short, and nothing that only an eye can read.

use chrono::{DateTime, Datelike, FixedOffset};
use serde_json::{Map, Value};

use crate::{channels::jackrabbit::Language, tools::get_available_slots::BOOKED};

/// Most times that are spoken of.
const SPOKEN: usize = 3;

const DAYS: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
const MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

fn either(language: Language, english: &'static str, spanish: &'static str) -> &'static str {
    match language {
        Language::English => english,
        Language::Spanish => spanish,
    }
}

/// It did not work.
#[must_use]
pub fn failed(language: Language) -> &'static str {
    either(
        language,
        "I'm sorry, I can't do that right now. Would you like someone to follow up with you?",
        "Lo siento, ahora mismo no puedo hacer eso. ¿Quiere que alguien se comunique con usted?",
    )
}

/// Nobody knows whose call it is, or calls are switched off.
#[must_use]
pub fn nobody(language: Language) -> &'static str {
    either(
        language,
        "I'm sorry, I can't look that up on this line. Please contact the business directly.",
        "Lo siento, no puedo consultar eso en esta línea. Por favor, comuníquese directamente con el negocio.",
    )
}

/// The link is on its way.
pub(super) fn sent(language: Language) -> &'static str {
    either(
        language,
        "I've sent the link by text message to the number you are calling from.",
        "Le envié el enlace por mensaje de texto al número desde el que llama.",
    )
}

/// The link can't be sent.
pub(super) fn not_sent(language: Language) -> &'static str {
    either(
        language,
        "I'm sorry, I can't send a text message to this number. Would you like someone to follow up with you?",
        "Lo siento, no puedo enviar un mensaje de texto a este número. ¿Quiere que alguien se comunique con usted?",
    )
}

/// The link was sent, and did not arrive.
pub(super) fn not_arrived(language: Language) -> &'static str {
    either(
        language,
        "I'm sorry, the link did not get through to the number you are calling from. A landline, for example, can't \
         receive text messages. Would you like someone to follow up with you?",
        "Lo siento, el enlace no llegó al número desde el que llama. Un teléfono fijo, por ejemplo, no recibe mensajes \
         de texto. ¿Quiere que alguien se comunique con usted?",
    )
}

/// The text message that carries the link.
pub(super) fn link(business: &str, url: &str, language: Language) -> String {
    format!("{business}: {} {url}", either(language, "register here:", "inscríbase aquí:"))
}

/// The free times in a sentence; before them, what is booked for the caller already.
pub(super) fn slots(told: &Map<String, Value>, language: Language) -> String {
    let none = either(
        language,
        "I found no free time in those days. Would you like me to look further ahead?",
        "No encontré ningún horario libre en esos días. ¿Quiere que busque más adelante?",
    );
    let free = either(language, "The next free times are:", "Los próximos horarios libres son:");
    let free = times(told, "slots", language).map_or_else(|| none.to_owned(), |times| format!("{free} {times}."));
    let booked = either(language, "You are already booked for", "Ya tiene reservado:");
    match times(told, BOOKED, language) {
        Some(times) => format!("{booked} {times}. {free}"),
        None => free,
    }
}

/// The first times of a list.
fn times(told: &Map<String, Value>, list: &str, language: Language) -> Option<String> {
    let all = told.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let times: Vec<_> = all.iter().take(SPOKEN).filter_map(|one| time(one.get("starts_at")?, language)).collect();
    (!times.is_empty()).then(|| times.join("; "))
}

/// That a meeting is booked.
pub(super) fn booked(told: &Map<String, Value>, language: Language) -> Option<String> {
    let time = time(told.get("starts_at")?, language)?;
    Some(format!("{} {time}.", either(language, "You are booked for", "Su cita quedó reservada para el")))
}

/// It is not known whether a meeting is booked.
pub(super) fn unclear(language: Language) -> &'static str {
    either(
        language,
        "I can't tell yet whether that time is booked. Someone will confirm it with you.",
        "Todavía no puedo decirle si su cita quedó reservada. Alguien se lo confirmará.",
    )
}

/// A moment by the business's own clock.
fn time(written: &Value, language: Language) -> Option<String> {
    let at: DateTime<FixedOffset> = DateTime::parse_from_rfc3339(written.as_str()?).ok()?;
    Some(match language {
        Language::English => at.format("%A, %B %-d at %-I:%M %p").to_string(),
        Language::Spanish => {
            let day = DAYS.get(at.weekday().num_days_from_monday() as usize)?;
            let month = MONTHS.get(at.month0() as usize)?;
            format!("{day} {} de {month} a las {}", at.day(), at.format("%-H:%M"))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn free_times_and_bookings_are_said_in_both_languages() {
        let told = json!({ "slots": [{ "starts_at": "2026-11-23T09:00:00-06:00" }, { "starts_at": "2026-11-25T15:30:00-06:00" }, { "starts_at": 7 }] });
        let told = told.as_object().expect("an object");
        insta::assert_snapshot!(slots(told, Language::English), @"The next free times are: Monday, November 23 at 9:00 AM; Wednesday, November 25 at 3:30 PM.");
        insta::assert_snapshot!(slots(told, Language::Spanish), @"Los próximos horarios libres son: lunes 23 de noviembre a las 9:00; miércoles 25 de noviembre a las 15:30.");
        assert!(slots(&Map::new(), Language::Spanish).starts_with("No encontré"));
        let both = json!({ "already_booked": [{ "starts_at": "2026-11-23T09:00:00-06:00" }], "slots": [{ "starts_at": "2026-11-23T09:30:00-06:00" }] });
        let both = both.as_object().expect("an object");
        insta::assert_snapshot!(slots(both, Language::English), @"You are already booked for Monday, November 23 at 9:00 AM. The next free times are: Monday, November 23 at 9:30 AM.");
        insta::assert_snapshot!(slots(both, Language::Spanish), @"Ya tiene reservado: lunes 23 de noviembre a las 9:00. Los próximos horarios libres son: lunes 23 de noviembre a las 9:30.");
        let one = json!({ "starts_at": "2026-11-23T09:00:00-06:00" });
        let one = one.as_object().expect("an object");
        assert_eq!(
            booked(one, Language::Spanish).as_deref(),
            Some("Su cita quedó reservada para el lunes 23 de noviembre a las 9:00.")
        );
        assert_eq!(
            booked(one, Language::English).as_deref(),
            Some("You are booked for Monday, November 23 at 9:00 AM.")
        );
        assert_eq!(booked(&Map::new(), Language::English), None);
    }
}
