//! Webhooks on the whole way: registered by the client, sent by the sandbox, judged by the adapter.

use super::Stage;
use crate::sandbox::receiver::Receiver;
use marketsink::{
    marketplaces::{
        all,
        simulation::{ShopChange, SimStatus},
    },
    sandbox::{DeliveryFault, Forgery},
};

#[tokio::test]
async fn a_ping_is_answered_and_forgotten_or_is_signed_and_means_nothing() {
    for stage in Stage::every().await {
        let (slug, marketplace) = (stage.slug(), stage.marketplace);
        let receiver = Receiver::open();
        let keys = stage.subscribe_to(&receiver.address()).await;

        stage.sandbox.courier().settle().await;

        let received = receiver.take();
        assert_eq!(received.len() as u64, stage.sandbox.ledger().pings);
        for ping in received {
            if let Some(answer) = marketplace.handshake(&ping) {
                assert_eq!(answer.status, 200, "{slug}");
                continue;
            }
            let believed = marketplace.verify(ping, &keys);
            let believed = believed.unwrap_or_else(|refused| panic!("{slug}: {refused}"));
            assert_eq!(marketplace.parse(&believed), Ok(Vec::new()), "{slug}");
        }
    }
}

#[test]
fn our_answer_is_what_the_marketplace_counts_as_success() {
    for marketplace in all() {
        let answer = marketplace.acknowledgement();

        let is_success = marketplace
            .simulator()
            .is_success(answer.status, answer.body.as_bytes());

        assert!(is_success, "{}", marketplace.slug());
    }
}

#[tokio::test]
async fn what_arrives_is_believed_and_what_is_forged_is_not() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let receiver = Receiver::open();
        let keys = stage.subscribe_to(&receiver.address()).await;
        stage.sandbox.courier().settle().await;
        receiver.take();

        stage.shop.next_deliveries(vec![DeliveryFault::Doubled]);
        let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
        for forgery in [Forgery::FlippedBit, Forgery::WrongSecret] {
            let change = ShopChange::OrderUpdated(order.clone());
            stage.shop.forge(&change, forgery);
        }
        stage.sandbox.courier().settle().await;

        let received = receiver.take();
        let n_received = received.len() as u64;
        let verdicts = received.into_iter().map(|raw| {
            assert!(stage.marketplace.handshake(&raw).is_none(), "{slug}");
            stage.marketplace.verify(raw.at(stage.clock.now()), &keys)
        });
        let (believed, refused): (Vec<_>, Vec<_>) = verdicts.partition(Result::is_ok);
        let ledger = stage.sandbox.ledger();
        assert_eq!(refused.len() as u64, ledger.forged, "{slug}");
        assert_eq!(believed.len() as u64, ledger.sent, "{slug}");
        assert_eq!(n_received, ledger.sent + ledger.forged, "{slug}");
        assert!(
            ledger.forged >= 2 && ledger.doubled == 1,
            "{slug}: {ledger:?}"
        );
        let mut keys: Vec<_> = believed
            .iter()
            .flatten()
            .map(|delivery| stage.marketplace.delivery_key(delivery).0)
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(
            keys.len() as u64,
            ledger.raised,
            "{slug}: a doubled delivery has one key"
        );
    }
}

#[tokio::test]
async fn a_push_of_our_own_comes_back_as_an_echo_or_not_at_all() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let receiver = Receiver::open();
        let keys = stage.subscribe_to(&receiver.address()).await;
        stage.sandbox.courier().settle().await;
        receiver.take();
        let mug = stage.product_of("MUG");
        let ids = std::slice::from_ref(&mug);
        let read = stage.marketplace.products_by_id(&stage.access, ids).await;
        let variant = read.unwrap().remove(0).variants.remove(0);
        let level = marketsink::marketplaces::StockLevel {
            product_id: mug.clone(),
            variant_id: variant.remote_id,
            quantity: 12,
            push_ref: variant.push_ref,
        };

        let pushed = stage.marketplace.set_stock(&stage.access, &[level]).await;
        stage.sandbox.courier().settle().await;

        assert_eq!(pushed, Ok(vec![Ok(())]), "{slug}");
        for raw in receiver.take() {
            let believed = stage
                .marketplace
                .verify(raw.at(stage.clock.now()), &keys)
                .unwrap();
            for event in stage.marketplace.parse(&believed).unwrap() {
                assert_eq!(event.subject.as_ref(), Some(&mug), "{slug}");
            }
        }
    }
}

#[tokio::test]
async fn a_delivery_that_is_tried_again_is_believed_when_it_comes() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        if stage.marketplace.simulator().retry_after(2).is_none() {
            continue;
        }
        let receiver = Receiver::open();
        let keys = stage.subscribe_to(&receiver.address()).await;
        stage.sandbox.courier().settle().await;
        receiver.take();
        receiver.answer_next(&[500, 500, 500, 500]);

        stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.sandbox.courier().settle().await;

        let received = receiver.take();
        let last = received.last().unwrap().clone().at(stage.clock.now());
        let believed = stage.marketplace.verify(last, &keys);
        assert!(believed.is_ok(), "{slug}: {:?}", believed.err());
        let ledger = stage.sandbox.ledger();
        assert_eq!((ledger.retried, ledger.given_up), (4, 0), "{slug}");
    }
}

#[tokio::test]
async fn who_understands_that_we_are_gone_sends_no_more() {
    let mut n_understood = 0;
    for stage in Stage::every().await {
        let slug = stage.slug();
        let receiver = Receiver::open();
        stage.subscribe_to(&receiver.address()).await;
        stage.sandbox.courier().settle().await;
        receiver.take();
        let (now, simulator) = (stage.clock.now(), stage.marketplace.simulator());
        let change = ShopChange::ProductCreated(stage.product_of("MUG"));
        let understands = stage.shop.with(|shop| {
            let mut copy = shop.clone();
            let told = simulator.webhooks(&mut copy, &change, now);
            told.iter()
                .any(|one| !simulator.wants_retry(&mut copy, one, Some(410)))
        });
        if !understands {
            continue;
        }
        n_understood += 1;
        receiver.answer_next(&[410]);

        stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.sandbox.courier().settle().await;
        stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.sandbox.courier().settle().await;

        assert_eq!(receiver.take().len(), 1, "{slug}");
        assert_eq!(stage.sandbox.ledger().retried, 0, "{slug}");
    }
    assert!(n_understood > 0);
}
