//! The shop behind a simulator: products, orders, subscriptions, tokens, and how they change.

use super::{MovesOrder, SimReturn};
use crate::domain::{Currency, Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::Secrets;
use std::collections::{BTreeMap, BTreeSet};

/// One simulated shop account.
#[derive(Debug, Clone)]
pub struct Shop {
    pub remote_id: RemoteId,
    pub name: String,
    pub currency: Currency,
    /// Platforms under which it sells; orders name one of them.
    pub platforms: Vec<&'static str>,
    /// Keys and tokens that its API accepts, and the secrets it signs with.
    pub secrets: Secrets,
    /// When the present access token dies; `None`: never.
    pub token_expires_at: Option<Timestamp>,
    pub products: BTreeMap<RemoteId, SimProduct>,
    pub orders: BTreeMap<RemoteId, SimOrder>,
    pub subscriptions: Vec<Subscription>,
    /// What a simulator must remember between requests, such as used nonces.
    pub memory: BTreeMap<String, String>,
    /// How this marketplace dates orders that have returns.
    pub returns_move_orders: MovesOrder,
    /// API requests answered.
    pub n_requests: u64,
    /// Variants with a new price or quantity since this was last emptied.
    pub(crate) edited: BTreeSet<RemoteId>,
    pub(crate) next_id: u64,
}

#[derive(Debug, Clone)]
pub struct Subscription {
    pub id: u64,
    pub topic: String,
    pub address: String,
    pub secret: String,
    pub is_active: bool,
    /// Failed tries in a row.
    pub failures: u32,
}

#[derive(Debug, Clone)]
pub struct SimProduct {
    pub id: RemoteId,
    pub title: String,
    pub state: ProductState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub variants: Vec<SimVariant>,
}

#[derive(Debug, Clone)]
pub struct SimVariant {
    pub id: RemoteId,
    pub title: String,
    pub seller_sku: Option<String>,
    pub price: Money,
    /// What buyers can still buy; falls when an order is placed.
    pub quantity: i64,
}

/// An order's life; each marketplace has its own words for it.
///
/// ```text
/// Unpaid -> Paid -> Arranged -> Shipped -> Delivered -> Completed
///      \______\________\___________\-> Cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimStatus {
    Unpaid,
    Paid,
    Arranged,
    Shipped,
    Delivered,
    Completed,
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct SimOrder {
    pub id: RemoteId,
    pub platform: &'static str,
    pub status: SimStatus,
    pub placed_at: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub tracking_number: Option<String>,
    pub lines: Vec<SimLine>,
    /// Oldest first.
    pub returns: Vec<SimReturn>,
    /// What the API still shows until `stale_until`: reads lag behind webhooks.
    pub stale: Option<Box<SimOrder>>,
    pub stale_until: Timestamp,
}

#[derive(Debug, Clone)]
pub struct SimLine {
    /// The first of `quantity` ids that are reserved for this line's units.
    pub first_id: u64,
    pub product_id: RemoteId,
    pub variant_id: RemoteId,
    pub quantity: i64,
    pub cancelled: i64,
    /// Units of `cancelled` that did not go back on the shelf.
    pub off_shelf: i64,
    pub unit_price: Money,
}

/// What a buyer asks for.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub variant_id: RemoteId,
    pub quantity: i64,
}

/// Something happened in the shop that a webhook may tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopChange {
    OrderCreated(RemoteId),
    OrderUpdated(RemoteId),
    /// A return of an order began, moved on, or was deleted.
    ReturnChanged {
        order: RemoteId,
        id: RemoteId,
    },
    ProductCreated(RemoteId),
    /// One product was edited; `variant` when only that one was.
    ProductUpdated {
        product: RemoteId,
        variant: Option<RemoteId>,
    },
    ProductDeleted(RemoteId),
    /// The seller withdrew consent.
    Deauthorized,
}

impl Shop {
    /// A shop without products; ids count up from `first_id`.
    pub fn new(remote_id: RemoteId, name: &str, currency: Currency, first_id: u64) -> Self {
        Self {
            remote_id,
            name: name.to_owned(),
            currency,
            platforms: Vec::new(),
            secrets: Secrets::default(),
            token_expires_at: None,
            products: BTreeMap::new(),
            orders: BTreeMap::new(),
            subscriptions: Vec::new(),
            memory: BTreeMap::new(),
            returns_move_orders: MovesOrder::Always,
            n_requests: 0,
            edited: BTreeSet::new(),
            next_id: first_id,
        }
    }

    /// Takes `n` consecutive ids and returns the first.
    pub fn take_ids(&mut self, n: u64) -> u64 {
        let first = self.next_id;
        self.next_id += n;
        first
    }

