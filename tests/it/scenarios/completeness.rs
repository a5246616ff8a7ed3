//! Proving that a day's orders are all in the books: what was lost is found, closed, and found no more.

use super::World;
use crate::support::{everywhere, scenarios};
use entity::{completeness, orders};
use marketsink::{
    channels::ChannelSettings,
    domain::{Day, Days, Download, RemoteId, Source, Timestamp, Window, Work},
    marketplaces::simulation::{
        ShopChange,
        SimStatus::{Cancelled, Paid, Shipped, Unpaid},
    },
    sandbox::{DeliveryFault::Lost, Fault, SimShop},
    sync::{self, CompletenessReport, Proof, Seen, Tally},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use std::time::Duration;

scenarios!(
    lost_webhooks_and_a_lost_download_are_found_and_closed,
    a_wrong_total_and_a_wrong_status_are_put_right,
    an_order_that_only_the_books_hold_is_told,
    what_does_not_belong_in_the_books_is_explained,
    a_day_that_could_not_be_looked_at_is_not_proved,
    yesterday_is_proved_every_morning,
    a_preview_tells_everything_and_writes_nothing,
    a_channel_whose_webhooks_come_late_is_looked_back_upon_further,
);

everywhere!(
    lost_webhooks_and_a_lost_download_are_found_and_closed,
    a_wrong_total_and_a_wrong_status_are_put_right,
    an_order_that_only_the_books_hold_is_told,
    what_does_not_belong_in_the_books_is_explained,
    a_day_that_could_not_be_looked_at_is_not_proved,
    yesterday_is_proved_every_morning,
    a_preview_tells_everything_and_writes_nothing,
    a_channel_whose_webhooks_come_late_is_looked_back_upon_further,
);

/// More than any marketplace sends of a few changes.
const MANY: usize = 100;
const DAY: Duration = Duration::from_secs(86_400);

/// The day on which every scenario begins, in Jakarta.
fn today() -> Day {
    Day::parse("2026-11-23").unwrap()
}

impl World {
    fn lose_webhooks(&self) {
        self.first.next_deliveries(vec![Lost; MANY]);
    }

    /// Looks at today, and at what it fetches. Returns the calls that both took.
    async fn prove(&self) -> u64 {
        let work = Work::CheckCompleteness {
            completeness: Days::Day(today()),
        };
        let before = self.first.n_requests();
        self.ask_for(&self.first, work, Source::Manual).await;
        self.settle().await;
        self.first.n_requests() - before
    }

    /// The reports of the first shop, newest first.
    async fn proofs(&self) -> Vec<completeness::Model> {
        let channel = self.channel(&self.first).await.id;
        let days = (today(), today().next());
        let db = &self.running.app.db;
        let found = sync::completeness_reports(db, self.merchant, Some(channel), days, 100);
        found.await.unwrap()
    }

    async fn proof(&self) -> CompletenessReport {
        let newest = self.proofs().await.into_iter().next().expect("a report");
        let db = &self.running.app.db;
        sync::completeness_orders(db, self.merchant, newest)
            .await
            .unwrap()
    }

    /// Changes what the books hold of an order, behind everybody's back.
    async fn falsify(&self, order: &RemoteId, change: impl FnOnce(&mut orders::ActiveModel)) {
        let tx = self.running.app.db.write_tx().await.unwrap();
        let row = orders::Entity::find()
            .filter(orders::Column::RemoteId.eq(order.as_str()))
            .one(&tx)
            .await
            .unwrap()
            .expect("it is booked");
        let mut row: orders::ActiveModel = row.into();
        change(&mut row);
        row.update(&tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn booked(&self, order: &RemoteId) -> orders::Model {
        let found = orders::Entity::find().filter(orders::Column::RemoteId.eq(order.as_str()));
        let found = found.one(self.running.app.db.read()).await.unwrap();
        found.expect("it is booked")
    }
}

fn kinds(report: &CompletenessReport) -> Vec<(&str, &str, bool)> {
    let told = |order| {
        let order: &entity::completeness_orders::Model = order;
        (
            order.remote_id.as_str(),
            order.kind.as_str(),
            order.closed_at.is_some(),
        )
    };
    report.orders.iter().map(told).collect()
}

async fn lost_webhooks_and_a_lost_download_are_found_and_closed(url: String) {
    let world = World::open(url).await;
    let told = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.lose_webhooks();
    let lost = world.order(&world.first, Paid, &[("TEA-25", 2)]);
    world.order_on(&world.first, world.other_platform(), Paid, &[("MUG", 1)]);
    world.settle().await;
    world.first.forget_faults();
    // No download comes either: nothing is fired in this scenario.
    assert!(!world.section("orders").await.contains(lost.as_str()));

    let n_first = world.prove().await;

    let found = world.proof().await;
    let before: Tally =
        serde_json::from_str(found.report.before_closing.as_deref().unwrap()).unwrap();
    assert_eq!((before.theirs, before.ours, before.missing), (3, 1, 2));
    let after = Tally::of(&found.report);
    assert!(after.is_complete(), "{found:?}");
    assert_eq!((after.theirs, after.ours, after.matched), (3, 3, 3));
    assert_eq!(after.theirs_value, after.ours_value);
    assert_eq!(after.theirs_value.len(), 1, "one currency");
    assert_eq!(kinds(&found).len(), 2, "each missing order is told");
    assert!(
        kinds(&found)
            .iter()
            .all(|(_, kind, is_closed)| *kind == "missing" && *is_closed)
    );
    let answer = sync::sentence(&found.report);
    assert!(
        answer.starts_with("complete so far: 3 of 3 orders, Rp "),
        "{answer}"
    );
    assert!(answer.contains("2 missing; all put right"), "{answer}");
    assert_eq!(world.booked(&told).await.source, "webhook");
    // The second look is clean, and costs less: nothing is fetched.
    let n_second = world.prove().await;
    let again = world.proof().await;
    assert_eq!(again.orders, []);
    assert_eq!(again.report.state, Proof::Complete.as_str());
    assert_eq!(world.proofs().await.len(), 2, "both reports are kept");
    assert!(n_second < n_first, "{n_second} calls, {n_first} before");
    assert_eq!(again.report.api_calls.cast_unsigned(), n_second);
    if world.elsewhere().is_none() {
        assert_eq!(n_second, 1, "one page holds the day");
    }
    world.close().await;
}

async fn a_wrong_total_and_a_wrong_status_are_put_right(url: String) {
    let world = World::open(url).await;
    let dear = world.order(&world.first, Paid, &[("MUG", 1)]);
    let sent = world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    let right = world.booked(&dear).await.total_minor;
    // A wrong amount with the same version, as after a fault of ours; and a change that nobody told.
    world
        .falsify(&dear, |row| row.total_minor = Set(right + 500))
        .await;
    world.lose_webhooks();
    world.first.move_order(&sent, Shipped);
    world.settle().await;
    world.first.forget_faults();

    world.prove().await;

    let found = world.proof().await;
    let before: Tally =
        serde_json::from_str(found.report.before_closing.as_deref().unwrap()).unwrap();
    assert_eq!(
        (before.wrong_status, before.different_total, before.matched),
        (1, 1, 0)
    );
    assert_ne!(before.theirs_value, before.ours_value);
    let reason = |order: &RemoteId| {
        let mut all = found.orders.iter();
        all.find(|row| row.remote_id == order.as_str())
            .unwrap()
            .reason
            .clone()
    };
    assert!(reason(&dear).starts_with("total: "), "{}", reason(&dear));
    assert!(reason(&sent).starts_with("status: "), "{}", reason(&sent));
    assert_eq!(found.report.state, "complete");
    assert_eq!(world.booked(&dear).await.total_minor, right);
    assert_eq!(world.booked(&sent).await.fulfilment, "sent");
    world.assert_in_step().await;
    world.close().await;
}

async fn an_order_that_only_the_books_hold_is_told(url: String) {
    let world = World::open(url).await;
    let kept = world.order(&world.first, Paid, &[("MUG", 1)]);
    let deleted = world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    world
        .first
        .with(|shop| shop.orders.remove(&deleted))
        .unwrap();

    world.prove().await;

    let found = world.proof().await;
    assert_eq!(kinds(&found), [(deleted.as_str(), "only_in_books", false)]);
    let tally = Tally::of(&found.report);
    assert_eq!((tally.theirs, tally.ours, tally.matched), (1, 2, 1));
    let answer = sync::sentence(&found.report);
    assert!(
        answer.starts_with("not complete: 1 of 1 orders"),
        "{answer}"
    );
    assert!(answer.contains("1 only in the books"), "{answer}");
    let attention = world
        .booked(&deleted)
        .await
        .attention
        .expect("a person is told");
    assert!(attention.contains("deleted"), "{attention}");
    assert_eq!(world.booked(&kept).await.attention, None);
    world.close().await;
}

async fn what_does_not_belong_in_the_books_is_explained(url: String) {
    let world = World::open(url).await;
    let unpaid = world.order(&world.first, Unpaid, &[("MUG", 1)]);
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.add_product("Spoon", &[("", Some("SPOON"), 900_000, 5)], now);
    });
    let unlinked = world.order(&world.first, Paid, &[("SPOON", 1)]);
    world.settle().await;

    world.prove().await;

    let found = world.proof().await;
    assert_eq!(found.report.state, "complete", "{found:?}");
    let tally = Tally::of(&found.report);
    assert_eq!(
        (tally.listed, tally.theirs, tally.explained, tally.noted),
        (2, 1, 1, 1)
    );
    let told = kinds(&found);
    assert_eq!(
        told,
        [
            (unpaid.as_str(), "explained", false),
            (unlinked.as_str(), "noted", false)
        ]
    );
    assert!(found.orders[0].reason.contains("unpaid_orders"));
    assert!(found.orders[1].reason.contains("no SKU is known"));
    // Once unpaid orders are wanted, it is missing, and fetched.
    let settings = ChannelSettings {
        unpaid_orders: true,
        ..ChannelSettings::default()
    };
    let channel = world.channel(&world.first).await.id;
    world.set(channel, &settings).await;
    world.prove().await;
    let found = world.proof().await;
    assert_eq!(world.booked(&unpaid).await.document, "sales_order");
    assert_eq!(Tally::of(&found.report).matched, 2, "{found:?}");
    world.close().await;
}

async fn a_day_that_could_not_be_looked_at_is_not_proved(url: String) {
    let world = World::open(url).await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.first.next_answers(vec![Fault::ServerError; 2]);
    let work = Work::CheckCompleteness {
        completeness: Days::Day(today()),
    };
    world.ask_for(&world.first, work, Source::Manual).await;
    world.work().await;

    let found = world.proof().await;
    assert_eq!(found.report.state, "not_proved");
    let answer = sync::sentence(&found.report);
    assert!(answer.starts_with("not proved: channel "), "{answer}");

    // The job tries again by itself, and the proof takes the place of the excuse.
    world.first.forget_faults();
    world.settle().await;
    let proofs = world.proofs().await;
    assert_eq!(proofs.len(), 1, "{proofs:?}");
    assert_eq!(proofs[0].state, "complete");
    world.close().await;
}

async fn yesterday_is_proved_every_morning(url: String) {
    let world = World::open(url).await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.lose_webhooks();
    world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    world.first.forget_faults();

    world.pass(DAY).await;

    let found = world.proof().await;
    assert_eq!(found.report.day, today().to_string());
    assert_eq!(
        (found.report.state.as_str(), found.report.matched),
        ("complete", 2)
    );
    let answer = sync::sentence(&found.report);
    assert!(
        answer.starts_with("complete: 2 of 2 orders, Rp "),
        "{answer}"
    );
    let emulated = !world.first.marketplace().limits().created_filter;
    assert_eq!(found.report.emulated, emulated, "what an API lacks is told");
    // Once more after three days, and not between.
    world.pass(DAY).await;
    assert_eq!(n_of_today(&world).await, 1);
    world.pass(DAY).await;
    assert_eq!(n_of_today(&world).await, 2);
    world.close().await;
}

async fn n_of_today(world: &World) -> usize {
    let today = today().to_string();
    let proofs = world.proofs().await;
    proofs.iter().filter(|proof| proof.day == today).count()
}

async fn a_preview_tells_everything_and_writes_nothing(url: String) {
    let world = World::open(url).await;
    let same = world.order(&world.first, Paid, &[("MUG", 1)]);
    let changed = world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    world.lose_webhooks();
    world.first.move_order(&changed, Shipped);
    let new = world.order(&world.first, Paid, &[("TEA-100", 1)]);
    let unpaid = world.order(&world.first, Unpaid, &[("MUG", 1)]);
    world.settle().await;
    world.first.forget_faults();
    let state = world.state().await;
    let window = Window {
        from: Timestamp::EPOCH.max(world.clock.now() - DAY),
        to: world.clock.now(),
    };
    let unknown = RemoteId::from("999999999");
    let numbers = [&same, &changed, &new, &unpaid, &unknown].map(ToString::to_string);

    // From here on the database takes nothing.
    world.fuse.blow_after(0);
    for asked in [
        Download::Updated,
        Download::Within(window),
        Download::Placed(window),
        Download::Numbered(numbers.to_vec()),
    ] {
        let seen = preview(&world, &world.first, &asked).await;
        let of = |order: &RemoteId| {
            let mut all = seen.iter();
            all.find(|(id, ..)| id == order)
                .map(|(_, seen, reasons)| (*seen, reasons.clone()))
        };
        assert_eq!(of(&same), Some((Seen::Same, vec![])), "{asked:?}");
        let (found, reasons) = of(&changed).unwrap();
        assert_eq!(found, Seen::Different, "{asked:?}");
        assert!(reasons[0].starts_with("status: "), "{reasons:?}");
        assert_eq!(
            of(&new),
            Some((Seen::New, vec!["not in the books".to_owned()]))
        );
        let (found, reasons) = of(&unpaid).unwrap();
        assert_eq!(found, Seen::NothingToBook, "{asked:?}");
        assert!(reasons[0].contains("unpaid_orders"), "{reasons:?}");
        let is_numbered = matches!(asked, Download::Numbered(_));
        assert_eq!(
            of(&unknown).map(|of| of.0),
            is_numbered.then_some(Seen::NotFound)
        );
    }
    assert!(!world.fuse.has_blown(), "somebody tried to write");
    world.fuse.mend();
    assert_eq!(world.state().await, state);
    world.close().await;
}

async fn preview(
    world: &World,
    shop: &SimShop,
    asked: &Download,
) -> Vec<(RemoteId, Seen, Vec<String>)> {
    let channel = world.channel(shop).await.id;
    let seen = world.running.app.sync.preview_orders(channel, asked).await;
    let seen = seen.unwrap();
    assert_eq!(seen.n_left_off(), 0);
    let told = seen.orders.into_iter();
    told.map(|order| (order.remote_id, order.result, order.reasons))
        .collect()
}

async fn a_channel_whose_webhooks_come_late_is_looked_back_upon_further(url: String) {
    let world = World::open(url).await;
    let sync = &world.running.app.sync;
    let channel = world.channel(&world.first).await.id;
    let least = world.first.marketplace().limits().lookback;
    let before = sync.lookback_of(channel).await.unwrap();
    assert_eq!(
        (before.span, before.lateness),
        (least, None),
        "nothing was measured"
    );

    // Deliveries of 30 changes, each four hours late.
    let late = Duration::from_secs(4 * 3_600);
    for _ in 0..10 {
        world.lose_webhooks();
        let order = world.order(&world.first, Unpaid, &[("MUG", 1)]);
        let mut told = Vec::new();
        for (status, change) in [
            (Paid, ShopChange::OrderCreated(order.clone())),
            (Shipped, ShopChange::OrderUpdated(order.clone())),
            (Cancelled, ShopChange::OrderUpdated(order.clone())),
        ] {
            world.clock.advance(Duration::from_secs(5));
            world.first.move_order(&order, status);
            told.extend(world.told(&world.first, &change));
        }
        world.settle().await;
        world.first.forget_faults();
        world.clock.advance(late);
        for delivery in &told {
            world.post_late(&world.first, delivery).await;
        }
        world.settle().await;
    }

    let after = sync.lookback_of(channel).await.unwrap();
    assert!(after.n_events >= 20, "{after:?}");
    let lateness = after.lateness.expect("it was measured");
    assert!(lateness >= late && lateness < 2 * late, "{after:?}");
    assert_eq!(after.span, lateness.max(least));
    // Used by the next download, and kept with it.
    let updated = Work::DownloadOrders {
        orders: Download::Updated,
    };
    world.ask_for(&world.first, updated, Source::Schedule).await;
    world.work().await;
    let db = &world.running.app.db;
    let downloads = sync::downloads(db, world.merchant, 100).await.unwrap();
    let newest = downloads
        .iter()
        .find(|row| row.channel_id == channel.0)
        .unwrap();
    assert_eq!(
        newest.lookback_secs,
        Some(after.span.as_secs().cast_signed())
    );
    let first = downloads
        .iter()
        .rfind(|row| row.channel_id == channel.0)
        .unwrap();
    assert_eq!(
        first.by_time, "created",
        "a new channel's orders of the last weeks"
    );
    assert_eq!(
        first.emulated,
        !world.first.marketplace().limits().created_filter
    );
    world.close().await;
}
