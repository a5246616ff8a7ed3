//! The books of one order after readings in any order: documents, units, money, history and questions.
//!
//! Where each hazard of orders is tested:
//! - O1, O2 before its creation: `scenarios::changes::a_cancellation_that_comes_before_its_order_moves_no_stock`
//! - O3, O8 any order, repeats, late: `replay`, `scenarios::repeats`, and the properties of `sales::plan` and
//!   `sales::returning`
//! - O4, O5, O6 doubles: `scenarios::repeats::one_sale_told_under_many_delivery_ids_is_booked_once` and
//!   `a_delivery_that_comes_many_times_is_stored_once`
//! - O7 readings that lag: `scenarios::weather::readings_that_lag_behind_their_webhook_are_taken_again`
//! - O9, O10, O11 at once: `scenarios::skus::many_sales_at_once_lose_no_unit` and
//!   `two_channels_that_sell_the_last_unit_are_both_booked`
//! - O12 refunds: `returns`, `scenarios::returns`; O13 edits: `returns::edits_after_the_sale_are_applied_once_and_told`
//! - O14 cancellation, return, exchange: `returns`, `conflicts`; O15 minor units: `domain::money`
//! - O16, O17, O18 edits of products: `scenarios::products`; O19 disconnected: `scenarios::tokens`
//! - O20 replay: `cli`; decisions by two: `conflicts`

mod conflicts;
mod replay;
mod returns;

