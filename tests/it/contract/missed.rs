//! Webhooks that a marketplace gave up on: kept for us where it says so.

use super::Stage;
use marketsink::{
    domain::Event,
    marketplaces::{
        RawDelivery,
        simulation::{ShopChange, SimStatus},
    },
};

/// More tries than any marketplace makes.
const TRIES: u32 = 20;

#[tokio::test]
async fn what_was_given_up_on_is_kept_until_it_is_confirmed() {
    for stage in Stage::every().await {
        let (slug, marketplace) = (stage.slug(), stage.marketplace);
        let (now, simulator) = (stage.clock.now(), marketplace.simulator());
        let keys = stage.subscribe().await;
        let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let change = ShopChange::OrderCreated(order.clone());
        let told = stage
            .shop
            .with(|shop| simulator.webhooks(shop, &change, now));
        stage.shop.with(|shop| {
            for delivery in &told {
                (0..TRIES).for_each(|_| simulator.delivered(shop, delivery, false));
            }
        });

        let missed = marketplace.missed(&stage.access).await.unwrap();

        if !marketplace.limits().keeps_missed {
            assert!(missed.bodies.is_empty() && missed.mark.is_none(), "{slug}");
            continue;
        }
        let mut sent = Vec::new();
        for delivery in told {
            let raw = RawDelivery::new(delivery.headers, delivery.body);
            let believed = marketplace.verify(raw, &keys).unwrap();
            sent.push(marketplace.delivery_key(&believed));
        }
        let (mut fetched, mut events) = (Vec::new(), Vec::new());
        for body in missed.bodies {
            let raw = RawDelivery::new(Vec::new(), body);
            assert_eq!(
                marketplace.claimed_channel(&raw).as_ref(),
                Some(&stage.access.shop),
                "{slug}"
            );
            let believed = raw.fetched_by_us();
            fetched.push(marketplace.delivery_key(&believed));
            events.extend(marketplace.parse(&believed).unwrap());
        }
        assert_eq!(fetched, sent, "{slug}");
        let is_of_order = |event: &Event| event.subject.as_ref() == Some(&order);
        assert!(events.iter().any(is_of_order), "{slug}: {events:?}");
        let again = marketplace.missed(&stage.access).await.unwrap();
        assert_eq!(again.bodies.len(), sent.len(), "{slug}: not confirmed yet");

        let mark = missed.mark.expect("there is something to confirm");
        marketplace
            .confirm_missed(&stage.access, &mark)
            .await
            .unwrap();

        let after = marketplace.missed(&stage.access).await.unwrap();
        assert!(after.bodies.is_empty() && after.mark.is_none(), "{slug}");
    }
}
