//! What only a shop on Shopify brings about: goods that are lost, scopes that are missing, shops that rest, and
//! orders that are too old to be read.

use super::{World, elsewhere};
use marketsink::{
    channels::ChannelState,
    domain::{JobKind, RemoteId, ScanKind, ScanMethod, Source, Work},
    marketplaces::simulation::{
        ShopChange,
        SimStatus::{Paid, Shipped},
    },
    sandbox::DeliveryFault::Lost,
    stock,
};
use std::time::Duration;

/// Makes a test of each scenario, with a shop on Shopify in the first place.
macro_rules! on_shopify {
    ($($name:ident),+ $(,)?) => {
        mod on_shopify {
            $(#[test]
            fn $name() {
                super::elsewhere("shopify", || {
                    crate::support::database::at_sqlite(super::$name);
                });
            })+
        }
    };
}

on_shopify!(
    units_of_a_cancelled_order_that_were_not_restocked_stay_gone_on_every_channel,
    lost_units_are_gone_whenever_their_order_is_heard_of,
    without_the_right_to_set_stock_orders_go_on,
    without_the_right_to_read_locations_orders_go_on,
    a_shop_that_rests_is_asked_again_and_goes_on_by_itself,
    an_order_that_is_too_old_to_be_read_is_not_called_deleted,
    who_refuses_a_push_and_everything_else_is_locked,
);

/// The merchant calls an order off and does not put its goods back.
fn lose(world: &World, order: &RemoteId) -> ShopChange {
    let now = world.clock.now();
    let change = world
        .first
        .with(|shop| shop.cancel_without_restock(order, now));
    change.expect("it can be called off")
}

fn remember(world: &World, name: &str, value: &str) {
    world.first.with(|shop| {
        shop.memory.insert(name.to_owned(), value.to_owned());
    });
}

fn forget(world: &World, name: &str) {
    world.first.with(|shop| shop.memory.remove(name));
}

async fn is_active(world: &World) -> bool {
    world.channel(&world.first).await.state == ChannelState::Active
}

async fn units_of_a_cancelled_order_that_were_not_restocked_stay_gone_on_every_channel(
    url: String,
) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 3), ("TEA-25", 1)]);
    world.settle().await;
    // One mug goes back on the shelf; the rest is lost.
    assert!(world.first.cancel_units(&order, 0, 1));
    world.settle().await;
    let change = lose(&world, &order);
    world.first.announce(change);
    world.settle().await;

    let orders = world.section("orders").await;
    assert!(orders.contains("] void paid unsent"), "{orders}");
    for line in [
        "MUG x3 cancelled 1 allocated 0 shipped 2",
        "TEA-25 x1 cancelled 0 allocated 0 shipped 1",
        "3 refunded units did not go back to stock",
    ] {
        assert!(orders.contains(line), "{line}: {orders}");
    }
    assert_eq!(world.available("MUG").await, 8);
    assert_eq!(world.available("TEA-25").await, 9);
    world.assert_in_step().await;
    let differ = stock::sums_differ(&world.running.app.db, world.merchant).await;
    assert_eq!(differ.unwrap(), []);
    world.close().await;
}

async fn lost_units_are_gone_whenever_their_order_is_heard_of(url: String) {
    let world = World::open(url).await;
    world.first.next_deliveries(vec![Lost; 100]);
    let unheard = world.order(&world.first, Paid, &[("MUG", 2)]);
    lose(&world, &unheard);
    world.settle().await;
    world.first.forget_faults();
    let shipped = world.order(&world.first, Paid, &[("TEA-25", 4)]);
    world.first.move_order(&shipped, Shipped);
    world.settle().await;
    let change = lose(&world, &shipped);
    world.first.announce(change);
    world.settle().await;

    world.pass(Duration::from_secs(660)).await;

    let orders = world.section("orders").await;
    for line in [
        "MUG x2 cancelled 0 allocated 0 shipped 2",
        "] void paid sent",
        "TEA-25 x4 cancelled 0 allocated 0 shipped 4",
    ] {
        assert!(orders.contains(line), "{line}: {orders}");
    }
    assert_eq!(world.available("MUG").await, 8);
    assert_eq!(world.available("TEA-25").await, 6);
    world.assert_in_step().await;
    world.close().await;
}

async fn without_the_right_to_set_stock_orders_go_on(url: String) {
    let world = World::open(url).await;
    remember(&world, "lacks write_inventory", "yes");
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;

    assert!(is_active(&world).await);
    assert_eq!(world.available("TEA-25").await, 9, "orders are read");
    assert_eq!(world.shown(&world.first, "MUG"), 10, "it was not told");
    let refused = world.jobs(JobKind::PushStock).await;
    let refused = refused.iter().find(|job| job.state == "dead").unwrap();
    let why = refused.last_error.as_deref().unwrap_or_default();
    assert!(why.contains("write_inventory"), "{why}");
    world.close().await;
}

async fn without_the_right_to_read_locations_orders_go_on(url: String) {
    let world = World::open(url).await;
    remember(&world, "lacks read_locations", "yes");
    let scan = Work::RunScan {
        scan: ScanKind::Full,
        method: ScanMethod::Async,
    };
    world.ask_for(&world.first, scan, Source::Manual).await;
    world.settle().await;
    world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;

    assert!(is_active(&world).await);
    assert_eq!(world.available("TEA-25").await, 9);
    assert_eq!(world.shown(&world.second, "TEA-25"), 9);
    let left = world.section("left to do").await;
    assert!(left.contains("read_locations"), "{left}");
    world.close().await;
}

async fn a_shop_that_rests_is_asked_again_and_goes_on_by_itself(url: String) {
    let world = World::open(url).await;
    for (status, left) in [("402", 9), ("423", 8)] {
        world.order(&world.first, Paid, &[("MUG", 1)]);
        remember(&world, "closed", status);
        world.settle().await;
        assert!(is_active(&world).await, "{status}");
        assert_eq!(world.available("MUG").await, left + 1, "{status}");

        forget(&world, "closed");
        world.clock.advance(Duration::from_secs(900));
        world.settle().await;

        assert_eq!(world.available("MUG").await, left, "{status}");
    }
    world.assert_in_step().await;
    world.close().await;
}

async fn an_order_that_is_too_old_to_be_read_is_not_called_deleted(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.clock.advance(Duration::from_secs(61 * 86_400));
    world.first.move_order(&order, Shipped);
    for _ in 0..4 {
        world.settle().await;
    }

    let orders = world.section("orders").await;
    assert!(orders.contains("grant read_all_orders"), "{orders}");
    assert!(!orders.contains("deleted"), "{orders}");
    assert!(orders.contains("allocated 1"), "its units stay sold");
    world.close().await;
}

async fn who_refuses_a_push_and_everything_else_is_locked(url: String) {
    let world = World::open(url).await;
    // Somebody deleted the key in the other store.
    world
        .second
        .with(|shop| shop.secrets.set("consumer_secret", "another"));
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    let other = world.channel(&world.second).await;
    assert_eq!(other.state, ChannelState::Locked);
    let pushes = world.jobs(JobKind::PushStock).await;
    assert!(pushes.iter().all(|job| job.state != "dead"), "{pushes:?}");
    world.close().await;
}
