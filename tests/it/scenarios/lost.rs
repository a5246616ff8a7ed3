//! Webhooks that never come: schedules find what they would have told.

use super::World;
use crate::support::scenarios;
use insta::assert_snapshot;
use marketsink::{
    marketplaces::simulation::SimStatus::{Completed, Paid, Shipped},
    sandbox::DeliveryFault::Lost,
};
use std::time::Duration;

scenarios!(
    an_order_whose_webhooks_are_lost_is_found_by_the_download,
    a_change_whose_webhooks_are_lost_is_found_by_the_download,
    a_store_that_switched_its_webhooks_off_is_still_read,
);

const UNTIL_THE_NEXT_DOWNLOAD: Duration = Duration::from_secs(11 * 60);

async fn an_order_whose_webhooks_are_lost_is_found_by_the_download(url: String) {
    let world = World::open(url).await;
    world.tiktok.next_deliveries(vec![Lost; 2]);
    world.woo.next_deliveries(vec![Lost; 3]);
    world.order(&world.tiktok, Paid, &[("MUG", 1)]);
    world.order_on(&world.tiktok, "tokopedia", Paid, &[("TEA-25", 1)]);
    world.order(&world.woo, Paid, &[("MUG", 1)]);
    world.settle().await;
    assert_eq!(world.section("orders").await, "", "nobody told us");
    assert_eq!(world.sandbox.ledger().lost, 5);

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches("by scan").count(), 3, "{orders}");
    world.assert_in_step().await;
    assert_snapshot!("lost_orders", world.state().await);
    world.close().await;
}

async fn a_change_whose_webhooks_are_lost_is_found_by_the_download(url: String) {
    let world = World::open(url).await;
    let at_tiktok = world.order(&world.tiktok, Paid, &[("MUG", 1)]);
    let at_woo = world.order(&world.woo, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.tiktok.next_deliveries(vec![Lost]);
    world.woo.next_deliveries(vec![Lost; 2]);
    world.tiktok.move_order(&at_tiktok, Shipped);
    world.woo.move_order(&at_woo, Completed);
    world.settle().await;
    assert!(!world.section("orders").await.contains(" sent "));

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches(" sent ").count(), 2, "{orders}");
    assert_eq!(orders.matches("by webhook").count(), 2, "{orders}");
    world.assert_in_step().await;
    assert_snapshot!("lost_changes", world.state().await);
    world.close().await;
}

async fn a_store_that_switched_its_webhooks_off_is_still_read(url: String) {
    let world = World::open(url).await;
    // Somebody changed the secret in the store's admin: every delivery is refused from now on.
    world.woo.with(|shop| {
        for subscription in &mut shop.subscriptions {
            "ChosenBySomebodyElse0123456789".clone_into(&mut subscription.secret);
        }
    });
    for _ in 0..7 {
        world.order(&world.woo, Paid, &[("MUG", 1)]);
        world.settle().await;
    }
    let is_on = |topic: &str| {
        world.woo.with(|shop| {
            let mut all = shop.subscriptions.iter();
            all.find(|s| s.topic == topic).unwrap().is_active
        })
    };
    assert!(!is_on("order.created"), "seven failures in a row");
    let raised = world.sandbox.ledger().raised;
    world.order(&world.woo, Paid, &[("TEA-25", 1)]);
    assert_eq!(world.sandbox.ledger().raised, raised, "the store is silent");

    world.pass(UNTIL_THE_NEXT_DOWNLOAD).await;
    let orders = world.section("orders").await;
    assert_eq!(orders.matches("by scan").count(), 8, "{orders}");

    // Connecting again switches the webhooks on, with a secret that both know.
    world.connect(&world.woo).await;
    assert!(is_on("order.created"));
    world.order(&world.woo, Paid, &[("TEA-100", 1)]);
    world.settle().await;

    world.assert_in_step().await;
    assert_snapshot!("switched_off", world.state().await);
    world.close().await;
}
