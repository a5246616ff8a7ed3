//! What the first page shows: channels, what they told last, when they were scanned, the latest sales.

use super::ScanView;
use crate::accounts;
use crate::catalog;
use crate::channels::{self, Channel, ChannelError};
use crate::db::Db;
use crate::domain::{Currency, MerchantId, Money, Timestamp};
use crate::inbox;
use crate::marketplaces;
use crate::queue::{Counts, Queue};
use crate::sales;
use crate::stock;
use crate::sync;
use sea_orm::DbErr;
use serde::Serialize;
use std::collections::HashMap;

/// Sales shown on the first page.
const LATEST_SALES: u64 = 25;
/// Notices shown on the first page.
const LATEST_NOTICES: u64 = 5;

#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    pub merchant: String,
    pub channels: Vec<ChannelRow>,
    pub sales: Vec<SaleRow>,
    /// How scans ended that nobody waited for, as long as nobody has read it; newest first.
    pub notices: Vec<NoticeRow>,
    /// Deliveries per verdict.
    pub deliveries: Vec<(String, i64)>,
    /// Orders per source: webhook, scan, ...
    pub sources: Vec<(String, i64)>,
    /// Orders found only by scans, of all orders, in percent; the first number to look at.
    pub miss_rate_percent: Option<f64>,
    pub jobs: Jobs,
    /// SKUs whose available quantity is negative: sold more often than there is.
    pub oversold: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Jobs {
    pub due: u64,
    pub later: u64,
    pub running: u64,
    pub dead: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct ChannelRow {
    pub id: i64,
    pub name: String,
    pub platform: String,
    pub state: &'static str,
    pub state_reason: Option<String>,
    /// What only the merchant can renew, and how many days are left; none while that is far off.
    pub ending: Option<(&'static str, i64)>,
    pub last_delivery_at: Option<Timestamp>,
    /// Kind and end of the last scans that ended well, newest first.
    pub last_scans: Vec<(String, Timestamp)>,
    /// Scans that wait, run or are paused.
    pub open_scans: Vec<ScanView>,
    pub listings: u64,
    pub unlinked: u64,
    pub orders: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct NoticeRow {
    pub at: Timestamp,
    /// `info` or `warn`.
    pub level: String,
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct SaleRow {
    pub id: i64,
    pub number: String,
    pub platform: String,
    pub document: String,
    pub paid: bool,
    pub fulfilment: String,
    pub total: String,
    pub source: String,
    pub attention: Option<String>,
    pub recorded_at: Timestamp,
}

/// The merchant's overview at `now`.
///
/// # Errors
/// When the database fails or a channel cannot be read.
pub async fn overview(
    queue: &Queue,
    merchant: MerchantId,
    now: Timestamp,
) -> Result<Overview, ChannelError> {
    let db = queue.db();
    let channels = channels::list(db, merchant, false).await?;
    let orders_of = orders_per_channel(db, merchant).await?;
    let calendar = channels::calendar(db, merchant).await?;
    let open = sync::open_scans(db, merchant).await?;
    let mut rows = Vec::new();
    for channel in &channels {
        let n_orders = orders_of.get(&channel.id.0).copied().unwrap_or_default();
        let mut row = channel_row(db, channel, n_orders).await?;
        let of_channel = open
            .iter()
            .filter(|row| row.channel_id == channel.connection().0);
        row.open_scans = of_channel.map(|row| ScanView::of(row, now)).collect();
        let dates = calendar.get(&channel.id);
        let ending = dates.and_then(|dates| dates.expiry.ending(now));
        row.ending = ending.map(|ending| (ending.of.as_str(), ending.days_left));
        rows.push(row);
    }
    let platform_of = |id: i64| {
        let channel = channels.iter().find(|channel| channel.id.0 == id);
        channel.map_or_else(String::new, platform_name)
    };
    let latest = sales::latest_orders(db, merchant, LATEST_SALES).await?;
    let sources = sync::order_sources(db, merchant).await?;
    let levels = stock::levels(db.read(), merchant).await?;
    let merchants = accounts::merchants(db).await?;
    let notices = sync::notices(db, merchant, LATEST_NOTICES).await?;
    Ok(Overview {
        merchant: merchants
            .into_iter()
            .find(|row| row.id == merchant.0)
            .map(|row| row.name)
            .unwrap_or_default(),
        sales: latest
            .into_iter()
            .map(|row| sale_row(&platform_of(row.channel_id), row))
            .collect(),
        notices: notices.into_iter().map(notice_row).collect(),
        deliveries: inbox::counts_by_verdict(db, merchant).await?,
        miss_rate_percent: miss_rate(&sources),
        sources,
        jobs: queue.waiting(now).await?.into(),
        oversold: levels.iter().filter(|level| level.available < 0).count() as u64,
        channels: rows,
    })
}

async fn orders_per_channel(db: &Db, merchant: MerchantId) -> Result<HashMap<i64, u64>, DbErr> {
    Ok(sales::counts_by_channel(db, merchant)
        .await?
        .into_iter()
        .map(|(channel, n)| (channel.0, n))
        .collect())
}

async fn channel_row(db: &Db, channel: &Channel, orders: u64) -> Result<ChannelRow, DbErr> {
    // A platform on a shared connection shows that connection's deliveries, scans and listings.
    let connection = channel.connection();
    let (listings, unlinked) = catalog::counts(db.read(), connection).await?;
    let scans = sync::last_scans(db, connection).await?;
    let ended = |row: entity::scans::Model| {
        let at = Timestamp::from_micros(row.finished_at.unwrap_or(row.started_at));
        (row.kind, at)
    };
    Ok(ChannelRow {
        id: channel.id.0,
        name: channel.name.clone(),
        platform: platform_name(channel),
        state: channel.state.as_str(),
        state_reason: channel.state_reason.clone(),
        ending: None,
        last_delivery_at: inbox::last_delivery_at(db, connection).await?,
        last_scans: scans.into_iter().map(ended).collect(),
        open_scans: Vec::new(),
        listings,
        unlinked,
        orders,
    })
}

fn notice_row(row: entity::notices::Model) -> NoticeRow {
    NoticeRow {
        at: Timestamp::from_micros(row.created_at),
        level: row.level,
        text: row.text,
    }
}

fn platform_name(channel: &Channel) -> String {
    marketplaces::platform_name(&channel.platform).to_owned()
}

fn sale_row(platform: &str, row: entity::orders::Model) -> SaleRow {
    let total = Currency::from_code(&row.currency).map_or_else(
        |_| format!("{} {}", row.total_minor, row.currency),
        |currency| {
            let money = Money {
                minor: row.total_minor,
                currency,
            };
            money.to_string()
        },
    );
    SaleRow {
        id: row.id,
        number: row.number,
        platform: platform.to_owned(),
        document: row.document,
        paid: row.paid,
        fulfilment: row.fulfilment,
        total,
        source: row.source,
        attention: row.attention,
        recorded_at: Timestamp::from_micros(row.recorded_at),
    }
}

/// Of the orders that webhooks could have told: those downloaded on connecting or by hand do not count.
fn miss_rate(sources: &[(String, i64)]) -> Option<f64> {
    let n = |name: &str| {
        let found = sources.iter().find(|(source, _)| source == name);
        found.map_or(0, |(_, n)| *n)
    };
    let (webhook, scan) = (n("webhook"), n("scan"));
    let all = webhook + scan;
    (all > 0).then(|| 100.0 * scan as f64 / all as f64)
}

impl From<Counts> for Jobs {
    fn from(counts: Counts) -> Self {
        Self {
            due: counts.due,
            later: counts.later,
            running: counts.running,
            dead: counts.dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_miss_rate_is_the_share_that_only_scans_found() {
        let sources = [
            ("connection".to_owned(), 50),
            ("scan".to_owned(), 1),
            ("webhook".to_owned(), 3),
        ];

        assert_eq!(miss_rate(&sources), Some(25.0));
        assert_eq!(miss_rate(&[]), None);
    }
}
