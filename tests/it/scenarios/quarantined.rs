//! Deliveries that were refused: verified again when the key was corrected, and taken in as if they had been believed.

use super::{World, hands::is_2xx};
use crate::support::scenarios;
use entity::{deliveries, quarantine};
use marketsink::{
    channels,
    domain::ChannelId,
    inbox::{self, Decided, HeldFilter, NotBelieved},
    marketplaces::simulation::{ShopChange, SimDelivery, SimStatus::Paid},
    sandbox::DeliveryFault,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::time::Duration;

scenarios!(
    what_was_refused_for_a_wrong_secret_is_taken_in_when_it_is_corrected,
    a_forged_delivery_is_not_released_and_can_be_discarded,
    what_is_released_twice_or_told_again_counts_once,
    refused_bodies_are_kept_whole_and_within_their_room,
);

const BY: Decided<'static> = Decided {
    by: "Ana",
    why: "the secret was corrected",
};
/// What the store signs with, which nobody told us.
const THEIRS: &str = "WhatTheStoreUses1";

/// The webhooks of a new order at the second shop, signed with this secret.
fn told(world: &World, secret: &str) -> SimDelivery {
    // The store's own attempts get lost: only what a test posts arrives.
    world.second.next_deliveries(vec![DeliveryFault::Lost; 8]);
    let order = world.order(&world.second, Paid, &[("MUG", 1)]);
    let told = world.told(&world.second, &ShopChange::OrderCreated(order));
    // The product that was sold is told of too.
    let of_order = |one: &SimDelivery| one.topic.starts_with("order.");
    let mut told = told.into_iter().find(of_order).unwrap();
    told.headers
        .retain(|(name, _)| name != "x-wc-webhook-signature");
    let signature = world.signed(&world.second, secret, &told.body);
    told.headers.extend(signature);
    told
}

async fn correct(world: &World, secret: &str) -> ChannelId {
    let channel = world.channel(&world.second).await.id;
    let sync = &world.running.app.sync;
    let rotated = sync
        .rotate_webhook_secret(channel, Some(secret.to_owned()))
        .await;
    rotated.unwrap();
    channel
}

async fn held(world: &World) -> Vec<quarantine::Model> {
    let db = world.running.app.db.read();
    let mut rows = inbox::held(db, world.merchant, &HeldFilter::default(), 100)
        .await
        .unwrap();
    rows.reverse();
    rows
}

