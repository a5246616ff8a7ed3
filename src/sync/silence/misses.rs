//! What webhooks missed: orders, changes and products that came into the books with no delivery that named them.

use crate::channels::Channel;
use crate::db::Db;
use crate::domain::{ChannelId, EventKind, MerchantId, Source, Timestamp};
use chrono::{Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use entity::{events, listings, order_lines, orders, webhook_misses};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement},
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// A delivery so long before a silence may have announced what came into the books in it.
const AHEAD: Duration = Duration::from_secs(600);
/// Days that are counted again, because a delivery may come late: then the order was not missed.
const COUNTED_AGAIN: u64 = 3;
/// Listings that are looked at for one silence.
const LISTINGS: u64 = 1_000;

/// What was found that no delivery had named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Missed {
    pub orders: i64,
    pub changes: i64,
    pub products: i64,
}

impl Missed {
    pub fn is_any(self) -> bool {
        self != Self::default()
    }

    pub fn or_more(self, other: Self) -> Self {
        Self {
            orders: Ord::max(self.orders, other.orders),
            changes: Ord::max(self.changes, other.changes),
            products: Ord::max(self.products, other.products),
        }
    }

    /// `2 orders, 1 change of an order`.
    pub fn in_words(self) -> String {
        let parts = [
            (self.orders, "order", "orders"),
            (self.changes, "change of an order", "changes of orders"),
            (self.products, "product", "products"),
        ];
        let told = parts.iter().filter(|(n, ..)| *n > 0);
        let told: Vec<String> = told
            .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
            .collect();
        format!("{} that no webhook named", told.join(", "))
    }
}

/// What came into the books since `since` with no delivery that named it.
pub(super) async fn found_since(
    db: &Db,
    connection: &Channel,
    since: Timestamp,
) -> Result<Missed, DbErr> {
    let read = db.read();
    let of_connection = || {
        orders::Entity::of_merchant(connection.merchant.0)
            .filter(orders::Column::ConnectionId.eq(connection.id.0))
    };
    let new = of_connection()
        .filter(orders::Column::FirstSeenAt.gte(since.micros()))
        .filter(unnamed());
    let changed = of_connection()
        .filter(orders::Column::RecordedAt.gte(since.micros()))
        .filter(
            orders::Column::FirstSeenAt
                .lt(since.micros())
                .or(Expr::exists(named())),
        )
        .filter(Expr::exists(told_of_change()).not());
    let products = missed_products(read, connection, since).await?;
    Ok(Missed {
        orders: new.count(read).await? as i64,
        changes: changed.count(read).await? as i64,
        products,
    })
}

/// Brought in by a walk over the orders, and no delivery has named it.
fn unnamed() -> Condition {
    let by_walk = [Source::Scan, Source::Download].map(Source::as_str);
    Condition::all()
        .add(orders::Column::Source.is_in(by_walk))
        .add(Expr::exists(named()).not())
}

/// The events that name an order.
fn named() -> SelectStatement {
    let column = |column| (events::Entity, column);
    Query::select()
        .expr(Expr::val(1))
        .from(events::Entity)
        .and_where(
            Expr::col(column(events::Column::ChannelId))
                .equals((orders::Entity, orders::Column::ConnectionId)),
        )
        .and_where(Expr::col(column(events::Column::Kind)).eq(EventKind::OrderChanged.as_str()))
        .and_where(
            Expr::col(column(events::Column::Subject))
                .equals((orders::Entity, orders::Column::RemoteId)),
        )
        .take()
}

/// Those of them that may have told of the change that was recorded last: it was made at the version's time, or,
/// where the marketplace has moved that without a change since, at the latest when it was recorded.
fn told_of_change() -> SelectStatement {
    let changed_at = "events.created_at >= (case when orders.version < orders.recorded_at \
         then orders.version else orders.recorded_at end) - 60000000";
    named().and_where(Expr::cust(changed_at)).take()
}

