//! The driver: the same seed makes the same things happen.

use super::{Plain, Stage};
use marketsink::{
    clock::Clock,
    domain::Timestamp,
    sandbox::{Driver, Sandbox, Weather},
};
use std::collections::BTreeMap;

async fn story(seed: u64, steps: usize) -> (Sandbox, Vec<String>) {
    let clock = Clock::standing(Timestamp::from_secs(1_795_400_000));
    let sandbox = Sandbox::new(clock, Weather::calm(), 1);
    for name in ["North", "South"] {
        sandbox.open(&Plain, 1, name).await.unwrap();
    }
    let driver = Driver::new(sandbox.clone(), seed);
    driver.stock_catalogue(&sandbox.shops());
    let told = (0..steps).map(|_| driver.step()).collect();
    (sandbox, told)
}

#[tokio::test]
async fn a_seed_reproduces_what_happens() {
    let (_, first) = story(11, 120).await;
    let (_, again) = story(11, 120).await;
    let (_, other) = story(12, 120).await;

    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[tokio::test]
async fn every_kind_of_thing_happens() {
    let (sandbox, told) = story(4, 400).await;

    let text = told.join("\n");
    for word in [
        "orders",
        "paid",
        "arranged",
        "shipped",
        "completed",
        "cancelled",
        "called off",
        "renames",
        "changes a price",
    ] {
        assert!(text.contains(word), "never {word}:\n{text}");
    }
    for shop in sandbox.shops() {
        assert!(shop.with(|shop| shop.orders.len()) > 10);
    }
}

#[tokio::test]
async fn what_is_sold_is_missing_from_the_shelf() {
    let (sandbox, _) = story(5, 300).await;
    let driver = Driver::new(sandbox.clone(), 0);
    let fresh = Sandbox::new(Clock::system(), Weather::calm(), 1);
    let shelf = fresh.open(&Plain, 9, "Shelf").await.unwrap();
    let opening: BTreeMap<_, _> = driver
        .stock_catalogue(std::slice::from_ref(&shelf))
        .into_iter()
        .map(|stock| (stock.sku, stock.quantity))
        .collect();

    sandbox.shops()[0].with(|shop| {
        for variant in shop.products.values().flat_map(|p| &p.variants) {
            let lines = shop.orders.values().flat_map(|order| &order.lines);
            let of_variant = lines.filter(|line| line.variant_id == variant.id);
            let sold: i64 = of_variant.map(|line| line.quantity - line.cancelled).sum();
            if let Some(sku) = &variant.seller_sku {
                assert_eq!(variant.quantity, opening[sku] - sold, "{sku}");
            }
            assert!(variant.quantity >= 0);
        }
    });
}

#[tokio::test]
async fn shops_list_the_same_goods_under_the_same_skus() {
    let (sandbox, _) = story(1, 0).await;
    let skus = |index: usize| -> BTreeMap<String, i64> {
        sandbox.shops()[index].with(|shop| {
            let variants = shop.products.values().flat_map(|p| &p.variants);
            variants
                .filter_map(|v| Some((v.seller_sku.clone()?, v.quantity)))
                .collect()
        })
    };

    let (north, south) = (skus(0), skus(1));

    let shared = north.iter().filter(|(sku, _)| south.contains_key(*sku));
    assert!(
        shared
            .clone()
            .all(|(sku, quantity)| south[sku] == *quantity)
    );
    assert_eq!(shared.count(), 15);
    assert!(north.contains_key("CASCARA-80") && !south.contains_key("CASCARA-80"));
    assert!(south.contains_key("TASTE-SET") && !north.contains_key("TASTE-SET"));
    let without_sku = sandbox.shops()[0].with(|shop| {
        let mut variants = shop.products.values().flat_map(|p| &p.variants);
        variants.any(|v| v.seller_sku.is_none())
    });
    assert!(without_sku);
}

#[tokio::test]
async fn settling_sends_what_still_waits() {
    let stage = Stage::set(Weather::stormy()).await;
    let driver = Driver::new(stage.sandbox.clone(), 3);
    (0..50).for_each(|_| {
        driver.step();
    });

    let before = driver.is_settled();
    driver.settle().await;

    assert!(!before && driver.is_settled());
    assert!(stage.sandbox.ledger().accepted > 0);
}
