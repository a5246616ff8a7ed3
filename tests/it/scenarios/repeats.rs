//! The same thing told more than once, and things told in the wrong order.

use super::{World, hands::is_2xx, world::snap};
use crate::support::{everywhere, scenarios};
use futures::future::join_all;
use marketsink::{
    domain::RemoteId,
    marketplaces::simulation::{
        NewLine, ShopChange, SimDelivery,
        SimStatus::{Arranged, Completed, Delivered, Paid, Shipped},
    },
    sandbox::SimShop,
};
use std::time::Duration;

scenarios!(
    a_delivery_that_comes_many_times_is_stored_once,
    one_sale_told_under_many_delivery_ids_is_booked_once,
    webhooks_that_arrive_backwards_change_nothing,
    deliveries_that_the_way_doubles_and_delays_change_nothing,
);

everywhere!(
    a_delivery_that_comes_many_times_is_stored_once,
    one_sale_told_under_many_delivery_ids_is_booked_once,
    webhooks_that_arrive_backwards_change_nothing,
    deliveries_that_the_way_doubles_and_delays_change_nothing,
);

/// A paid order of one mug that nobody has been told of.
fn sell_quietly(world: &World, shop: &SimShop) -> RemoteId {
    let now = world.clock.now();
    shop.with(|shop| {
        let variant_id = shop.variant_by_sku("MUG").unwrap().id.clone();
        let line = NewLine {
            variant_id,
            quantity: 1,
        };
        let platform = shop.platforms[0];
        shop.place_order(platform, Paid, &[line], now).unwrap()
    })
}

async fn a_delivery_that_comes_many_times_is_stored_once(url: String) {
    let world = World::open(url).await;
    let mut told = Vec::new();
    for shop in [&world.first, &world.second] {
        let order = sell_quietly(&world, shop);
        told.extend(world.told(shop, &ShopChange::OrderCreated(order)));
    }
    let stored = world.n_deliveries().await;

    for delivery in &told {
        // One after the other, and all at once.
        assert!(is_2xx(world.post(delivery).await));
        let again = join_all((0..8).map(|_| world.post(delivery))).await;
        assert!(again.into_iter().all(is_2xx));
    }
    assert_eq!(world.n_deliveries().await, stored + told.len() as u64);
    let tally = world.running.app.inbox.tally();
    assert_eq!(tally.duplicates, 8 * told.len() as u64);
    world.settle().await;
    for delivery in &told {
        assert!(
            is_2xx(world.post(delivery).await),
            "after the sale was booked"
        );
    }
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "many_times", world.state().await);
    world.close().await;
}

async fn one_sale_told_under_many_delivery_ids_is_booked_once(url: String) {
    let world = World::open(url).await;
    let orders = [&world.first, &world.second].map(|shop| (shop, sell_quietly(&world, shop)));
    let before = world.n_deliveries().await + world.n_duplicates();
    let sent = world.sandbox.ledger().accepted;

    let mut n_told = 0;
    for _ in 0..5 {
        for (shop, order) in &orders {
            // Notification ids and delivery ids are new each time, where there are any.
            let told = world.told(shop, &ShopChange::OrderUpdated(order.clone()));
            n_told += told.len() as u64;
            for delivery in told {
                assert!(is_2xx(world.post(&delivery).await));
            }
        }
        world.work().await;
        world.clock.advance(Duration::from_secs(7));
    }
    // The shops also told of the stock that we pushed.
    let echoes = world.sandbox.ledger().accepted - sent;
    let stored = world.n_deliveries().await + world.n_duplicates();
    assert_eq!(stored, before + n_told + echoes);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "many_ids", world.state().await);
    world.close().await;
}

async fn webhooks_that_arrive_backwards_change_nothing(url: String) {
    let world = World::open(url).await;
    let mut told: Vec<(&SimShop, Vec<SimDelivery>)> = Vec::new();
    for shop in [&world.first, &world.second] {
        let order = sell_quietly(&world, shop);
        let created = world.told(shop, &ShopChange::OrderCreated(order.clone()));
        told.push((shop, created));
        for status in [Arranged, Shipped, Delivered, Completed] {
            world.clock.advance(Duration::from_secs(60));
            let now = world.clock.now();
            let moved = shop.with(|shop| shop.move_order(&order, status, now));
            told.push((shop, world.told(shop, &moved.unwrap())));
        }
    }

    let mut orders = Vec::new();
    let backwards = told.iter().rev();
    for (shop, delivery) in backwards.flat_map(|(shop, told)| told.iter().map(move |d| (*shop, d)))
    {
        assert!(is_2xx(world.post_late(shop, delivery).await));
        world.settle().await;
        orders.push(world.section("orders").await);
    }

    // The first to come tells of the last change; nothing that comes after it takes anything back.
    assert!(orders[0].contains("] invoice paid sent"), "{}", orders[0]);
    let keeps = |pair: &[String]| pair[0].lines().all(|line| pair[1].contains(line));
    assert!(orders.windows(2).all(keeps), "{orders:?}");
    world.assert_in_step().await;
    snap!(world, "backwards", world.state().await);
    world.close().await;
}

async fn deliveries_that_the_way_doubles_and_delays_change_nothing(url: String) {
    use marketsink::sandbox::DeliveryFault::{Doubled, Late, Reordered};
    let world = World::open(url).await;
    let late = Late(Duration::from_secs(86_400));
    let reordered = Reordered(Duration::from_secs(25));
    for shop in [&world.first, &world.second] {
        shop.next_deliveries(vec![Doubled, reordered, Doubled, late, reordered, Doubled]);
        let order = world.order(shop, Paid, &[("MUG", 2)]);
        for status in [Arranged, Shipped, Delivered, Completed] {
            world.work().await;
            world.clock.advance(Duration::from_secs(5));
            shop.move_order(&order, status);
        }
    }
    world.settle().await;
    world.assert_in_step().await;

    // A webhook that is a day late.
    world.clock.advance(Duration::from_secs(86_400));
    world.settle().await;

    world.assert_in_step().await;
    assert_eq!(world.sandbox.courier().n_pending(), 0);
    snap!(world, "doubled_and_late", world.state().await);
    world.close().await;
}