    /// Keeps an instant under a name.
    pub fn remember(&mut self, name: &str, at: Timestamp) {
        self.memory.insert(name.to_owned(), at.micros().to_string());
    }

    /// The instant that was kept; the epoch when none was.
    pub fn remembered(&self, name: &str) -> Timestamp {
        let micros = self.memory.get(name).and_then(|text| text.parse().ok());
        micros.map_or(Timestamp::EPOCH, Timestamp::from_micros)
    }

    /// Adds a product; each variant is `(title, seller SKU, price in minor units, quantity)`.
    pub fn add_product(
        &mut self,
        title: &str,
        variants: &[(&str, Option<&str>, i64, i64)],
        now: Timestamp,
    ) -> ShopChange {
        let id = RemoteId::from(self.take_ids(1));
        let variants = variants
            .iter()
            .map(|(title, sku, price, quantity)| SimVariant {
                id: RemoteId::from(self.take_ids(1)),
                title: (*title).to_owned(),
                seller_sku: sku.map(str::to_owned),
                price: Money {
                    minor: *price,
                    currency: self.currency,
                },
                quantity: *quantity,
            })
            .collect();
        let product = SimProduct {
            id: id.clone(),
            title: title.to_owned(),
            state: ProductState::Active,
            created_at: now,
            updated_at: now,
            variants,
        };
        self.products.insert(id.clone(), product);
        ShopChange::ProductCreated(id)
    }

    /// The product that has this variant.
    pub fn product_of(&self, variant: &RemoteId) -> Option<&SimProduct> {
        let has = |product: &&SimProduct| product.variants.iter().any(|v| &v.id == variant);
        self.products.values().find(has)
    }

    pub fn variant(&self, id: &RemoteId) -> Option<&SimVariant> {
        self.product_of(id)?.variants.iter().find(|v| &v.id == id)
    }

    /// The first variant with this seller SKU.
    pub fn variant_by_sku(&self, sku: &str) -> Option<&SimVariant> {
        let mut variants = self.products.values().flat_map(|p| &p.variants);
        variants.find(|v| v.seller_sku.as_deref() == Some(sku))
    }

    fn product_of_mut(&mut self, variant: &RemoteId) -> Option<&mut SimProduct> {
        let has = |product: &&mut SimProduct| product.variants.iter().any(|v| &v.id == variant);
        self.products.values_mut().find(has)
    }

    /// Changes a variant and moves its product's update time. `None` when it is unknown.
    ///
    /// What an API call sets is set through this: only so does the echo go out.
    pub fn edit_variant(
        &mut self,
        variant: &RemoteId,
        now: Timestamp,
        edit: impl FnOnce(&mut SimVariant),
    ) -> Option<ShopChange> {
        let product = self.product_of_mut(variant)?;
        product.updated_at = product.updated_at.max(now);
        let (product, edited) = (
            product.id.clone(),
            product.variants.iter_mut().find(|v| &v.id == variant)?,
        );
        let before = (edited.price, edited.quantity);
        edit(edited);
        if before != (edited.price, edited.quantity) {
            self.edited.insert(variant.clone());
        }
        Some(ShopChange::ProductUpdated {
            product,
            variant: Some(variant.clone()),
        })
    }

    /// Changes a product. `None` when it is unknown.
    pub fn edit_product(
        &mut self,
        id: &RemoteId,
        now: Timestamp,
        edit: impl FnOnce(&mut SimProduct),
    ) -> Option<ShopChange> {
        let product = self.products.get_mut(id)?;
        product.updated_at = product.updated_at.max(now);
        edit(product);
        Some(ShopChange::ProductUpdated {
            product: id.clone(),
            variant: None,
        })
    }

    /// A buyer orders: stock falls. `None` when a variant is unknown or sold out.
    pub fn place_order(
        &mut self,
        platform: &'static str,
        status: SimStatus,
        wanted: &[NewLine],
        now: Timestamp,
    ) -> Option<RemoteId> {
        let in_stock = |line: &NewLine| {
            let variant = self.variant(&line.variant_id);
            variant.is_some_and(|v| v.quantity >= line.quantity)
        };
        if !wanted.iter().all(in_stock) {
            return None;
        }
        let id = RemoteId::from(self.take_ids(1));
        let mut lines = Vec::new();
        for line in wanted {
            let first_id = self.take_ids(u64::try_from(line.quantity.max(1)).unwrap_or(1));
            let product = self.product_of_mut(&line.variant_id)?;
            let product_id = product.id.clone();
            let variant = product
                .variants
                .iter_mut()
                .find(|v| v.id == line.variant_id)?;
            variant.quantity -= line.quantity;
            lines.push(SimLine {
                first_id,
                product_id,
                variant_id: line.variant_id.clone(),
                quantity: line.quantity,
                cancelled: 0,
                off_shelf: 0,
                unit_price: variant.price,
            });
        }
        let order = SimOrder {
            id: id.clone(),
            platform,
            status,
            placed_at: now,
            paid_at: (status >= SimStatus::Paid).then_some(now),
            updated_at: now,
            tracking_number: None,
            lines,
            returns: Vec::new(),
            stale: None,
            stale_until: Timestamp::EPOCH,
        };
        self.orders.insert(id.clone(), order);
        Some(id)
    }

