//! Invoice numbers: one after the other without a gap, given in the transaction that makes the invoice.
//!
//! A number is its series, such as `INV/MAIN/2026/`, and a count in that series. The count is a row that is raised by
//! one in the same transaction: who comes second waits for the first to commit, and what is rolled back gives its
//! number back. A void invoice keeps its number; no number is given twice, because the series is the text of the number
//! itself: two outlets or years with the same series share its count.

mod format;

pub use format::{DEFAULT_FORMAT, NumberError, NumberFormat, Reset, outlet_code};
use format::{usual_code, usual_format};

use crate::db::{Db, Tx};
use crate::domain::{MerchantId, OutletId, Timestamp};
use chrono_tz::Tz;
use entity::{merchants, number_series, number_settings, order_steps, orders, outlets};
use roaring::RoaringBitmap;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict, Query},
};
use serde::Serialize;

/// Numbers read at once when a series is checked.
const PAGE: u64 = 5_000;

/// Everything that decides a number, in one row.
#[derive(Debug, FromQueryResult)]
struct Look {
    time_zone: String,
    name: String,
    code: Option<String>,
    own: Option<String>,
    usual: Option<String>,
}

impl Look {
    async fn read(tx: &Tx, outlet: OutletId) -> Result<Option<Self>, DbErr> {
        let col = |column| Expr::col((outlets::Entity, column));
        let own = |column| Expr::col(("own", column));
        let usual = |column| Expr::col(("usual", column));
        let select = Query::select()
            .column((merchants::Entity, merchants::Column::TimeZone))
            .column((outlets::Entity, outlets::Column::Name))
            .expr_as(own(number_settings::Column::Code), "code")
            .expr_as(own(number_settings::Column::Format), "own")
            .expr_as(usual(number_settings::Column::Format), "usual")
            .from(outlets::Entity)
            .inner_join(
                merchants::Entity,
                Expr::col((merchants::Entity, merchants::Column::Id))
                    .equals((outlets::Entity, outlets::Column::MerchantId)),
            )
            .join_as(
                sea_orm::JoinType::LeftJoin,
                number_settings::Entity,
                "own",
                own(number_settings::Column::OutletId)
                    .equals((outlets::Entity, outlets::Column::Id)),
            )
            .join_as(
                sea_orm::JoinType::LeftJoin,
                number_settings::Entity,
                "usual",
                usual(number_settings::Column::MerchantId)
                    .equals((outlets::Entity, outlets::Column::MerchantId))
                    .and(usual(number_settings::Column::OutletId).is_null()),
            )
            .and_where(col(outlets::Column::Id).eq(outlet.0))
            .to_owned();
        let backend = sea_orm::ConnectionTrait::get_database_backend(tx);
        Self::find_by_statement(backend.build(&select))
            .one(tx)
            .await
    }

    fn format(&self) -> NumberFormat {
        // Formats are checked before they are written.
        [self.own.as_deref(), self.usual.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|text| NumberFormat::parse(text).ok())
            .unwrap_or_else(usual_format)
    }
}

/// The next invoice number of an outlet: it is the invoice's if the transaction commits, and nobody's if it does not.
/// Two statements. Everybody else who wants a number of the series waits until then: so it is taken after the order's
/// row and before levels, by all.
pub async fn take_number(
    tx: &Tx,
    merchant: MerchantId,
    outlet: OutletId,
    now: Timestamp,
) -> Result<String, DbErr> {
    let look = Look::read(tx, outlet)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("outlet {outlet}")))?;
    let zone: Tz = look.time_zone.parse().unwrap_or(Tz::UTC);
    let code = look
        .code
        .clone()
        .unwrap_or_else(|| usual_code(&look.name, outlet.0));
    let format = look.format();
    let series = format.series(&code, now, zone);
    let count = raise(tx, merchant, &series, now).await?;
    Ok(format.number(&series, count))
}

async fn raise(tx: &Tx, merchant: MerchantId, series: &str, now: Timestamp) -> Result<i64, DbErr> {
    let row = number_series::ActiveModel {
        merchant_id: Set(merchant.0),
        series: Set(series.to_owned()),
        last: Set(1),
        updated_at: Set(now.micros()),
    };
    let next = Expr::col((number_series::Entity, number_series::Column::Last)).add(1_i64);
    let merge = OnConflict::columns([
        number_series::Column::MerchantId,
        number_series::Column::Series,
    ])
    .value(number_series::Column::Last, next)
    .update_column(number_series::Column::UpdatedAt)
    .to_owned();
    let row = number_series::Entity::insert(row)
        .on_conflict(merge)
        .exec_with_returning(tx)
        .await?;
    Ok(row.last)
}

/// How an outlet's numbers look, and where its series is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutletNumbers {
    pub outlet: OutletId,
    pub name: String,
    pub code: String,
    pub format: String,
    /// Whether the format is the outlet's own.
    pub own_format: bool,
    pub reset: Reset,
    /// What the next invoice will be called, if nobody else takes it first.
    pub next: String,
}

