//! Deliveries and jobs taken up again: foretold without a trace, done once whoever asks, paced, cancelled, resumed.

use super::World;
use crate::support::scenarios;
use entity::{replay_items, replays};
use marketsink::{
    domain::{Goods, JobKind, ReplayId, Work},
    inbox::{DeliverySelection, Verdict},
    marketplaces::simulation::SimStatus::{Cancelled, Completed, Delivered, Paid, Shipped},
    queue::{JobSelection, JobState},
    sync::{self, Foreseen, ReplaySelection, ReplayWish},
};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder, Statement};
use std::time::Duration;

scenarios!(
    a_plan_tells_what_would_change_and_leaves_no_trace,
    a_day_replayed_twice_by_two_people_at_once_changes_nothing_twice,
    a_replay_brings_back_what_was_lost_and_says_what_changed,
    a_replay_keeps_its_rate_and_its_cap,
    a_cancelled_replay_takes_up_nothing_more,
    a_replay_goes_on_after_a_crash,
    jobs_that_were_given_up_are_revived_by_what_they_have_in_common,
);

fn all() -> ReplaySelection {
    ReplaySelection::Deliveries(DeliverySelection::default())
}

fn wish(selection: ReplaySelection, by: &str) -> ReplayWish {
    ReplayWish {
        selection,
        most: 1_000,
        per_minute: 6_000,
        by: by.to_owned(),
        why: "a shop says that orders are missing".to_owned(),
    }
}

impl World {
    async fn take_up(&self, wish: &ReplayWish) -> ReplayId {
        let tx = self.running.app.db.write_tx().await.unwrap();
        let row = sync::open_replay(&tx, self.merchant, wish, self.clock.now()).await;
        tx.commit().await.unwrap();
        ReplayId(row.unwrap().expect("something is selected").id)
    }

    async fn replayed(&self, id: ReplayId) -> replays::Model {
        let row = sync::replay(&self.running.app.db, self.merchant, id).await;
        row.unwrap().expect("it is written down")
    }

    /// Outcomes with how many had them.
    async fn outcomes(&self, id: ReplayId) -> Vec<(String, i64)> {
        let db = self.running.app.db.read();
        sync::replay_counts(db, self.merchant, id).await.unwrap()
    }
}

#[derive(FromQueryResult)]
struct N {
    n: i64,
}

/// Every table with the number of its rows.
async fn rows(world: &World) -> Vec<(String, i64)> {
    let db = world.running.app.db.read();
    let backend = db.get_database_backend();
    let mut found = Vec::new();
    for table in [
        "orders",
        "order_lines",
        "order_steps",
        "movements",
        "levels",
        "returns",
        "conflicts",
        "jobs",
        "job_attempts",
        "deliveries",
        "events",
        "happenings",
        "endpoint_deliveries",
        "replays",
        "replay_items",
        "number_series",
        "audit",
        "downloads",
        "soft_holds",
    ] {
        let count = format!("select count(*) as n from {table}");
        let n = N::find_by_statement(Statement::from_string(backend, count))
            .one(db)
            .await
            .unwrap();
        found.push((table.to_owned(), n.unwrap().n));
    }
    found
}

/// Sales at both shops in every state that a day leaves behind.
async fn a_day(world: &World) {
    for shop in [&world.first, &world.second] {
        let sent = world.order(shop, Paid, &[("MUG", 2), ("TEA-25", 1)]);
        let called_off = world.order(shop, Paid, &[("TEA-100", 1)]);
        world.order(shop, Paid, &[("TEA-25", 1)]);
        world.settle().await;
        shop.move_order(&called_off, Cancelled);
        for status in [Shipped, Delivered, Completed] {
            shop.move_order(&sent, status);
            world.work().await;
        }
        let _ = shop.refund_units(&sent, &[(0, 1)], None, Goods::Back);
        world.settle().await;
    }
}

