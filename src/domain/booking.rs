//! When the business meets its customers: hours, closed days, and how long before a meeting it can be booked.

use chrono::NaiveDate;

use crate::{
    context::{TenantCx, audit},
    db::tables::booking::{self, Booking, BookingChanges, ClosedDayRow, HoursRow},
    kernel::{
        failure::{Failure, Outcome, Refusal},
        ids::TenantId,
        text,
        vocabulary::Weekday,
    },
};

/// Most openings of a week.
const HOURS_MAX: usize = 50;
/// Most closed days that are kept.
const CLOSED_MAX: usize = 200;

/// Hours of one weekday.
pub struct HoursForm {
    /// Which day.
    pub weekday: Weekday,
    /// From when, by the tenant's clock, such as `09:00`.
    pub opens_at: String,
    /// Until when; `24:00` for midnight at the day's end.
    pub closes_at: String,
}

/// A day without meetings.
pub struct ClosedDayForm {
    /// Which, such as `2026-12-25`.
    pub date: String,
    /// Why.
    pub reason: Option<String>,
}

/// Changes to when the business meets its customers; `None` leaves as it is. A list takes the place of the whole list.
#[derive(Default)]
#[expect(missing_docs, reason = "as the graph's input")]
pub struct BookingEdit {
    pub slot_minutes: Option<i32>,
    pub notice_minutes: Option<i32>,
    pub horizon_days: Option<i32>,
    pub opening_hours: Option<Vec<HoursForm>>,
    pub closed_days: Option<Vec<ClosedDayForm>>,
}

/// Changes when the business meets its customers. Meetings that are booked stay.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument.
pub async fn update(cx: &TenantCx, edit: &BookingEdit) -> Outcome<Booking> {
    let tenant = cx.scope().tenant();
    let changes = BookingChanges {
        slot_minutes: within("slotMinutes", edit.slot_minutes, 5, 480)?,
        notice_minutes: within("noticeMinutes", edit.notice_minutes, 0, 43_200)?,
        horizon_days: within("horizonDays", edit.horizon_days, 1, 365)?,
        updated_at: cx.now(),
    };
    let hours = edit.opening_hours.as_deref().map(|hours| opening_hours(tenant, hours)).transpose()?;
    let closed = edit.closed_days.as_deref().map(|closed| closed_days(tenant, closed)).transpose()?;
    let detail = audit::said(&[
        ("slotMinutes", changes.slot_minutes.is_some()),
        ("noticeMinutes", changes.notice_minutes.is_some()),
        ("horizonDays", changes.horizon_days.is_some()),
        ("openingHours", hours.is_some()),
        ("closedDays", closed.is_some()),
    ]);
    cx.write(async |tx| {
        // First, since it also keeps two changes apart.
        booking::change(tx, &changes).await?;
        if let Some(hours) = &hours {
            booking::replace_hours(tx, hours).await?;
        }
        if let Some(closed) = &closed {
            booking::replace_closed(tx, closed).await?;
        }
        cx.audit_change(tx, "settings.booking", tenant, detail);
        let now = booking::find_many(tx, &[tenant]).await?.remove(&tenant);
        now.ok_or_else(|| Failure::fault("a tenant without booking settings"))
    })
    .await
}

fn within(field: &'static str, number: Option<i32>, least: i32, most: i32) -> Result<Option<i32>, Refusal> {
    if number.is_some_and(|number| !(least..=most).contains(&number)) {
        return Err(Refusal::input(field, format!("`{field}` must be from {least} to {most}.")));
    }
    Ok(number)
}

fn opening_hours(tenant_id: TenantId, forms: &[HoursForm]) -> Result<Vec<HoursRow>, Refusal> {
    if forms.len() > HOURS_MAX {
        return Err(Refusal::input("openingHours", format!("At most {HOURS_MAX} openings a week are kept.")));
    }
    let mut rows = Vec::with_capacity(forms.len());
    for form in forms {
        let (opens, closes) = (minute("opensAt", &form.opens_at)?, minute("closesAt", &form.closes_at)?);
        if opens >= closes {
            return Err(Refusal::input(
                "closesAt",
                "`closesAt` must be after `opensAt`. Hours over midnight are written as two, the first until `24:00`.",
            ));
        }
        rows.push(HoursRow { tenant_id, weekday: form.weekday, opens_minute: opens, closes_minute: closes });
    }
    rows.sort_by_key(|row| (row.weekday as u8, row.opens_minute));
    let overlap = |pair: &[HoursRow]| match pair {
        [one, next] => one.weekday == next.weekday && next.opens_minute < one.closes_minute,
        _ => false,
    };
    if rows.windows(2).any(overlap) {
        return Err(Refusal::input("openingHours", "The hours of a day must not overlap."));
    }
    Ok(rows)
}

/// `HH:MM` in minutes of the day, up to `24:00`.
fn minute(field: &'static str, text: &str) -> Result<i32, Refusal> {
    let two = |part: &str| {
        let is_two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_two.then(|| part.parse::<i32>().ok()).flatten()
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)))
        .filter(|(hour, minute)| *minute < 60 && hour * 60 + minute <= 24 * 60)
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| Refusal::input(field, format!("`{field}` must be a time such as `09:30`, up to `24:00`.")))
}

/// A minute of the day as `HH:MM`.
#[must_use]
pub fn clock_time(minute: i32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn closed_days(tenant_id: TenantId, forms: &[ClosedDayForm]) -> Result<Vec<ClosedDayRow>, Refusal> {
    if forms.len() > CLOSED_MAX {
        return Err(Refusal::input("closedDays", format!("At most {CLOSED_MAX} closed days are kept.")));
    }
    let mut rows = Vec::with_capacity(forms.len());
    for form in forms {
        let reason = text::optional("reason", form.reason.as_deref(), 200)?;
        rows.push(ClosedDayRow { tenant_id, day: date("date", &form.date)?, reason });
    }
    rows.sort_by_key(|row| row.day);
    rows.dedup_by_key(|row| row.day);
    Ok(rows)
}

/// A day such as `2026-12-25`.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field`.
pub fn date(field: &'static str, text: &str) -> Result<NaiveDate, Refusal> {
    let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    shaped
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| Refusal::input(field, format!("`{field}` must be a day such as `2026-12-25`.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_have_one_spelling() {
        assert_eq!(minute("opensAt", "09:30"), Ok(570));
        assert_eq!(minute("opensAt", "24:00").map(clock_time).as_deref(), Ok("24:00"));
        for text in ["", "9:30", "09:60", "24:01", "25:00", "0930", "09:30:00", "-1:00", "+1:00", "０９:30"] {
            assert!(minute("opensAt", text).is_err(), "{text}");
        }
        assert!(date("date", "2028-02-29").is_ok());
        for text in ["", "2027-02-29", "27-02-01", "2027-2-01", "2027-02-01T00", "+27-02-01a"] {
            assert!(date("date", text).is_err(), "{text}");
        }
    }
}
