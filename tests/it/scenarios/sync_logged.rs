//! What marketplaces answered, kept; and the log of every step, by channel and day.

use super::World;
use crate::support::scenarios;
use marketsink::{
    db::Span,
    domain::{Day, Source, Work},
    marketplaces::simulation::SimStatus::{Arranged, Cancelled, Paid, Shipped, Unpaid},
    reports::sync_log::{self, SyncLogQuery},
    sales::StepOutcome,
    sandbox::Fault,
    sync,
};
use std::time::Duration;

scenarios!(
    a_reading_costs_one_write_and_the_same_again_is_counted,
    the_sync_log_counts_what_was_taken_what_differs_and_what_is_missing,
);

async fn a_reading_costs_one_write_and_the_same_again_is_counted(url: String) {
    let world = World::open(url).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.sandbox.courier().deliver_due().await;
    world.meter.keep_statements();
    world.work().await;
    let first = world.meter.take_statements();
    let work = Work::FetchOrder {
        order: order.clone(),
    };
    world.ask_for(&world.first, work, Source::Webhook).await;
    world.meter.keep_statements();
    world.work().await;
    let again = world.meter.take_statements();

    let of_readings = |statements: Vec<sea_orm::Statement>| -> Vec<String> {
        let verb = |sql: &str| sql.split(' ').next().unwrap_or_default().to_lowercase();
        let of = statements
            .iter()
            .filter(|one| one.sql.contains("\"readings\""));
        of.map(|one| verb(&one.sql)).collect()
    };
    assert_eq!(of_readings(first), ["insert"]);
    assert_eq!(of_readings(again), ["update"]);
    let channel = world.channel(&world.first).await.id;
    let db = &world.running.app.db;
    let kept = sync::readings(db, world.merchant, channel, &order, 10)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].times, 2);
    let content = kept[0].content.clone().unwrap();
    assert!(content.contains(order.as_str()), "{content}");
    world.first.move_order(&order, Arranged);
    world.settle().await;
    // What is old enough goes, but for the newest.
    let tx = db.write_tx().await.unwrap();
    let span = Span {
        after: 0,
        before: world.clock.now() + Duration::from_secs(1),
        limit: 10,
    };
    let gone = sync::prune_readings(&tx, &span).await.unwrap();
    tx.commit().await.unwrap();
    assert!(gone.rows > 0, "{gone:?}");
    let left = sync::readings(db, world.merchant, channel, &order, 10)
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].id > kept[0].id);
    world.close().await;
}

async fn the_sync_log_counts_what_was_taken_what_differs_and_what_is_missing(url: String) {
    let world = World::open(url).await;
    let sent = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;
    for status in [Arranged, Shipped] {
        world.first.move_order(&sent, status);
        world.settle().await;
    }
    let void = world.order(&world.second, Paid, &[("TEA-25", 1)]);
    world.settle().await;
    world.second.move_order(&void, Cancelled);
    world.order(&world.second, Unpaid, &[("TEA-25", 1)]);
    world.settle().await;
    let lost = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.first.next_answers(vec![Fault::ServerError; 1_000]);
    world.work().await;

    let zone = "Asia/Jakarta".parse().unwrap();
    let today = Day::of(world.clock.now(), zone);
    let query = SyncLogQuery {
        channel: None,
        days: (today.before(1), today),
        step: None,
        outcome: None,
    };
    let queue = &world.running.app.queue;
    let rows = sync_log::sync_log(queue, world.merchant, &query)
        .await
        .unwrap();
    let counted: Vec<String> = rows
        .iter()
        .map(|row| {
            let of = row.counts;
            let (shop, step) = (&row.name, &row.step);
            format!(
                "{shop} {step} {} {} {}",
                of.success, of.wrong_status, of.missing
            )
        })
        .collect();
    insta::assert_snapshot!("sync_log", counted.join("\n"));
    let only = SyncLogQuery {
        outcome: Some(StepOutcome::Missing),
        ..query.clone()
    };
    let page = sync_log::sync_log_orders(queue, world.merchant, &only, None, 100)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1, "{page:?}");
    assert_eq!(page.rows[0].subject.remote_id, lost.as_str());
    assert!(
        page.rows[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("could not answer")
    );
    // Page by page it is the same as at once.
    let all = sync_log::sync_log_orders(queue, world.merchant, &query, None, 1_000).await;
    let all = all.unwrap().rows;
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let next: Option<String> = after;
        let page = sync_log::sync_log_orders(queue, world.merchant, &query, next.as_deref(), 1);
        let page = page.await.unwrap();
        paged.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    // Once it is in the books nothing is missing.
    world.first.forget_faults();
    world.settle().await;
    let page = sync_log::sync_log_orders(queue, world.merchant, &only, None, 100);
    assert!(page.await.unwrap().rows.is_empty());
    world.close().await;
}
