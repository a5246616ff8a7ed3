//! What a shop did before it was connected.

use super::{World, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::marketplaces::simulation::SimStatus::{Cancelled, Paid, Shipped, Unpaid};
use std::time::Duration;

scenarios!(goods_that_left_before_the_shop_was_connected_move_no_stock,);

everywhere!(goods_that_left_before_the_shop_was_connected_move_no_stock,);

async fn goods_that_left_before_the_shop_was_connected_move_no_stock(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    let mut shipped = Vec::new();
    for shop in [&world.first, &world.second] {
        let order = world.order(shop, Paid, &[("MUG", 2)]);
        world.clock.advance(Duration::from_secs(60));
        shop.move_order(&order, Shipped);
        world.order(shop, Paid, &[("TEA-25", 1)]);
        world.order(shop, Unpaid, &[("TEA-100", 1)]);
        shipped.push(order);
    }
    // The merchant counts what is on the shelf: four mugs have left, what was only sold is still there.
    world.set_stock("MUG", 6).await;
    world.clock.advance(Duration::from_secs(3_600));

    world.connect_all().await;
    world.settle().await;
    assert_eq!(world.available("MUG").await, 6);
    assert_eq!(world.available("TEA-25").await, 8);
    // What comes back was not in the count.
    world.first.move_order(&shipped[0], Cancelled);
    world.settle().await;
    assert_eq!(world.available("MUG").await, 8);

    snap!(world, "before_connection", world.state().await);
    world.close().await;
}
