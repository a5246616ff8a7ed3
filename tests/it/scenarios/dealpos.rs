//! DealPOS is told of sales: one invoice each, sent, paid and voided as in the books, whatever goes wrong between.

use super::World;
use crate::support::scenarios;
use entity::conflicts;
use marketsink::{
    channels,
    domain::EndpointId,
    marketplaces::simulation::SimStatus::{Cancelled, Completed, Paid, Shipped},
    outbox::{self, NewEndpoint, Protocol, Replay},
    sandbox::SimTill,
    sinks::dealpos::{Credentials, DealPosSimulator, Settings, TillInvoice},
};
use sea_orm::EntityTrait;
use serde_json::{Value, json, to_value};
use std::time::Duration;

scenarios!(
    a_sale_becomes_an_invoice_that_is_sent_and_paid_there,
    a_cancelled_order_is_void_there_with_its_goods_back_if_they_had_left,
    a_void_that_is_refused_is_a_conflict_and_closes_when_it_is_mended,
    a_create_whose_answer_is_lost_is_found_and_not_repeated,
    a_token_that_ends_early_is_renewed,
    told_again_there_is_still_one_invoice,
    wrong_credentials_wait_for_a_person,
);

impl World {
    async fn connect_till(&self, secret: &str) -> (SimTill, EndpointId) {
        let till = DealPosSimulator::new(&["Outlet1"], &["MUG", "TEA-25", "TEA-100"]);
        let till = self.sandbox.open_till(till).await.unwrap();
        let mut settings = Settings::new("Marketplace");
        settings
            .outlets
            .insert("Main".to_owned(), "Outlet1".to_owned());
        settings
            .tags
            .insert("tiktok_shop".to_owned(), "TikTok".to_owned());
        let credentials = Credentials {
            client_id: DealPosSimulator::CLIENT_ID.to_owned(),
            client_secret: secret.to_owned(),
        };
        let app = &self.running.app;
        let now = self.clock.now();
        let tx = app.db.write_tx().await.unwrap();
        let new = NewEndpoint {
            merchant: self.merchant,
            protocol: Protocol::DealPos,
            url: till.origin.clone(),
            kinds: vec![],
            settings: to_value(&settings).unwrap(),
        };
        let id = outbox::add(&tx, &new, now).await.unwrap();
        let secret = serde_json::to_vec(&credentials).unwrap();
        let owner = (self.merchant, id);
        channels::set_endpoint_secret(&tx, &app.sealer, owner, &secret, Duration::ZERO, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        (till, id)
    }

    async fn with_till(url: String) -> (Self, SimTill, EndpointId) {
        let world = Self::open(url).await;
        let (till, id) = world.connect_till(DealPosSimulator::CLIENT_SECRET).await;
        (world, till, id)
    }
}

fn only(till: &SimTill) -> TillInvoice {
    let mut invoices = till.till.invoices();
    assert_eq!(invoices.len(), 1, "{invoices:?}");
    invoices.remove(0)
}

fn creates(calls: &[String]) -> usize {
    calls
        .iter()
        .filter(|call| *call == "POST /api/v3/Invoice")
        .count()
}

async fn a_sale_becomes_an_invoice_that_is_sent_and_paid_there(url: String) {
    let (world, till, _) = World::with_till(url).await;

    let order = world.order(&world.first, Paid, &[("MUG", 2), ("TEA-25", 1)]);
    world.settle().await;
    let sold = only(&till);
    world.first.move_order(&order, Shipped);
    world.settle().await;
    let shipped = only(&till);
    world.first.move_order(&order, Completed);
    world.settle().await;
    let paid = only(&till);

    let units: Vec<_> = sold
        .units
        .iter()
        .map(|(code, n)| (code.as_str(), *n))
        .collect();
    assert_eq!(units, [("MUG", 2), ("TEA-25", 1)]);
    assert_eq!(
        (sold.outlet.as_str(), sold.tag.as_str()),
        ("Outlet1", "TikTok")
    );
    assert_eq!((sold.fulfilment, sold.payments.len()), ("Unsent", 0));
    assert_eq!((shipped.fulfilment, shipped.payments.len()), ("Sent", 0));
    assert_eq!(paid.payments, [paid.total]);
    assert_eq!(creates(&till.till.take_calls()), 1);
    world.close().await;
}

async fn a_cancelled_order_is_void_there_with_its_goods_back_if_they_had_left(url: String) {
    let (world, till, _) = World::with_till(url).await;

    let unsent = world.order(&world.first, Paid, &[("MUG", 1)]);
    let sent = world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    world.first.move_order(&sent, Shipped);
    world.settle().await;
    world.first.move_order(&unsent, Cancelled);
    world.first.move_order(&sent, Cancelled);
    world.settle().await;

    let invoices = till.till.invoices();
    let ends: Vec<_> = invoices
        .iter()
        .map(|one| {
            (
                one.units.keys().next().unwrap().as_str(),
                one.is_void,
                one.fulfilment,
            )
        })
        .collect();
    assert!(ends.contains(&("MUG", true, "Unsent")), "{ends:?}");
    assert!(ends.contains(&("TEA-25", true, "Returned")), "{ends:?}");
    world.close().await;
}

async fn a_void_that_is_refused_is_a_conflict_and_closes_when_it_is_mended(url: String) {
    let (world, till, id) = World::with_till(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let invoice = only(&till);
    till.till.send_at_the_till(&invoice.outlet, &invoice.number);

    world.first.move_order(&order, Cancelled);
    world.settle().await;
    let refused = only(&till);
    let raised = sink_conflicts(&world).await;
    // The goods are put back at the till, and the void is tried again.
    till.till
        .take_back_at_the_till(&invoice.outlet, &invoice.number);
    let failed = Replay {
        failed_only: true,
        ..Replay::default()
    };
    world.replay(id, &failed).await;
    world.settle().await;

    assert!(!refused.is_void);
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!(raised[0]["state"], "open");
    assert!(
        raised[0]["detail"]
            .as_str()
            .unwrap()
            .contains("The invoice is Sent")
    );
    assert!(only(&till).is_void);
    assert_eq!(sink_conflicts(&world).await[0]["state"], "gone");
    world.close().await;
}

async fn sink_conflicts(world: &World) -> Vec<Value> {
    let rows = conflicts::Entity::find()
        .all(world.running.app.db.read())
        .await;
    rows.unwrap()
        .iter()
        .filter(|row| row.kind == "sink_refused")
        .map(|row| json!({"state": row.state, "detail": row.detail}))
        .collect()
}

async fn a_create_whose_answer_is_lost_is_found_and_not_repeated(url: String) {
    let (world, till, _) = World::with_till(url).await;
    till.till.lose_answers(1);

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    assert_eq!(only(&till).units["MUG"], 1);
    assert_eq!(creates(&till.till.take_calls()), 1);
    world.close().await;
}

async fn a_token_that_ends_early_is_renewed(url: String) {
    let (world, till, _) = World::with_till(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    till.till.take_calls();

    till.till.expire_token();
    world.first.move_order(&order, Shipped);
    world.settle().await;

    assert_eq!(only(&till).fulfilment, "Sent");
    let calls = till.till.take_calls();
    let tokens = calls.iter().filter(|call| call.ends_with("/Token")).count();
    assert_eq!(tokens, 1, "{calls:?}");
    world.close().await;
}

async fn told_again_there_is_still_one_invoice(url: String) {
    let (world, till, id) = World::with_till(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.first.move_order(&order, Completed);
    world.settle().await;
    let before = only(&till);

    let everything = Replay {
        since: Some(marketsink::domain::Timestamp::EPOCH),
        ..Replay::default()
    };
    let replayed = world.replay(id, &everything).await;
    world.settle().await;

    assert!(replayed >= 2, "{replayed}");
    assert_eq!(only(&till), before);
    assert_eq!(creates(&till.till.take_calls()), 1);
    world.close().await;
}

async fn wrong_credentials_wait_for_a_person(url: String) {
    let world = World::open(url).await;
    let (till, id) = world.connect_till("wrong").await;

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    assert_eq!(till.till.invoices(), []);
    let endpoint = world.endpoint(id).await;
    assert!(endpoint.failures > 0);
    let db = world.running.app.db.read();
    let told = outbox::deliveries(db, id, Some("waiting"), 10)
        .await
        .unwrap();
    let answers: Vec<_> = told.iter().map(|(one, _)| one.answer.clone()).collect();
    let says_why = |answer: &Option<String>| {
        answer
            .as_ref()
            .is_some_and(|text| text.contains("check the client id"))
    };
    assert!(answers.iter().any(says_why), "{answers:?}");
    let shown = format!("{answers:?}");
    assert!(!shown.contains("wrong"), "{shown}");
    world.close().await;
}
