//! A choice of classes in sentences that are short enough to be spoken.

use chrono::{Datelike, NaiveDateTime, NaiveTime, Timelike};

use crate::{
    channels::jackrabbit::{Choice, Class},
    kernel::vocabulary::Weekday,
};

/// Most classes that are spoken of.
const SPOKEN: usize = 3;

/// What the customer speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

/// Says of when a list is that is not new any more: what it says of places was so then. `at` is by the school's clock.
#[must_use]
pub fn as_of(at: NaiveDateTime, language: Language) -> String {
    let (day, time) = (weekday(at.weekday().into(), language), clock(at.time(), language));
    match language {
        Language::English => format!("This list is from {day} at {time}, and places may have gone since."),
        Language::Spanish => format!("Esta lista es del {day} a las {time}, y puede haber cambiado."),
    }
}

impl Choice<'_> {
    /// The choice in a few sentences.
    #[must_use]
    pub fn spoken(&self, language: Language) -> String {
        let mut sentences = vec![self.summary(language)];
        sentences.extend(self.open.iter().take(SPOKEN).map(|class| one(class, self.day, language)));
        match (self.open.len().saturating_sub(SPOKEN), language) {
            (0, _) => {}
            (more, Language::English) => sentences.push(format!("And {more} more.")),
            (more, Language::Spanish) => sentences.push(format!("Y {more} más.")),
        }
        sentences.join(" ")
    }

    fn summary(&self, language: Language) -> String {
        let text = match (self.open.len(), self.full, language) {
            (0, 0, Language::English) => "I found no class that fits.",
            (0, 0, Language::Spanish) => "No encontré ninguna clase que coincida.",
            (0, _, Language::English) if self.has_waitlist => {
                "The classes that fit have too few open spots; there is a wait list."
            }
            (0, _, Language::Spanish) if self.has_waitlist => {
                "Las clases que coinciden no tienen lugares suficientes; hay lista de espera."
            }
            (0, _, Language::English) => "The classes that fit have too few open spots.",
            (0, _, Language::Spanish) => "Las clases que coinciden no tienen lugares suficientes.",
            (1, _, Language::English) => "I found one class with open spots.",
            (1, _, Language::Spanish) => "Encontré una clase con lugares.",
            (open, _, Language::English) => return format!("I found {open} classes with open spots."),
            (open, _, Language::Spanish) => return format!("Encontré {open} clases con lugares."),
        };
        text.to_owned()
    }
}

fn one(class: &Class, day: Option<Weekday>, language: Language) -> String {
    let days: Vec<_> = class.days.iter().map(|day| weekday(*day, language)).collect();
    let seats = class.seats_on(day).unwrap_or_default();
    let (and, at, spots) = match language {
        Language::English => (" and ", " at ", if seats == 1 { "spot" } else { "spots" }),
        Language::Spanish => (" y ", " a las ", if seats == 1 { "lugar" } else { "lugares" }),
    };
    let when = match (days.is_empty(), class.starts) {
        (true, None) => String::new(),
        (false, None) => format!(", {}", days.join(and)),
        (true, Some(time)) => format!(",{at}{}", clock(time, language)),
        (false, Some(time)) => format!(", {}{at}{}", days.join(and), clock(time, language)),
    };
    let place = class.location.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
    format!("{}{when}{place}: {seats} {spots}.", class.name)
}

/// `10 AM`, `6:45 PM`; in Spanish `10:00`, `18:45`.
fn clock(time: NaiveTime, language: Language) -> String {
    match language {
        Language::English if time.minute() == 0 => time.format("%-I %p").to_string(),
        Language::English => time.format("%-I:%M %p").to_string(),
        Language::Spanish => time.format("%-H:%M").to_string(),
    }
}

fn weekday(day: Weekday, language: Language) -> &'static str {
    let (english, spanish) = match day {
        Weekday::Monday => ("Monday", "lunes"),
        Weekday::Tuesday => ("Tuesday", "martes"),
        Weekday::Wednesday => ("Wednesday", "miércoles"),
        Weekday::Thursday => ("Thursday", "jueves"),
        Weekday::Friday => ("Friday", "viernes"),
        Weekday::Saturday => ("Saturday", "sábado"),
        Weekday::Sunday => ("Sunday", "domingo"),
    };
    match language {
        Language::English => english,
        Language::Spanish => spanish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::jackrabbit::Wish;

    fn spoken(wish: &Wish, language: Language) -> String {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/jackrabbit-openings.json")).expect("the vector");
        let classes = super::super::feed::read(vector["feed"].to_string().as_bytes()).expect("a list");
        wish.among(&classes, "2026-03-01".parse().expect("a day")).spoken(language)
    }

    #[test]
    fn a_few_classes_are_told_in_both_languages() {
        insta::assert_snapshot!(spoken(&Wish::default(), Language::English), @"I found 4 classes with open spots. Tadpole Sat 10a, Saturday at 10 AM, Main Pool: 3 spots. Minnow Tue/Thu, Tuesday and Thursday at 6:45 PM, Main Pool: 1 spot. No ages, no end, Saturday at 10 AM, Main Pool: 4 spots. And 1 more.");
        insta::assert_snapshot!(spoken(&Wish::default(), Language::Spanish), @"Encontré 4 clases con lugares. Tadpole Sat 10a, sábado a las 10:00, Main Pool: 3 lugares. Minnow Tue/Thu, martes y jueves a las 18:45, Main Pool: 1 lugar. No ages, no end, sábado a las 10:00, Main Pool: 4 lugares. Y 1 más.");
    }

    #[test]
    fn of_when_an_old_list_is_is_said() {
        let at = "2026-11-21T08:05:00".parse().expect("a time");
        insta::assert_snapshot!(as_of(at, Language::English), @"This list is from Saturday at 8:05 AM, and places may have gone since.");
        insta::assert_snapshot!(as_of(at, Language::Spanish), @"Esta lista es del sábado a las 8:05, y puede haber cambiado.");
    }

    #[test]
    fn too_few_places_and_no_class_are_told_apart() {
        let full = Wish { seats: Some(9), day: Some(Weekday::Saturday), ..Wish::default() };
        let none = Wish { level: Some("karate".into()), ..Wish::default() };
        insta::assert_snapshot!(spoken(&full, Language::English), @"The classes that fit have too few open spots; there is a wait list.");
        insta::assert_snapshot!(spoken(&full, Language::Spanish), @"Las clases que coinciden no tienen lugares suficientes; hay lista de espera.");
        insta::assert_snapshot!(spoken(&none, Language::English), @"I found no class that fits.");
        insta::assert_snapshot!(spoken(&none, Language::Spanish), @"No encontré ninguna clase que coincida.");
    }
}