/// The numbers of the merchant's outlets, oldest outlet first.
pub async fn numbers(
    db: &Db,
    merchant: MerchantId,
    zone: Tz,
    now: Timestamp,
) -> Result<Vec<OutletNumbers>, DbErr> {
    let rows = outlets::Entity::of_merchant(merchant.0)
        .order_by_asc(outlets::Column::Id)
        .limit(1_000)
        .all(db.read())
        .await?;
    let settings = number_settings::Entity::of_merchant(merchant.0)
        .all(db.read())
        .await?;
    let usual = settings.iter().find(|row| row.outlet_id.is_none());
    let usual = usual.and_then(|row| row.format.clone());
    let mut found = Vec::new();
    for row in rows {
        let own = settings.iter().find(|set| set.outlet_id == Some(row.id));
        let look = Look {
            time_zone: zone.name().to_owned(),
            name: row.name.clone(),
            code: own.and_then(|own| own.code.clone()),
            own: own.and_then(|own| own.format.clone()),
            usual: usual.clone(),
        };
        let format = look.format();
        let code = look.code.unwrap_or_else(|| usual_code(&row.name, row.id));
        let series = format.series(&code, now, zone);
        let last = number_series::Entity::find_by_id((merchant.0, series.clone()))
            .one(db.read())
            .await?
            .map_or(0, |row| row.last);
        found.push(OutletNumbers {
            outlet: OutletId(row.id),
            name: row.name,
            code,
            format: format.to_string(),
            own_format: look.own.is_some(),
            reset: format.reset(),
            next: format.number(&series, last + 1),
        });
    }
    Ok(found)
}

/// Says how invoices are numbered from now on: those of one outlet, or of all that have no format of their own.
/// `None` goes back to the usual.
pub async fn set_format(
    tx: &Tx,
    merchant: MerchantId,
    outlet: Option<OutletId>,
    format: Option<&NumberFormat>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut row = settings_row(tx, merchant, outlet).await?;
    row.format = Set(format.map(ToString::to_string));
    row.updated_at = Set(now.micros());
    row.save(tx).await?;
    Ok(())
}

/// Says what `{outlet}` stands for in an outlet's numbers, as [`outlet_code`] reads it.
pub async fn set_code(
    tx: &Tx,
    merchant: MerchantId,
    outlet: OutletId,
    code: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut row = settings_row(tx, merchant, Some(outlet)).await?;
    row.code = Set(Some(code.to_owned()));
    row.updated_at = Set(now.micros());
    row.save(tx).await?;
    Ok(())
}

async fn settings_row(
    tx: &Tx,
    merchant: MerchantId,
    outlet: Option<OutletId>,
) -> Result<number_settings::ActiveModel, DbErr> {
    let of_outlet = match outlet {
        Some(outlet) => number_settings::Column::OutletId.eq(outlet.0),
        None => number_settings::Column::OutletId.is_null(),
    };
    let known = number_settings::Entity::of_merchant(merchant.0)
        .filter(of_outlet)
        .one(tx)
        .await?;
    Ok(match known {
        Some(row) => row.into_active_model(),
        None => number_settings::ActiveModel {
            merchant_id: Set(merchant.0),
            outlet_id: Set(outlet.map(|outlet| outlet.0)),
            ..Default::default()
        },
    })
}

/// A series that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenSeries {
    pub series: String,
    /// The last number that was given.
    pub last: i64,
    /// Numbers that no invoice has.
    pub missing: i64,
    /// Invoices that share their number with another, or have one beyond the last.
    pub doubtful: i64,
}

/// Series with a gap or a double: none, unless something is broken.
pub async fn broken_series(db: &Db, merchant: MerchantId) -> Result<Vec<BrokenSeries>, DbErr> {
    let all = number_series::Entity::of_merchant(merchant.0)
        .order_by_asc(number_series::Column::Series)
        .all(db.read())
        .await?;
    let mut broken = Vec::new();
    for row in all {
        let counted = count_series(db, merchant, &row).await?;
        if counted.missing != 0 || counted.doubtful != 0 {
            broken.push(counted);
        }
    }
    Ok(broken)
}

async fn count_series(
    db: &Db,
    merchant: MerchantId,
    row: &number_series::Model,
) -> Result<BrokenSeries, DbErr> {
    let (mut given, mut doubtful) = (RoaringBitmap::new(), 0);
    let mut after = 0;
    loop {
        let page: Vec<(i64, String)> = orders::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([orders::Column::Id, orders::Column::InvoiceNumber])
            .filter(orders::Column::InvoiceNumber.starts_with(&row.series))
            .filter(orders::Column::Id.gt(after))
            .order_by_asc(orders::Column::Id)
            .limit(PAGE)
            .into_tuple()
            .all(db.read())
            .await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, number) in &page {
            // Other series may begin with this one's text; theirs do not go on with digits alone.
            let Some(count) = count_of(number, &row.series) else {
                continue;
            };
            let is_known = i64::from(count) <= row.last;
            if !is_known || !given.insert(count) {
                doubtful += 1;
            }
        }
    }
    add_given_before(db, merchant, row, &mut given).await?;
    Ok(BrokenSeries {
        series: row.series.clone(),
        last: row.last,
        missing: row.last - given.len().cast_signed(),
        doubtful,
    })
}

/// Adds the numbers of documents that were booked anew after their void: their order has another number now, and its
/// history has both.
async fn add_given_before(
    db: &Db,
    merchant: MerchantId,
    row: &number_series::Model,
    given: &mut RoaringBitmap,
) -> Result<(), DbErr> {
    let mut after = 0;
    loop {
        let page: Vec<(i64, String)> = order_steps::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([order_steps::Column::Id, order_steps::Column::Detail])
            .filter(order_steps::Column::Step.is_in(["create_invoice", "convert_to_invoice"]))
            .filter(order_steps::Column::Detail.starts_with(&row.series))
            .filter(order_steps::Column::Id.gt(after))
            .order_by_asc(order_steps::Column::Id)
            .limit(PAGE)
            .into_tuple()
            .all(db.read())
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        let counts = page
            .iter()
            .filter_map(|(_, number)| count_of(number, &row.series));
        given.extend(counts.filter(|count| i64::from(*count) <= row.last));
    }
}

fn count_of(number: &str, series: &str) -> Option<u32> {
    let digits = number.strip_prefix(series)?;
    let is_count = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_count.then(|| digits.parse().ok())?
}
