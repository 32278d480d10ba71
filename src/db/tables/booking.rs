//! `booking_settings`, `opening_hours`, `closed_days`: when the business meets its customers. Read together.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::try_join;

use crate::{
    db::{
        schema::{booking_settings, closed_days, opening_hours, tenants},
        tx::{Tenant, Tx, Viewpoint},
    },
    kernel::{failure::Outcome, ids::TenantId, vocabulary::Weekday},
};

/// How meetings are booked.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = booking_settings)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct BookingRow {
    pub slot_minutes: i32,
    pub notice_minutes: i32,
    pub horizon_days: i32,
}

impl Default for BookingRow {
    /// As the table has it.
    fn default() -> Self {
        Self { slot_minutes: 30, notice_minutes: 120, horizon_days: 30 }
    }
}

/// Hours of one weekday, in minutes of the day.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = opening_hours, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as above")]
pub struct HoursRow {
    pub tenant_id: TenantId,
    pub weekday: Weekday,
    pub opens_minute: i32,
    pub closes_minute: i32,
}

/// A day without meetings.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = closed_days, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as above")]
pub struct ClosedDayRow {
    pub tenant_id: TenantId,
    pub day: NaiveDate,
    pub reason: Option<String>,
}

/// All of it for one tenant; what was never said is as it is by default.
#[derive(Debug, Clone, Default)]
pub struct Booking {
    /// A name of the tz database, where the tenant's profile has one.
    pub time_zone: Option<String>,
    /// How.
    pub row: BookingRow,
    /// When, Monday first.
    pub hours: Vec<HoursRow>,
    /// When not, the earliest first.
    pub closed: Vec<ClosedDayRow>,
}

/// How several tenants are booked, in three statements.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &Tx<V>, ids: &[TenantId]) -> Outcome<HashMap<TenantId, Booking>> {
    let (rows, hours, closed) = try_join!(
        async {
            tenants::table
                .left_join(booking_settings::table)
                .filter(tenants::id.eq_any(ids))
                .select((tenants::id, tenants::time_zone, Option::<BookingRow>::as_select()))
                .load::<(TenantId, Option<String>, Option<BookingRow>)>(&mut tx.line())
                .await
        },
        async {
            opening_hours::table
                .filter(opening_hours::tenant_id.eq_any(ids))
                .order(opening_hours::opens_minute.asc())
                .select(HoursRow::as_select())
                .load(&mut tx.line())
                .await
        },
        async {
            closed_days::table
                .filter(closed_days::tenant_id.eq_any(ids))
                .order(closed_days::day.asc())
                .select(ClosedDayRow::as_select())
                .load(&mut tx.line())
                .await
        },
    )?;
    let mut found: HashMap<_, _> = rows
        .into_iter()
        .map(|(id, time_zone, row)| (id, Booking { time_zone, row: row.unwrap_or_default(), ..Booking::default() }))
        .collect();
    for row in hours {
        found.entry(row.tenant_id).or_default().hours.push(row);
    }
    for row in closed {
        found.entry(row.tenant_id).or_default().closed.push(row);
    }
    for booking in found.values_mut() {
        // Stable: within a day they stay in their order.
        booking.hours.sort_by_key(|row| row.weekday as u8);
    }
    Ok(found)
}

/// Locks the tenant's settings until the transaction ends, so that its meetings are booked one after the other. `false`
/// when there are none.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>) -> Outcome<bool> {
    let tenant = tx.tenant();
    let locked: Option<i32> = booking_settings::table
        .find(tenant)
        .select(booking_settings::slot_minutes)
        .for_update()
        .first(tx.conn())
        .await
        .optional()?;
    Ok(locked.is_some())
}

/// Changes; `None` leaves a column as it is.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = booking_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct BookingChanges {
    pub slot_minutes: Option<i32>,
    pub notice_minutes: Option<i32>,
    pub horizon_days: Option<i32>,
    pub updated_at: DateTime<Utc>,
}

/// Makes the tenant's row, if there is none, and changes it.
///
/// # Errors
/// Database faults.
pub async fn change(tx: &mut Tx<Tenant>, changes: &BookingChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::insert_into(booking_settings::table)
        .values((booking_settings::tenant_id.eq(tenant), booking_settings::updated_at.eq(changes.updated_at)))
        .on_conflict_do_nothing()
        .execute(tx.conn())
        .await?;
    diesel::update(booking_settings::table.find(tenant)).set(changes).execute(tx.conn()).await?;
    Ok(())
}

/// Puts other opening hours in the place of all that there are.
///
/// # Errors
/// Database faults.
pub async fn replace_hours(tx: &mut Tx<Tenant>, hours: &[HoursRow]) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::delete(opening_hours::table.filter(opening_hours::tenant_id.eq(tenant))).execute(tx.conn()).await?;
    diesel::insert_into(opening_hours::table).values(hours).execute(tx.conn()).await?;
    Ok(())
}

/// Puts other closed days in the place of all that there are.
///
/// # Errors
/// Database faults.
pub async fn replace_closed(tx: &mut Tx<Tenant>, closed: &[ClosedDayRow]) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::delete(closed_days::table.filter(closed_days::tenant_id.eq(tenant))).execute(tx.conn()).await?;
    diesel::insert_into(closed_days::table).values(closed).execute(tx.conn()).await?;
    Ok(())
}
