//! Which classes fit a wish. A class whose places are gone, or are not known, is never among those with places.

use chrono::NaiveDate;

use crate::{channels::jackrabbit::Class, kernel::vocabulary::Weekday};

/// What somebody looks for; what is not said does not matter.
#[derive(Debug, Default)]
pub struct Wish {
    /// Where: part of a place's name, or its code.
    pub location: Option<String>,
    /// What: part of a level's or the class's name.
    pub level: Option<String>,
    /// For whom: an age in months.
    pub age: Option<u32>,
    /// When.
    pub day: Option<Weekday>,
    /// For how many; one, if it is not said.
    pub seats: Option<i64>,
}

/// The classes that fit a wish.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice<'c> {
    /// Those with enough places.
    pub open: Vec<&'c Class>,
    /// How many fit but for their places.
    pub full: usize,
    /// One can wait for a place in one of those.
    pub has_waitlist: bool,
    /// The day that was wished for.
    pub day: Option<Weekday>,
}

impl Wish {
    /// The classes that fit, and on `today` are not over, and can be registered for.
    #[must_use]
    pub fn among<'c>(&self, classes: &'c [Class], today: NaiveDate) -> Choice<'c> {
        let is_on = |class: &Class| {
            class.last_day.is_none_or(|last| last >= today) && class.registers_from.is_none_or(|first| first <= today)
        };
        let fitting = classes.iter().filter(|class| is_on(class) && self.fits(class));
        let enough = self.seats.unwrap_or(1).max(1);
        let (open, full): (Vec<_>, Vec<_>) =
            fitting.partition(|class| class.seats_on(self.day).is_some_and(|seats| seats >= enough));
        Choice { open, full: full.len(), has_waitlist: full.iter().any(|class| class.has_waitlist), day: self.day }
    }

    /// Whether a class is where one wishes.
    #[must_use]
    pub fn is_at(&self, class: &Class) -> bool {
        says(self.location.as_deref(), [&class.location, &class.location_code].into_iter().flatten())
    }

    fn fits(&self, class: &Class) -> bool {
        let level = class.levels.iter().chain([&class.name]);
        self.is_at(class)
            && says(self.level.as_deref(), level)
            && self.age.is_none_or(|age| {
                class.min_age.is_none_or(|least| least <= age) && class.max_age.is_none_or(|most| age <= most)
            })
            && self.day.is_none_or(|day| class.days.contains(&day))
    }
}

/// Whether one of the texts contains the word, without regard to case.
fn says<'t>(word: Option<&str>, mut texts: impl Iterator<Item = &'t String>) -> bool {
    let Some(word) = word.map(str::to_lowercase) else { return true };
    texts.any(|text| text.to_lowercase().contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wish: &Wish, today: &str) -> (String, usize, bool) {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/jackrabbit-openings.json")).expect("the vector");
        let classes = super::super::feed::read(vector["feed"].to_string().as_bytes()).expect("a list");
        let choice = wish.among(&classes, today.parse().expect("a day"));
        let open: Vec<_> = choice.open.iter().map(|class| class.name.as_str()).collect();
        (open.join(", "), choice.full, choice.has_waitlist)
    }

    #[test]
    fn a_wish_is_kept_in_all_its_parts() {
        let all = "Tadpole Sat 10a, Minnow Tue/Thu, No ages, no end, Id as string";
        for (wish, expected, full) in [
            (Wish::default(), all, 2),
            (Wish { location: Some("east & west".into()), ..Wish::default() }, "Id as string", 0),
            (Wish { location: Some("east".into()), ..Wish::default() }, "Id as string", 0),
            (Wish { location: Some("north".into()), ..Wish::default() }, "", 0),
            (Wish { level: Some("SWIM".into()), ..Wish::default() }, all, 2),
            (Wish { level: Some("minnow".into()), ..Wish::default() }, "Minnow Tue/Thu", 0),
            (Wish { age: Some(41), ..Wish::default() }, "No ages, no end", 0),
            (Wish { age: Some(42), ..Wish::default() }, "Tadpole Sat 10a, No ages, no end, Id as string", 2),
            (Wish { age: Some(71), ..Wish::default() }, all, 2),
            (Wish { age: Some(72), ..Wish::default() }, "Minnow Tue/Thu, No ages, no end", 0),
            (Wish { day: Some(Weekday::Thursday), ..Wish::default() }, "Minnow Tue/Thu", 0),
            (Wish { seats: Some(3), ..Wish::default() }, "Tadpole Sat 10a, No ages, no end", 4),
            (Wish { seats: Some(-5), ..Wish::default() }, all, 2),
        ] {
            assert_eq!(names(&wish, "2026-05-30"), (expected.to_owned(), full, full > 0), "{wish:?}");
        }
        // What opens for registration later is not offered; the recorded ones did on 2025-12-01, where they say so.
        let before = names(&Wish::default(), "2025-11-30");
        assert!(!before.0.contains("Tadpole") && before.1 < 2, "{before:?}");
        // Over is over; one without an end goes on.
        assert_eq!(names(&Wish::default(), "2026-05-31").0, "No ages, no end");
    }
}
