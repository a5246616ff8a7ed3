//! "Where is my order?": one scenario for each answer. Numbers are left out of the texts: ids and times differ from
//! database to database.

use super::World;
use crate::support::scenarios;
use marketsink::{
    accounts::{
        Actor, Role,
        audit::{self, AuditFilter},
    },
    channels::{self, ChannelSettings},
    domain::{Day, Days, RemoteId, Source, Work},
    marketplaces::simulation::{
        ShopChange,
        SimStatus::{Arranged, Cancelled, Paid, Shipped, Unpaid},
    },
    reports::trace::{self, Answer, MomentKind, Trace},
    sandbox::{DeliveryFault, Fault, SimShop},
    sync::Mended,
};
use std::time::Duration;

scenarios!(
    an_order_in_the_books_is_told_with_all_that_happened,
    a_number_that_nobody_named_is_never_heard_of_and_the_shops_are_named,
    an_order_of_a_locked_channel_waits_for_the_person_who_connects_it,
    an_order_whose_sku_is_not_known_moved_no_stock,
    an_unpaid_order_is_not_wanted_by_a_setting_and_has_no_invoice_by_another,
    an_order_that_cannot_be_read_is_tried_again_then_given_up_then_mended,
    an_order_that_was_called_off_after_it_left_waits_for_a_person,
    an_order_of_a_removed_channel_says_so,
    an_order_whose_webhook_was_refused_says_why,
    an_order_in_a_webhook_of_no_known_topic_is_found_in_it,
    an_order_that_completeness_knows_is_explained,
    an_order_that_the_marketplace_does_not_show_says_so,
    a_channel_that_did_not_take_the_new_quantity_is_named,
);

impl World {
    async fn trace(&self, number: &str) -> Trace {
        let (queue, now) = (&self.running.app.queue, self.clock.now());
        let mut traces = trace::trace(queue, self.merchant, number, now)
            .await
            .unwrap();
        assert_eq!(traces.len(), 1, "{traces:?}");
        traces.remove(0)
    }

    /// Does what the answer recommends, and lets it be worked off.
    async fn mend(&self, trace: &Trace) -> Mended {
        let mend = trace.mend().expect("the answer says what mends it");
        let sync = &self.running.app.sync;
        let somebody = Actor::person("Sari", Role::Support);
        let by = (&somebody, Some("the buyer asks"));
        let mended = sync.mend(self.merchant, mend, by, self.clock.now()).await;
        self.settle().await;
        let db = &self.running.app.db;
        let noted = audit::list(db, Some(self.merchant), &AuditFilter::default(), 10).await;
        let noted = noted.unwrap();
        assert!(
            noted
                .iter()
                .any(|row| row.actor == "Sari" && row.why.is_some())
        );
        mended.unwrap()
    }

    /// An order that nobody is told of.
    fn untold(&self, shop: &SimShop, sku: &str) -> RemoteId {
        shop.next_deliveries(vec![DeliveryFault::Lost; 4]);
        self.order(shop, Paid, &[(sku, 1)])
    }
}

/// Without ids, times and amounts.
fn told(trace: &Trace) -> String {
    let mut text = String::new();
    let mut is_number = false;
    for c in trace.text(false).chars() {
        match (c.is_ascii_digit(), is_number) {
            (true, true) => {}
            (true, false) => text.push('N'),
            (false, _) => text.push(c),
        }
        is_number = c.is_ascii_digit();
    }
    text
}

