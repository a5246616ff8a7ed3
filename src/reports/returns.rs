//! What came back: by day, month, channel, SKU or reason.
//!
//! A return belongs to the day on which it was first heard of, by the merchant's clock. Those that their marketplace took
//! back altogether do not count. Amounts are what is credited on invoices; currencies are never added up.

use super::sales::day_window;
use crate::accounts;
use crate::db::Db;
use crate::domain::{Day, MerchantId, Timestamp};
use chrono_tz::Tz;
use entity::{channels, order_lines, orders, return_lines, returns, skus};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Returns read at once.
const PAGE: u64 = 500;

/// What a row of the report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnsBy {
    Day,
    Month,
    Channel,
    Sku,
    Reason,
}

impl ReturnsBy {
    pub const ALL: &'static [Self] = &[
        Self::Day,
        Self::Month,
        Self::Channel,
        Self::Sku,
        Self::Reason,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Channel => "channel",
            Self::Sku => "sku",
            Self::Reason => "reason",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|by| by.as_str() == name)
    }
}

/// One row, or a total; amounts in minor units of `currency`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReturnsRow {
    pub key: String,
    pub currency: String,
    /// Returns with a part in this row, those that were refused included.
    pub returns: i64,
    pub units: i64,
    pub credited_minor: i64,
    pub restocked: i64,
    pub quarantined: i64,
    pub written_off: i64,
    /// Units whose goods wait for somebody to say what becomes of them.
    pub undecided: i64,
}

impl ReturnsRow {
    fn add(&mut self, line: &return_lines::Model) {
        self.units += line.quantity;
        self.credited_minor += line.credited_minor;
        self.restocked += line.restocked;
        self.quarantined += line.quarantined;
        self.written_off += line.written_off;
        self.undecided += line.undecided;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReturnsReport {
    pub by: ReturnsBy,
    pub from: Option<Day>,
    pub to: Option<Day>,
    pub time_zone: String,
    /// By key, then by currency.
    pub rows: Vec<ReturnsRow>,
    /// One for each currency.
    pub totals: Vec<ReturnsRow>,
}

type Rows = BTreeMap<(String, String), ReturnsRow>;

/// # Errors
/// When the database fails.
pub async fn returned(
    db: &Db,
    merchant: MerchantId,
    by: ReturnsBy,
    (from, to): (Option<Day>, Option<Day>),
) -> Result<ReturnsReport, DbErr> {
    let zone = accounts::time_zone(db, merchant).await?;
    let (begin, end) = day_window(from, to, zone);
    let (mut rows, mut totals, mut after) = (Rows::new(), Rows::new(), 0);
    loop {
        let page = returns::Entity::of_merchant(merchant.0)
            .filter(returns::Column::DeletedAt.is_null())
            .filter(returns::Column::FirstSeenAt.gte(begin))
            .filter(returns::Column::FirstSeenAt.lt(end))
            .filter(returns::Column::Id.gt(after))
            .order_by_asc(returns::Column::Id)
            .limit(PAGE)
            .all(db.read())
            .await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let around = Around::read(db, merchant, &page, zone).await?;
        for one in &page {
            around.count(one, by, &mut rows);
            around.count_total(one, &mut totals);
        }
    }
    Ok(ReturnsReport {
        by,
        from,
        to,
        time_zone: zone.name().to_owned(),
        rows: rows.into_values().collect(),
        totals: totals.into_values().collect(),
    })
}

/// What a page of returns needs to be told.
struct Around {
    zone: Tz,
    orders: HashMap<i64, (i64, String)>,
    lines: HashMap<i64, Vec<return_lines::Model>>,
    /// The SKU of an order's line.
    sold: HashMap<(i64, String), Option<i64>>,
    channels: HashMap<i64, String>,
    codes: HashMap<i64, String>,
}

impl Around {
    async fn read(
        db: &Db,
        merchant: MerchantId,
        page: &[returns::Model],
        zone: Tz,
    ) -> Result<Self, DbErr> {
        let read = db.read();
        let order_ids: BTreeSet<i64> = page.iter().map(|one| one.order_id).collect();
        let orders: Vec<(i64, i64, String)> = orders::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([
                orders::Column::Id,
                orders::Column::ChannelId,
                orders::Column::Currency,
            ])
            .filter(orders::Column::Id.is_in(order_ids.iter().copied()))
            .into_tuple()
            .all(read)
            .await?;
        let mut lines: HashMap<i64, Vec<return_lines::Model>> = HashMap::new();
        for line in return_lines::Entity::of_merchant(merchant.0)
            .filter(return_lines::Column::ReturnId.is_in(page.iter().map(|one| one.id)))
            .order_by_asc(return_lines::Column::Id)
            .all(read)
            .await?
        {
            lines.entry(line.return_id).or_default().push(line);
        }
        let sold: Vec<(i64, String, Option<i64>)> = order_lines::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([
                order_lines::Column::OrderId,
                order_lines::Column::RemoteId,
                order_lines::Column::SkuId,
            ])
            .filter(order_lines::Column::OrderId.is_in(order_ids))
            .into_tuple()
            .all(read)
            .await?;
        let ids: BTreeSet<i64> = sold.iter().filter_map(|(_, _, sku)| *sku).collect();
        let codes: Vec<(i64, String)> = skus::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([skus::Column::Id, skus::Column::Code])
            .filter(skus::Column::Id.is_in(ids))
            .into_tuple()
            .all(read)
            .await?;
        let channels = channels::Entity::of_merchant(merchant.0).all(read).await?;
        Ok(Self {
            zone,
            orders: orders
                .into_iter()
                .map(|(id, channel, currency)| (id, (channel, currency)))
                .collect(),
            lines,
            sold: sold
                .into_iter()
                .map(|(order, line, sku)| ((order, line), sku))
                .collect(),
            channels: channels
                .iter()
                .map(|channel| (channel.id, super::sales::channel_key(channel)))
                .collect(),
            codes: codes.into_iter().collect(),
        })
    }

    fn count(&self, one: &returns::Model, by: ReturnsBy, rows: &mut Rows) {
        let mut counted = BTreeSet::new();
        for line in self.parts(one) {
            let key = self.key(one, &line, by);
            let row = self.row(one, key.clone(), rows);
            row.add(&line);
            row.returns += i64::from(counted.insert(key));
        }
    }

    fn count_total(&self, one: &returns::Model, rows: &mut Rows) {
        let row = self.row(one, "total".to_owned(), rows);
        row.returns += 1;
        for line in self.parts(one) {
            row.add(&line);
        }
    }

    fn row<'r>(&self, one: &returns::Model, key: String, rows: &'r mut Rows) -> &'r mut ReturnsRow {
        let order = self.orders.get(&one.order_id);
        let currency = order.map_or_else(String::new, |(_, currency)| currency.clone());
        rows.entry((key.clone(), currency.clone()))
            .or_insert_with(|| ReturnsRow {
                key,
                currency,
                ..ReturnsRow::default()
            })
    }

