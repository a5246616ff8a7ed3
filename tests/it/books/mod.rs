//! The books as people number, read, import and export them, on both databases.

mod imports;
mod numbers;
mod reports;

use crate::support::builders::{NOW, Shop};
use entity::orders;
use marketsink::{
    catalog, channels,
    channels::Channel,
    db::{Db, Tx},
    domain::{
        ChannelId, Currency, Money, Order, OrderLine, OutletId, SkuId, Source, Standing, Timestamp,
    },
    sales::{self, Recorded, Recording},
    stock,
};
use sea_orm::{EntityTrait, QueryOrder};
use std::time::Duration;

fn idr(minor: i64) -> Money {
    let currency = Currency::from_code("IDR").unwrap();
    Money { minor, currency }
}

/// An order of some units of one code, at 1,000 minor units each, changed so many seconds after NOW.
fn order(number: &str, standing: Standing, code: &str, quantity: i64, secs: u64) -> Order {
    let total = idr(1_000 * quantity);
    Order {
        remote_id: format!("r{number}").into(),
        number: number.to_owned(),
        platform: "tiktok_shop",
        remote_status: format!("{standing:?}"),
        standing,
        version: NOW + Duration::from_secs(secs),
        placed_at: NOW,
        currency: total.currency,
        total,
        tracking_number: None,
        lines: vec![OrderLine {
            remote_id: format!("l{number}").into(),
            product_id: "p".into(),
            variant_id: "v".into(),
            seller_sku: Some(code.to_owned()),
            title: code.to_owned(),
            quantity,
            cancelled: 0,
            off_shelf: 0,
            total,
            gross: None,
        }],
        charges: None,
        returns: None,
        remark: None,
    }
}

async fn channel_of(db: &Db, id: ChannelId) -> Channel {
    channels::load(db.read(), id).await.unwrap()
}

async fn record_in(tx: &Tx, channel: &Channel, order: &Order, now: Timestamp) -> Recorded {
    let recording = Recording {
        connection: channel,
        source: Source::Webhook,
    };
    sales::record_order(tx, recording, order, now)
        .await
        .unwrap()
}

async fn record(db: &Db, channel: &Channel, order: &Order) {
    let tx = db.write_tx().await.unwrap();
    record_in(&tx, channel, order, NOW).await;
    tx.commit().await.unwrap();
}

/// A SKU with units on hand.
async fn count(db: &Db, shop: Shop, outlet: OutletId, code: &str, units: i64) -> SkuId {
    let tx = db.write_tx().await.unwrap();
    let (sku, _) = catalog::create_sku(&tx, shop.merchant, code, code, NOW)
        .await
        .unwrap();
    stock::set_on_hand(&tx, shop.merchant, (sku, outlet), units, "counted", NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    sku
}

/// On hand and allocated, of one SKU at one outlet.
async fn level(db: &Db, shop: Shop, code: &str) -> (i64, i64) {
    let sku = catalog::find_sku(db.read(), shop.merchant, code).await;
    let sku = sku.unwrap().unwrap();
    let levels = stock::levels(db.read(), shop.merchant).await.unwrap();
    let level = levels
        .iter()
        .find(|level| (level.sku, level.outlet) == (sku, shop.outlet));
    level.map_or((0, 0), |level| (level.on_hand, level.allocated))
}

async fn all_orders(db: &Db) -> Vec<orders::Model> {
    orders::Entity::find()
        .order_by_asc(orders::Column::Id)
        .all(db.read())
        .await
        .unwrap()
}