fn kinds(trace: &Trace) -> Vec<MomentKind> {
    let mut kinds: Vec<MomentKind> = trace.timeline.iter().map(|moment| moment.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

async fn an_order_in_the_books_is_told_with_all_that_happened(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 2)]);
    world.settle().await;
    for status in [Arranged, Shipped] {
        world.first.move_order(&order, status);
        world.settle().await;
    }

    let trace = world.trace(order.as_str()).await;

    assert!(matches!(trace.answer, Answer::InBooks { .. }), "{trace:?}");
    assert_eq!(
        kinds(&trace),
        [
            MomentKind::Delivery,
            MomentKind::Job,
            MomentKind::Attempt,
            MomentKind::Reading,
            MomentKind::Step,
            MomentKind::Movement,
            MomentKind::Push,
        ]
    );
    assert!(trace.timeline.is_sorted_by_key(|moment| moment.at));
    insta::assert_snapshot!("in_books", told(&trace));
    // The same by its invoice and by its tracking number.
    let booked = trace.order.clone().unwrap();
    for number in [booked.invoice_number, booked.tracking_number] {
        let again = world.trace(&number.expect("it has one")).await;
        assert_eq!(again.subject, trace.subject);
    }
    world.close().await;
}

async fn a_number_that_nobody_named_is_never_heard_of_and_the_shops_are_named(url: String) {
    let world = World::open(url).await;
    let order = world.untold(&world.first, "MUG");
    world.settle().await;

    let trace = world.trace(order.as_str()).await;

    assert_eq!(trace.answer, Answer::NeverHeard);
    assert_eq!(trace.mend(), None, "either shop could have it");
    insta::assert_snapshot!("never_heard", told(&trace));
    // Asking writes nothing, and one of them has it.
    let before = world.state().await;
    let sync = &world.running.app.sync;
    let mut said = Vec::new();
    for channel in [&world.first, &world.second] {
        let channel = world.channel(channel).await;
        let told = sync.ask_about(&channel, order.as_str()).await;
        said.push(told.order.expect("it answers").result.as_str());
    }
    assert_eq!(said, ["new", "not_found"]);
    assert_eq!(world.state().await, before);
    // With one shop left there is no doubt.
    let now = world.clock.now();
    let second = world.channel(&world.second).await.id;
    let tx = world.running.app.db.write_tx().await.unwrap();
    channels::remove(&tx, second, now).await.unwrap();
    tx.commit().await.unwrap();
    let trace = world.trace(order.as_str()).await;
    world.mend(&trace).await;
    assert!(world.trace(order.as_str()).await.is_in_books());
    world.close().await;
}

async fn an_order_of_a_locked_channel_waits_for_the_person_who_connects_it(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.first).await.id;
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    channels::lock(&tx, channel, "the seller took the consent back", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_secs(10));
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.work().await;

    let trace = world.trace(order.as_str()).await;

    assert!(
        matches!(&trace.answer, Answer::ChannelLocked { reason, .. } if reason.contains("consent")),
        "{trace:?}"
    );
    assert!(trace.since.is_some());
    insta::assert_snapshot!("channel_locked", told(&trace));
    world.close().await;
}

async fn an_order_whose_sku_is_not_known_moved_no_stock(url: String) {
    let world = World::open(url).await;
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.add_product("Spoon", &[("", Some("SPOON"), 900_000, 5)], now);
    });
    let order = world.order(&world.first, Paid, &[("SPOON", 1), ("MUG", 1)]);
    world.settle().await;

    let trace = world.trace(order.as_str()).await;

    assert!(
        matches!(&trace.answer, Answer::UnlinkedSku { lines, .. } if lines.len() == 1),
        "{trace:?}"
    );
    insta::assert_snapshot!("unlinked_sku", told(&trace));
    world.close().await;
}

async fn an_unpaid_order_is_not_wanted_by_a_setting_and_has_no_invoice_by_another(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Unpaid, &[("MUG", 1)]);
    world.settle().await;

    let unwanted = world.trace(order.as_str()).await;
    let settings = ChannelSettings {
        unpaid_orders: true,
        ..ChannelSettings::default()
    };
    let channel = world.channel(&world.first).await.id;
    world.set(channel, &settings).await;
    world.mend(&unwanted).await;
    let wanted = world.trace(order.as_str()).await;
    world.first.move_order(&order, Cancelled);
    world.settle().await;
    let void = world.trace(order.as_str()).await;

    assert!(matches!(unwanted.answer, Answer::UnpaidBySetting { .. }));
    insta::assert_snapshot!("unpaid_by_setting", told(&unwanted));
    let codes = |trace: &Trace| -> Vec<&str> { trace.remarks.iter().map(|r| r.code).collect() };
    assert_eq!(codes(&wanted), ["no_invoice_yet"]);
    insta::assert_snapshot!("no_invoice_yet", told(&wanted));
    assert_eq!(codes(&void), ["voided"]);
    insta::assert_snapshot!("voided", told(&void));
    world.close().await;
}

