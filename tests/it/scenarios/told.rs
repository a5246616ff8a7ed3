//! Other programs that are told what happens: signed, in order, again when it failed, and never of what did not happen.

use super::World;
use crate::sandbox::receiver::Receiver;
use crate::support::scenarios;
use entity::{endpoint_deliveries, endpoints, happenings};
use marketsink::{
    channels,
    domain::{EndpointId, HappeningId},
    marketplaces::{
        RawDelivery, WebhookKey, WebhookKeys, find,
        http::signature,
        simulation::SimStatus::{Cancelled, Paid, Shipped},
    },
    outbox::{self, Happening, HappeningKind, NewEndpoint, Protocol, Replay},
    sinks::SECRET_OVERLAP,
};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

scenarios!(
    a_sale_is_told_from_its_first_step_to_its_void,
    every_message_is_signed_and_keeps_its_id_over_its_tries,
    a_message_that_is_not_taken_does_not_hold_up_the_others,
    three_days_without_a_success_disable_an_endpoint_that_then_catches_up,
    an_endpoint_that_is_gone_is_told_no_more,
    a_replaced_secret_signs_beside_the_new_one_for_a_while,
    a_paused_endpoint_is_told_later_and_a_removed_one_never,
    what_was_told_is_told_again_under_the_same_id,
    a_merchant_without_endpoints_pays_one_read_a_sale_and_writes_nothing,
    what_was_rolled_back_is_not_told,
    a_crash_between_any_two_commits_loses_no_message,
);

const HOUR: Duration = Duration::from_secs(3_600);

fn secret(byte: u8) -> String {
    signature::secret_of(&[byte; 32])
}

