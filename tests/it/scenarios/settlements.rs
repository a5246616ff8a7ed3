//! Fees: what is expected of a channel is written off with the payment, and held against what was really kept.

use super::World;
use crate::support::scenarios;
use marketsink::{
    domain::{ChannelId, Currency, Fee, Money, RemoteId, Settlement},
    marketplaces::simulation::SimStatus::{Completed, Paid, Shipped},
    sales::{self, Asked, ConflictKind, PayoutQuery, Settled},
};
use std::collections::HashMap;

scenarios!(a_fee_is_written_off_with_the_payment_and_held_against_what_was_kept,);

async fn hand_over(world: &World, channel: ChannelId, order: &RemoteId, fee: i64) -> Settled {
    let currency = Currency::from_code("IDR").unwrap();
    let settled = Settlement {
        order: order.clone(),
        gross: Money {
            minor: 1_000_000,
            currency,
        },
        fees: vec![Fee {
            kind: "commission".to_owned(),
            minor: fee,
        }],
        net: Money {
            minor: 1_000_000 - fee,
            currency,
        },
        settled_at: None,
    };
    let known = world.channel(&world.first).await;
    let settings = HashMap::from([(known.id.0, known.settings)]);
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    let done = sales::record_settlements(&tx, channel, &[settled], "file", &settings, now).await;
    let done = done.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn open_questions(world: &World) -> usize {
    let asked = Asked {
        kind: Some(ConflictKind::FeeDiffers),
        ..Asked::default()
    };
    let db = world.running.app.db.read();
    let open = sales::list_conflicts(db, world.merchant, &asked, 10).await;
    open.unwrap().len()
}

async fn a_fee_is_written_off_with_the_payment_and_held_against_what_was_kept(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.first).await;
    let mut settings = channel.settings.clone();
    for (name, value) in [("service_fee", "2.5%+100"), ("write_off", "yes")] {
        settings.set(name, value).unwrap();
    }
    world.set(channel.id, &settings).await;
    let order = world.order(&world.first, Paid, &[("MUG", 2)]);
    for status in [Shipped, Completed] {
        world.first.move_order(&order, status);
    }
    world.settle().await;

    let mut query = PayoutQuery {
        missing: true,
        limit: 10,
        ..PayoutQuery::default()
    };
    let db = world.running.app.db.read();
    let unpaid = sales::payouts(db, world.merchant, &query).await.unwrap();
    let expected = settings.service_fee.of(unpaid[0].total_minor);
    let first = hand_over(&world, channel.id, &order, expected + 1).await;
    let open = open_questions(&world).await;
    let again = hand_over(&world, channel.id, &order, expected + 1).await;
    let mended = hand_over(&world, channel.id, &order, expected).await;

    assert_eq!((unpaid.len(), unpaid[0].written_off_minor), (1, expected));
    assert_eq!((first.new, first.differing, open), (1, 1, 1));
    assert_eq!((again.new, again.unchanged), (0, 1));
    assert_eq!((mended.changed, mended.differing), (1, 0));
    assert_eq!(open_questions(&world).await, 0);
    query.missing = false;
    let paid = sales::payouts(world.running.app.db.read(), world.merchant, &query).await;
    assert_eq!(paid.unwrap()[0].fee_minor, Some(expected));
    world.close().await;
}
