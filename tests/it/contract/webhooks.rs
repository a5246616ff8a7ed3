//! Webhooks that are genuine: recorded shapes, and what the simulators send.

use super::{Stage, fixture};
use marketsink::{
    domain::{Event, EventKind},
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

            let signed = simulator.sign(&fixture.signing(), fixture.body.as_bytes());

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
            let mut keys = fixture.keys();
            keys.keys[0].secret = "the-next-secret".to_owned();
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

/// What the adapter makes of a simulated delivery; the topic must be the one it was sent under.
fn understood(stage: &Stage, keys: &WebhookKeys, sent: SimDelivery) -> (Vec<Event>, DeliveryKey) {
    let (slug, marketplace) = (stage.slug(), stage.marketplace);
    let raw = RawDelivery::new(sent.headers, sent.body).at(stage.clock.now());
    if let Some(claimed) = marketplace.claimed_channel(&raw) {
        assert_eq!(claimed, stage.access.shop, "{slug} {}", sent.topic);
    }
    let believed = marketplace.verify(raw, keys);
    let believed = believed.unwrap_or_else(|e| panic!("{slug} {}: {e}", sent.topic));
    let topic = marketplace.topic(&believed);
    assert!(topic.starts_with(&sent.topic), "{slug}: {topic}");
    let events = marketplace.parse(&believed);
    let events = events.unwrap_or_else(|e| panic!("{slug} {topic}: {e}"));
    (events, marketplace.delivery_key(&believed))
}

#[tokio::test]
async fn what_the_simulator_tells_of_a_change_is_understood() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let keys = stage.subscribe().await;
        let order = stage.order(&[("MUG", 2)], SimStatus::Paid);
        let product = stage.product_of("MUG");
        let edited = |variant| ShopChange::ProductUpdated {
            product: product.clone(),
            variant,
        };
        let variant = stage
            .shop
            .with(|shop| shop.products[&product].variants[0].id.clone());
        let (of_order, of_product) = (EventKind::OrderChanged, EventKind::ProductChanged);
        let changes = [
            (ShopChange::OrderCreated(order.clone()), of_order, &order),
            (ShopChange::OrderUpdated(order.clone()), of_order, &order),
            (
                ShopChange::ProductCreated(product.clone()),
                of_product,
                &product,
            ),
            (edited(None), of_product, &product),
            (edited(Some(variant)), of_product, &product),
        ];

        for (change, kind, subject) in changes {
            let deliveries = told(&stage, &change);
            let read = deliveries
                .into_iter()
                .map(|sent| understood(&stage, &keys, sent));
            let events: Vec<_> = read.flat_map(|(events, _)| events).collect();

            // A sale changes the product too, and some marketplaces tell of both.
            let known = [&order, &product];
            let all_known = events
                .iter()
                .filter_map(|event| event.subject.as_ref())
                .all(|subject| known.contains(&subject));
            assert!(all_known, "{slug} {change:?}: {events:?}");
            let tells = |e: &Event| e.kind == kind && e.subject.as_ref() == Some(subject);
            let is_told = events.iter().any(tells);
            assert!(
                is_told || events.is_empty(),
                "{slug} {change:?}: {events:?}"
            );
            let must_be_told = kind == of_order;
            assert!(is_told || !must_be_told, "{slug} is silent on {change:?}");
        }
    }
}

#[tokio::test]
async fn each_telling_has_a_key_of_its_own() {
    for stage in Stage::every().await {
        let keys = stage.subscribe().await;
        let first = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let second = stage.order(&[("TEA-25", 1)], SimStatus::Paid);

        let mut seen = Vec::new();
        for id in [first, second] {
            for sent in told(&stage, &ShopChange::OrderCreated(id)) {
                seen.push(understood(&stage, &keys, sent).1.0);
            }
        }

        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{}: {seen:?}", stage.slug());
    }
}

#[tokio::test]
async fn a_withdrawn_consent_is_told_as_such_or_not_at_all() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let keys = stage.subscribe().await;

        for sent in told(&stage, &ShopChange::Deauthorized) {
            let (events, _) = understood(&stage, &keys, sent);
            assert_eq!(events, [Event::authorization()], "{slug}");
        }
    }
}