async fn an_order_that_cannot_be_read_is_tried_again_then_given_up_then_mended(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.first.next_answers(vec![Fault::ServerError; 1_000]);
    world.work().await;

    let retrying = world.trace(order.as_str()).await;
    for _ in 0..60 {
        world.clock.advance(Duration::from_secs(600));
        world.running.app.worker().run_due().await.unwrap();
    }
    let given_up = world.trace(order.as_str()).await;

    assert!(
        matches!(retrying.answer, Answer::Retrying { attempt: 1, of: 12, until, .. } if until > retrying.since.unwrap()),
        "{retrying:?}"
    );
    assert!(
        matches!(given_up.answer, Answer::GivenUp { .. }),
        "{given_up:?}"
    );
    let tries = |trace: &Trace| {
        let of = |moment: &&trace::Moment| moment.kind == MomentKind::Attempt;
        trace.timeline.iter().filter(of).count()
    };
    assert_eq!((tries(&retrying), tries(&given_up)), (1, 12));
    insta::assert_snapshot!("retrying", told(&retrying));
    insta::assert_snapshot!(
        "given_up",
        given_up
            .text(true)
            .lines()
            .skip(1)
            .map(|line| line.replace(|c: char| c.is_ascii_digit(), "N"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    world.first.forget_faults();
    world.mend(&given_up).await;
    let mended = world.trace(order.as_str()).await;
    assert!(
        matches!(mended.answer, Answer::InBooks { .. }),
        "{mended:?}"
    );
    assert!(mended.remarks.is_empty(), "{mended:?}");
    world.close().await;
}

async fn an_order_that_was_called_off_after_it_left_waits_for_a_person(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 2)]);
    for status in [Arranged, Shipped] {
        world.first.move_order(&order, status);
    }
    world.settle().await;
    world.first.move_order(&order, Cancelled);
    world.settle().await;

    let trace = world.trace(order.as_str()).await;

    assert!(
        matches!(&trace.answer, Answer::InConflict { conflicts, .. } if conflicts.len() == 1),
        "{trace:?}"
    );
    insta::assert_snapshot!("in_conflict", told(&trace));
    world.close().await;
}

async fn an_order_of_a_removed_channel_says_so(url: String) {
    let world = World::open(url).await;
    let booked = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.sandbox.courier().deliver_due().await;
    let channel = world.channel(&world.first).await.id;
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    channels::remove(&tx, channel, now).await.unwrap();
    tx.commit().await.unwrap();
    world.settle().await;

    let absent = world.trace(order.as_str()).await;
    let kept = world.trace(booked.as_str()).await;

    assert!(matches!(absent.answer, Answer::ChannelRemoved { .. }));
    insta::assert_snapshot!("channel_removed", told(&absent));
    assert!(kept.is_in_books());
    assert!(kept.remarks.iter().any(|one| one.code == "channel_removed"));
    world.close().await;
}

async fn an_order_whose_webhook_was_refused_says_why(url: String) {
    let world = World::open(url).await;
    let order = world.untold(&world.first, "MUG");
    world.settle().await;
    let mut forged = world.told(&world.first, &ShopChange::OrderUpdated(order.clone()));
    forged.truncate(1);
    forged[0].headers = world.signed(&world.first, "not-our-secret", &forged[0].body);
    assert_eq!(world.post(&forged[0]).await, 401);

    let trace = world.trace(order.as_str()).await;

    assert!(matches!(&trace.answer, Answer::Refused { .. }), "{trace:?}");
    insta::assert_snapshot!("refused", told(&trace));
    world.mend(&trace).await;
    assert!(world.trace(order.as_str()).await.is_in_books());
    world.close().await;
}

