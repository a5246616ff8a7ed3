//! Connecting: which shop it is, and its webhook subscriptions.

use super::Stage;
use marketsink::marketplaces::simulation::{ShopChange, SimStatus, Subscription};

#[tokio::test]
async fn connecting_tells_the_shop_and_its_platforms() {
    for stage in Stage::every().await {
        let slug = stage.slug();

        let shops = stage.marketplace.shops(&stage.access).await.unwrap();

        assert_eq!(shops[0].name, "Contract", "{slug}");
        assert_eq!(shops[0].remote_id, stage.access.shop, "{slug}");
        assert!(!shops[0].remote_id.as_str().is_empty(), "{slug}");
        let mut platforms = stage.shop.with(|shop| shop.platforms.clone());
        let mut told = shops[0].platforms.clone();
        platforms.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, platforms, "{slug}");
        let known = stage.marketplace.limits().platforms;
        assert_eq!(known[0].slug, slug, "the first platform is the marketplace");
        let all_known = told.iter().all(|t| known.iter().any(|k| k.slug == *t));
        assert!(all_known, "{slug}: {told:?}");
    }
}

#[tokio::test]
async fn subscribing_twice_changes_nothing_the_second_time() {
    for stage in Stage::every().await {
        stage.subscribe().await;
        let known = |stage: &Stage| {
            stage.shop.with(|shop| {
                let subscriptions = shop.subscriptions.iter();
                let mut known: Vec<_> = subscriptions
                    .map(|s| (s.topic.clone(), s.address.clone(), s.is_active))
                    .collect();
                known.sort();
                known
            })
        };
        let first = known(&stage);

        let changed = stage.subscribe_again().await;

        assert_eq!(changed, Vec::<String>::new(), "{}", stage.slug());
        assert_eq!(known(&stage), first, "{}", stage.slug());
        assert!(!first.is_empty(), "{}", stage.slug());
        let all_here = first
            .iter()
            .all(|(_, address, is_active)| *is_active && address == super::stage::ADDRESS);
        assert!(all_here, "{}: {first:?}", stage.slug());
    }
}

/// More failures in a row than any marketplace puts up with.
const MANY: usize = 30;

#[tokio::test]
async fn a_subscription_that_was_switched_off_or_deleted_is_mended() {
    for stage in Stage::every().await {
        stage.subscribe().await;
        let (now, simulator) = (stage.clock.now(), stage.marketplace.simulator());
        let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let n_active = |stage: &Stage| {
            let is_active = |s: &&Subscription| s.is_active;
            stage
                .shop
                .with(|shop| shop.subscriptions.iter().filter(is_active).count())
        };
        let n_before = n_active(&stage);
        stage.shop.with(|shop| {
            let change = ShopChange::OrderCreated(order);
            for delivery in simulator.webhooks(shop, &change, now) {
                (0..MANY).for_each(|_| simulator.delivered(shop, &delivery, false));
            }
        });
        let n_left = n_active(&stage);

        let changed = stage.subscribe_again().await;

        assert_eq!(n_active(&stage), n_before, "{}", stage.slug());
        assert_eq!(changed.is_empty(), n_left == n_before, "{}", stage.slug());
        let all_active = stage
            .shop
            .with(|shop| shop.subscriptions.iter().all(|s| s.is_active));
        assert!(all_active, "{}", stage.slug());
    }
}