    /// Moves an order on; a cancelled or completed one stays. `None` when nothing changed.
    pub fn move_order(
        &mut self,
        id: &RemoteId,
        status: SimStatus,
        now: Timestamp,
    ) -> Option<ShopChange> {
        let order = self.orders.get_mut(id)?;
        if order.status >= status || order.status == SimStatus::Completed {
            return None;
        }
        order.status = status;
        order.updated_at = order.updated_at.max(now);
        if status >= SimStatus::Paid && status != SimStatus::Cancelled {
            order.paid_at.get_or_insert(now);
        }
        if status >= SimStatus::Arranged && status != SimStatus::Cancelled {
            order
                .tracking_number
                .get_or_insert_with(|| format!("JX{:0>10}", id.as_str()));
        }
        if status == SimStatus::Cancelled {
            let lines = order.lines.clone();
            for line in &mut order.lines {
                line.cancelled = line.quantity;
            }
            self.restock(&lines);
        }
        Some(ShopChange::OrderUpdated(id.clone()))
    }

    /// Calls off units of one line before shipping; the last open unit cancels the order.
    pub fn cancel_units(
        &mut self,
        id: &RemoteId,
        line: usize,
        units: i64,
        now: Timestamp,
    ) -> Option<ShopChange> {
        let order = self.orders.get_mut(id)?;
        let line = order.lines.get_mut(line)?;
        let units = units.min(line.quantity - line.cancelled);
        if units <= 0 || order.status >= SimStatus::Shipped {
            return None;
        }
        line.cancelled += units;
        order.updated_at = order.updated_at.max(now);
        let back = SimLine {
            quantity: units,
            cancelled: 0,
            ..line.clone()
        };
        if order.lines.iter().all(|l| l.cancelled == l.quantity) {
            order.status = SimStatus::Cancelled;
        }
        self.restock(&[back]);
        Some(ShopChange::OrderUpdated(id.clone()))
    }

    /// Calls off a whole order whose goods are lost: what of it was not called off before does not go back on the
    /// shelf.
    pub fn cancel_without_restock(&mut self, id: &RemoteId, now: Timestamp) -> Option<ShopChange> {
        let before = self.orders.get(id)?.lines.clone();
        let change = self.move_order(id, SimStatus::Cancelled, now)?;
        let order = self.orders.get_mut(id)?;
        for (line, before) in order.lines.iter_mut().zip(&before) {
            line.off_shelf = before.quantity - before.cancelled;
        }
        for line in before {
            self.edit_variant(&line.variant_id, now, |variant| {
                variant.quantity -= line.quantity - line.cancelled;
            });
        }
        Some(change)
    }

    fn restock(&mut self, lines: &[SimLine]) {
        for line in lines {
            let product = self.products.get_mut(&line.product_id);
            let variants = product.into_iter().flat_map(|p| &mut p.variants);
            for variant in variants.filter(|v| v.id == line.variant_id) {
                variant.quantity += line.quantity - line.cancelled;
            }
        }
    }

    /// Rows that a list shows at most: as many as the documents name, or fewer where a test wants to meet the cap
    /// soon and has put the number under `result cap` into the memory.
    pub fn result_cap(&self, documented: usize) -> usize {
        let wanted = self.memory.get("result cap");
        wanted
            .and_then(|cap| cap.parse().ok())
            .unwrap_or(documented)
    }

    /// Makes the API show `id` as it is now until `until`, whatever happens to it meanwhile.
    pub fn freeze_reads(&mut self, id: &RemoteId, until: Timestamp) {
        if let Some(order) = self.orders.get_mut(id) {
            let mut shown = order.clone();
            shown.stale = None;
            order.stale = Some(Box::new(shown));
            order.stale_until = until;
        }
    }

    /// An order as the API shows it at `now`.
    pub fn order_as_shown(&self, id: &RemoteId, now: Timestamp) -> Option<&SimOrder> {
        self.orders.get(id).map(|order| order.as_shown(now))
    }
}

impl SimOrder {
    /// This order, or the older state that lagging reads still show.
    pub fn as_shown(&self, now: Timestamp) -> &Self {
        match &self.stale {
            Some(stale) if now < self.stale_until => stale,
            _ => self,
        }
    }
}
