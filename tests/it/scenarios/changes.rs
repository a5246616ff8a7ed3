//! Orders that are called off, in part or whole, before and after anything was booked; orders nobody pays.

use super::{World, hands::is_2xx, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::{
    channels::ChannelSettings,
    marketplaces::simulation::{
        NewLine, ShopChange,
        SimStatus::{Arranged, Cancelled, Paid, Shipped, Unpaid},
    },
};

scenarios!(
    a_cancellation_that_comes_before_its_order_moves_no_stock,
    an_order_called_off_after_payment_gives_its_stock_back,
    an_order_called_off_after_shipping_is_returned,
    units_that_are_called_off_go_back_to_stock,
    an_unpaid_order_is_booked_where_the_channel_wants_it,
    an_unpaid_order_that_is_called_off_leaves_no_trace_in_stock,
);

everywhere!(
    a_cancellation_that_comes_before_its_order_moves_no_stock,
    an_order_called_off_after_payment_gives_its_stock_back,
    an_order_called_off_after_shipping_is_returned,
    units_that_are_called_off_go_back_to_stock,
    an_unpaid_order_that_is_called_off_leaves_no_trace_in_stock,
);

async fn a_cancellation_that_comes_before_its_order_moves_no_stock(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        let now = world.clock.now();
        let order = shop.with(|shop| {
            let line = NewLine {
                variant_id: shop.variant_by_sku("MUG").unwrap().id.clone(),
                quantity: 3,
            };
            shop.place_order(shop.platforms[0], Paid, &[line], now)
                .unwrap()
        });
        let created = world.told(shop, &ShopChange::OrderCreated(order.clone()));
        let change = shop.with(|shop| shop.move_order(&order, Cancelled, now));
        let cancelled = world.told(shop, &change.unwrap());

        for delivery in cancelled.iter().chain(&created) {
            assert!(is_2xx(world.post(delivery).await));
            world.settle().await;
        }
    }

    world.assert_in_step().await;
    snap!(world, "cancelled_before_created", world.state().await);
    world.close().await;
}

async fn an_order_called_off_after_payment_gives_its_stock_back(url: String) {
    let world = World::open(url).await;
    let at_tiktok = world.order(&world.first, Paid, &[("MUG", 2)]);
    let at_woo = world.order(&world.second, Paid, &[("TEA-25", 3)]);
    world.settle().await;
    assert_eq!(world.shown(&world.second, "MUG"), 8);
    assert_eq!(world.shown(&world.first, "TEA-25"), 7);

    world.first.move_order(&at_tiktok, Cancelled);
    world.second.move_order(&at_woo, Cancelled);
    world.settle().await;

    assert_eq!(world.shown(&world.second, "MUG"), 10);
    assert_eq!(world.shown(&world.first, "TEA-25"), 10);
    world.assert_in_step().await;
    snap!(world, "cancelled_after_paid", world.state().await);
    world.close().await;
}

async fn an_order_called_off_after_shipping_is_returned(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 2)]);
    for status in [Arranged, Shipped] {
        world.first.move_order(&order, status);
        world.settle().await;
    }
    assert_eq!(world.shown(&world.second, "MUG"), 8);

    world.first.move_order(&order, Cancelled);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "cancelled_after_shipped", world.state().await);
    world.close().await;
}

async fn units_that_are_called_off_go_back_to_stock(url: String) {
    let world = World::open(url).await;
    let wanted = [("MUG", 3), ("TEA-25", 2)];
    let at_tiktok = world.order(&world.first, Paid, &wanted);
    let at_woo = world.order(&world.second, Paid, &wanted);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 4);

    assert!(world.first.cancel_units(&at_tiktok, 0, 2));
    assert!(world.second.cancel_units(&at_woo, 1, 1));
    world.settle().await;
    world.assert_in_step().await;
    // What is left is shipped; what was called off stays.
    world.first.move_order(&at_tiktok, Shipped);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "partly_cancelled", world.state().await);
    world.close().await;
}

async fn an_unpaid_order_is_booked_where_the_channel_wants_it(url: String) {
    let world = World::open(url).await;
    let wanted = ChannelSettings {
        unpaid_orders: true,
        ..ChannelSettings::default()
    };
    // Tokopedia is a channel of its own: its setting is not TikTok Shop's.
    world
        .set(world.channel_named("tokopedia").await.id, &wanted)
        .await;
    let without = world.order(&world.first, Unpaid, &[("MUG", 1)]);
    let with = world.order_on(&world.first, "tokopedia", Unpaid, &[("MUG", 1)]);
    let at_woo = world.order(&world.second, Unpaid, &[("MUG", 1)]);
    world.settle().await;
    let orders = world.section("orders").await;
    let number = format!("tokopedia {with} [UNPAID] sales_order unpaid unsent");
    assert!(orders.contains(&number), "{orders}");
    assert_eq!(orders.matches("sales_order").count(), 1, "{orders}");
    assert_eq!(
        world.available("MUG").await,
        9,
        "a sales order reserves its units"
    );

    world.first.move_order(&without, Paid);
    world.first.move_order(&with, Paid);
    world.second.move_order(&at_woo, Paid);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "unpaid_then_paid", world.state().await);
    world.close().await;
}

async fn an_unpaid_order_that_is_called_off_leaves_no_trace_in_stock(url: String) {
    let world = World::open(url).await;
    let wanted = ChannelSettings {
        unpaid_orders: true,
        ..ChannelSettings::default()
    };
    world
        .set(world.channel(&world.second).await.id, &wanted)
        .await;
    let at_tiktok = world.order(&world.first, Unpaid, &[("MUG", 1)]);
    let at_woo = world.order(&world.second, Unpaid, &[("MUG", 2)]);
    world.settle().await;

    world.first.move_order(&at_tiktok, Cancelled);
    world.second.move_order(&at_woo, Cancelled);
    world.settle().await;

    assert_eq!(world.available("MUG").await, 10);
    world.assert_in_step().await;
    snap!(world, "unpaid_then_cancelled", world.state().await);
    world.close().await;
}
