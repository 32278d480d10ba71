//! Time zones by their names in the tz database, as of the build. Must not guess: a name is one of those, or none.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
pub use chrono_tz::Tz;

/// Minutes that a clock was ever put forward by at the most: a whole day, where the date line was moved.
const GAP_MAX: i64 = 24 * 60;

/// The zone of a name such as `America/Chicago`.
#[must_use]
pub fn parse(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// When a clock on the wall shows `local`. A time that it shows twice, in autumn, is the first of the two; one that it
/// leaps over, in spring, is when it leaps. `None` only at the ends of the calendar.
#[must_use]
pub fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    (0..=GAP_MAX).find_map(|minutes| {
        let later = local.checked_add_signed(TimeDelta::minutes(minutes))?;
        Some(zone.from_local_datetime(&later).earliest()?.with_timezone(&Utc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, local: &str) -> String {
        let zone = parse(zone).expect("a zone");
        instant(zone, local.parse().expect("a time")).expect("an instant").to_rfc3339()
    }

    #[test]
    fn names_are_exact() {
        assert_eq!(parse("America/Chicago").map(|zone| zone.name().to_owned()).as_deref(), Some("America/Chicago"));
        for name in ["", "america/chicago", "America/Atlantis", "Chicago", "UTC+1", "'; DROP"] {
            assert!(parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_clock_that_leaps_and_one_that_steps_back_are_read() {
        assert_eq!(at("America/Chicago", "2027-03-14T01:59:00"), "2027-03-14T07:59:00+00:00");
        // 02:00 to 03:00 does not exist.
        assert_eq!(at("America/Chicago", "2027-03-14T02:30:00"), "2027-03-14T08:00:00+00:00");
        assert_eq!(at("America/Chicago", "2027-03-14T03:00:00"), "2027-03-14T08:00:00+00:00");
        // 01:30 comes twice.
        assert_eq!(at("America/Chicago", "2027-11-07T01:30:00"), "2027-11-07T06:30:00+00:00");
        assert_eq!(at("America/Chicago", "2027-11-07T02:00:00"), "2027-11-07T08:00:00+00:00");
        // Half an hour, and a whole day.
        assert_eq!(at("Australia/Lord_Howe", "2026-10-04T02:10:00"), "2026-10-03T15:30:00+00:00");
        assert_eq!(at("Pacific/Apia", "2011-12-30T09:00:00"), "2011-12-30T10:00:00+00:00");
    }
}
