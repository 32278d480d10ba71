//! `token_months`: what a tenant has used of a month's tokens, and what replies in progress may still use. One row a month,
//! taken last in a transaction: whoever holds it is about to commit.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        kept::Keep,
        schema::token_months,
        tx::{Tenant, Tx},
    },
    kernel::failure::Outcome,
};

/// The month that a time belongs to, by UTC.
#[must_use]
pub fn month(time: DateTime<Utc>) -> NaiveDate {
    let day = time.date_naive();
    day.with_day(1).unwrap_or(day)
}

/// What is left of a month's quota, the month's row locked until the end of the transaction: of a hundred at once, each sees
/// what those before it reserved.
///
/// # Errors
/// Database faults.
pub async fn left(tx: &mut Tx<Tenant>, month: NaiveDate, quota: i32) -> Outcome<i64> {
    let tenant = tx.tenant();
    open(tx, month).await?;
    let (used, reserved): (i64, i64) = token_months::table
        .find((tenant, month))
        .select((token_months::used, token_months::reserved))
        .for_update()
        .get_result(tx.conn())
        .await?;
    Ok(i64::from(quota).saturating_sub(used).saturating_sub(reserved))
}

/// Reserves more tokens of a month, or, below zero, gives some back of what was reserved.
///
/// # Errors
/// Database faults.
pub async fn reserve(tx: &Tx<Tenant>, month: NaiveDate, tokens: i64) -> Outcome<()> {
    let tenant = tx.tenant();
    // Whoever gives something back has reserved it: the row is there. PostgreSQL looks at the one that it would insert all the same,
    // and none begins below zero.
    let first = token_months::reserved.eq(tokens.max(0));
    diesel::insert_into(token_months::table)
        .values((token_months::tenant_id.eq(tenant), token_months::month.eq(month), first))
        .on_conflict((token_months::tenant_id, token_months::month))
        .do_update()
        .set(token_months::reserved.eq(token_months::reserved + tokens))
        .kept()
        .execute(&mut tx.line())
        .await?;
    Ok(())
}

async fn open(tx: &Tx<Tenant>, month: NaiveDate) -> Outcome<()> {
    let row = (token_months::tenant_id.eq(tx.tenant()), token_months::month.eq(month));
    diesel::insert_into(token_months::table).values(row).on_conflict_do_nothing().execute(&mut tx.line()).await?;
    Ok(())
}

/// Gives back what was reserved, and counts what was used.
///
/// # Errors
/// Database faults.
pub async fn settle(tx: &mut Tx<Tenant>, month: NaiveDate, reserved: i64, used: i64) -> Outcome<()> {
    let tenant = tx.tenant();
    // The row is there, but where the database's machine lost it.
    diesel::insert_into(token_months::table)
        .values((token_months::tenant_id.eq(tenant), token_months::month.eq(month), token_months::used.eq(used)))
        .on_conflict((token_months::tenant_id, token_months::month))
        .do_update()
        .set((
            token_months::reserved.eq(token_months::reserved - reserved),
            token_months::used.eq(token_months::used + used),
        ))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}
