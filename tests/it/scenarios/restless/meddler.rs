//! Changes a shop at random, one small deed after another; the same seed does the same deeds.

use marketsink::{
    clock::Clock,
    domain::{ProductState, RemoteId},
    marketplaces::simulation::{NewLine, Shop, SimProduct, SimStatus},
    sandbox::Rng,
};
use std::{collections::BTreeSet, time::Duration};

/// Most deeds at once.
const BURST: u64 = 12;
/// Before every so manieth request something happens.
const PAUSE: u64 = 3;

/// What a deed tries, with its weight.
const DEEDS: [(u64, Deed); 14] = [
    (14, Deed::Rename),
    (14, Deed::Reprice),
    (12, Deed::Recount),
    (5, Deed::Recode),
    (9, Deed::Add),
    (6, Deed::Remove),
    (4, Deed::Restore),
    (6, Deed::Hide),
    (6, Deed::Show),
    (3, Deed::AddVariant),
    (3, Deed::RemoveVariant),
    (8, Deed::Order),
    (8, Deed::MoveOn),
    (2, Deed::CallOff),
];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Rename,
    Reprice,
    Recount,
    Recode,
    Add,
    Remove,
    Restore,
    Hide,
    Show,
    AddVariant,
    RemoveVariant,
    Order,
    MoveOn,
    CallOff,
}

pub struct Meddler {
    rng: Rng,
    clock: Clock,
    /// Nothing happens while it sleeps.
    pub is_awake: bool,
    /// Deeds done so far.
    pub n_done: u64,
    /// Seller SKUs that were off the shelf at some moment since this was cleared.
    pub disturbed: BTreeSet<String>,
    removed: Vec<SimProduct>,
    /// Beyond these none is added, so that the catalogue stays about as long as it was.
    most_products: usize,
    n_codes: u64,
}

impl Meddler {
    pub fn new(seed: u64, most_products: usize, clock: Clock) -> Self {
        Self {
            rng: Rng::new(seed),
            clock,
            is_awake: false,
            n_done: 0,
            disturbed: BTreeSet::new(),
            removed: Vec::new(),
            most_products,
            n_codes: 0,
        }
    }

    /// A number below `n`, for whoever decides what is scanned next.
    pub fn below(&mut self, n: u64) -> u64 {
        self.rng.below(n)
    }

    /// A product that is there now.
    pub fn any_product(&mut self, shop: &Shop) -> Option<RemoteId> {
        let ids: Vec<_> = shop.products.keys().cloned().collect();
        self.rng.pick(&ids).cloned()
    }

    /// Now and then up to [`BURST`] deeds, none while it sleeps. Many share a second with the one before.
    pub fn meddle(&mut self, shop: &mut Shop) {
        if !self.is_awake || self.rng.below(PAUSE) > 0 {
            return;
        }
        for _ in 0..self.rng.below(BURST + 1) {
            self.clock
                .advance(Duration::from_millis(500 * self.rng.below(3)));
            let deed = self.any_deed();
            self.n_done += u64::from(self.try_deed(shop, deed).is_some());
        }
    }

    fn any_deed(&mut self) -> Deed {
        let mut left = self.rng.below(DEEDS.iter().map(|(weight, _)| weight).sum());
        for (weight, deed) in DEEDS {
            if left < weight {
                return deed;
            }
            left -= weight;
        }
        Deed::Rename
    }

    /// `None` when there was nothing to do it to.
    fn try_deed(&mut self, shop: &mut Shop, deed: Deed) -> Option<()> {
        match deed {
            Deed::Add => self.add(shop),
            Deed::Restore => self.restore(shop),
            Deed::Order => self.order(shop),
            Deed::MoveOn | Deed::CallOff => self.change_order(shop, deed),
            _ => self.edit(shop, deed),
        }
    }

