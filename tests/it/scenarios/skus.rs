//! Sales of what the books do not know, or no longer have.

use super::{World, hands::is_2xx, world::snap};
use crate::support::{everywhere, scenarios};
use futures::future::join_all;
use marketsink::{
    domain::{Source, Work},
    marketplaces::simulation::{NewLine, ShopChange, SimStatus::Paid},
    sales, stock,
    worker::Worker,
};

scenarios!(
    a_sale_of_an_unknown_sku_is_booked_and_waits_for_it,
    a_sale_without_a_sku_is_booked_and_flagged,
    two_channels_that_sell_the_last_unit_are_both_booked,
    many_sales_at_once_lose_no_unit,
);

everywhere!(
    a_sale_of_an_unknown_sku_is_booked_and_waits_for_it,
    a_sale_without_a_sku_is_booked_and_flagged,
    two_channels_that_sell_the_last_unit_are_both_booked,
    many_sales_at_once_lose_no_unit,
);

async fn a_sale_of_an_unknown_sku_is_booked_and_waits_for_it(url: String) {
    let world = World::open(url).await;
    let now = world.clock.now();
    for shop in [&world.first, &world.second] {
        let change = shop.with(|s| s.add_product("Hat", &[("", Some("HAT"), 900_000, 5)], now));
        shop.announce(change);
    }
    world.order(&world.first, Paid, &[("HAT", 2), ("MUG", 1)]);
    world.settle().await;
    let orders = world.section("orders").await;
    assert!(orders.contains("unknown_sku"), "{orders}");
    assert_eq!(world.shown(&world.second, "HAT"), 5, "stock is not guessed");

    // The merchant creates the SKU: what waited for it is read again.
    world.set_stock("HAT", 5).await;
    let db = &world.running.app.db;
    let waiting = sales::orders_waiting_for(db.read(), world.merchant, "HAT").await;
    for (channel, order) in waiting.unwrap() {
        let work = Work::FetchOrder { order };
        world.ask(channel, work, Source::Manual).await;
    }
    world.settle().await;

    assert_eq!(world.available("HAT").await, 3);
    assert_eq!(world.shown(&world.second, "HAT"), 3);
    world.assert_in_step().await;
    snap!(world, "sku_created_later", world.state().await);
    world.close().await;
}

async fn a_sale_without_a_sku_is_booked_and_flagged(url: String) {
    let world = World::open(url).await;
    let now = world.clock.now();
    for shop in [&world.first, &world.second] {
        let (variant_id, change) = shop.with(|s| {
            let change = s.add_product("Gift", &[("", None, 900_000, 5)], now);
            let gift = s.products.values().find(|p| p.title == "Gift").unwrap();
            (gift.variants[0].id.clone(), change)
        });
        shop.announce(change);
        let line = NewLine {
            variant_id,
            quantity: 1,
        };
        let platform = shop.with(|s| s.platforms[0]);
        shop.place_order(platform, Paid, &[line]).unwrap();
    }

    world.settle().await;

    snap!(world, "without_sku", world.state().await);
    world.close().await;
}

async fn two_channels_that_sell_the_last_unit_are_both_booked(url: String) {
    let world = World::open(url).await;
    world.set_stock("MUG", 1).await;
    let mut told = Vec::new();
    for shop in [&world.first, &world.second] {
        let now = world.clock.now();
        let order = shop.with(|s| {
            let variant_id = s.variant_by_sku("MUG").unwrap().id.clone();
            s.edit_variant(&variant_id, now, |v| v.quantity = 1);
            let line = NewLine {
                variant_id,
                quantity: 1,
            };
            s.place_order(s.platforms[0], Paid, &[line], now).unwrap()
        });
        told.extend(world.told(shop, &ShopChange::OrderCreated(order)));
    }

    let answers = join_all(told.iter().map(|delivery| world.post(delivery))).await;
    assert!(answers.into_iter().all(is_2xx));
    let app = &world.running.app;
    let workers: Vec<_> = (0..4).map(|_| app.worker()).collect();
    let ended = join_all(workers.iter().map(Worker::run_due)).await;
    assert!(ended.iter().all(Result::is_ok));
    world.settle().await;

    assert_eq!(
        world.available("MUG").await,
        -1,
        "one too many, and it shows"
    );
    for shop in [&world.first, &world.second] {
        assert_eq!(world.shown(shop, "MUG"), 0);
    }
    snap!(world, "last_unit", world.state().await);
    world.close().await;
}

async fn many_sales_at_once_lose_no_unit(url: String) {
    let world = World::open(url).await;
    let mut told = Vec::new();
    for n in 0..9 {
        let shop = [&world.first, &world.second][n % 2];
        let now = world.clock.now();
        let order = shop.with(|s| {
            let line = |sku| NewLine {
                variant_id: s.variant_by_sku(sku).unwrap().id.clone(),
                quantity: 1,
            };
            // In both orders, so that two transactions take the same levels the other way round.
            let lines = if n % 3 == 0 {
                [line("MUG"), line("TEA-25")]
            } else {
                [line("TEA-25"), line("MUG")]
            };
            s.place_order(s.platforms[0], Paid, &lines, now).unwrap()
        });
        told.extend(world.told(shop, &ShopChange::OrderCreated(order)));
    }

    let answers = join_all(told.iter().map(|delivery| world.post(delivery))).await;
    assert!(answers.into_iter().all(is_2xx));
    let app = &world.running.app;
    let workers: Vec<_> = (0..8).map(|_| app.worker()).collect();
    let ended = join_all(workers.iter().map(Worker::run_due)).await;
    assert!(ended.iter().all(Result::is_ok));
    world.settle().await;

    let differ = stock::sums_differ(&app.db, world.merchant).await.unwrap();
    assert_eq!(differ, []);
    assert_eq!(world.available("MUG").await, 1);
    world.assert_in_step().await;
    snap!(world, "many_at_once", world.state().await);
    world.close().await;
}
