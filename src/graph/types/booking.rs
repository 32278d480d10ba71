//! `BookingSettings`: when the tenant meets its customers.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};

use crate::{
    db::tables::booking::{Booking, ClosedDayRow, HoursRow},
    domain::{
        booking::{BookingEdit, ClosedDayForm, HoursForm, clock_time},
        slots::{self, Slot},
    },
    graph::{scalars::DateTime, types::given},
    kernel::{failure::Refusal, vocabulary::Weekday},
};

/// When the tenant meets its customers, and how meetings are booked. Without opening hours nothing can be booked.
#[derive(SimpleObject)]
pub struct BookingSettings {
    /// The time zone that hours and days are meant in: the profile's, or `UTC`.
    time_zone: &'static str,
    /// How long a meeting is, in minutes; also how far apart two of them begin.
    slot_minutes: i32,
    /// How long before its beginning a meeting can be booked at the latest, in minutes.
    notice_minutes: i32,
    /// How many days ahead meetings can be booked.
    horizon_days: i32,
    /// The hours of the week, Monday first. A day may have several, or none.
    opening_hours: Vec<OpeningHours>,
    /// Days without meetings, the earliest first.
    closed_days: Vec<ClosedDay>,
}

impl From<Booking> for BookingSettings {
    fn from(booking: Booking) -> Self {
        Self {
            time_zone: slots::zone_of(&booking).name(),
            slot_minutes: booking.row.slot_minutes,
            notice_minutes: booking.row.notice_minutes,
            horizon_days: booking.row.horizon_days,
            opening_hours: booking.hours.into_iter().map(OpeningHours::from).collect(),
            closed_days: booking.closed.into_iter().map(ClosedDay::from).collect(),
        }
    }
}

/// Hours of one weekday.
#[derive(SimpleObject)]
pub struct OpeningHours {
    /// Which day.
    weekday: Weekday,
    /// From when by the tenant's clock, such as `09:00`.
    opens_at: String,
    /// Until when, such as `17:30`; `24:00` is midnight at the day's end.
    closes_at: String,
}

impl From<HoursRow> for OpeningHours {
    fn from(row: HoursRow) -> Self {
        Self { weekday: row.weekday, opens_at: clock_time(row.opens_minute), closes_at: clock_time(row.closes_minute) }
    }
}

/// A day without meetings.
#[derive(SimpleObject)]
pub struct ClosedDay {
    /// Which, by the tenant's calendar, such as `2026-12-25`.
    date: String,
    /// Why.
    reason: Option<String>,
}

impl From<ClosedDayRow> for ClosedDay {
    fn from(row: ClosedDayRow) -> Self {
        Self { date: row.day.to_string(), reason: row.reason }
    }
}

/// A time that can be booked.
#[derive(SimpleObject)]
pub struct AvailableSlot {
    /// When it begins; `bookMeeting` takes it by this.
    starts_at: DateTime,
    /// When it ends.
    ends_at: DateTime,
}

impl From<Slot> for AvailableSlot {
    fn from(slot: Slot) -> Self {
        Self { starts_at: slot.starts_at.into(), ends_at: slot.ends_at.into() }
    }
}

/// Changes to when the tenant meets its customers. What is omitted stays. Meetings that are booked stay too.
#[derive(InputObject)]
pub struct BookingSettingsInput {
    /// How long a meeting is, 5 to 480 minutes.
    slot_minutes: MaybeUndefined<i32>,
    /// How long before its beginning a meeting can be booked at the latest, 0 to 43,200 minutes.
    notice_minutes: MaybeUndefined<i32>,
    /// How many days ahead meetings can be booked, 1 to 365.
    horizon_days: MaybeUndefined<i32>,
    /// The hours of the week, 50 at the most; replaces all that there are.
    opening_hours: MaybeUndefined<Vec<OpeningHoursInput>>,
    /// Days without meetings, 200 at the most; replaces all that there are.
    closed_days: MaybeUndefined<Vec<ClosedDayInput>>,
}

/// Hours of one weekday. The hours of a day must not overlap.
#[derive(InputObject)]
pub struct OpeningHoursInput {
    /// Which day.
    weekday: Weekday,
    /// From when by the tenant's clock, such as `09:00`.
    opens_at: String,
    /// Until when, such as `17:30`; `24:00` is midnight at the day's end.
    closes_at: String,
}

/// A day without meetings.
#[derive(InputObject)]
pub struct ClosedDayInput {
    /// Which, by the tenant's calendar, such as `2026-12-25`.
    date: String,
    /// Why, up to 200 characters.
    reason: Option<String>,
}

impl TryFrom<BookingSettingsInput> for BookingEdit {
    type Error = Refusal;
    fn try_from(input: BookingSettingsInput) -> Result<Self, Refusal> {
        let hours = |form: OpeningHoursInput| HoursForm {
            weekday: form.weekday,
            opens_at: form.opens_at,
            closes_at: form.closes_at,
        };
        let closed = |form: ClosedDayInput| ClosedDayForm { date: form.date, reason: form.reason };
        Ok(Self {
            slot_minutes: given("slotMinutes", input.slot_minutes)?,
            notice_minutes: given("noticeMinutes", input.notice_minutes)?,
            horizon_days: given("horizonDays", input.horizon_days)?,
            opening_hours: given("openingHours", input.opening_hours)?
                .map(|forms| forms.into_iter().map(hours).collect()),
            closed_days: given("closedDays", input.closed_days)?.map(|forms| forms.into_iter().map(closed).collect()),
        })
    }
}
