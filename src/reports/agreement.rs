//! Whether the books say the same from every side: the stock ledger, the documents, their steps and the reports.
//!
//! | what | one side | the other |
//! |---|---|---|
//! | units | what each order line holds and has sent | the ledger's movements for that line |
//! | levels | each level | the sum of its movements |
//! | steps | each order's document | the step that made it |
//! | money | the totals and credits of all invoices | the sums of every sales report |

use super::sales::{By, SalesQuery, sales};
use crate::db::Db;
use crate::domain::MerchantId;
use crate::stock;
use entity::{movements, order_lines, order_steps, orders};
use sea_orm::{
    ColumnTrait, DbErr, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Query},
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Lines compared at once.
const PAGE: u64 = 1_000;
/// Disagreements that are told; all are counted.
const TOLD: usize = 50;

/// What does not agree: nothing, unless something is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    pub lines_compared: u64,
    pub n_differences: u64,
    /// A sentence for each, the first 50.
    pub differences: Vec<String>,
}

impl Agreement {
    fn note(&mut self, difference: String) {
        self.n_differences += 1;
        if self.differences.len() < TOLD {
            self.differences.push(difference);
        }
    }
}

/// Compares all of it.
///
/// # Errors
/// When the database fails.
pub async fn agreement(db: &Db, merchant: MerchantId) -> Result<Agreement, DbErr> {
    let mut found = Agreement::default();
    compare_units(db, merchant, &mut found).await?;
    for (sku, outlet) in stock::sums_differ(db, merchant).await? {
        found.note(format!(
            "the level of SKU {sku} at outlet {outlet} is not the sum of its movements"
        ));
    }
    compare_steps(db, merchant, &mut found).await?;
    compare_money(db, merchant, &mut found).await?;
    Ok(found)
}

#[derive(Debug, FromQueryResult)]
struct Moved {
    order_line_id: i64,
    sku_id: i64,
    allocated: i64,
    sent: i64,
}

async fn compare_units(db: &Db, merchant: MerchantId, found: &mut Agreement) -> Result<(), DbErr> {
    let mut after = 0;
    loop {
        let lines = order_lines::Entity::of_merchant(merchant.0)
            .filter(order_lines::Column::Id.gt(after))
            .order_by_asc(order_lines::Column::Id)
            .limit(PAGE)
            .all(db.read())
            .await?;
        let Some(last) = lines.last() else {
            return Ok(());
        };
        after = last.id;
        let left_before = left_before(db, merchant, &lines).await?;
        let mut moved: HashMap<i64, Vec<Moved>> = HashMap::new();
        for row in moved_by(db, merchant, &lines).await? {
            moved.entry(row.order_line_id).or_default().push(row);
        }
        for line in &lines {
            // What had left before the shop was connected was in no count: the ledger does not know it.
            if left_before.contains(&line.order_id) {
                continue;
            }
            found.lines_compared += 1;
            let own = moved.remove(&line.id).unwrap_or_default();
            if let Some(difference) = difference(line, &own) {
                found.note(difference);
            }
        }
    }
}

/// What a line holds, against what was moved for it.
fn difference(line: &order_lines::Model, moved: &[Moved]) -> Option<String> {
    let of_line = moved.iter().filter(|row| Some(row.sku_id) == line.sku_id);
    let (allocated, sent) = of_line.fold((0, 0), |(allocated, sent), row| {
        (allocated + row.allocated, sent + row.sent)
    });
    // A line whose SKU is made of others moves those.
    let moves_others = moved.iter().any(|row| Some(row.sku_id) != line.sku_id);
    if moves_others || (allocated, sent) == (line.allocated, line.shipped) {
        return None;
    }
    Some(format!(
        "line {} of order {} holds {} and has sent {}; the ledger says {allocated} and {sent}",
        line.remote_id, line.order_id, line.allocated, line.shipped
    ))
}