    fn edit(&mut self, shop: &mut Shop, deed: Deed) -> Option<()> {
        let now = self.clock.now();
        let id = self.any_product(shop)?;
        let (any, code) = (self.rng.draw(), self.code());
        let disturbed = &mut self.disturbed;
        let first_id = shop.take_ids(1);
        if matches!(deed, Deed::Remove) {
            let product = shop.products.remove(&id)?;
            disturbed.extend(codes(&product));
            self.removed.push(product);
            return Some(());
        }
        let mut is_done = true;
        shop.edit_product(&id, now, |product| {
            let last = product.variants.len() - 1;
            let variant = &mut product.variants[any as usize % (last + 1)];
            match deed {
                Deed::Rename => product.title = format!("Goods {any:x}"),
                Deed::Reprice => variant.price.minor = 100_000 * (1 + (any % 90) as i64),
                Deed::Recount => variant.quantity = (any % 40) as i64,
                Deed::Recode => {
                    disturbed.extend(variant.seller_sku.replace(code));
                }
                Deed::Hide => product.state = ProductState::Inactive,
                Deed::Show => product.state = ProductState::Active,
                // Where a product has one variant only, marketplaces list the product itself.
                Deed::AddVariant if (1..6).contains(&last) => {
                    let mut new = product.variants[last].clone();
                    new.id = RemoteId::from(first_id);
                    new.title = format!("Size {first_id}");
                    new.seller_sku = Some(code);
                    product.variants.push(new);
                }
                Deed::RemoveVariant if last > 1 => {
                    disturbed.extend(product.variants.remove(last).seller_sku);
                }
                _ => is_done = false,
            }
        });
        is_done.then_some(())
    }

    fn add(&mut self, shop: &mut Shop) -> Option<()> {
        let codes = [self.code(), self.code(), self.code()];
        let variants = ["S", "M", "L"].iter().zip(&codes);
        let variants: Vec<_> = variants
            .map(|(title, code)| (*title, Some(code.as_str()), 1_500_000, 20))
            .take(1 + self.rng.below(3) as usize)
            .collect();
        let has_room = shop.products.len() < self.most_products;
        has_room.then(|| {
            let title = format!("New goods {}", codes[0]);
            shop.add_product(&title, &variants, self.clock.now());
        })
    }

    /// As it was, under the id that it had.
    fn restore(&mut self, shop: &mut Shop) -> Option<()> {
        let at = self.rng.below(self.removed.len() as u64) as usize;
        let mut product = (at < self.removed.len()).then(|| self.removed.swap_remove(at))?;
        product.updated_at = self.clock.now();
        self.disturbed.extend(codes(&product));
        shop.products.insert(product.id.clone(), product);
        Some(())
    }

    fn order(&mut self, shop: &mut Shop) -> Option<()> {
        let platforms = shop.platforms.clone();
        let product = self.any_product(shop)?;
        let variant = &shop.products.get(&product)?.variants[0];
        let line = NewLine {
            variant_id: variant.id.clone(),
            quantity: 1 + self.rng.below(3) as i64,
        };
        let platform = *self.rng.pick(&platforms)?;
        let status = *self.rng.pick(&[SimStatus::Unpaid, SimStatus::Paid])?;
        shop.place_order(platform, status, &[line], self.clock.now())?;
        Some(())
    }

    fn change_order(&mut self, shop: &mut Shop, deed: Deed) -> Option<()> {
        let open = shop.orders.values().filter(|order| match deed {
            Deed::CallOff => order.status <= SimStatus::Arranged,
            _ => order.status < SimStatus::Completed,
        });
        let open: Vec<_> = open.map(|order| (order.id.clone(), order.status)).collect();
        let (id, status) = self.rng.pick(&open)?.clone();
        let now = self.clock.now();
        let next = match status {
            _ if matches!(deed, Deed::CallOff) => {
                return shop.cancel_units(&id, 0, 1, now).map(drop);
            }
            SimStatus::Unpaid => SimStatus::Paid,
            SimStatus::Paid if self.rng.below(4) == 0 => SimStatus::Cancelled,
            SimStatus::Paid => SimStatus::Arranged,
            SimStatus::Arranged => SimStatus::Shipped,
            SimStatus::Shipped => SimStatus::Delivered,
            _ => SimStatus::Completed,
        };
        shop.move_order(&id, next, now).map(drop)
    }

    /// A seller SKU that nothing has had before.
    fn code(&mut self) -> String {
        self.n_codes += 1;
        format!("MED-{:05}", self.n_codes)
    }
}

fn codes(product: &SimProduct) -> impl Iterator<Item = String> {
    let variants = product.variants.iter();
    variants.filter_map(|variant| variant.seller_sku.clone())
}