/// What webhooks told is not heard: they are stored, and nothing is made of them.
async fn lose_what_follows(world: &World, order: &str) {
    let unheard = format!(
        "update deliveries set verdict = 'unknown_topic' where id in (select delivery_id from events where subject = '{order}')"
    );
    let gone = format!("delete from events where subject = '{order}'");
    let jobs = format!("delete from jobs where kind = 'fetch_order' and key like '%:{order}'");
    let tx = world.running.app.db.write_tx().await.unwrap();
    for statement in [unheard, gone, jobs] {
        tx.execute_unprepared(&statement).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn a_plan_tells_what_would_change_and_leaves_no_trace(url: String) {
    let world = World::open(url).await;
    a_day(&world).await;
    let lost = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.sandbox.courier().deliver_due().await;
    lose_what_follows(&world, lost.as_str()).await;
    let (state, before) = (world.state().await, rows(&world).await);

    let sync = &world.running.app.sync;
    let plan = sync
        .plan_replay(world.merchant, &all(), 1_000, 1_000)
        .await
        .unwrap();

    let changed: Vec<_> = plan
        .orders
        .iter()
        .filter(|order| order.result == Foreseen::Changed)
        .collect();
    assert_eq!(changed.len(), 1, "{:?}", plan.orders);
    assert_eq!(changed[0].order, lost);
    let told: Vec<String> = changed[0].changes.iter().map(ToString::to_string).collect();
    assert!(
        told.contains(&"document none → invoice".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"stock of MUG, allocated 0 → 1".to_owned()),
        "{told:?}"
    );
    assert!(plan.n(Foreseen::Unchanged) >= 6, "{:?}", plan.orders);
    assert_eq!(plan.matched, world.n_deliveries().await);
    assert_eq!(rows(&world).await, before);
    assert_eq!(world.state().await, state);
    world.close().await;
}

async fn a_day_replayed_twice_by_two_people_at_once_changes_nothing_twice(url: String) {
    let world = World::open(url).await;
    a_day(&world).await;
    world.assert_in_step().await;
    let books = |rows: Vec<(String, i64)>| {
        let of_books = [
            "orders",
            "order_lines",
            "order_steps",
            "movements",
            "returns",
            "happenings",
        ];
        let kept = rows
            .into_iter()
            .filter(move |(table, _)| of_books.contains(&table.as_str()));
        kept.collect::<Vec<_>>()
    };
    let (orders, stock) = (world.section("orders").await, world.section("stock").await);
    let before = books(rows(&world).await);

    for _ in 0..2 {
        let ana = world.take_up(&wish(all(), "Ana")).await;
        let budi = world.take_up(&wish(all(), "Budi")).await;
        let (one, two) = (world.running.app.worker(), world.running.app.worker());
        for _ in 0..40 {
            let (one, two) = tokio::join!(one.run_due(), two.run_due());
            one.unwrap();
            two.unwrap();
            world.clock.advance(Duration::from_secs(10));
        }
        for id in [ana, budi] {
            let row = world.replayed(id).await;
            assert_eq!(row.state, "done", "{row:?}");
            assert_eq!(row.taken, row.matched);
            let outcomes = world.outcomes(id).await;
            let harmless = ["unchanged", "ignored", "done"];
            assert!(
                outcomes
                    .iter()
                    .all(|(name, _)| harmless.contains(&name.as_str())),
                "{outcomes:?}"
            );
        }
    }
    world.settle().await;

    assert_eq!(world.section("orders").await, orders);
    assert_eq!(world.section("stock").await, stock);
    assert_eq!(books(rows(&world).await), before);
    world.assert_in_step().await;
    world.close().await;
}

async fn a_replay_brings_back_what_was_lost_and_says_what_changed(url: String) {
    let world = World::open(url).await;
    let lost = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.sandbox.courier().deliver_due().await;
    lose_what_follows(&world, lost.as_str()).await;
    world.settle().await;
    assert!(!world.section("orders").await.contains(lost.as_str()));

    let unheard = DeliverySelection {
        verdict: Some(Verdict::UnknownTopic),
        ..DeliverySelection::default()
    };
    let id = world
        .take_up(&wish(ReplaySelection::Deliveries(unheard), "Ana"))
        .await;
    world.settle().await;

    let orders = world.section("orders").await;
    assert!(orders.contains(lost.as_str()), "{orders}");
    assert!(orders.contains("by replay"), "{orders}");
    let outcomes = world.outcomes(id).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes[0].0, "changed");
    let items = replay_items::Entity::find()
        .order_by_asc(replay_items::Column::Id)
        .all(world.running.app.db.read())
        .await
        .unwrap();
    let detail = items[0].detail.clone().unwrap();
    assert!(detail.contains("document none → invoice"), "{detail}");
    let row = world.replayed(id).await;
    assert_eq!((row.by_name.as_str(), row.state.as_str()), ("Ana", "done"));
    world.assert_in_step().await;
    world.close().await;
}

async fn a_replay_keeps_its_rate_and_its_cap(url: String) {
    let world = World::open(url).await;
    a_day(&world).await;
    let n = world.n_deliveries().await;
    assert!(n > 9, "{n}");
    let slow = ReplayWish {
        per_minute: 3,
        most: 7,
        ..wish(all(), "Ana")
    };
    // At the beginning of a minute, so that each minute's share is its own.
    let seconds = world.clock.now().secs().rem_euclid(60).unsigned_abs();
    world.clock.advance(Duration::from_secs(60 - seconds));
    let id = world.take_up(&slow).await;

    let mut taken = Vec::new();
    for _ in 0..4 {
        world.work().await;
        taken.push(world.replayed(id).await.taken);
        world.clock.advance(Duration::from_secs(60));
    }

    assert_eq!(taken, [3, 6, 7, 7]);
    world.settle().await;
    assert_eq!(world.replayed(id).await.state, "done");
    world.close().await;
}

async fn a_cancelled_replay_takes_up_nothing_more(url: String) {
    let world = World::open(url).await;
    a_day(&world).await;
    let slow = ReplayWish {
        per_minute: 2,
        ..wish(all(), "Ana")
    };
    let id = world.take_up(&slow).await;
    world.work().await;
    let taken = world.replayed(id).await.taken;

    let tx = world.running.app.db.write_tx().await.unwrap();
    let now = world.clock.now();
    let cancelled = sync::cancel_replay(&tx, world.merchant, id, "by Budi: enough", now).await;
    let again = sync::cancel_replay(&tx, world.merchant, id, "by Budi: enough", now).await;
    tx.commit().await.unwrap();
    world.settle().await;

    assert!(cancelled.unwrap() && !again.unwrap());
    let row = world.replayed(id).await;
    assert_eq!((row.taken, row.state.as_str()), (taken, "cancelled"));
    assert_eq!(row.note.as_deref(), Some("by Budi: enough"));
    assert!(row.finished_at.is_some());
    let waiting = world.outcomes(id).await;
    assert!(
        waiting.iter().all(|(name, _)| name != "waiting"),
        "{waiting:?}"
    );
    world.close().await;
}

async fn a_replay_goes_on_after_a_crash(url: String) {
    let world = World::open(url).await;
    a_day(&world).await;
    let n = i64::try_from(world.n_deliveries().await).unwrap();
    let orders = world.section("orders").await;
    let id = world.take_up(&wish(all(), "Ana")).await;
    world.fuse.blow_after(3);
    let _ = world.running.app.worker().run_due().await;

    let world = world.restarted().await;
    world.recover().await;
    world.settle().await;

    let row = world.replayed(id).await;
    assert_eq!((row.state.as_str(), row.taken), ("done", n));
    let items = replay_items::Entity::find()
        .all(world.running.app.db.read())
        .await
        .unwrap();
    assert_eq!(items.len() as i64, n, "each once");
    assert_eq!(world.section("orders").await, orders);
    world.close().await;
}

async fn jobs_that_were_given_up_are_revived_by_what_they_have_in_common(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.sandbox.courier().deliver_due().await;
    let tx = world.running.app.db.write_tx().await.unwrap();
    let given_up = "update jobs set state = 'dead', finished_at = run_at, last_error = 'the moon was full' \
                    where kind = 'fetch_order' and state = 'available'";
    tx.execute_unprepared(given_up).await.unwrap();
    tx.commit().await.unwrap();
    world.settle().await;
    assert!(!world.section("orders").await.contains(order.as_str()));
    let dead = |words: &str| {
        ReplaySelection::Jobs(JobSelection {
            state: Some(JobState::Dead),
            error: Some(words.to_owned()),
            ..JobSelection::default()
        })
    };
    let sync = &world.running.app.sync;
    let other = sync
        .plan_replay(world.merchant, &dead("429"), 10, 10)
        .await
        .unwrap();
    let plan = sync
        .plan_replay(world.merchant, &dead("moon"), 10, 10)
        .await
        .unwrap();

    let id = world.take_up(&wish(dead("moon"), "Ana")).await;
    world.settle().await;

    assert_eq!((other.matched, plan.matched), (0, 1));
    assert_eq!(plan.n(Foreseen::Changed), 1);
    assert_eq!(world.outcomes(id).await, [("changed".to_owned(), 1)]);
    assert!(world.section("orders").await.contains(order.as_str()));
    let jobs = world.jobs(JobKind::FetchOrder).await;
    assert!(jobs.iter().all(|job| job.state == "done"), "{jobs:?}");
    let args = Work::FetchOrder { order }.args();
    assert_eq!(jobs.iter().filter(|job| job.args == args).count(), 1);
    world.close().await;
}
