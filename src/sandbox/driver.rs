//! A seeded shopkeeper and a crowd of buyers in one: something happens at each step.

use super::{OpeningStock, Rng, Sandbox, SimShop, catalogue, locked};
use crate::domain::{Money, RemoteId};
use crate::marketplaces::simulation::{NewLine, SimOrder, SimStatus};
use std::{fmt, sync::Mutex};

/// Makes things happen in the shops of a sandbox; the same seed makes the same things happen.
pub struct Driver {
    sandbox: Sandbox,
    rng: Mutex<Rng>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver of {:?}", self.sandbox)
    }
}

/// What a step tries, with its weight.
const DEEDS: [(u64, Deed); 6] = [
    (40, Deed::Order),
    (40, Deed::MoveOn),
    (5, Deed::Cancel),
    (5, Deed::CancelUnit),
    (5, Deed::Rename),
    (5, Deed::Reprice),
];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Order,
    MoveOn,
    Cancel,
    CancelUnit,
    Rename,
    Reprice,
}

impl Driver {
    pub fn new(sandbox: Sandbox, seed: u64) -> Self {
        Self {
            sandbox,
            rng: Mutex::new(Rng::new(seed)),
        }
    }

    /// Fills the shops with the same goods under the same seller SKUs, without webhooks, and returns what
    /// the merchant owns of each SKU. A few listings have no SKU, or one that only one shop has.
    pub fn stock_catalogue(&self, shops: &[SimShop]) -> Vec<OpeningStock> {
        catalogue::stock_catalogue(shops, self.sandbox.0.clock.now())
    }

    /// Lets one thing happen in one shop and tells it in a sentence.
    pub fn step(&self) -> String {
        let mut rng = locked(&self.rng);
        let Some(shop) = rng.pick(&self.sandbox.shops()).cloned() else {
            return "No shop is open.".to_owned();
        };
        let done = match any_deed(&mut rng) {
            Deed::Order => order(&shop, &mut rng),
            Deed::MoveOn => move_on(&shop, &mut rng),
            Deed::Cancel => cancel(&shop, &mut rng),
            Deed::CancelUnit => cancel_unit(&shop, &mut rng),
            Deed::Rename => rename(&shop, &mut rng),
            Deed::Reprice => reprice(&shop, &mut rng),
        };
        // With no order to move, a buyer comes; with everything sold out, an order moves on.
        done.or_else(|| order(&shop, &mut rng))
            .or_else(|| move_on(&shop, &mut rng))
            .unwrap_or_else(|| format!("Nothing happens at {}: it is sold out.", shop.name()))
    }

    /// Whether every webhook has been sent and answered, or given up.
    pub fn is_settled(&self) -> bool {
        self.sandbox.courier().n_pending() == 0
    }

    /// Returns when [`Driver::is_settled`], sending what still waits. A standing clock is moved on as far
    /// as the last retry needs.
    pub async fn settle(&self) {
        self.sandbox.courier().settle().await;
    }
}

fn any_deed(rng: &mut Rng) -> Deed {
    let mut left = rng.below(DEEDS.iter().map(|(weight, _)| weight).sum());
    for (weight, deed) in DEEDS {
        if left < weight {
            return deed;
        }
        left -= weight;
    }
    Deed::Order
}

