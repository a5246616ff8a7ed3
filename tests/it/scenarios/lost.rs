//! Webhooks that never come: schedules find what they would have told.

use super::{World, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::{
    marketplaces::simulation::SimStatus::{Completed, Paid, Shipped},
    sandbox::{DeliveryFault::Lost, SimShop},
};
use std::time::Duration;

scenarios!(
    an_order_whose_webhooks_are_lost_is_found_by_the_download,
    a_change_whose_webhooks_are_lost_is_found_by_the_download,
    a_store_that_switched_its_webhooks_off_is_still_read,
);

everywhere!(
    an_order_whose_webhooks_are_lost_is_found_by_the_download,
    a_change_whose_webhooks_are_lost_is_found_by_the_download,
);

/// More than any marketplace sends of a few changes.
const MANY: usize = 100;

const UNTIL_THE_NEXT_DOWNLOAD: Duration = Duration::from_secs(11 * 60);

async fn an_order_whose_webhooks_are_lost_is_found_by_the_download(url: String) {
    let world = World::open(url).await;
    let lost = |shop: &SimShop| shop.next_deliveries(vec![Lost; MANY]);
    lost(&world.first);
    lost(&world.second);
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.order_on(&world.first, world.other_platform(), Paid, &[("TEA-25", 1)]);
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    assert_eq!(world.section("orders").await, "", "nobody told us");
    assert!(world.sandbox.ledger().lost >= 3);
    world.first.forget_faults();
    world.second.forget_faults();

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches("by scan").count(), 3, "{orders}");
    world.assert_in_step().await;
    snap!(world, "lost_orders", world.state().await);
    world.close().await;
}

async fn a_change_whose_webhooks_are_lost_is_found_by_the_download(url: String) {
    let world = World::open(url).await;
    let at_tiktok = world.order(&world.first, Paid, &[("MUG", 1)]);
    let at_woo = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.first.next_deliveries(vec![Lost; MANY]);
    world.second.next_deliveries(vec![Lost; MANY]);
    world.first.move_order(&at_tiktok, Shipped);
    world.second.move_order(&at_woo, Completed);
    world.settle().await;
    assert!(!world.section("orders").await.contains(" sent "));
    world.first.forget_faults();
    world.second.forget_faults();

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches(" sent ").count(), 2, "{orders}");
    assert_eq!(orders.matches("by webhook").count(), 2, "{orders}");
    world.assert_in_step().await;
    snap!(world, "lost_changes", world.state().await);
    world.close().await;
}

async fn a_store_that_switched_its_webhooks_off_is_still_read(url: String) {
    let world = World::open(url).await;
    // Somebody changed the secret in the store's admin: every delivery is refused from now on.
    world.second.with(|shop| {
        for subscription in &mut shop.subscriptions {
            "ChosenBySomebodyElse0123456789".clone_into(&mut subscription.secret);
        }
    });
    for _ in 0..7 {
        world.order(&world.second, Paid, &[("MUG", 1)]);
        world.settle().await;
    }
    let is_on = |topic: &str| {
        world.second.with(|shop| {
            let mut all = shop.subscriptions.iter();
            all.find(|s| s.topic == topic).unwrap().is_active
        })
    };
    assert!(!is_on("order.created"), "seven failures in a row");
    let raised = world.sandbox.ledger().raised;
    world.order(&world.second, Paid, &[("TEA-25", 1)]);
    assert_eq!(world.sandbox.ledger().raised, raised, "the store is silent");

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;
    let orders = world.section("orders").await;
    assert_eq!(orders.matches("by scan").count(), 8, "{orders}");

    // Connecting again switches the webhooks on, with a secret that both know.
    world.connect(&world.second).await;
    assert!(is_on("order.created"));
    world.order(&world.second, Paid, &[("TEA-100", 1)]);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "switched_off", world.state().await);
    world.close().await;
}