async fn an_order_in_a_webhook_of_no_known_topic_is_found_in_it(url: String) {
    let world = World::open(url).await;
    let secret = world
        .first
        .with(|s| s.secrets.get("app_secret").unwrap().to_owned());
    let shop = world.first.remote_id();
    let body = format!(
        r#"{{"type":9999,"tts_notification_id":"1","shop_id":"{shop}","data":{{"order_id":"576900000000000099"}}}}"#
    );
    let headers = world.signed(&world.first, &secret, body.as_bytes());
    let url = format!("{}/webhooks/tiktok_shop", world.address());
    assert_eq!(
        world.send(&url, &headers, body.as_bytes()).await.status(),
        200
    );

    let trace = world.trace("576900000000000099").await;

    assert!(
        matches!(&trace.answer, Answer::NotUnderstood { verdict, .. } if verdict == "unknown_topic"),
        "{trace:?}"
    );
    insta::assert_snapshot!("not_understood", told(&trace));
    world.close().await;
}

async fn an_order_that_completeness_knows_is_explained(url: String) {
    let world = World::unconnected(url).await;
    let world = world
        .restarted_with(|settings| settings.sync.first_download = Duration::from_secs(600))
        .await;
    world.stock_shops().await;
    let early = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.clock.advance(Duration::from_secs(3_600));
    world.connect_all().await;
    world.settle().await;
    let late = world.untold(&world.first, "MUG");
    world.settle().await;
    let zone = "Asia/Jakarta".parse().unwrap();
    let completeness = Days::Day(Day::of(world.clock.now(), zone));
    let work = Work::CheckCompleteness { completeness };
    world.ask_for(&world.first, work, Source::Manual).await;
    world.settle().await;

    let explained = world.trace(early.as_str()).await;
    let found = world.trace(late.as_str()).await;

    assert!(
        matches!(explained.answer, Answer::BeforeConnection { .. }),
        "{explained:?}"
    );
    insta::assert_snapshot!("before_connection", told(&explained));
    assert!(found.is_in_books(), "{found:?}");
    let proofs = kinds(&found);
    assert!(proofs.contains(&MomentKind::Completeness), "{proofs:?}");
    world.mend(&explained).await;
    assert!(world.trace(early.as_str()).await.is_in_books());
    world.close().await;
}

async fn an_order_that_the_marketplace_does_not_show_says_so(url: String) {
    let world = World::open(url).await;
    let order = RemoteId::from("576900000000000077");
    let work = Work::FetchOrder {
        order: order.clone(),
    };
    world.ask_for(&world.first, work, Source::Webhook).await;
    for _ in 0..60 {
        world.clock.advance(Duration::from_secs(600));
        world.running.app.worker().run_due().await.unwrap();
    }

    let trace = world.trace(order.as_str()).await;

    assert!(matches!(trace.answer, Answer::NotShown { .. }), "{trace:?}");
    let readings = trace.timeline.iter();
    let readings = readings.filter(|moment| moment.kind == MomentKind::Reading);
    assert_eq!(readings.count(), 2, "the same answer is one row: {trace:?}");
    world.close().await;
}

async fn a_channel_that_did_not_take_the_new_quantity_is_named(url: String) {
    let world = World::open(url).await;
    world.second.next_answers(vec![Fault::ServerError; 1_000]);
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.work().await;
    world.work().await;

    let trace = world.trace(order.as_str()).await;

    let codes: Vec<&str> = trace.remarks.iter().map(|remark| remark.code).collect();
    assert_eq!(codes, ["push_failed"], "{trace:?}");
    assert!(trace.remarks[0].sentence.contains("Kedai Contoh"));
    world.second.forget_faults();
    world.settle().await;
    assert!(world.trace(order.as_str()).await.remarks.is_empty());
    world.close().await;
}
