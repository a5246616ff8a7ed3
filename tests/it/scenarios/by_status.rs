//! Orders downloaded by how they stand: what is new and different is told first, and fetched once.

use super::World;
use crate::support::scenarios;
use marketsink::{
    domain::{Download, Source, StatusWish, Window, Work},
    marketplaces::simulation::SimStatus::{Cancelled, Paid, Shipped},
    sandbox::DeliveryFault,
    sync::Seen,
};
use std::time::Duration;

scenarios!(orders_of_a_status_are_downloaded_and_others_are_not);

async fn orders_of_a_status_are_downloaded_and_others_are_not(url: String) {
    let world = World::open(url).await;
    let from = world.clock.now();
    let mut of = Vec::new();
    for shop in [&world.first, &world.second] {
        // Nobody tells: the webhooks are lost.
        shop.next_deliveries(vec![DeliveryFault::Lost; 40]);
        let paid = world.order(shop, Paid, &[("MUG", 1)]);
        let sent = world.order(shop, Paid, &[("TEA-25", 1)]);
        let cancelled = world.order(shop, Paid, &[("TEA-100", 1)]);
        shop.move_order(&sent, Shipped);
        shop.move_order(&cancelled, Cancelled);
        of.push((shop, [paid, sent, cancelled]));
    }
    world.work().await;
    world.clock.advance(Duration::from_secs(60));
    let wish = |statuses: &[&str]| {
        Download::OfStatus(StatusWish {
            window: Window {
                from,
                to: world.clock.now(),
            },
            by_creation: false,
            statuses: statuses.iter().map(|&status| status.to_owned()).collect(),
        })
    };
    for (shop, [paid, sent, cancelled]) in &of {
        let channel = world.channel(shop).await.id;
        let sync = &world.running.app.sync;

        let preview = sync
            .preview_orders(channel, &wish(&["paid"]))
            .await
            .unwrap();
        let told: Vec<_> = preview
            .orders
            .iter()
            .map(|order| (&order.remote_id, order.result))
            .collect();
        assert_eq!(told, [(paid, Seen::New)], "{}", shop.name());
        assert!(
            world.section("orders").await.find(paid.as_str()).is_none(),
            "a preview writes nothing"
        );

        for _ in 0..2 {
            let work = Work::DownloadOrders {
                orders: wish(&["paid"]),
            };
            world.ask(channel, work, Source::Manual).await;
            world.settle().await;
            let orders = world.section("orders").await;
            assert!(orders.contains(paid.as_str()), "{orders}");
            assert!(!orders.contains(sent.as_str()), "{orders}");
            assert!(!orders.contains(cancelled.as_str()), "{orders}");
        }

        let both = sync
            .preview_orders(channel, &wish(&["paid", "shipped", "completed"]))
            .await
            .unwrap();
        let same = both.orders.iter().find(|order| order.remote_id == *paid);
        assert_eq!(same.unwrap().result, Seen::Same);
        assert!(both.orders.iter().any(|order| order.remote_id == *sent));
        assert!(
            both.orders
                .iter()
                .all(|order| order.remote_id != *cancelled)
        );
    }
    world.close().await;
}
