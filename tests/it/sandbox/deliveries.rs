//! Webhooks: when they go out, how often, and what is counted.

use super::{Stage, plain};
use marketsink::{
    marketplaces::{Marketplace, WebhookKeys, simulation::SimStatus},
    sandbox::{DeliveryFault, Forgery, Ledger, Sent, Weather},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ACCEPTED: Sent = Sent {
    accepted: 1,
    refused: 0,
    failed: 0,
};
const NOTHING: Sent = Sent {
    accepted: 0,
    refused: 0,
    failed: 0,
};

#[tokio::test]
async fn a_change_is_told_once_and_its_signature_holds() {
    let stage = Stage::set(Weather::calm()).await;
    let id = stage.order(2);

    let sent = stage.sandbox.courier().deliver_due().await;

    assert_eq!(sent, ACCEPTED);
    let received = stage.receiver.take();
    assert_eq!(received.len(), 1);
    let keys = WebhookKeys::one("", plain::SECRET);
    let delivery = plain::Plain.verify(received[0].clone(), &keys).unwrap();
    let text = String::from_utf8_lossy(delivery.body()).into_owned();
    assert!(text.contains(id.as_str()), "{text}");
    assert_eq!(stage.sandbox.courier().next_due(), None);
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_on_the_marketplaces_schedule() {
    let stage = Stage::set(Weather::calm()).await;
    let courier = stage.sandbox.courier();
    let start = stage.clock.now();
    stage.receiver.answer_next(&[500, 404]);
    stage.order(1);

    let first = courier.deliver_due().await;
    let waits_until = courier.next_due();
    let too_early = courier.deliver_due().await;
    stage.clock.advance(Duration::from_secs(10));
    let second = courier.deliver_due().await;
    stage.clock.advance(Duration::from_secs(599));
    let still_too_early = courier.deliver_due().await;
    stage.clock.advance(Duration::from_secs(1));
    let third = courier.deliver_due().await;

    assert_eq!(waits_until, Some(start + Duration::from_secs(10)));
    assert_eq!((too_early, still_too_early), (NOTHING, NOTHING));
    assert_eq!((first.failed, second.refused, third), (1, 1, ACCEPTED));
    let bodies = stage.receiver.take_bodies();
    assert!(bodies.len() == 3 && bodies.iter().all(|body| body == &bodies[0]));
    let expected = Ledger {
        raised: 1,
        sent: 3,
        accepted: 1,
        refused: 1,
        failed: 1,
        retried: 2,
        ..Ledger::default()
    };
    assert_eq!(stage.sandbox.ledger(), expected);
}

#[tokio::test]
async fn a_delivery_is_given_up_and_the_marketplace_switches_the_subscription_off() {
    let stage = Stage::set(Weather::calm()).await;
    stage.receiver.answer_next(&[503; plain::PATIENCE as usize]);
    stage.order(1);

    let sent = stage.sandbox.courier().settle().await;
    stage.order(1);
    let after = stage.sandbox.courier().settle().await;

    assert_eq!(sent.failed, 3);
    assert_eq!(after, NOTHING);
    let is_active = stage.shop.with(|shop| shop.subscriptions[0].is_active);
    assert!(!is_active);
    let ledger = stage.sandbox.ledger();
    assert_eq!((ledger.given_up, ledger.retried, ledger.raised), (1, 2, 1));
}

#[tokio::test]
async fn a_receiver_that_is_down_costs_a_try_and_a_redirect_is_not_followed() {
    let stage = Stage::set(Weather::calm()).await;
    stage.receiver.answer_next(&[302]);
    stage.order(1);

    let redirected = stage.sandbox.courier().deliver_due().await;
    stage.shop.with(|shop| {
        shop.subscriptions[0].address = "http://127.0.0.1:1/".to_owned();
    });
    stage.order(1);
    let unheard = stage.sandbox.courier().deliver_due().await;

    assert_eq!((redirected.failed, unheard.failed), (1, 1));
}

#[tokio::test]
async fn the_time_scale_shortens_waits_between_tries() {
    let stage = Stage::set(Weather::calm()).await;
    let sandbox = stage.sandbox.clone().with_time_scale(10);
    stage.receiver.answer_next(&[500]);
    stage.order(1);

    sandbox.courier().deliver_due().await;

    let due = sandbox.courier().next_due();
    assert_eq!(due, Some(stage.clock.now() + Duration::from_secs(1)));
}

#[tokio::test]
async fn deliveries_fare_as_ordered() {
    let stage = Stage::set(Weather::calm()).await;
    let courier = stage.sandbox.courier();
    let minute = Duration::from_secs(60);
    stage.shop.next_deliveries(vec![
        DeliveryFault::Lost,
        DeliveryFault::Doubled,
        DeliveryFault::Late(minute),
        DeliveryFault::Reordered(Duration::from_secs(1)),
    ]);
    let ids: Vec<_> = (0..5).map(|_| stage.order(1)).collect();

    courier.deliver_due().await;
    let at_once = stage.receiver.take_bodies();
    stage.clock.advance(minute);
    courier.deliver_due().await;
    let later = stage.receiver.take_bodies();

    let told = |bodies: &[String]| -> Vec<usize> {
        let index = |body: &String| ids.iter().position(|id| body.contains(id.as_str()));
        bodies.iter().map(|body| index(body).unwrap()).collect()
    };
    assert_eq!(told(&at_once), [1, 1, 4]);
    assert_eq!(told(&later), [3, 2]);
    let ledger = stage.sandbox.ledger();
    assert_eq!(
        (ledger.lost, ledger.doubled, ledger.late, ledger.reordered),
        (1, 1, 1, 1)
    );
}

#[tokio::test]
async fn a_forged_delivery_does_not_verify_and_leaves_the_shop_alone() {
    let stage = Stage::set(Weather::calm()).await;
    let change = marketsink::marketplaces::simulation::ShopChange::OrderCreated(stage.order(1));
    stage.sandbox.courier().deliver_due().await;
    let genuine = stage.receiver.take().remove(0);
    stage.receiver.answer_next(&[401, 200]);

    stage.shop.forge(&change, Forgery::FlippedBit);
    stage.shop.forge(&change, Forgery::WrongSecret);
    stage.sandbox.courier().deliver_due().await;

    let forged = stage.receiver.take();
    let keys = WebhookKeys::one("", plain::SECRET);
    assert!(plain::Plain.verify(genuine, &keys).is_ok());
    assert_eq!(forged.len(), 2);
    for raw in forged {
        assert!(plain::Plain.verify(raw, &keys).is_err());
    }
    let ledger = stage.sandbox.ledger();
    assert_eq!((ledger.forged, ledger.forged_accepted), (2, 1));
    assert_eq!((ledger.sent, ledger.retried), (1, 0));
    assert_eq!(stage.shop.with(|shop| shop.subscriptions[0].failures), 0);
}

#[tokio::test]
async fn a_new_subscription_is_pinged_once() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.with(|shop| shop.subscriptions.clear());

    stage.post("/subscriptions", stage.receiver.address()).await;
    stage.sandbox.courier().deliver_due().await;
    stage.get("/").await.unwrap();
    stage.sandbox.courier().deliver_due().await;

    assert_eq!(stage.receiver.take_bodies(), ["ping"]);
    assert_eq!(stage.sandbox.ledger().pings, 1);
}

#[tokio::test]
async fn a_change_through_the_api_is_told_too() {
    let stage = Stage::set(Weather::calm()).await;

    stage.post("/stock", String::new()).await;
    stage.sandbox.courier().deliver_due().await;

    let bodies = stage.receiver.take_bodies();
    assert!(bodies.len() == 1 && bodies[0].starts_with("ProductUpdated"));
}

#[tokio::test]
async fn every_webhook_of_a_storm_is_accounted_for() {
    let stage = Stage::set(Weather::stormy()).await;
    for _ in 0..200 {
        let id = stage.order(1);
        stage.shop.move_order(&id, SimStatus::Shipped);
    }

    stage.sandbox.courier().settle().await;

    let ledger = stage.sandbox.ledger();
    assert_eq!(ledger.raised, 400);
    assert_eq!(ledger.sent, ledger.raised - ledger.lost + ledger.doubled);
    assert_eq!(ledger.sent, ledger.accepted);
    assert!(ledger.lost > 0 && ledger.doubled > 0 && ledger.late > 0 && ledger.forged > 0);
}

#[tokio::test]
async fn the_same_seed_brings_the_same_storm() {
    let mut stories = Vec::new();
    for _ in 0..2 {
        let stage = Stage::set(Weather::stormy()).await;
        for _ in 0..60 {
            stage.order(1);
        }
        stage.sandbox.courier().settle().await;
        stories.push((stage.receiver.take_bodies(), stage.sandbox.ledger()));
    }

    assert_eq!(stories[0], stories[1]);
}

#[tokio::test]
async fn the_background_sender_delivers_until_it_is_stopped() {
    let stage = Stage::set(Weather::calm()).await;
    let stop = CancellationToken::new();
    let (sandbox, until) = (stage.sandbox.clone(), stop.clone());
    let sender = tokio::spawn(async move { sandbox.run(until).await });

    for _ in 0..20 {
        stage.order(1);
    }
    stage.sandbox.courier().settle().await;
    stop.cancel();
    sender.await.unwrap();
    stage.order(1);

    assert_eq!(stage.receiver.take().len(), 20);
    assert_eq!(stage.sandbox.courier().n_pending(), 1);
}