/// Products that are new or differ since `since`, by their marketplace's clock as well, and not by what we pushed
/// or sold; none where the marketplace tells of none.
async fn missed_products<C: ConnectionTrait>(
    db: &C,
    connection: &Channel,
    since: Timestamp,
) -> Result<i64, DbErr> {
    if !connection.marketplace.limits().pushes_product_edits {
        return Ok(0);
    }
    let told = told_products(db, connection.id, since - AHEAD).await?;
    if told.contains("") {
        return Ok(0);
    }
    let ours = listings::Column::PushedAt.lt((since - AHEAD).micros());
    let changed = listings::Entity::of_channel(connection.id.0)
        .filter(listings::Column::UpdatedAt.gte(since.micros()))
        .filter(listings::Column::RemoteVersion.gte(since.micros()))
        .filter(listings::Column::PushedAt.is_null().or(ours))
        .order_by_asc(listings::Column::Id)
        .limit(LISTINGS)
        .all(db)
        .await?;
    let sold: Vec<String> = sold(connection, since - AHEAD).into_tuple().all(db).await?;
    let sold: HashSet<String> = sold.into_iter().collect();
    let missed: HashSet<String> = changed
        .into_iter()
        .filter(|row| !sold.contains(&row.variant_id))
        .map(|row| row.product_id)
        .filter(|product| !told.contains(product))
        .collect();
    Ok(missed.len() as i64)
}

/// Products that deliveries named; an empty name when one said that anything may have changed.
async fn told_products<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    since: Timestamp,
) -> Result<HashSet<String>, DbErr> {
    let kinds = [EventKind::ProductChanged, EventKind::CatalogueChanged].map(EventKind::as_str);
    let rows: Vec<Option<String>> = events::Entity::of_channel(channel.0)
        .select_only()
        .column(events::Column::Subject)
        .distinct()
        .filter(events::Column::Kind.is_in(kinds))
        .filter(events::Column::CreatedAt.gte(since.micros()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Option::unwrap_or_default).collect())
}

/// Variants that were sold on the channel: that changed their quantities.
fn sold(connection: &Channel, since: Timestamp) -> Select<order_lines::Entity> {
    let recorded = orders::Entity::of_merchant(connection.merchant.0)
        .select_only()
        .column(orders::Column::Id)
        .filter(orders::Column::ConnectionId.eq(connection.id.0))
        .filter(orders::Column::RecordedAt.gte(since.micros()))
        .into_query();
    order_lines::Entity::find()
        .select_only()
        .column(order_lines::Column::VariantId)
        .distinct()
        .filter(order_lines::Column::MerchantId.eq(connection.merchant.0))
        .filter(order_lines::Column::OrderId.in_subquery(recorded))
}

