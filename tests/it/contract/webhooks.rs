//! Webhooks that are genuine: recorded shapes, and what the simulators send.

use super::{Stage, fixture};
use marketsink::{
    domain::EventKind,
    marketplaces::{
        DeliveryKey, RawDelivery, WebhookKeys,
        simulation::{ShopChange, SimDelivery, SimStatus},
    },
};
use std::collections::BTreeSet;

#[test]
fn every_marketplace_has_fixtures_that_name_their_source() {
    for (marketplace, fixtures) in fixture::every() {
        let slug = marketplace.slug();
        assert!(!fixtures.is_empty(), "{slug} has no webhook fixture");
        let source = fixture::root().join(slug).join("SOURCE.md");
        assert!(source.is_file(), "{slug} does not name its source");
    }
    for folder in std::fs::read_dir(fixture::root()).unwrap() {
        let folder = folder.unwrap().path();
        let source = folder.join("SOURCE.md");
        assert!(source.is_file(), "{} is missing", source.display());
    }
}

#[test]
fn every_fixture_is_believed_and_means_what_it_says() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let name = &fixture.name;

            let believed = marketplace.verify(fixture.raw(), &fixture.keys());
            let delivery = believed.unwrap_or_else(|refused| panic!("{name}: {refused}"));

            assert_eq!(delivery.key_index(), 0, "{name}");
            assert_eq!(marketplace.topic(&delivery), fixture.topic, "{name}");
            let events = marketplace.parse(&delivery);
            assert_eq!(events, Ok(fixture.events()), "{name}");
        }
    }
}

#[test]
fn the_simulator_signs_as_the_fixtures_are_signed() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let simulator = marketplace.simulator();
            let sent = fixture.signature_headers(marketplace);

            let signed = simulator.sign(&fixture.app_key, &fixture.secret, fixture.body.as_bytes());

            let signed: BTreeSet<_> = signed
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect();
            assert_eq!(signed, sent.into_iter().collect(), "{}", fixture.name);
        }
    }
}

#[test]
fn the_previous_secret_is_believed_while_it_is_rotated_out() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let mut keys = WebhookKeys::one(&fixture.app_key, "the-next-secret");
            keys.keys.extend(fixture.keys().keys);

            let believed = marketplace.verify(fixture.raw(), &keys);

            let index = believed.map(|delivery| delivery.key_index());
            assert_eq!(index, Ok(1), "{}", fixture.name);
        }
    }
}

#[test]
fn a_repeated_notification_has_its_key_and_another_one_another() {
    for (marketplace, fixtures) in fixture::every() {
        let key = |fixture: &super::Fixture| -> DeliveryKey {
            let delivery = marketplace.verify(fixture.raw(), &fixture.keys());
            marketplace.delivery_key(&delivery.unwrap())
        };

        let keys: Vec<_> = fixtures.iter().map(key).collect();
        let again: Vec<_> = fixtures.iter().map(key).collect();

        assert_eq!(keys, again, "{}", marketplace.slug());
        for (index, one) in keys.iter().enumerate() {
            for (other, fixture) in keys.iter().zip(&fixtures).skip(index + 1) {
                let name = &fixtures[index].name;
                assert_ne!(one, other, "{name} and {}", fixture.name);
            }
        }
    }
}

/// The webhooks of a change, made by the simulator.
fn told(stage: &Stage, change: &ShopChange) -> Vec<SimDelivery> {
    let (now, simulator) = (stage.clock.now(), stage.marketplace.simulator());
    stage
        .shop
        .with(|shop| simulator.webhooks(shop, change, now))
}

#[tokio::test]
async fn what_the_simulator_sends_is_believed_and_understood() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let keys = stage.subscribe().await;
        let order = stage.order(&[("MUG", 2)], SimStatus::Paid);
        let product = stage.product_of("MUG");
        let edited = ShopChange::ProductUpdated {
            product: product.clone(),
            variant: None,
        };
        let changes = [
            (ShopChange::OrderCreated(order.clone()), Some(&order)),
            (ShopChange::OrderUpdated(order.clone()), Some(&order)),
            (ShopChange::ProductCreated(product.clone()), Some(&product)),
            (edited, Some(&product)),
            (ShopChange::Deauthorized, None),
        ];

        for (change, subject) in changes {
            for delivery in told(&stage, &change) {
                let raw = RawDelivery::new(delivery.headers, delivery.body);
                if let Some(claimed) = stage.marketplace.claimed_channel(&raw) {
                    assert_eq!(claimed, stage.access.shop, "{slug} {change:?}");
                }
                let believed = stage.marketplace.verify(raw, &keys);
                let believed = believed.unwrap_or_else(|e| panic!("{slug} {change:?}: {e}"));
                let events = stage.marketplace.parse(&believed);
                let events = events.unwrap_or_else(|e| panic!("{slug} {change:?}: {e}"));
                for event in events.iter().filter(|event| event.subject.is_some()) {
                    assert_eq!(event.subject.as_ref(), subject, "{slug} {change:?}");
                }
                assert_eq!(
                    marketsink_topic(&stage, &believed),
                    delivery.topic,
                    "{slug}"
                );
            }
        }
    }
}

fn marketsink_topic(
    stage: &Stage,
    delivery: &marketsink::marketplaces::VerifiedDelivery,
) -> String {
    stage.marketplace.topic(delivery)
}

#[tokio::test]
async fn orders_are_told_and_each_telling_has_a_key_of_its_own() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let keys = stage.subscribe().await;
        let first = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let second = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let mut seen = Vec::new();

        for change in [
            ShopChange::OrderCreated(first.clone()),
            ShopChange::OrderCreated(second.clone()),
        ] {
            let deliveries = told(&stage, &change);
            assert!(!deliveries.is_empty(), "{slug} does not tell of an order");
            for delivery in deliveries {
                let raw = RawDelivery::new(delivery.headers, delivery.body);
                let believed = stage.marketplace.verify(raw, &keys).unwrap();
                let events = stage.marketplace.parse(&believed).unwrap();
                assert_eq!(events[0].kind, EventKind::OrderChanged, "{slug}");
                seen.push(stage.marketplace.delivery_key(&believed).0);
            }
        }

        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{slug}: {seen:?}");
    }
}
