//! Trouble in a merchant's day: it is told with its cause and its orders, and what it blocked goes on when it is over;
//! and what upkeep takes away changes nothing.

use super::{World, hands::is_2xx};
use crate::support::{everywhere, scenarios};
use entity::deliveries;
use marketsink::{
    channels,
    config::Settings,
    domain::Cause,
    inbox,
    issues::{self, Filter, Issue, Looked},
    marketplaces::simulation::{ShopChange, SimStatus::Paid},
    sandbox::Fault::ServerError,
    upkeep::{self, Keeping},
};
use sea_orm::{EntityTrait, QueryOrder};
use std::time::Duration;

scenarios!(
    a_quiet_day_has_no_issues,
    a_shop_that_cannot_answer_is_told_of_and_its_orders_come_when_it_can,
    a_locked_channel_says_what_waits_and_closes_when_it_is_connected,
    units_without_a_sku_are_told_with_their_orders_until_there_is_one,
    forgeries_alone_are_told_and_a_believed_delivery_ends_it,
    bodies_that_were_packed_are_replayed_as_they_came,
    a_repeat_of_a_delivery_that_was_taken_away_changes_nothing,
);

everywhere!(
    a_quiet_day_has_no_issues,
    units_without_a_sku_are_told_with_their_orders_until_there_is_one,
    bodies_that_were_packed_are_replayed_as_they_came,
);

const DAY: Duration = Duration::from_secs(86_400);

impl World {
    async fn look(&self) -> Looked {
        let queue = &self.running.app.queue;
        issues::look(queue, self.merchant, self.clock.now())
            .await
            .unwrap()
    }

    async fn open_issues(&self) -> Vec<Issue> {
        let db = &self.running.app.db;
        issues::issues(db, self.merchant, &Filter::default(), 100)
            .await
            .unwrap()
    }

    async fn deliveries(&self) -> Vec<deliveries::Model> {
        let rows = deliveries::Entity::find().order_by_asc(deliveries::Column::Id);
        rows.all(self.running.app.db.read()).await.unwrap()
    }
}

async fn a_quiet_day_has_no_issues(url: String) {
    let world = World::open(url).await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    let looked = world.look().await;

    assert_eq!(looked, Looked::default(), "{:?}", world.open_issues().await);
    world.close().await;
}

async fn a_shop_that_cannot_answer_is_told_of_and_its_orders_come_when_it_can(url: String) {
    let world = World::open(url).await;
    world.first.next_answers(vec![ServerError; 40]);
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle_in(4).await;

    let during = world.look().await;

    assert!(during.opened > 0, "{during:?}");
    let open = world.open_issues().await;
    let issue = open
        .iter()
        .find(|issue| issue.cause == Cause::ServerError && issue.subject.is_empty())
        .unwrap_or_else(|| panic!("{open:?}"));
    assert_eq!((issue.orders, issue.blocked), (1, 1));
    assert_eq!(issue.sample, [order.as_str()]);
    world.first.forget_faults();
    for _ in 0..3 {
        world.settle().await;
    }
    let after = world.look().await;
    assert_eq!(after.open, 0, "{:?}", world.open_issues().await);
    assert!(world.section("orders").await.contains(order.as_str()));
    world.close().await;
}

async fn a_locked_channel_says_what_waits_and_closes_when_it_is_connected(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.first).await.id;
    let tx = world.running.app.db.write_tx().await.unwrap();
    let reason = "the merchant withdrew the consent";
    channels::lock(&tx, channel, reason, world.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    world.look().await;

    let open = world.open_issues().await;
    let issue = open
        .iter()
        .find(|issue| issue.cause == Cause::ChannelLocked)
        .unwrap();
    assert!(issue.blocked > 0, "{issue:?}");
    assert!(issue.found.contains(reason), "{issue:?}");
    assert!(!world.section("orders").await.contains(order.as_str()));
    world.connect(&world.first).await;
    world.settle().await;
    let after = world.look().await;
    assert_eq!(after.open, 0, "{:?}", world.open_issues().await);
    assert!(world.section("orders").await.contains(order.as_str()));
    world.assert_in_step().await;
    world.close().await;
}