impl World {
    /// Adds an endpoint that hears these kinds; all, when there are none.
    pub async fn add_endpoint(&self, url: &str, kinds: &[HappeningKind]) -> EndpointId {
        let app = &self.running.app;
        let now = self.clock.now();
        let tx = app.db.write_tx().await.unwrap();
        let new = NewEndpoint {
            merchant: self.merchant,
            protocol: Protocol::Webhook,
            url: url.to_owned(),
            kinds: kinds.to_vec(),
            settings: json!({}),
        };
        let id = outbox::add(&tx, &new, now).await.unwrap();
        let owner = (self.merchant, id);
        let text = secret(1);
        channels::set_endpoint_secret(&tx, &app.sealer, owner, text.as_bytes(), HOUR, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub async fn endpoint(&self, id: EndpointId) -> outbox::Endpoint {
        let db = self.running.app.db.read();
        outbox::endpoint(db, self.merchant, id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn resume(&self, id: EndpointId) -> u64 {
        let endpoint = self.endpoint(id).await;
        let tx = self.running.app.db.write_tx().await.unwrap();
        let missed = outbox::resume(&tx, &endpoint, self.clock.now()).await;
        tx.commit().await.unwrap();
        missed.unwrap()
    }

    pub async fn replay(&self, id: EndpointId, which: &Replay) -> u64 {
        let endpoint = self.endpoint(id).await;
        let tx = self.running.app.db.write_tx().await.unwrap();
        let replayed = outbox::replay(&tx, &endpoint, which, self.clock.now()).await;
        tx.commit().await.unwrap();
        replayed.unwrap()
    }
}

fn body(raw: &RawDelivery) -> Value {
    serde_json::from_slice(&raw.body).unwrap()
}

/// Types and subjects without our ids.
fn kinds(raws: &[RawDelivery]) -> Vec<String> {
    raws.iter()
        .map(|raw| body(raw)["type"].as_str().unwrap().to_owned())
        .collect()
}

fn is_genuine(raw: &RawDelivery, secret: &str) -> bool {
    let at = raw.header("webhook-timestamp").unwrap().parse().unwrap();
    let raw = raw.clone().at(marketsink::domain::Timestamp::from_secs(at));
    let keys = WebhookKeys {
        keys: vec![WebhookKey {
            app_key: String::new(),
            secret: secret.to_owned(),
        }],
        address: String::new(),
    };
    find("standard_webhooks")
        .unwrap()
        .verify(raw, &keys)
        .is_ok()
}

async fn a_sale_is_told_from_its_first_step_to_its_void(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    world.add_endpoint(&receiver.address(), &[]).await;

    let order = world.order(&world.first, Paid, &[("MUG", 2)]);
    world.settle().await;
    let sold = receiver.take();
    world.first.move_order(&order, Shipped);
    world.settle().await;
    let shipped = receiver.take();
    world.first.move_order(&order, Cancelled);
    world.settle().await;
    let void = receiver.take();

    assert_eq!(kinds(&sold), ["stock.changed", "sale.recorded"]);
    assert_eq!(kinds(&shipped), ["stock.changed", "sale.changed"]);
    assert!(
        kinds(&void).contains(&"invoice.voided".to_owned()),
        "{:?}",
        kinds(&void)
    );
    let stock = &body(&sold[0])["data"];
    let levels = json!([{"outlet": "Main", "on_hand": 10, "allocated": 2, "available": 8}]);
    assert_eq!((&stock["sku"], &stock["levels"]), (&json!("MUG"), &levels));
    let sale = &body(&sold[1])["data"];
    assert_eq!(sale["order"]["document"], "invoice");
    assert_eq!(sale["order"]["lines"][0]["sku"], "MUG");
    assert_eq!(sale["steps"], json!(["create_invoice"]));
    let all = sold.iter().chain(&shipped).chain(&void);
    let sequences: Vec<i64> = all
        .map(|raw| body(raw)["data"]["sequence"].as_i64().unwrap())
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    world.close().await;
}

async fn every_message_is_signed_and_keeps_its_id_over_its_tries(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let kinds = [HappeningKind::SaleRecorded];
    let id = world.add_endpoint(&receiver.address(), &kinds).await;
    receiver.answer_next(&[500, 302]);

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.settle().await;

    let tries = receiver.take();
    assert_eq!(tries.len(), 3);
    let first = tries[0].header("webhook-id");
    for one in &tries {
        assert!(is_genuine(one, &secret(1)) && !is_genuine(one, &secret(2)));
        assert_eq!(one.header("webhook-id"), first);
    }
    let times: Vec<_> = tries
        .iter()
        .map(|one| one.header("webhook-timestamp"))
        .collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    let db = world.running.app.db.read();
    let told = outbox::deliveries(db, id, None, 10).await.unwrap();
    let (delivery, _) = &told[0];
    assert_eq!(
        (delivery.state.as_str(), delivery.attempts),
        ("delivered", 3)
    );
    assert_eq!(world.endpoint(id).await.failures, 0);
    world.close().await;
}

async fn a_message_that_is_not_taken_does_not_hold_up_the_others(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let kinds = [HappeningKind::SaleRecorded];
    world.add_endpoint(&receiver.address(), &kinds).await;
    receiver.answer_next(&[400, 400]);

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.work().await;
    world.work().await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.settle().await;

    let tries = receiver.take();
    let ids: Vec<&str> = tries
        .iter()
        .map(|one| one.header("webhook-id").unwrap())
        .collect();
    let [first, again, other, last] = ids[..] else {
        panic!("{ids:?}")
    };
    assert_eq!((first, first), (again, last));
    assert_ne!(first, other);
    world.close().await;
}

async fn three_days_without_a_success_disable_an_endpoint_that_then_catches_up(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let kinds = [HappeningKind::SaleRecorded];
    let id = world.add_endpoint(&receiver.address(), &kinds).await;
    receiver.answer_next(&[503; 200]);

    world.order(&world.first, Paid, &[("MUG", 1)]);
    for _ in 0..90 {
        world.work().await;
        world.clock.advance(HOUR);
    }
    let failed = world.endpoint(id).await;
    receiver.take();
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let meanwhile = receiver.take();
    world.resume(id).await;
    // It works again.
    receiver.forget_answers();
    world.settle().await;

    assert_eq!(failed.state, outbox::EndpointState::Disabled);
    let reason = failed.state_reason.unwrap();
    assert!(reason.contains("nothing could be delivered"), "{reason}");
    assert_eq!(meanwhile.len(), 0);
    let ids: BTreeSet<_> = receiver
        .take()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(
        world.endpoint(id).await.state,
        outbox::EndpointState::Active
    );
    world.close().await;
}

async fn an_endpoint_that_is_gone_is_told_no_more(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let kinds = [HappeningKind::SaleRecorded];
    let id = world.add_endpoint(&receiver.address(), &kinds).await;
    receiver.answer_next(&[410]);

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    assert_eq!(receiver.take().len(), 1);
    assert_eq!(
        world.endpoint(id).await.state,
        outbox::EndpointState::Disabled
    );
    world.close().await;
}

async fn a_replaced_secret_signs_beside_the_new_one_for_a_while(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let kinds = [HappeningKind::SaleRecorded];
    let id = world.add_endpoint(&receiver.address(), &kinds).await;
    let app = &world.running.app;
    let tx = app.db.write_tx().await.unwrap();
    let (owner, text) = ((world.merchant, id), secret(2));
    let now = world.clock.now();
    channels::set_endpoint_secret(
        &tx,
        &app.sealer,
        owner,
        text.as_bytes(),
        SECRET_OVERLAP,
        now,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let during = receiver.take();
    world.clock.advance(SECRET_OVERLAP);
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let after = receiver.take();

    assert!(is_genuine(&during[0], &secret(1)) && is_genuine(&during[0], &secret(2)));
    assert!(!is_genuine(&after[0], &secret(1)) && is_genuine(&after[0], &secret(2)));
    world.close().await;
}

async fn a_paused_endpoint_is_told_later_and_a_removed_one_never(url: String) {
    let world = World::open(url).await;
    let (pausing, leaving) = (Receiver::open(), Receiver::open());
    let kinds = [HappeningKind::SaleRecorded];
    let paused = world.add_endpoint(&pausing.address(), &kinds).await;
    let removed = world.add_endpoint(&leaving.address(), &kinds).await;
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    outbox::pause(&tx, paused, now).await.unwrap();
    outbox::remove(&tx, removed, now).await.unwrap();
    tx.commit().await.unwrap();

    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let while_paused = pausing.take().len();
    world.resume(paused).await;
    world.settle().await;

    assert_eq!((while_paused, pausing.take().len()), (0, 1));
    assert_eq!(leaving.take().len(), 0);
    world.close().await;
}

async fn what_was_told_is_told_again_under_the_same_id(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    let id = world.add_endpoint(&receiver.address(), &[]).await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let told = receiver.take();

    let one_kind = Replay {
        kind: Some(HappeningKind::SaleRecorded),
        ..Replay::default()
    };
    let n_sales = world.replay(id, &one_kind).await;
    world.settle().await;
    let sales = receiver.take();
    let sequence = body(&told[0])["data"]["sequence"].as_i64().map(HappeningId);
    let one = Replay {
        from: sequence,
        to: sequence,
        ..Replay::default()
    };
    world.replay(id, &one).await;
    world.settle().await;
    let again = receiver.take();

    assert_eq!(told.len(), 4);
    assert_eq!(
        (n_sales, kinds(&sales)),
        (2, vec!["sale.recorded".to_owned(); 2])
    );
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header("webhook-id"), told[0].header("webhook-id"));
    assert_eq!(again[0].body, told[0].body);
    world.close().await;
}

async fn a_merchant_without_endpoints_pays_one_read_a_sale_and_writes_nothing(url: String) {
    let world = World::open(url).await;

    world.order(&world.first, Paid, &[("MUG", 1), ("TEA-25", 1)]);
    world.meter.keep_statements();
    world.settle().await;

    let statements = world.meter.take_statements();
    let asks = statements
        .iter()
        .filter(|one| one.sql.contains("\"endpoints\""))
        .count();
    let tells = statements
        .iter()
        .filter(|one| one.sql.contains("happenings"))
        .count();
    assert_eq!((asks, tells), (1, 0));
    let db = world.running.app.db.read();
    assert_eq!(happenings::Entity::find().count(db).await.unwrap(), 0);
    world.close().await;
}

async fn what_was_rolled_back_is_not_told(url: String) {
    let world = World::open(url).await;
    let receiver = Receiver::open();
    world.add_endpoint(&receiver.address(), &[]).await;
    let happening = Happening {
        kind: HappeningKind::ConflictRaised,
        subject: "conflict:1".to_owned(),
        payload: json!({}),
    };

    let tx = world.running.app.db.write_tx().await.unwrap();
    outbox::tell(&tx, world.merchant, &happening, world.clock.now())
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    world.settle().await;

    let db = world.running.app.db.read();
    assert_eq!(happenings::Entity::find().count(db).await.unwrap(), 0);
    let waiting = endpoint_deliveries::Entity::find();
    assert_eq!(waiting.count(db).await.unwrap(), 0);
    let rows = endpoints::Entity::find().order_by_asc(endpoints::Column::Id);
    assert_eq!(rows.all(db).await.unwrap().len(), 1);
    assert_eq!(receiver.take().len(), 0);
    world.close().await;
}

/// Transactions of one sale and of telling it, and a few more.
const CUTS: i64 = 10;

async fn a_crash_between_any_two_commits_loses_no_message(url: String) {
    let mut world = World::open(url).await;
    let receiver = Receiver::open();
    let id = world.add_endpoint(&receiver.address(), &[]).await;
    // Enough of it for every sale.
    world.set_stock("TEA-100", 100).await;
    for shop in [&world.first, &world.second] {
        let variant = super::world::variant(shop, "TEA-100");
        shop.edit_variant_quantity(&variant, 100);
    }

    for cut in 0..CUTS {
        world.order(&world.first, Paid, &[("TEA-100", 1)]);
        world.fuse.blow_after(cut);
        for _ in 0..6 {
            world.sandbox.courier().deliver_due().await;
            let _ = world.running.app.worker().run_due().await;
            world.clock.advance(Duration::from_secs(10));
        }
        world = world.restarted().await;
        world.recover().await;
    }

    // What the shop told us in vain is found by a download.
    world.pass(HOUR).await;

    let app = &world.running.app;
    let log = outbox::happenings(app.db.read(), world.merchant, HappeningId(0), 1_000).await;
    let logged: BTreeMap<String, Value> = log
        .unwrap()
        .into_iter()
        .map(|row| {
            (
                format!("msg_{}", row.id),
                serde_json::from_str(&row.payload).unwrap(),
            )
        })
        .collect();
    let sales = logged
        .values()
        .filter(|payload| !payload["order"].is_null());
    assert_eq!(sales.count() as i64, CUTS, "{}", world.state().await);
    let mut told = BTreeMap::new();
    for raw in receiver.take() {
        let message = raw.header("webhook-id").unwrap().to_owned();
        // Told again after a crash, it is the same to the letter.
        let before = told.insert(message, raw.body.clone());
        assert!(before.is_none_or(|before| before == raw.body));
    }
    let left = logged.keys().filter(|message| !told.contains_key(*message));
    assert_eq!(left.count(), 0);
    let waiting = outbox::deliveries(app.db.read(), id, Some("waiting"), 10).await;
    assert_eq!(waiting.unwrap().len(), 0);
    world.close().await;
}
