//! What was sold: by day, month, channel, outlet or SKU.
//!
//! A sale is an invoice that is not void, and belongs to the day on which it was ordered, by the merchant's clock: so
//! the report of a day stays, whenever we heard of its orders. Amounts of several currencies are never added up. The sums
//! are the same whatever they are grouped by, and are those of the documents. Documents are read in pages: memory is
//! needed for the rows of the answer alone.

mod share;

pub use share::{LineFacts, OrderFacts, Share, shares};

use crate::accounts;
use crate::db::Db;
use crate::domain::{ChannelId, Day, MerchantId, Timestamp};
use chrono_tz::Tz;
use entity::{order_lines, orders, skus};
use sea_orm::{
    ColumnTrait, Condition, DbErr, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Orders read at once.
const PAGE: u64 = 500;

/// What a row of the report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Day,
    Month,
    Channel,
    Outlet,
    Sku,
}

impl By {
    pub const ALL: &'static [Self] = &[
        Self::Day,
        Self::Month,
        Self::Channel,
        Self::Outlet,
        Self::Sku,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Channel => "channel",
            Self::Outlet => "outlet",
            Self::Sku => "sku",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|by| by.as_str() == name)
    }
}

/// Which sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalesQuery {
    pub by: By,
    /// The first day; none: since the first sale.
    pub from: Option<Day>,
    /// The last day, which belongs to it; none: to the last sale.
    pub to: Option<Day>,
    pub channel: Option<ChannelId>,
}

/// One row, or a total; amounts in minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalesRow {
    /// The day, the month, or the name; of lines without a SKU, the seller's code in brackets.
    pub key: String,
    pub currency: String,
    /// Invoices with a part in this row; one with several SKUs has a part in several rows.
    pub orders: i64,
    /// Invoices that were called off; nothing else of them counts.
    pub voided: i64,
    pub units: i64,
    pub gross_minor: i64,
    pub discounts_minor: i64,
    /// Shipping, taxes and vouchers of whole orders.
    pub charges_minor: i64,
    /// As the documents say: gross less discounts and with charges.
    pub total_minor: i64,
    pub refunds_minor: i64,
    pub fees_minor: i64,
    /// Total less refunds and fees.
    pub net_minor: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalesReport {
    pub by: By,
    pub from: Option<Day>,
    pub to: Option<Day>,
    pub time_zone: String,
    /// By key, then by currency.
    pub rows: Vec<SalesRow>,
    /// One for each currency.
    pub totals: Vec<SalesRow>,
}

/// What is read of an order.
#[derive(Debug, FromQueryResult)]
struct OrderRow {
    id: i64,
    channel_id: i64,
    outlet_id: i64,
    document: String,
    currency: String,
    total_minor: i64,
    refunded_minor: i64,
    placed_at: i64,
}

#[derive(Debug, Default)]
struct Sums {
    orders: i64,
    voided: i64,
    share: Share,
}

/// Key and currency.
type Key = (String, String);

/// # Errors
/// When the database fails.
pub async fn sales(
    db: &Db,
    merchant: MerchantId,
    query: &SalesQuery,
) -> Result<SalesReport, DbErr> {
    let zone = accounts::time_zone(db, merchant).await?;
    let mut names = Names::read(db, merchant, zone).await?;
    let mut rows: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut totals: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut after = (i64::MIN, 0);
    loop {
        let page = page(db, merchant, query, zone, after).await?;
        let Some(last) = page.last() else { break };
        after = (last.placed_at, last.id);
        let lines = lines_of(db, merchant, &page).await?;
        names.learn(db, merchant, query.by, &lines).await?;
        for order in &page {
            let own = lines.get(&order.id).map_or(&[][..], Vec::as_slice);
            let parts = parts(order, own, &names, query.by);
            count(
                &mut rows,
                order,
                parts.iter().map(|(key, share)| (key.as_str(), *share)),
            );
            count(
                &mut totals,
                order,
                parts.iter().map(|(_, share)| ("total", *share)),
            );
        }
    }
    Ok(SalesReport {
        by: query.by,
        from: query.from,
        to: query.to,
        time_zone: zone.name().to_owned(),
        rows: rows.into_iter().map(row).collect(),
        totals: totals.into_iter().map(row).collect(),
    })
}

fn row(((key, currency), sums): (Key, Sums)) -> SalesRow {
    let share = sums.share;
    SalesRow {
        key,
        currency,
        orders: sums.orders,
        voided: sums.voided,
        units: share.units,
        gross_minor: share.gross,
        discounts_minor: share.discounts,
        charges_minor: share.charges,
        total_minor: share.total(),
        refunds_minor: share.refunds,
        fees_minor: share.fees,
        net_minor: share.net(),
    }
}

/// Adds the parts of an order to their rows; an order is counted once in each.
fn count<'a>(
    rows: &mut BTreeMap<Key, Sums>,
    order: &OrderRow,
    parts: impl Iterator<Item = (&'a str, Share)>,
) {
    let mut counted: Vec<&str> = Vec::new();
    for (key, share) in parts {
        let sums = rows
            .entry((key.to_owned(), order.currency.clone()))
            .or_default();
        let is_void = order.document == "void";
        if !counted.contains(&key) {
            counted.push(key);
            *(if is_void {
                &mut sums.voided
            } else {
                &mut sums.orders
            }) += 1;
        }
        if !is_void {
            sums.share.add(&share);
        }
    }
}

