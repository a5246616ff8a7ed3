//! Issues of the books: units without a SKU, oversold SKUs, conflicts, missing orders, and programs that are not told.

use super::{Found, IssueError, Shops};
use crate::db::Db;
use crate::domain::{Cause, ChannelId, Timestamp};
use crate::outbox::{self, EndpointState};
use crate::sales::{self, Asked};
use crate::stock;
use entity::{completeness, completeness_orders, order_lines, orders, skus};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, Order, Query},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

/// Rows of one kind that are looked at.
const MOST: u64 = 5_000;
/// SKUs and conflicts that are looked at.
const FEW: u64 = 1_000;
/// Proofs of completeness of the last days count.
const PROOFS_LATELY: Duration = Duration::from_secs(14 * 86_400);

pub(super) async fn look(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, IssueError> {
    let mut found = unlinked(db, shops).await?;
    found.extend(oversold(db, shops).await?);
    found.extend(conflicts(db, shops).await?);
    found.extend(missing(db, shops, now).await?);
    found.extend(endpoints(db, shops, now).await?);
    Ok(found)
}

#[derive(Debug, FromQueryResult)]
struct UnlinkedLine {
    channel_id: i64,
    number: String,
    seller_sku: Option<String>,
    title: String,
    units: i64,
    recorded_at: i64,
}

/// Sold units that move no stock until their listing has a SKU, by channel and code.
async fn unlinked(db: &Db, shops: &Shops) -> Result<Vec<Found>, DbErr> {
    let lines = unlinked_lines(db, shops).await?;
    let mut all: BTreeMap<(i64, String), (Found, BTreeSet<String>, i64)> = BTreeMap::new();
    for line in lines {
        let Some(channel) = shops.get(ChannelId(line.channel_id)) else {
            continue;
        };
        let code = line.seller_sku.filter(|code| !code.trim().is_empty());
        let subject = code.unwrap_or_else(|| format!("no seller SKU: {}", line.title));
        let at = Timestamp::from_micros(line.recorded_at);
        let (found, orders, units) = all
            .entry((line.channel_id, subject.clone()))
            .or_insert_with(|| {
                let mut found = Found::of(Cause::UnlinkedSku, Some(channel.id), at);
                found.subject = subject;
                found.to_do = format!(
                    "`marketsink listings not-in-pos {0}` shows the listing; create its SKU (marketsink listings create-skus {0} --listing LISTING) or link it (marketsink listings link LISTING --sku CODE): what was sold then leaves the stock by itself",
                    channel.id
                );
                (found, BTreeSet::new(), 0)
            });
        found.first_at = found.first_at.min(at);
        found.last_at = found.last_at.max(at);
        *units += line.units;
        if orders.insert(line.number.clone()) {
            found.name(line.number);
        }
    }
    let told = |(found, orders, units): (Found, BTreeSet<String>, i64)| {
        let n = orders.len() as u64;
        let name = shops.get(found.channel.unwrap_or(ChannelId::NONE));
        let shop = name.map_or("", |channel| channel.name.as_str());
        let text = format!(
            "{units} units of {} were sold in {n} orders of {shop}, and no SKU of this code is there",
            found.subject
        );
        Found {
            found: text,
            count: units.unsigned_abs(),
            orders: n,
            blocked: n,
            ..found
        }
    };
    Ok(all.into_values().map(told).collect())
}

async fn unlinked_lines(db: &Db, shops: &Shops) -> Result<Vec<UnlinkedLine>, DbErr> {
    let line = |column| Expr::col((order_lines::Entity, column));
    let order = |column| Expr::col((orders::Entity, column));
    let units = line(order_lines::Column::Quantity).sub(line(order_lines::Column::Cancelled));
    let mut select = Query::select();
    select
        .columns([
            (orders::Entity, orders::Column::ChannelId),
            (orders::Entity, orders::Column::Number),
            (orders::Entity, orders::Column::RecordedAt),
        ])
        .columns([
            (order_lines::Entity, order_lines::Column::SellerSku),
            (order_lines::Entity, order_lines::Column::Title),
        ])
        .expr_as(units.clone(), "units")
        .from(order_lines::Entity)
        .inner_join(
            orders::Entity,
            order(orders::Column::Id).equals((order_lines::Entity, order_lines::Column::OrderId)),
        )
        .and_where(line(order_lines::Column::MerchantId).eq(shops.merchant.0))
        // Written out, so that the partial index is recognised.
        .and_where(Expr::cust("order_lines.sku_id is null"))
        .and_where(units.gt(0))
        .and_where(order(orders::Column::Document).is_in(["sales_order", "invoice"]))
        // What had left before the shop was connected moves no stock.
        .and_where(order(orders::Column::LeftBefore).eq(false))
        .order_by((order_lines::Entity, order_lines::Column::Id), Order::Desc)
        .limit(MOST);
    let rows = db.read().query_all(&select).await?;
    rows.iter()
        .map(|row| UnlinkedLine::from_query_result(row, ""))
        .collect()
}

async fn oversold(db: &Db, shops: &Shops) -> Result<Option<Found>, DbErr> {
    let open = stock::oversells(db.read(), shops.merchant, false, FEW).await?;
    let (Some(newest), Some(oldest)) = (open.first(), open.last()) else {
        return Ok(None);
    };
    let ids: BTreeSet<i64> = open.iter().map(|one| one.sku.0).collect();
    let codes: HashMap<i64, String> = skus::Entity::of_merchant(shops.merchant.0)
        .select_only()
        .columns([skus::Column::Id, skus::Column::Code])
        .filter(skus::Column::Id.is_in(ids))
        .into_tuple::<(i64, String)>()
        .all(db.read())
        .await?
        .into_iter()
        .collect();
    let mut found = Found::of(Cause::Oversold, None, oldest.since);
    found.last_at = newest.since;
    found.count = open.len() as u64;
    found.orders = open.iter().filter(|one| one.order.is_some()).count() as u64;
    found.found = format!("of {} SKUs more was sold than there is", open.len());
    found.to_do.push_str(
        "marketsink stock oversold tells of which and by which order; count again, or cancel",
    );
    for one in &open {
        let code = codes.get(&one.sku.0).map_or("?", String::as_str);
        found.name(format!("{code}: {} missing", one.units));
    }
    Ok(Some(found))
}

async fn conflicts(db: &Db, shops: &Shops) -> Result<Vec<Found>, DbErr> {
    let open = sales::list_conflicts(db.read(), shops.merchant, &Asked::default(), FEW).await?;
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for conflict in open {
        let at = Timestamp::from_micros(conflict.raised_at);
        let found = all.entry(conflict.kind.clone()).or_insert_with(|| {
            let mut found = Found::of(Cause::OpenConflict, None, at);
            found.count = 0;
            found.subject.clone_from(&conflict.kind);
            found.to_do = format!("marketsink conflicts list --kind {}", conflict.kind);
            found
        });
        found.count += 1;
        found.orders += u64::from(conflict.order_id.is_some());
        found.last_at = found.last_at.max(at);
        found.name(format!("conflict {}: {}", conflict.id, conflict.detail));
        found.found = format!(
            "{} conflicts of the kind {} wait for a decision, the oldest since {}",
            found.count, conflict.kind, found.first_at
        );
    }
    Ok(all.into_values().collect())
}

/// Orders that the newest look at each day knows to be missing.
async fn missing(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    let since = (now - PROOFS_LATELY).micros();
    let reports = completeness::Entity::find()
        .filter(completeness::Column::ChannelId.is_in(shops.ids()))
        .filter(completeness::Column::LookedAt.gt(since))
        .order_by_desc(completeness::Column::Id)
        .limit(FEW)
        .all(db.read())
        .await?;
    let mut newest: HashMap<(i64, String), completeness::Model> = HashMap::new();
    for report in reports {
        newest
            .entry((report.channel_id, report.day.clone()))
            .or_insert(report);
    }
    newest.retain(|_, report| report.state == "incomplete" && report.missing > 0);
    let rows = completeness_orders::Entity::of_merchant(shops.merchant.0)
        .filter(
            completeness_orders::Column::CompletenessId.is_in(newest.values().map(|one| one.id)),
        )
        .filter(completeness_orders::Column::Kind.eq("missing"))
        .filter(completeness_orders::Column::ClosedAt.is_null())
        .order_by_asc(completeness_orders::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut all: BTreeMap<i64, Found> = BTreeMap::new();
    for row in rows {
        let Some(channel) = shops.get(ChannelId(row.channel_id)) else {
            continue;
        };
        let at = Timestamp::from_micros(row.found_at);
        let found = all.entry(row.channel_id).or_insert_with(|| {
            let mut found = Found::of(Cause::MissingOrders, Some(channel.id), at);
            found.count = 0;
            found
        });
        found.count += 1;
        found.orders += 1;
        found.first_at = found.first_at.min(at);
        found.last_at = found.last_at.max(at);
        found.name(row.number);
        found.to_do = format!(
            "marketsink orders download {} --numbers {}",
            channel.id,
            found.sample.join(",")
        );
        found.found = format!(
            "{} orders that {} shows are not in the books",
            found.count, channel.name
        );
    }
    Ok(all.into_values().collect())
}

/// Other programs that do not take what they are told.
async fn endpoints(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    let mut all = Vec::new();
    for endpoint in outbox::endpoints(db.read(), shops.merchant, false).await? {
        let id = endpoint.id;
        let cause = match (endpoint.state, endpoint.failing_since) {
            (EndpointState::Disabled, _) => Cause::EndpointDisabled,
            (EndpointState::Active, Some(_)) => Cause::EndpointFailing,
            _ => continue,
        };
        let since = endpoint.failing_since.unwrap_or(now);
        let mut found = Found::of(cause, None, since);
        found.subject = id.to_string();
        found.count = Ord::max(endpoint.failures.unsigned_abs(), 1);
        found.blocked = outbox::waiting_for(db.read(), id).await?;
        let reason = endpoint.state_reason.clone().unwrap_or_default();
        found.found = match cause {
            Cause::EndpointDisabled => {
                format!("endpoint {id} ({}) is disabled: {reason}", endpoint.url)
            }
            _ => format!(
                "endpoint {id} ({}) takes nothing since {since}",
                endpoint.url
            ),
        };
        found.to_do = match cause {
            Cause::EndpointDisabled => format!("mend it, then marketsink endpoints resume {id}"),
            _ => format!("marketsink endpoints show {id}"),
        };
        all.push(found);
    }
    Ok(all)
}