async fn moved_by(
    db: &Db,
    merchant: MerchantId,
    lines: &[order_lines::Model],
) -> Result<Vec<Moved>, DbErr> {
    // PostgreSQL sums integers into a numeric; the cast makes both databases answer alike.
    let allocated = Expr::col(movements::Column::AllocatedDelta).sum();
    let sent = Expr::val(0_i64).sub(Expr::col(movements::Column::OnHandDelta).sum());
    movements::Entity::of_merchant(merchant.0)
        .select_only()
        .column(movements::Column::OrderLineId)
        .column(movements::Column::SkuId)
        .column_as(allocated.cast_as("bigint"), "allocated")
        .column_as(sent.cast_as("bigint"), "sent")
        .filter(movements::Column::OrderId.is_in(lines.iter().map(|line| line.order_id)))
        .filter(movements::Column::OrderLineId.is_not_null())
        .group_by(movements::Column::OrderLineId)
        .group_by(movements::Column::SkuId)
        .into_model::<Moved>()
        .all(db.read())
        .await
}

async fn left_before(
    db: &Db,
    merchant: MerchantId,
    lines: &[order_lines::Model],
) -> Result<HashSet<i64>, DbErr> {
    let ids: HashSet<i64> = lines.iter().map(|line| line.order_id).collect();
    let rows: Vec<i64> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(orders::Column::Id)
        .filter(orders::Column::Id.is_in(ids))
        .filter(orders::Column::LeftBefore.eq(true))
        .into_tuple()
        .all(db.read())
        .await?;
    Ok(rows.into_iter().collect())
}

/// Documents and payments without the step that made them.
async fn compare_steps(db: &Db, merchant: MerchantId, found: &mut Agreement) -> Result<(), DbErr> {
    let invoiced = orders::Column::InvoiceNumber.is_not_null();
    let is_void = orders::Column::Document.eq("void").and(invoiced.clone());
    let expected = [
        (invoiced, vec!["create_invoice", "convert_to_invoice"]),
        (is_void, vec!["void_invoice"]),
        (
            orders::Column::Paid
                .eq(true)
                .and(orders::Column::Document.eq("invoice")),
            vec!["add_payment"],
        ),
    ];
    for (which, steps) in expected {
        let taken = Query::select()
            .column(order_steps::Column::OrderId)
            .from(order_steps::Entity)
            .and_where(Expr::col(order_steps::Column::MerchantId).eq(merchant.0))
            .and_where(Expr::col(order_steps::Column::Step).is_in(steps.iter().copied()))
            .to_owned();
        let without: Vec<String> = orders::Entity::of_merchant(merchant.0)
            .select_only()
            .column(orders::Column::Number)
            .filter(which)
            .filter(orders::Column::Id.not_in_subquery(taken))
            .order_by_asc(orders::Column::Id)
            .limit(TOLD as u64)
            .into_tuple()
            .all(db.read())
            .await?;
        for number in without {
            found.note(format!(
                "order {number} lacks the step {}",
                steps.join(" or ")
            ));
        }
    }
    Ok(())
}

/// Every report comes to what the invoices say.
async fn compare_money(db: &Db, merchant: MerchantId, found: &mut Agreement) -> Result<(), DbErr> {
    let sum = |column: orders::Column| Expr::col(column).sum().cast_as("bigint");
    let documents: BTreeMap<String, (i64, i64)> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(orders::Column::Currency)
        .column_as(sum(orders::Column::TotalMinor), "total")
        .column_as(sum(orders::Column::RefundedMinor), "refunded")
        .filter(orders::Column::InvoiceNumber.is_not_null())
        .filter(orders::Column::Document.ne("void"))
        .group_by(orders::Column::Currency)
        .into_tuple::<(String, i64, i64)>()
        .all(db.read())
        .await?
        .into_iter()
        .map(|(currency, total, refunded)| (currency, (total, refunded)))
        .collect();
    for by in By::ALL {
        let query = SalesQuery {
            by: *by,
            from: None,
            to: None,
            channel: None,
        };
        let report = sales(db, merchant, &query).await?;
        let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for row in report.rows.iter().filter(|row| row.orders > 0) {
            let sum = sums.entry(row.currency.clone()).or_default();
            *sum = (sum.0 + row.total_minor, sum.1 + row.refunds_minor);
        }
        if sums != documents {
            found.note(format!(
                "totals and refunds by {} come to {sums:?}, the invoices to {documents:?}",
                by.as_str()
            ));
        }
    }
    Ok(())
}