async fn what_was_refused_for_a_wrong_secret_is_taken_in_when_it_is_corrected(url: String) {
    let world = World::open(url).await;
    let refused = told(&world, THEIRS);
    assert_eq!(world.post(&refused).await, 401);
    let received_at = world.clock.now();
    world.clock.advance(Duration::from_secs(3_600));
    assert!(world.section("orders").await.is_empty());

    let channel = correct(&world, THEIRS).await;
    let believed = world.running.app.sync.believed_now(channel).await.unwrap();
    world.work().await;

    assert_eq!(believed, (1, 0));
    let row = held(&world).await.remove(0);
    assert_eq!((row.state.as_str(), row.body.len()), ("released", 0));
    assert_eq!(row.by_name.as_deref(), Some("marketsink"));
    let delivery = deliveries::Entity::find_by_id(row.delivery_id.unwrap())
        .one(world.running.app.db.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(delivery.verdict, "accepted");
    assert_eq!(delivery.received_at, received_at.micros(), "when it came");
    let orders = world.section("orders").await;
    assert!(orders.contains("by webhook"), "{orders}");
    world.settle().await;
    world.assert_in_step().await;
    world.close().await;
}

async fn a_forged_delivery_is_not_released_and_can_be_discarded(url: String) {
    let world = World::open(url).await;
    let forged = told(&world, "somebody-elses");
    assert_eq!(world.post(&forged).await, 401);
    let before = world.n_deliveries().await;
    let row = held(&world).await.remove(0);
    let (inbox, now) = (&world.running.app.inbox, world.clock.now());

    let verified = inbox.verify_held(world.merchant, &row, now).await;

    let why = verified.unwrap_err();
    assert_eq!(why.code(), "bad_signature");
    assert!(why.to_string().contains("by number"), "{why}");
    let tx = world.running.app.db.write_tx().await.unwrap();
    assert!(inbox::discard_held(&tx, row.id, BY, now).await.unwrap());
    assert!(!inbox::discard_held(&tx, row.id, BY, now).await.unwrap());
    tx.commit().await.unwrap();
    let row = held(&world).await.remove(0);
    assert_eq!((row.state.as_str(), row.body.len()), ("discarded", 0));
    let again = inbox.verify_held(world.merchant, &row, now).await;
    assert!(matches!(again, Err(NotBelieved::Over(_))));
    assert_eq!(world.n_deliveries().await, before);
    world.close().await;
}

async fn what_is_released_twice_or_told_again_counts_once(url: String) {
    let world = World::open(url).await;
    let refused = told(&world, THEIRS);
    assert_eq!(world.post(&refused).await, 401);
    assert_eq!(world.post(&refused).await, 401);
    let app = &world.running.app;
    let channel = world.channel(&world.second).await;
    // As a person may do who has the secret at hand: without a check in the background.
    let tx = app.db.write_tx().await.unwrap();
    let owner = (channel.id, channel.merchant);
    let now = world.clock.now();
    channels::rotate_webhook_secret(&tx, &app.sealer, owner, THEIRS, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let before = world.n_deliveries().await;

    let mut released = Vec::new();
    for row in held(&world).await {
        let believed = app
            .inbox
            .verify_held(world.merchant, &row, now)
            .await
            .unwrap();
        assert_eq!(believed.key_index(), 0);
        for _ in 0..2 {
            let tx = app.db.write_tx().await.unwrap();
            released.push(
                inbox::release_held(&tx, row.id, &believed, BY, now)
                    .await
                    .unwrap(),
            );
            tx.commit().await.unwrap();
        }
    }
    // The store tries again, and is believed this time.
    world.clock.advance(Duration::from_secs(10));
    assert!(is_2xx(world.post(&refused).await));
    let after = world.n_deliveries().await;
    world.settle().await;

    assert_eq!(after, before + 1);
    let known: Vec<bool> = released
        .iter()
        .flatten()
        .map(|one| one.is_duplicate)
        .collect();
    assert_eq!(known, [false, true], "{released:?}");
    assert_eq!(released.iter().filter(|one| one.is_none()).count(), 2);
    let orders = world.section("orders").await;
    assert_eq!(orders.matches("by webhook").count(), 1, "{orders}");
    world.assert_in_step().await;
    world.close().await;
}

async fn refused_bodies_are_kept_whole_and_within_their_room(url: String) {
    let world = World::open(url).await;
    let world = world
        .restarted_with(|settings| settings.inbox.quarantine_bytes = 25_000)
        .await;
    let address = world.told(
        &world.second,
        &ShopChange::OrderCreated(world.order(&world.second, Paid, &[("MUG", 1)])),
    );
    let body = vec![b'x'; 10_000];
    for _ in 0..3 {
        let answer = world.send(&address[0].address, &[], &body).await;
        assert_eq!(answer.status().as_u16(), 401);
    }

    let kept = held(&world).await;
    assert_eq!(kept.len(), 2, "a third does not fit");
    assert!(
        kept.iter()
            .all(|row| row.body.len() == 10_000 && row.state == "held")
    );

    // What is older than marketplaces try again makes room.
    world.clock.advance(Duration::from_secs(4 * 86_400));
    assert_eq!(
        world
            .send(&address[0].address, &[], &body)
            .await
            .status()
            .as_u16(),
        401
    );
    let db = world.running.app.db.read();
    let newest = quarantine::Entity::find()
        .filter(quarantine::Column::ReceivedAt.eq(world.clock.now().micros()))
        .order_by_asc(quarantine::Column::Id)
        .count(db)
        .await
        .unwrap();
    assert_eq!(newest, 1);
    assert_eq!(held(&world).await.len(), 1);
    world.close().await;
}
