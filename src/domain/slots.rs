//! Which times can be booked, worked out from opening hours and a calendar. Must not read a clock or the database: it is
//! given both.

use std::collections::HashSet;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::{
    db::tables::booking::Booking,
    kernel::{
        vocabulary::Weekday,
        zone::{self, Tz},
    },
};

/// A time that can be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its beginning.
    pub starts_at: DateTime<Utc>,
    /// Its end.
    pub ends_at: DateTime<Utc>,
}

/// The zone that a tenant's hours are in: its profile's, or UTC.
#[must_use]
pub fn zone_of(booking: &Booking) -> Tz {
    booking.time_zone.as_deref().and_then(zone::parse).unwrap_or(Tz::UTC)
}

/// The times that begin from `from` on and before `to`, late enough after `now` and not beyond the horizon: the earliest
/// first, whether they are taken or not.
///
/// Hours are walked through in real time, from when the wall's clock shows the opening until it shows the closing. So a
/// night in spring has an hour less to offer, and one in autumn an hour more.
#[must_use]
pub fn open(booking: &Booking, now: DateTime<Utc>, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Slot> {
    let row = &booking.row;
    let from = from.max(now + TimeDelta::minutes(row.notice_minutes.into()));
    let to = to.min(now + TimeDelta::days(row.horizon_days.into()));
    let zone = zone_of(booking);
    let closed: HashSet<NaiveDate> = booking.closed.iter().map(|closed| closed.day).collect();
    let length = TimeDelta::minutes(row.slot_minutes.max(1).into());
    let mut slots = Vec::new();
    let mut day = from.with_timezone(&zone).date_naive();
    let last = to.with_timezone(&zone).date_naive();
    while from < to && day <= last {
        let weekday = Weekday::from(chrono::Datelike::weekday(&day));
        for hours in booking.hours.iter().filter(|hours| hours.weekday == weekday && !closed.contains(&day)) {
            let times = (instant(zone, day, hours.opens_minute), instant(zone, day, hours.closes_minute));
            let (Some(mut starts_at), Some(closes)) = times else { continue };
            while starts_at + length <= closes {
                let slot = Slot { starts_at, ends_at: starts_at + length };
                if (from..to).contains(&starts_at) {
                    slots.push(slot);
                }
                starts_at = slot.ends_at;
            }
        }
        let Some(next) = day.checked_add_days(Days::new(1)) else { break };
        day = next;
    }
    slots
}

/// When the clock on the wall shows a minute of a day.
fn instant(zone: Tz, day: NaiveDate, minute: i32) -> Option<DateTime<Utc>> {
    zone::instant(zone, day.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(minute.into()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::tables::booking::{BookingRow, ClosedDayRow, HoursRow},
        kernel::ids::TenantId,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn booking(zone: &str, weekday: Weekday, hours: &[(i32, i32)], slot_minutes: i32) -> Booking {
        let row = |(opens, closes): &(i32, i32)| HoursRow {
            tenant_id: TenantId(1),
            weekday,
            opens_minute: opens * 60,
            closes_minute: closes * 60,
        };
        Booking {
            time_zone: Some(zone.to_owned()),
            row: BookingRow { slot_minutes, notice_minutes: 0, horizon_days: 365 },
            hours: hours.iter().map(row).collect(),
            closed: Vec::new(),
        }
    }

    fn local(booking: &Booking, now: &str, from: &str, to: &str) -> Vec<String> {
        let zone = zone_of(booking);
        let slots = open(booking, at(now), at(from), at(to));
        slots.iter().map(|slot| slot.starts_at.with_timezone(&zone).format("%d %H:%M%:z").to_string()).collect()
    }

    #[test]
    fn a_night_in_spring_is_an_hour_shorter_and_one_in_autumn_an_hour_longer() {
        let chicago = booking("America/Chicago", Weekday::Sunday, &[(0, 4)], 60);
        let spring = local(&chicago, "2027-03-01T00:00:00Z", "2027-03-14T00:00:00Z", "2027-03-15T12:00:00Z");
        assert_eq!(spring, ["14 00:00-06:00", "14 01:00-06:00", "14 03:00-05:00"]);
        let autumn = local(&chicago, "2027-11-01T00:00:00Z", "2027-11-07T00:00:00Z", "2027-11-08T12:00:00Z");
        let twice = ["07 00:00-05:00", "07 01:00-05:00", "07 01:00-06:00", "07 02:00-06:00", "07 03:00-06:00"];
        assert_eq!(autumn, twice);
        // By day the hours are the same on the wall, and others by UTC.
        let day = booking("America/Chicago", Weekday::Sunday, &[(9, 10)], 30);
        for (date, offset) in [("2027-03-07", "-06:00"), ("2027-03-14", "-05:00"), ("2027-11-07", "-06:00")] {
            let (from, to) = (format!("{date}T00:00:00Z"), format!("{date}T23:00:00Z"));
            let expected = ["09:00", "09:30"].map(|time| format!("{} {time}{offset}", &date[8..]));
            assert_eq!(local(&day, "2027-03-01T00:00:00Z", &from, &to), expected);
        }
    }

    #[test]
    fn hours_that_fall_into_the_gap_offer_nothing_twice() {
        let gap = booking("America/Chicago", Weekday::Sunday, &[(1, 2), (2, 3), (3, 4)], 60);
        let spring = local(&gap, "2027-03-01T00:00:00Z", "2027-03-14T00:00:00Z", "2027-03-15T00:00:00Z");
        assert_eq!(spring, ["14 01:00-06:00", "14 03:00-05:00"]);
    }

    #[test]
    fn the_day_is_the_tenants_own_and_ends_at_its_midnight() {
        let auckland = booking("Pacific/Auckland", Weekday::Monday, &[(0, 1), (23, 24)], 60);
        let monday = local(&auckland, "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z");
        assert_eq!(monday, ["23 00:00+13:00", "23 23:00+13:00"]);
    }

    #[test]
    fn notice_horizon_closed_days_and_odd_lengths_are_kept() {
        let mut utc = booking("UTC", Weekday::Monday, &[(9, 11)], 45);
        let ask = |booking: &Booking| {
            local(booking, "2026-11-23T08:30:00Z", "2026-11-23T00:00:00Z", "2026-12-01T00:00:00Z").join(", ")
        };
        assert_eq!(ask(&utc), "23 09:00+00:00, 23 09:45+00:00, 30 09:00+00:00, 30 09:45+00:00");
        utc.row.notice_minutes = 31;
        assert_eq!(ask(&utc), "23 09:45+00:00, 30 09:00+00:00, 30 09:45+00:00");
        utc.row.horizon_days = 7;
        assert_eq!(ask(&utc), "23 09:45+00:00", "the thirtieth is more than seven days away");
        utc.closed.push(ClosedDayRow {
            tenant_id: TenantId(1),
            day: "2026-11-23".parse().expect("a day"),
            reason: None,
        });
        assert_eq!(ask(&utc), "");
        // A zone that the database of zones has lost is none.
        utc.time_zone = Some("Nowhere/Atlantis".to_owned());
        assert_eq!(zone_of(&utc), Tz::UTC);
    }
}