use crate::support::builders;
use entity::channels as rows;
use marketsink::{
    catalog,
    channels::{self, Channel, ChannelSettings},
    db::Db,
    domain::{
        Currency, Goods, MerchantId, Money, Order, OrderLine, OutletId, Return, ReturnLine,
        ReturnState, Source, Standing, Timestamp,
    },
    sales::{self, OrderFull, Recorded, Recording},
    stock,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

pub const NOW: Timestamp = builders::NOW;
/// Units of each SKU at the start.
pub const OPENING: i64 = 10;

/// A merchant with a shop and two SKUs in stock.
pub struct Desk {
    pub db: Db,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub channel: Channel,
}

impl Desk {
    pub async fn open(db: Db) -> Self {
        let shop = builders::a_shop(&db).await;
        let tx = db.write_tx().await.unwrap();
        let row = rows::ActiveModel {
            id: Set(shop.channel.0),
            marketplace: Set("woocommerce".to_owned()),
            platform: Set("woocommerce".to_owned()),
            created_at: Set(0),
            ..Default::default()
        };
        row.update(&tx).await.unwrap();
        for code in ["MUG", "TEA"] {
            let made = catalog::create_sku(&tx, shop.merchant, code, code, NOW).await;
            let at = (made.unwrap().0, shop.outlet);
            let counted = stock::set_on_hand(&tx, shop.merchant, at, OPENING, "opening", NOW);
            counted.await.unwrap();
        }
        tx.commit().await.unwrap();
        let channel = channels::load(db.read(), shop.channel).await.unwrap();
        Self {
            db,
            merchant: shop.merchant,
            outlet: shop.outlet,
            channel,
        }
    }

    /// With a policy for returned goods.
    pub async fn with_policy(mut self, policy: &str) -> Self {
        let mut settings = ChannelSettings::default();
        settings.set("returns", policy).unwrap();
        let tx = self.db.write_tx().await.unwrap();
        channels::save_settings(&tx, self.channel.id, &settings, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.channel = channels::load(self.db.read(), self.channel.id)
            .await
            .unwrap();
        self
    }

    pub async fn record(&self, order: &Order) -> Recorded {
        let recording = Recording {
            connection: &self.channel,
            source: Source::Webhook,
        };
        let tx = self.db.write_tx().await.unwrap();
        let recorded = sales::record_order(&tx, recording, order, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        recorded
    }

    pub async fn order(&self) -> OrderFull {
        let found = sales::find_orders(&self.db, self.merchant, "1001")
            .await
            .unwrap();
        let id = marketsink::domain::OrderId(found[0].id);
        let full = sales::order_full(&self.db, self.merchant, id)
            .await
            .unwrap();
        full.unwrap()
    }

    /// The order and the stock, without names that vary from run to run.
    pub async fn books(&self) -> String {
        let full = self.order().await;
        let order = &full.order;
        let mut told = vec![format!(
            "{} {} {} of {} credited {}",
            order.document,
            order.fulfilment,
            order.total_minor,
            order.currency,
            order.refunded_minor
        )];
        for line in &full.lines {
            told.push(format!(
                "line {} x{} cancelled {} allocated {} shipped {} restocked {} quarantined {} credited {}",
                line.remote_id,
                line.quantity,
                line.cancelled,
                line.allocated,
                line.shipped,
                line.restocked,
                line.quarantined,
                line.refunded_minor
            ));
        }
        for one in &full.returns {
            let deleted = if one.row.deleted_at.is_some() {
                " deleted"
            } else {
                ""
            };
            told.push(format!(
                "return {} {} credited {} undecided {}{deleted}",
                one.row.remote_id, one.row.state, one.row.credited_minor, one.row.undecided
            ));
        }
        let open = full.conflicts.iter().filter(|row| row.state == "open");
        told.extend(open.map(|row| format!("open {}", row.kind)));
        told.sort();
        told.extend(self.levels().await);
        told.join("\n")
    }

    /// `MUG 10`, on hand less allocated; and what is in quarantine.
    pub async fn levels(&self) -> Vec<String> {
        let db = self.db.read();
        let codes = catalog::list_skus(db, self.merchant).await.unwrap();
        let levels = stock::levels(db, self.merchant).await.unwrap();
        let wrong = stock::sums_differ(&self.db, self.merchant).await.unwrap();
        assert_eq!(wrong, [], "the movements do not sum to their levels");
        let mut told: Vec<String> = levels
            .iter()
            .filter(|level| level.outlet == self.outlet || level.on_hand != 0)
            .map(|level| {
                let code = codes.iter().find(|sku| sku.id == level.sku.0).unwrap();
                let aside = if level.outlet == self.outlet {
                    ""
                } else {
                    " aside"
                };
                format!("{}{aside} {}", code.code, level.available)
            })
            .collect();
        told.sort();
        told
    }

    /// Kinds of what is open.
    pub async fn questions(&self) -> Vec<String> {
        let full = self.order().await;
        let open = full.conflicts.into_iter().filter(|row| row.state == "open");
        open.map(|row| row.kind).collect()
    }

    pub async fn steps(&self) -> Vec<String> {
        let full = self.order().await;
        full.steps.into_iter().map(|step| step.step).collect()
    }
}

pub fn usd(minor: i64) -> Money {
    let currency = Currency::from_code("USD").unwrap();
    Money { minor, currency }
}

/// Three mugs at 10.00 and one tea at 5.00, 4.00 for shipping; as the marketplace shows it `n` seconds later.
pub fn order(standing: Standing, n: i64) -> Order {
    Order {
        remote_id: "1001".into(),
        number: "1001".to_owned(),
        platform: "woocommerce",
        remote_status: format!("{:?} {}", standing.document, standing.paid),
        standing,
        version: at(n),
        placed_at: NOW,
        currency: usd(0).currency,
        total: usd(3_900),
        tracking_number: None,
        lines: vec![line("1", "MUG", 3, 3_000), line("2", "TEA", 1, 500)],
        charges: Some(usd(400)),
        returns: Some(Vec::new()),
        remark: None,
    }
}

pub fn at(n: i64) -> Timestamp {
    Timestamp::from_secs(NOW.secs() + n)
}

pub fn line(id: &str, sku: &str, quantity: i64, total: i64) -> OrderLine {
    OrderLine {
        remote_id: id.into(),
        product_id: id.into(),
        variant_id: id.into(),
        seller_sku: Some(sku.to_owned()),
        title: sku.to_owned(),
        quantity,
        cancelled: 0,
        off_shelf: 0,
        total: usd(total),
        gross: None,
    }
}

/// A return of so many mugs, refunded.
pub fn refund(id: &str, n: i64, mugs: i64, minor: i64, goods: Goods) -> Return {
    let line = ReturnLine {
        line: "1".into(),
        quantity: mugs,
        refund: None,
        goods,
    };
    Return {
        remote_id: id.into(),
        remote_status: "REFUNDED".to_owned(),
        state: ReturnState::Refunded,
        version: at(n),
        reason: None,
        refund: Some(usd(minor)),
        lines: if mugs == 0 { Vec::new() } else { vec![line] },
    }
}
