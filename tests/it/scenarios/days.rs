//! What happens on ordinary days, and on bad ones.

use super::{World, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::marketplaces::simulation::SimStatus::{
    Arranged, Completed, Delivered, Paid, Shipped, Unpaid,
};
use std::time::Duration;

scenarios!(a_happy_day, a_shop_is_read_whole_when_it_is_connected,);

everywhere!(a_happy_day, a_shop_is_read_whole_when_it_is_connected,);

async fn a_shop_is_read_whole_when_it_is_connected(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    let before = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.clock.advance(Duration::from_secs(3_600));

    world.connect_all().await;
    world.settle().await;

    let (state, slug) = (world.state().await, world.second.marketplace().slug());
    assert!(state.contains(&format!("{slug} {before} [")), "{state}");
    snap!(world, "connected", state);
    world.close().await;
}

async fn a_happy_day(url: String) {
    let world = World::open(url).await;

    let at_tiktok = world.order(&world.first, Unpaid, &[("MUG", 2), ("TEA-25", 1)]);
    let at_tokopedia = world.order_on(
        &world.first,
        world.other_platform(),
        Paid,
        &[("TEA-100", 1)],
    );
    let at_woo = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    // TikTok Shop reserves what nobody has paid for yet; our books do not, unless the channel wants that.
    assert_eq!(
        world.shown(&world.first, "TEA-25"),
        world.available("TEA-25").await - 1
    );
    for status in [Paid, Arranged, Shipped, Delivered, Completed] {
        world.first.move_order(&at_tiktok, status);
        world.first.move_order(&at_tokopedia, status);
        world.settle().await;
    }
    world.second.move_order(&at_woo, Completed);
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "happy_day", world.state().await);
    world.close().await;
}