/// One to three different variants, one to three units each.
fn order(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    let (mut in_stock, platforms) = shop.with(|shop| {
        let variants = shop.products.values().flat_map(|p| &p.variants);
        let in_stock: Vec<_> = variants
            .filter(|v| v.quantity > 0)
            .map(|v| (v.id.clone(), v.quantity))
            .collect();
        (in_stock, shop.platforms.clone())
    });
    let platform = *rng.pick(&platforms)?;
    let n_lines = 1 + rng.below(3).min(in_stock.len().saturating_sub(1) as u64);
    let mut lines = Vec::new();
    for _ in 0..n_lines {
        let chosen = rng.below(in_stock.len() as u64) as usize;
        let (variant_id, left) = (!in_stock.is_empty()).then(|| in_stock.swap_remove(chosen))?;
        let quantity = left.min(1 + rng.below(3) as i64);
        lines.push(NewLine {
            variant_id,
            quantity,
        });
    }
    let status = *rng.pick(&[SimStatus::Unpaid, SimStatus::Paid])?;
    let id = shop.place_order(platform, status, &lines)?;
    let units: i64 = lines.iter().map(|line| line.quantity).sum();
    let payment = if status == SimStatus::Paid {
        "paid"
    } else {
        "unpaid"
    };
    Some(format!(
        "A buyer orders {units} units at {} ({platform}): order {id}, {payment}.",
        shop.name()
    ))
}

fn move_on(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    let order = any_order(shop, rng, SimStatus::Delivered)?;
    let next = match order.status {
        SimStatus::Unpaid => SimStatus::Paid,
        SimStatus::Paid => SimStatus::Arranged,
        SimStatus::Arranged => SimStatus::Shipped,
        SimStatus::Shipped => SimStatus::Delivered,
        _ => SimStatus::Completed,
    };
    let moved = shop.move_order(&order.id, next);
    moved.then(|| {
        let word = format!("{next:?}").to_lowercase();
        format!("Order {} at {} is {word}.", order.id, shop.name())
    })
}

fn cancel(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    let order = any_order(shop, rng, SimStatus::Arranged)?;
    let moved = shop.move_order(&order.id, SimStatus::Cancelled);
    moved.then(|| format!("Order {} at {} is cancelled.", order.id, shop.name()))
}

fn cancel_unit(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    let order = any_order(shop, rng, SimStatus::Arranged)?;
    let line = rng.below(order.lines.len() as u64) as usize;
    let cancelled = shop.cancel_units(&order.id, line, 1);
    cancelled.then(|| {
        format!(
            "One unit of order {} at {} is called off.",
            order.id,
            shop.name()
        )
    })
}

fn rename(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    const SUFFIX: &str = " (new harvest)";
    let id = any_product(shop, rng)?;
    let mut title = String::new();
    shop.edit_product(&id, |product| {
        product.title = match product.title.strip_suffix(SUFFIX) {
            Some(plain) => plain.to_owned(),
            None => format!("{}{SUFFIX}", product.title),
        };
        title.clone_from(&product.title);
    });
    Some(format!("{} renames a product to “{title}”.", shop.name()))
}

/// Up or down by a few thousand rupiah, or as many tenths of another unit.
fn reprice(shop: &SimShop, rng: &mut Rng) -> Option<String> {
    let product = any_product(shop, rng)?;
    let (variant, old) = shop.with(|shop| {
        let variant = shop.products.get(&product)?.variants.first()?;
        Some((variant.id.clone(), variant.price))
    })?;
    let change = *rng.pick(&[-3, -2, -1, 1, 2, 3])?;
    let change = catalogue::minor_of(change, old.currency);
    let new = Money {
        minor: (old.minor + change).max(catalogue::minor_of(1, old.currency)),
        ..old
    };
    shop.edit_variant_price(&variant, new.minor);
    Some(format!(
        "{} changes a price from {old} to {new}.",
        shop.name()
    ))
}

/// An order that is in `latest` at the latest, and not cancelled.
fn any_order(shop: &SimShop, rng: &mut Rng, latest: SimStatus) -> Option<SimOrder> {
    let open: Vec<SimOrder> = shop.with(|shop| {
        let orders = shop.orders.values();
        orders.filter(|o| o.status <= latest).cloned().collect()
    });
    rng.pick(&open).cloned()
}

fn any_product(shop: &SimShop, rng: &mut Rng) -> Option<RemoteId> {
    let ids: Vec<_> = shop.with(|shop| shop.products.keys().cloned().collect());
    rng.pick(&ids).cloned()
}
