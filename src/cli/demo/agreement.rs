//! Whether books, stock and simulated shops agree, in every order and every unit.
//!
//! The expectation is written down here by itself, apart from the adapters: it must be able to find them wrong.

use super::stage::Stage;
use crate::catalog;
use crate::domain::OrderId;
use crate::marketplaces::simulation::{SimOrder, SimStatus};
use crate::sales::{self, OrderFull};
use crate::sandbox::SimShop;
use crate::stock;
use serde::Serialize;

#[derive(Debug, Clone, Default, Serialize)]
pub struct Agreement {
    pub books: bool,
    pub stock: bool,
    pub shops: bool,
    /// No webhook of a shop was refused.
    pub webhooks: bool,
    pub orders_compared: u64,
    pub units_compared: u64,
    /// What differs, a sentence each.
    pub differences: Vec<String>,
}

impl Agreement {
    pub fn is_complete(&self) -> bool {
        self.books && self.stock && self.shops && self.webhooks
    }

    pub async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let mut found = Self::default();
        found.compare_books(stage).await?;
        found.books = found.differences.is_empty();
        let before = found.differences.len();
        found.compare_ledger(stage).await?;
        found.stock = found.differences.len() == before;
        let before = found.differences.len();
        found.compare_shops(stage).await?;
        found.shops = found.differences.len() == before;
        let n_refused = stage.sandbox.ledger().refused;
        found.webhooks = n_refused == 0;
        if n_refused > 0 {
            let text = format!("{n_refused} genuine webhooks were refused");
            found.differences.push(text);
        }
        Ok(found)
    }

    /// Every order of every shop is in the books once, as far as the shop is.
    async fn compare_books(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let app = &stage.running.app;
        for shop in stage.sandbox.shops() {
            let orders: Vec<SimOrder> = shop.with(|shop| shop.orders.values().cloned().collect());
            for order in orders {
                self.orders_compared += 1;
                let number = order.id.as_str();
                let found = sales::find_orders(&app.db, stage.merchant, number).await?;
                let mut full = Vec::new();
                // Numbers are unique in one shop only.
                for row in found
                    .iter()
                    .filter(|row| stage.is_of(row.channel_id, &shop))
                {
                    full.extend(sales::order_full(&app.db, stage.merchant, OrderId(row.id)).await?);
                }
                match &full[..] {
                    [one] => self.compare_order(&shop, &order, one),
                    others => self.differences.push(format!(
                        "order {number} of {} is in the books {} times",
                        shop.name(),
                        others.len()
                    )),
                }
            }
        }
        Ok(())
    }

    fn compare_order(&mut self, shop: &SimShop, order: &SimOrder, booked: &OrderFull) {
        let row = &booked.order;
        let expected = expected(shop.marketplace().slug(), order.status);
        let is = (row.document.as_str(), row.paid, row.fulfilment.as_str());
        // A void order keeps its payment in its history.
        let is_right =
            is == expected || (is.0, is.2) == ("void", expected.2) && expected.0 == "void";
        if !is_right {
            self.differences.push(format!(
                "order {} of {} is {:?}: the books say {is:?}, expected was {expected:?}",
                order.id,
                shop.name(),
                order.status
            ));
        }
        if order.status == SimStatus::Cancelled {
            return;
        }
        let wanted: i64 = order.lines.iter().map(|l| l.quantity - l.cancelled).sum();
        let open: i64 = booked.lines.iter().map(|l| l.quantity - l.cancelled).sum();
        self.units_compared += wanted.unsigned_abs();
        if wanted != open {
            self.differences.push(format!(
                "order {} of {}: {wanted} units at the shop, {open} in the books",
                order.id,
                shop.name()
            ));
        }
    }

    /// Each level is the sum of its movements, and the opening count less what was sold in all shops.
    async fn compare_ledger(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let app = &stage.running.app;
        for (sku, _) in stock::sums_differ(&app.db, stage.merchant).await? {
            self.differences.push(format!(
                "the movements of SKU {sku} do not sum to its level"
            ));
        }
        for count in &stage.opening {
            let sold: i64 = stage
                .sandbox
                .shops()
                .iter()
                .map(|shop| sold_by(shop, &count.sku))
                .sum();
            let available = available(stage, &count.sku).await?;
            if available != Some(count.quantity - sold) {
                self.differences.push(format!(
                    "{}: {} counted, {sold} sold, but {available:?} available",
                    count.sku, count.quantity
                ));
            }
        }
        Ok(())
    }

    /// Every shop shows of every SKU what is available.
    async fn compare_shops(&mut self, stage: &Stage) -> anyhow::Result<()> {
        for count in &stage.opening {
            let available = available(stage, &count.sku).await?.unwrap_or_default();
            for shop in stage.sandbox.shops() {
                let shown = shop.with(|shop| shop.variant_by_sku(&count.sku).map(|v| v.quantity));
                if shown.is_some_and(|shown| shown != available.max(0)) {
                    self.differences.push(format!(
                        "{} shows {shown:?} of {}, available are {available}",
                        shop.name(),
                        count.sku
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What the books must say of an order, by marketplace: document, paid, fulfilment.
fn expected(marketplace: &str, status: SimStatus) -> (&'static str, bool, &'static str) {
    // A store of the merchant's own is paid before it ships; a marketplace pays when the buyer is content.
    let paid_first = ["woocommerce", "shopify", "standard_webhooks"].contains(&marketplace);
    match status {
        SimStatus::Unpaid => ("sales_order", false, "unsent"),
        SimStatus::Paid | SimStatus::Arranged => ("invoice", paid_first, "unsent"),
        SimStatus::Shipped | SimStatus::Delivered => ("invoice", paid_first, "sent"),
        SimStatus::Completed => ("invoice", true, "sent"),
        SimStatus::Cancelled => ("void", false, "unsent"),
    }
}

/// Units that the shop's living orders hold of a SKU.
fn sold_by(shop: &SimShop, sku: &str) -> i64 {
    shop.with(|shop| {
        let is_it = |variant: &crate::domain::RemoteId| {
            let variant = shop.variant(variant);
            variant.is_some_and(|v| v.seller_sku.as_deref() == Some(sku))
        };
        let lines = shop.orders.values().flat_map(|order| &order.lines);
        lines
            .filter(|line| is_it(&line.variant_id))
            .map(|l| l.quantity - l.cancelled)
            .sum()
    })
}

async fn available(stage: &Stage, sku: &str) -> anyhow::Result<Option<i64>> {
    let db = stage.running.app.db.read();
    let Some(sku) = catalog::find_sku(db, stage.merchant, sku).await? else {
        return Ok(None);
    };
    let levels = stock::levels(db, stage.merchant).await?;
    let level = levels
        .iter()
        .find(|level| level.sku == sku && level.outlet == stage.outlet);
    Ok(level.map(|level| level.available))
}