async fn page(
    db: &Db,
    merchant: MerchantId,
    query: &SalesQuery,
    zone: Tz,
    (placed_at, id): (i64, i64),
) -> Result<Vec<OrderRow>, DbErr> {
    let (begin, end) = day_window(query.from, query.to, zone);
    let later = Condition::any()
        .add(orders::Column::PlacedAt.gt(placed_at))
        .add(
            Condition::all()
                .add(orders::Column::PlacedAt.eq(placed_at))
                .add(orders::Column::Id.gt(id)),
        );
    let mut select = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([
            orders::Column::Id,
            orders::Column::ChannelId,
            orders::Column::OutletId,
            orders::Column::Document,
            orders::Column::Currency,
            orders::Column::TotalMinor,
            orders::Column::RefundedMinor,
            orders::Column::PlacedAt,
        ])
        // An order that was called off before it was booked never had an invoice.
        .filter(orders::Column::InvoiceNumber.is_not_null())
        .filter(orders::Column::PlacedAt.gte(placed_at.max(begin)))
        .filter(orders::Column::PlacedAt.lt(end))
        .filter(later);
    if let Some(channel) = query.channel {
        select = select.filter(orders::Column::ChannelId.eq(channel.0));
    }
    select
        .order_by_asc(orders::Column::PlacedAt)
        .order_by_asc(orders::Column::Id)
        .limit(PAGE)
        .into_model::<OrderRow>()
        .all(db.read())
        .await
}

async fn lines_of(
    db: &Db,
    merchant: MerchantId,
    page: &[OrderRow],
) -> Result<HashMap<i64, Vec<order_lines::Model>>, DbErr> {
    let rows = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::OrderId.is_in(page.iter().map(|order| order.id)))
        .order_by_asc(order_lines::Column::Id)
        .all(db.read())
        .await?;
    let mut lines: HashMap<i64, Vec<order_lines::Model>> = HashMap::new();
    for row in rows {
        lines.entry(row.order_id).or_default().push(row);
    }
    Ok(lines)
}

/// Each line's key and share.
fn parts(
    order: &OrderRow,
    lines: &[order_lines::Model],
    names: &Names,
    by: By,
) -> Vec<(String, Share)> {
    let facts: Vec<LineFacts> = lines
        .iter()
        .map(|line| LineFacts {
            quantity: line.quantity,
            cancelled: line.cancelled,
            total: line.total_minor,
            gross: line.gross_minor,
            refunded: line.refunded_minor,
        })
        .collect();
    let whole = OrderFacts {
        total: order.total_minor,
        refunded: order.refunded_minor,
        ..OrderFacts::default()
    };
    shares(whole, &facts)
        .into_iter()
        .enumerate()
        .map(|(n, share)| (names.key(order, lines.get(n), by), share))
        .collect()
}

/// What keys are called.
struct Names {
    zone: Tz,
    channels: HashMap<i64, String>,
    outlets: HashMap<i64, String>,
    codes: HashMap<i64, String>,
}

impl Names {
    async fn read(db: &Db, merchant: MerchantId, zone: Tz) -> Result<Self, DbErr> {
        let channels = entity::channels::Entity::of_merchant(merchant.0)
            .all(db.read())
            .await?;
        let outlets = accounts::outlets(db, merchant).await?;
        Ok(Self {
            zone,
            channels: channels
                .into_iter()
                .map(|c| (c.id, channel_key(&c)))
                .collect(),
            outlets: outlets.into_iter().map(|o| (o.id, o.name)).collect(),
            codes: HashMap::new(),
        })
    }

    /// Learns the codes of SKUs that were not met before.
    async fn learn(
        &mut self,
        db: &Db,
        merchant: MerchantId,
        by: By,
        lines: &HashMap<i64, Vec<order_lines::Model>>,
    ) -> Result<(), DbErr> {
        let sold = lines.values().flatten().filter_map(|line| line.sku_id);
        let mut unknown: Vec<i64> = sold.filter(|sku| !self.codes.contains_key(sku)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if by != By::Sku || unknown.is_empty() {
            return Ok(());
        }
        let rows: Vec<(i64, String)> = skus::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([skus::Column::Id, skus::Column::Code])
            .filter(skus::Column::Id.is_in(unknown))
            .into_tuple()
            .all(db.read())
            .await?;
        self.codes.extend(rows);
        Ok(())
    }

    fn key(&self, order: &OrderRow, line: Option<&order_lines::Model>, by: By) -> String {
        let name = |names: &HashMap<i64, String>, id: i64| {
            names.get(&id).cloned().unwrap_or_else(|| format!("#{id}"))
        };
        match by {
            By::Day => self.day(order),
            By::Month => self.day(order).chars().take(7).collect(),
            By::Channel => name(&self.channels, order.channel_id),
            By::Outlet => name(&self.outlets, order.outlet_id),
            By::Sku => match line.map(|line| (line.sku_id, &line.seller_sku)) {
                Some((Some(sku), _)) => name(&self.codes, sku),
                Some((None, Some(code))) => format!("({code})"),
                Some((None, None)) | None => "(no SKU)".to_owned(),
            },
        }
    }

    fn day(&self, order: &OrderRow) -> String {
        Day::of(Timestamp::from_micros(order.placed_at), self.zone).to_string()
    }
}

/// The instants of whole days, in microseconds; what is not given has no end.
pub(super) fn day_window(from: Option<Day>, to: Option<Day>, zone: Tz) -> (i64, i64) {
    let begin = from.map_or(i64::MIN, |day| day.begins_at(zone).micros());
    let end = to.map_or(i64::MAX, |day| day.next().begins_at(zone).micros());
    (begin, end)
}

/// Two channels may have the same name.
pub(super) fn channel_key(channel: &entity::channels::Model) -> String {
    format!("{} {} ({})", channel.id, channel.name, channel.platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_group_has_a_name() {
        for by in By::ALL {
            assert_eq!(By::parse(by.as_str()), Some(*by));
        }
    }
}