/// Counts the orders of the last days again, and of those the ones that no delivery had named.
pub(super) async fn keep_rates(
    db: &Db,
    connection: &Channel,
    zone: Tz,
    now: Timestamp,
) -> Result<(), DbErr> {
    let today = now.to_utc().with_timezone(&zone).date_naive();
    let mut rows = Vec::new();
    for back in 0..COUNTED_AGAIN {
        let Some(day) = today.checked_sub_days(Days::new(back)) else {
            continue;
        };
        rows.extend(count_day(db, connection, day, zone, now).await?);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let key = [
        webhook_misses::Column::ChannelId,
        webhook_misses::Column::Day,
    ];
    let merge = OnConflict::columns(key)
        .update_columns([
            webhook_misses::Column::Orders,
            webhook_misses::Column::Missed,
            webhook_misses::Column::ComputedAt,
        ])
        .to_owned();
    let tx = db.write_tx().await?;
    webhook_misses::Entity::insert_many(rows)
        .on_conflict(merge)
        .exec_without_returning(&tx)
        .await?;
    tx.commit().await
}

/// The rows of a day that are not as they are in the table, one for each channel of the connection with orders.
async fn count_day(
    db: &Db,
    connection: &Channel,
    day: NaiveDate,
    zone: Tz,
    now: Timestamp,
) -> Result<Vec<webhook_misses::ActiveModel>, DbErr> {
    let (from, to) = (begin(day, zone), begin(day + Days::new(1), zone));
    let per_channel = async |only: Option<Condition>| -> Result<Vec<(i64, i64)>, DbErr> {
        orders::Entity::of_merchant(connection.merchant.0)
            .select_only()
            .column(orders::Column::ChannelId)
            .column_as(orders::Column::Id.count(), "n")
            .filter(orders::Column::ConnectionId.eq(connection.id.0))
            .filter(orders::Column::FirstSeenAt.gte(from.micros()))
            .filter(orders::Column::FirstSeenAt.lt(to.micros()))
            // What there was before the shop was connected, nobody could tell.
            .filter(orders::Column::Source.ne(Source::Connection.as_str()))
            .filter(only.unwrap_or_else(Condition::all))
            .group_by(orders::Column::ChannelId)
            .into_tuple()
            .all(db.read())
            .await
    };
    let all = per_channel(None).await?;
    let missed: HashMap<i64, i64> = per_channel(Some(unnamed())).await?.into_iter().collect();
    let name = day.to_string();
    let mut rows = Vec::new();
    for (channel, n_orders) in all {
        let n_missed = missed.get(&channel).copied().unwrap_or_default();
        let held = webhook_misses::Entity::find_by_id((channel, name.clone()))
            .one(db.read())
            .await?;
        if held.is_some_and(|held| (held.orders, held.missed) == (n_orders, n_missed)) {
            continue;
        }
        rows.push(webhook_misses::ActiveModel {
            channel_id: Set(channel),
            day: Set(name.clone()),
            merchant_id: Set(connection.merchant.0),
            orders: Set(n_orders),
            missed: Set(n_missed),
            computed_at: Set(now.micros()),
        });
    }
    Ok(rows)
}

/// The first instant of a day. Where midnight does not exist, the end of the gap.
fn begin(day: NaiveDate, zone: Tz) -> Timestamp {
    let midnight = day.and_time(NaiveTime::MIN);
    let quarters = (0..=100).map(|n| midnight + TimeDelta::minutes(15 * n));
    let first = quarters
        .map(|at| zone.from_local_datetime(&at))
        .find_map(|at| match at {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at),
            LocalResult::None => None,
        });
    let first = first.map(|at| at.with_timezone(&chrono::Utc));
    first.unwrap_or_else(|| midnight.and_utc()).into()
}

/// Orders of a channel and day, and those that no webhook named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedOfDay {
    pub channel: ChannelId,
    /// `2026-11-23`, in the merchant's time zone.
    pub day: String,
    /// First seen that day; those that were there before the shop was connected are not among them.
    pub orders: i64,
    /// Of these, brought in by a walk over the orders, with no delivery that named them.
    pub missed: i64,
}

/// The merchant's rates of missed webhooks of the last `days` days, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn webhook_misses(
    db: &Db,
    merchant: MerchantId,
    zone: Tz,
    days: u32,
    now: Timestamp,
) -> Result<Vec<MissedOfDay>, DbErr> {
    let today = now.to_utc().with_timezone(&zone).date_naive();
    let back = Days::new(u64::from(days.saturating_sub(1)));
    let from = today.checked_sub_days(back).unwrap_or(today);
    let rows = webhook_misses::Entity::of_merchant(merchant.0)
        .filter(webhook_misses::Column::Day.gte(from.to_string()))
        .order_by_desc(webhook_misses::Column::Day)
        .order_by_asc(webhook_misses::Column::ChannelId)
        .all(db.read())
        .await?;
    let of_day = |row: webhook_misses::Model| MissedOfDay {
        channel: ChannelId(row.channel_id),
        day: row.day,
        orders: row.orders,
        missed: row.missed,
    };
    Ok(rows.into_iter().map(of_day).collect())
}
