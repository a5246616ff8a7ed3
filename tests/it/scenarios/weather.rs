//! Marketplaces that answer badly, late, or with what was true a moment ago.

use super::{
    World,
    world::{snap, variant},
};
use crate::support::{everywhere, scenarios};
use marketsink::{
    domain::{JobKind, RemoteId},
    marketplaces::simulation::SimStatus::{Arranged, Completed, Paid, Shipped, Unpaid},
    sandbox::{
        Driver,
        Fault::{Dropped, RateLimited, ServerError, Truncated},
        Weather,
    },
    stock,
};
use std::time::Duration;

scenarios!(
    being_told_to_slow_down_costs_no_attempt,
    answers_that_cannot_be_read_are_asked_for_again,
    a_push_whose_answer_breaks_off_is_pushed_again,
    readings_that_lag_behind_their_webhook_are_taken_again,
    of_two_changes_in_one_second_the_second_is_found,
    after_a_storm_books_and_shops_agree,
);

everywhere!(
    being_told_to_slow_down_costs_no_attempt,
    answers_that_cannot_be_read_are_asked_for_again,
    a_push_whose_answer_breaks_off_is_pushed_again,
    readings_that_lag_behind_their_webhook_are_taken_again,
    of_two_changes_in_one_second_the_second_is_found,
    after_a_storm_books_and_shops_agree,
);

async fn being_told_to_slow_down_costs_no_attempt(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        let mut answers = vec![RateLimited(Some(Duration::from_secs(45))); 2];
        answers.extend([RateLimited(None); 3]);
        shop.next_answers(answers);
        world.order(shop, Paid, &[("MUG", 1)]);
    }
    world.work().await;
    world.clock.advance(Duration::from_secs(30));
    world.work().await;
    assert_eq!(world.section("orders").await, "", "45 seconds are not over");

    world.settle().await;

    for job in world.jobs(JobKind::FetchOrder).await {
        assert_eq!((job.state.as_str(), job.attempts), ("done", 1));
    }
    world.assert_in_step().await;
    snap!(world, "slowed_down", world.state().await);
    world.close().await;
}

async fn answers_that_cannot_be_read_are_asked_for_again(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        shop.next_answers(vec![ServerError, Truncated, Dropped]);
        world.order(shop, Paid, &[("MUG", 1)]);
    }

    world.settle().await;

    let jobs = world.jobs(JobKind::FetchOrder).await;
    assert!(jobs.iter().any(|job| job.attempts > 1), "{jobs:?}");
    world.assert_in_step().await;
    snap!(world, "unreadable_answers", world.state().await);
    world.close().await;
}

async fn a_push_whose_answer_breaks_off_is_pushed_again(url: String) {
    let world = World::open(url).await;
    world.order(&world.first, Paid, &[("MUG", 1), ("TEA-25", 2)]);
    world
        .second
        .next_answers(vec![Dropped, Truncated, ServerError]);

    world.settle().await;

    let pushes = world.jobs(JobKind::PushStock).await;
    assert!(pushes.iter().any(|job| job.attempts > 1), "{pushes:?}");
    world.assert_in_step().await;
    snap!(world, "push_again", world.state().await);
    world.close().await;
}

async fn readings_that_lag_behind_their_webhook_are_taken_again(url: String) {
    let world = World::open(url).await;
    let weather = Weather {
        stale_read: 100,
        stale_for: Duration::from_secs(8),
        ..Weather::calm()
    };
    world.sandbox.set_weather(weather);
    for shop in [&world.first, &world.second] {
        let order = world.order(shop, Unpaid, &[("MUG", 1)]);
        for status in [Paid, Arranged, Shipped, Completed] {
            world.clock.advance(Duration::from_secs(60));
            shop.move_order(&order, status);
            world.work().await;
        }
    }

    world.settle().await;

    let jobs = world.jobs(JobKind::FetchOrder).await;
    let errors = jobs.iter().filter_map(|job| job.last_error.as_deref());
    assert!(jobs.iter().any(|job| job.attempts > 1));
    assert!(
        errors.clone().all(|e| e.contains("still shows")),
        "{errors:?}"
    );
    world.assert_in_step().await;
    snap!(world, "stale_reads", world.state().await);
    world.close().await;
}

/// The webhook of the second change names the version that the books hold already, of a read that lagged.
async fn of_two_changes_in_one_second_the_second_is_found(url: String) {
    let world = World::open(url).await;
    let weather = Weather {
        stale_read: 100,
        stale_for: Duration::from_secs(8),
        ..Weather::calm()
    };
    for shop in [&world.first, &world.second] {
        let order = world.order(shop, Paid, &[("MUG", 1)]);
        world.sandbox.set_weather(weather);
        shop.move_order(&order, Shipped);
        world.sandbox.set_weather(Weather::calm());
    }
    world.settle().await;

    world.pass(Duration::from_secs(11 * 60)).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches(" sent ").count(), 2, "{orders}");
    world.assert_in_step().await;
    snap!(world, "one_second", world.state().await);
    world.close().await;
}

async fn after_a_storm_books_and_shops_agree(url: String) {
    let world = World::open(url).await;
    // Enough of everything: what is oversold is negative in the books and nothing in a shop.
    for sku in ["MUG", "TEA-25", "TEA-100"] {
        world.set_stock(sku, 1_000).await;
        for shop in [&world.first, &world.second] {
            let now = world.clock.now();
            let id = variant(shop, sku);
            shop.with(|s| s.edit_variant(&id, now, |v| v.quantity = 1_000));
        }
    }
    let driver = Driver::new(world.sandbox.clone(), 7);
    world.sandbox.set_weather(Weather::stormy());
    for _ in 0..120 {
        driver.step();
        world.work().await;
        world.clock.advance(Duration::from_secs(7));
    }
    world.sandbox.set_weather(Weather::calm());
    for shop in [&world.first, &world.second] {
        // What nobody has paid for is reserved in the shop and not in the books.
        let unpaid: Vec<RemoteId> = shop.with(|s| {
            let orders = s.orders.values();
            let unpaid = orders.filter(|order| order.status == Unpaid);
            unpaid.map(|order| order.id.clone()).collect()
        });
        for order in unpaid {
            shop.move_order(&order, Paid);
        }
    }
    for _ in 0..4 {
        world.pass(Duration::from_secs(900)).await;
    }

    let differ = stock::sums_differ(&world.running.app.db, world.merchant).await;
    assert_eq!(differ.unwrap(), []);
    assert_eq!(world.sandbox.ledger().forged_accepted, 0);
    world.assert_in_step().await;
    let left = world.section("left to do").await;
    assert_eq!(left, "");
    world.close().await;
}
