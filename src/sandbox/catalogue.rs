//! What the simulated merchant sells: the same invented goods in every shop.

use super::SimShop;
use crate::domain::{Currency, Timestamp};

/// What the merchant has of one SKU when the books open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningStock {
    pub sku: String,
    pub name: String,
    /// Units; every shop that lists the SKU shows this number.
    pub quantity: i64,
}

struct Item {
    title: &'static str,
    variants: &'static [Kind],
    /// The index of the only shop that lists it; `None`: all do.
    only_in: Option<usize>,
}

/// A variant: title, seller SKU, price in thousands of rupiah, quantity.
type Kind = (&'static str, Option<&'static str>, i64, i64);

const ITEMS: [Item; 13] = [
    everywhere(
        "Gayo Arabica Coffee",
        &[
            ("200 g", Some("GAYO-200"), 85, 120),
            ("500 g", Some("GAYO-500"), 189, 60),
            ("1 kg", Some("GAYO-1000"), 355, 24),
        ],
    ),
    everywhere(
        "Toraja Arabica Coffee",
        &[
            ("200 g, beans", Some("TORAJA-200-B"), 92, 80),
            ("200 g, ground", Some("TORAJA-200-G"), 92, 80),
        ],
    ),
    everywhere(
        "Kintamani Natural Coffee, 250 g",
        &[("", Some("KINTA-250"), 110, 45)],
    ),
    everywhere(
        "Temanggung Robusta, 500 g",
        &[("", Some("TEMANG-500"), 78, 150)],
    ),
    everywhere(
        "Jasmine Tea from Tegal",
        &[
            ("25 bags", Some("JASMIN-25"), 18, 300),
            ("100 bags", Some("JASMIN-100"), 62, 90),
        ],
    ),
    everywhere(
        "Green Tea from Malabar, 100 g",
        &[("", Some("MALABAR-100"), 48, 110)],
    ),
    everywhere("Palm Sugar, 500 g", &[("", Some("AREN-500"), 35, 200)]),
    everywhere(
        "Red Ginger Powder, 150 g",
        &[("", Some("JAHE-150"), 42, 130)],
    ),
    everywhere(
        "Dripper and Paper Filters",
        &[
            ("Dripper", Some("DRIP-01"), 129, 30),
            ("40 filters", Some("FILTER-40"), 39, 75),
        ],
    ),
    everywhere("Enamel Mug, 300 ml", &[("", Some("MUG-300"), 55, 40)]),
    // The cases that merchants forget: no seller SKU, and goods that only one shop has.
    everywhere("Gift Box without Code", &[("", None, 250, 10)]),
    Item {
        title: "Cascara Tea, first shop only",
        variants: &[("", Some("CASCARA-80"), 67, 20)],
        only_in: Some(0),
    },
    Item {
        title: "Tasting Set, second shop only",
        variants: &[("", Some("TASTE-SET"), 149, 15)],
        only_in: Some(1),
    },
];

const fn everywhere(title: &'static str, variants: &'static [Kind]) -> Item {
    Item {
        title,
        variants,
        only_in: None,
    }
}

/// Fills the shops, without webhooks, and returns what the merchant owns of each SKU.
pub(super) fn stock_catalogue(shops: &[SimShop], now: Timestamp) -> Vec<OpeningStock> {
    for (index, shop) in shops.iter().enumerate() {
        for item in ITEMS.iter().filter(|item| item.is_in(index)) {
            item.list(shop, now);
        }
    }
    let listed = ITEMS
        .iter()
        .filter(|item| (0..shops.len()).any(|index| item.is_in(index)));
    listed.flat_map(Item::opening_stock).collect()
}

impl Item {
    fn is_in(&self, shop: usize) -> bool {
        self.only_in.is_none_or(|only| only == shop)
    }

    fn list(&self, shop: &SimShop, now: Timestamp) {
        shop.with(|shop| {
            let currency = shop.currency;
            let variants: Vec<_> = self
                .variants
                .iter()
                .map(|(title, sku, price, quantity)| {
                    (*title, *sku, minor_of(*price, currency), *quantity)
                })
                .collect();
            shop.add_product(self.title, &variants, now);
        });
    }

    fn opening_stock(&self) -> impl Iterator<Item = OpeningStock> {
        self.variants
            .iter()
            .filter_map(|(title, sku, _, quantity)| {
                let name = format!("{}, {title}", self.title);
                Some(OpeningStock {
                    sku: (*sku)?.to_owned(),
                    name: name.trim_end_matches(", ").to_owned(),
                    quantity: *quantity,
                })
            })
    }
}

/// Thousands of rupiah in minor units; elsewhere a thousand rupiah are a tenth of the unit.
pub(super) fn minor_of(thousands: i64, currency: Currency) -> i64 {
    let unit = 10_i64.pow(currency.exponent());
    if currency.code() == "IDR" {
        thousands * 1_000 * unit
    } else {
        thousands * unit / 10
    }
}