    /// Its lines, and what of its money is of none of them.
    fn parts(&self, one: &returns::Model) -> Vec<return_lines::Model> {
        let mut lines = self.lines.get(&one.id).cloned().unwrap_or_default();
        let by_line: i64 = lines.iter().map(|line| line.credited_minor).sum();
        if lines.is_empty() || by_line != one.credited_minor {
            lines.push(return_lines::Model {
                id: 0,
                merchant_id: one.merchant_id,
                return_id: one.id,
                line: String::new(),
                place: 0,
                quantity: 0,
                refund_minor: None,
                credited_minor: one.credited_minor - by_line,
                goods: String::new(),
                restocked: 0,
                quarantined: 0,
                written_off: 0,
                undecided: 0,
                decided_by: None,
            });
        }
        lines
    }

    fn key(&self, one: &returns::Model, line: &return_lines::Model, by: ReturnsBy) -> String {
        let day = || Day::of(Timestamp::from_micros(one.first_seen_at), self.zone).to_string();
        match by {
            ReturnsBy::Day => day(),
            ReturnsBy::Month => day().chars().take(7).collect(),
            ReturnsBy::Channel => {
                let channel = self.orders.get(&one.order_id).map(|(channel, _)| channel);
                let name = channel.and_then(|channel| self.channels.get(channel));
                name.cloned().unwrap_or_default()
            }
            ReturnsBy::Reason => one
                .reason
                .clone()
                .unwrap_or_else(|| "(none told)".to_owned()),
            ReturnsBy::Sku => {
                let sku = self.sold.get(&(one.order_id, line.line.clone()));
                let code = sku.copied().flatten().and_then(|sku| self.codes.get(&sku));
                code.cloned().unwrap_or_else(|| "(no SKU)".to_owned())
            }
        }
    }
}
