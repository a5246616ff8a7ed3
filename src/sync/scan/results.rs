//! What scans found, kept as rows, and notices for people who did not wait.

use crate::catalog::{Difference, DifferenceKind};
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, ScanId, Timestamp};
use entity::{notices, scan_changes, scans};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

/// Rows that are kept of one scan; what differs beyond them is counted only.
pub const MOST_CHANGES: i64 = 20_000;
/// Seller SKUs whose conflicts a full scan lists.
pub(super) const NOTED_CONFLICTS: u64 = 1_000;
/// Rows per statement: 12 values each, and SQLite binds 32,766 at most.
const ROWS: usize = 2_000;

/// Writes what a page found, behind what the scan had found before; one statement for most pages, none for one
/// in which nothing differs.
pub(super) async fn write_differences(
    tx: &Tx,
    scan: &scans::Model,
    found: &[Difference],
) -> Result<(), DbErr> {
    let room = usize::try_from(MOST_CHANGES - scan.differences).unwrap_or(0);
    let row = |(place, difference): (usize, &Difference)| scan_changes::ActiveModel {
        id: NotSet,
        merchant_id: Set(scan.merchant_id),
        channel_id: Set(scan.channel_id),
        scan_id: Set(scan.id),
        seq: Set(scan.differences + 1 + place as i64),
        kind: Set(difference.kind.as_str().to_owned()),
        product_id: Set(difference.product_id.clone()),
        variant_id: Set(difference.variant_id.clone()),
        listing_id: Set(difference.listing),
        field: Set(difference.field.map(str::to_owned)),
        before: Set(difference.before.clone()),
        after: Set(difference.after.clone()),
    };
    let rows: Vec<_> = found.iter().take(room).enumerate().map(row).collect();
    for some in rows.chunks(ROWS) {
        scan_changes::Entity::insert_many(some.iter().cloned())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// What a scan of the merchant found, in the order in which it was found, behind `after`.
pub async fn scan_changes(
    db: &Db,
    merchant: MerchantId,
    scan: ScanId,
    kind: Option<DifferenceKind>,
    (after, limit): (i64, u64),
) -> Result<Vec<scan_changes::Model>, DbErr> {
    let kind = kind.map(|kind| scan_changes::Column::Kind.eq(kind.as_str()));
    scan_changes::Entity::of_merchant(merchant.0)
        .filter(scan_changes::Column::ScanId.eq(scan.0))
        .filter(scan_changes::Column::Seq.gt(after))
        .filter(Condition::all().add_option(kind))
        .order_by_asc(scan_changes::Column::Seq)
        .limit(limit)
        .all(db.read())
        .await
}

/// Tells whoever asked for a scan and did not wait. What was told and not read yet is not told again.
pub(super) async fn notice(
    tx: &Tx,
    scan: &scans::Model,
    level: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let same = notices::Entity::of_merchant(scan.merchant_id)
        .filter(notices::Column::ChannelId.eq(scan.channel_id))
        .filter(notices::Column::ReadAt.is_null())
        .filter(notices::Column::Text.eq(text))
        .one(tx)
        .await?;
    if same.is_some() {
        return Ok(());
    }
    let row = notices::ActiveModel {
        id: NotSet,
        merchant_id: Set(scan.merchant_id),
        channel_id: Set(scan.channel_id),
        scan_id: Set(Some(scan.id)),
        level: Set(level.to_owned()),
        text: Set(text.to_owned()),
        created_at: Set(now.micros()),
        read_at: Set(None),
    };
    notices::Entity::insert(row)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// A scan that has ended, in a sentence.
pub(super) fn summary(scan: &scans::Model) -> String {
    let what = format!(
        "the {} scan {} of channel {}",
        scan.kind, scan.id, scan.channel_id
    );
    match (&scan.error, scan.state.as_str()) {
        (Some(error), "failed") => format!(
            "{what} failed: {error}; `marketsink scans resume {}` goes on where it was",
            scan.id
        ),
        (Some(error), state) => format!("{what} is {state}: {error}"),
        (None, _) => format!(
            "{what} is {}: {} listings, {} added, {} changed, {} gone, {} linked, {} errors",
            scan.state,
            scan.listings,
            scan.added,
            scan.changed,
            scan.gone,
            scan.linked,
            scan.errors
        ),
    }
}

/// The merchant's notices that nobody has read, newest first.
pub async fn notices(
    db: &Db,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<notices::Model>, DbErr> {
    notices::Entity::of_merchant(merchant.0)
        .filter(notices::Column::ReadAt.is_null())
        .order_by_desc(notices::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// Takes the merchant's notices up to `last` for read. Returns how many.
pub async fn read_notices(
    db: &Db,
    merchant: MerchantId,
    last: i64,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let tx = db.write_tx().await?;
    let read = notices::Entity::update_many()
        .col_expr(notices::Column::ReadAt, Expr::value(Some(now.micros())))
        .filter(notices::Column::MerchantId.eq(merchant.0))
        .filter(notices::Column::Id.lte(last))
        .filter(notices::Column::ReadAt.is_null())
        .exec(&tx)
        .await?;
    tx.commit().await?;
    Ok(read.rows_affected)
}