async fn units_without_a_sku_are_told_with_their_orders_until_there_is_one(url: String) {
    let world = World::open(url).await;
    let listing = world.list(&world.first, "New", Some("NEW-1"), 9).await;
    let order = world.order(&world.first, Paid, &[("NEW-1", 2)]);
    world.settle().await;

    world.look().await;

    let open = world.open_issues().await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].cause, Cause::UnlinkedSku);
    assert_eq!(open[0].subject, "NEW-1");
    assert_eq!((open[0].count, open[0].orders), (2, 1));
    let named = world.order_number(&order).await;
    assert_eq!(open[0].sample, [named]);
    world.set_stock("NEW-1", 9).await;
    world.link(&listing, "NEW-1").await;
    world.settle().await;
    let after = world.look().await;
    assert_eq!(
        (after.closed, after.open),
        (1, 0),
        "{:?}",
        world.open_issues().await
    );
    assert_eq!(world.available("NEW-1").await, 7, "what was sold has left");
    world.close().await;
}

impl World {
    /// As the merchant sees it.
    async fn order_number(&self, order: &marketsink::domain::RemoteId) -> String {
        let rows = entity::orders::Entity::find().all(self.running.app.db.read());
        let rows = rows.await.unwrap();
        let mut rows = rows.into_iter();
        rows.find(|row| row.remote_id == order.as_str())
            .unwrap()
            .number
    }
}

async fn forgeries_alone_are_told_and_a_believed_delivery_ends_it(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let genuine = world
        .told(&world.second, &ShopChange::OrderUpdated(order.clone()))
        .remove(0);
    let mut forged = genuine.clone();
    forged.body = [b" ", &forged.body[..]].concat().into();
    world.clock.advance(DAY);
    assert_eq!(world.post(&forged).await, 401);
    world.clock.advance(Duration::from_secs(60));

    world.look().await;

    let open = world.open_issues().await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].cause, Cause::SignatureFailing);
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.look().await;
    assert_eq!(world.open_issues().await, []);
    world.close().await;
}

async fn bodies_that_were_packed_are_replayed_as_they_came(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        world.order(shop, Paid, &[("MUG", 1), ("TEA-25", 2)]);
    }
    world.settle().await;
    let (before, plain) = (world.deliveries().await, world.state().await);
    let retention = Settings::default().retention;
    let keeping = Keeping {
        retention: &retention,
        now: world.clock.now() + DAY * 2,
    };

    let app = &world.running.app;
    let packed = upkeep::pack_some(&app.db, keeping, 99).await.unwrap();

    assert!(packed.rows > 0 && packed.packed_bytes < packed.plain_bytes);
    let after = world.deliveries().await;
    assert!(after.iter().any(|row| row.body_encoding == "deflate"));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            inbox::body_of(after).unwrap(),
            inbox::body_of(before).unwrap()
        );
    }
    for row in after.into_iter().filter(|row| row.channel_id.is_some()) {
        let (verdict, now) = (row.verdict.clone(), world.clock.now());
        let tx = app.db.write_tx().await.unwrap();
        let replayed = inbox::replay(&tx, world.merchant, row, now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(replayed.verdict.as_str(), verdict);
    }
    world.settle().await;
    assert_eq!(world.state().await, plain);
    world.close().await;
}

async fn a_repeat_of_a_delivery_that_was_taken_away_changes_nothing(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let sent = world
        .told(&world.second, &ShopChange::OrderUpdated(order))
        .remove(0);
    assert!(is_2xx(world.post(&sent).await));
    world.settle().await;
    world.order(&world.second, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    let (orders, stock) = (world.section("orders").await, world.section("stock").await);
    let n_before = world.n_deliveries().await;
    world.clock.advance(DAY * 100);
    let retention = Settings::default().retention;
    let keeping = Keeping {
        retention: &retention,
        now: world.clock.now(),
    };

    upkeep::run_all(&world.running.app.db, keeping)
        .await
        .unwrap();
    let n_kept = world.n_deliveries().await;
    let answer = world.post_late(&world.second, &sent).await;
    world.settle().await;

    assert!(n_kept < n_before, "{n_kept} of {n_before}");
    assert!(is_2xx(answer), "{answer}");
    assert_eq!(world.n_deliveries().await, n_kept + 1, "it is taken again");
    assert_eq!(world.section("orders").await, orders);
    assert_eq!(world.section("stock").await, stock);
    world.close().await;
}
