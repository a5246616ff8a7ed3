//! What happens on ordinary days, and on bad ones.

use super::World;
use crate::support::scenarios;
use insta::assert_snapshot;
use marketsink::marketplaces::simulation::SimStatus::{
    Arranged, Completed, Delivered, Paid, Shipped, Unpaid,
};
use std::time::Duration;

scenarios!(a_happy_day, a_shop_is_read_whole_when_it_is_connected,);

async fn a_shop_is_read_whole_when_it_is_connected(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    let before = world.order(&world.woo, Paid, &[("MUG", 1)]);
    world.clock.advance(Duration::from_secs(3_600));

    world.connect_all().await;
    world.settle().await;

    let state = world.state().await;
    assert!(
        state.contains(&format!("woocommerce {before} [processing] invoice")),
        "{state}"
    );
    assert_snapshot!("connected", state);
    world.close().await;
}

async fn a_happy_day(url: String) {
    let world = World::open(url).await;

    let at_tiktok = world.order(&world.tiktok, Unpaid, &[("MUG", 2), ("TEA-25", 1)]);
    let at_tokopedia = world.order_on(&world.tiktok, "tokopedia", Paid, &[("TEA-100", 1)]);
    let at_woo = world.order(&world.woo, Paid, &[("MUG", 1)]);
    world.settle().await;
    // TikTok Shop reserves what nobody has paid for yet; our books do not, unless the channel wants that.
    assert_eq!(
        world.shown(&world.tiktok, "TEA-25"),
        world.available("TEA-25").await - 1
    );
    for status in [Paid, Arranged, Shipped, Delivered, Completed] {
        world.tiktok.move_order(&at_tiktok, status);
        world.tiktok.move_order(&at_tokopedia, status);
        world.settle().await;
    }
    world.woo.move_order(&at_woo, Completed);
    world.settle().await;

    world.assert_in_step().await;
    assert_snapshot!("happy_day", world.state().await);
    world.close().await;
}
