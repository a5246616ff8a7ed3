//! Edited, deleted and unknown products.

use super::{World, hands::product, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::{
    domain::{EventKind, JobKind, ProductState, ScanKind, ScanMethod, Source, Work},
    inbox,
    marketplaces::simulation::ShopChange,
    queue::Outcome,
    sandbox::DeliveryFault::Lost,
};
use std::time::Duration;

scenarios!(
    a_storm_of_edits_makes_one_rescan_and_the_last_edit_wins,
    edits_that_do_not_end_are_read_again_and_again_but_not_each_time,
    an_edit_during_the_rescan_makes_one_more_run,
    a_deleted_product_is_gone,
    a_deleted_product_that_we_never_knew_changes_nothing,
    an_edit_whose_webhook_is_lost_is_found_by_the_updated_scan,
);

everywhere!(
    a_deleted_product_is_gone,
    an_edit_whose_webhook_is_lost_is_found_by_the_updated_scan,
);

async fn a_storm_of_edits_makes_one_rescan_and_the_last_edit_wins(url: String) {
    let world = World::open(url).await;
    let mug = product(&world.first, "MUG");
    let (asked, known) = (world.first.n_requests(), world.n_deliveries().await);

    for n in 1..=500 {
        let edit = |p: &mut marketsink::marketplaces::simulation::SimProduct| {
            p.title = format!("Mug, edition {n}");
        };
        assert!(world.first.edit_product(&mug, edit));
        if n % 100 == 0 {
            // Five bursts in eight seconds, a worker looking after each.
            world.work().await;
            world.clock.advance(Duration::from_millis(1_900));
        }
    }
    world.settle().await;

    assert_eq!(world.n_deliveries().await, known + 500, "all of them came");
    assert_eq!(world.first.n_requests() - asked, 1, "and were one question");
    snap!(world, "edit_storm", world.state().await);
    world.close().await;
}

async fn edits_that_do_not_end_are_read_again_and_again_but_not_each_time(url: String) {
    let world = World::open(url).await;
    let mug = product(&world.first, "MUG");
    let asked = world.first.n_requests();

    for n in 1..=60 {
        world
            .first
            .edit_product(&mug, |p| p.title = format!("Mug, edition {n}"));
        world.work().await;
        world.clock.advance(Duration::from_secs(1));
    }
    let during = world.first.n_requests() - asked;
    world.settle().await;

    // Twenty seconds are the longest wait for more news.
    assert!((2..=3).contains(&during), "{during} rescans in a minute");
    assert_eq!(world.first.n_requests() - asked, during + 1);
    let listings = world.section("listings").await;
    assert!(listings.contains("Mug, edition 60"), "{listings}");
    world.close().await;
}

async fn an_edit_during_the_rescan_makes_one_more_run(url: String) {
    let world = World::open(url).await;
    let (app, mug) = (&world.running.app, product(&world.second, "MUG"));
    let channel = world.channel(&world.second).await.id;
    world
        .second
        .edit_product(&mug, |p| "First".clone_into(&mut p.title));
    world.sandbox.courier().deliver_due().await;
    world.clock.advance(Duration::from_secs(3));
    let now = world.clock.now();
    let rescans = [JobKind::RescanProduct];
    let running = app.queue.claim("slow", &rescans, 10, now).await.unwrap();
    assert_eq!(running.len(), 1);

    // It reads the product; then the edit comes, is stored and finds a worker; then it ends.
    app.sync.rescan_product(channel, &mug).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world
        .second
        .edit_product(&mug, |p| "Second".clone_into(&mut p.title));
    world.sandbox.courier().deliver_due().await;
    world.clock.advance(Duration::from_secs(5));
    let beside = app.worker().run_due().await.unwrap();
    assert_eq!(beside, 0, "of one product one rescan runs at a time");
    let kind = EventKind::ProductChanged;
    let told = inbox::newest_version(app.db.read(), channel, kind, &mug).await;
    assert!(
        told.unwrap().is_some(),
        "the second edit is not handled yet"
    );
    let now = world.clock.now();
    let ended = [(running[0].clone(), Outcome::Done)];
    app.queue.finish(&ended, "slow", now, 0, now).await.unwrap();
    let listings = world.section("listings").await;
    assert!(listings.contains("First"), "{listings}");

    let asked = world.second.n_requests();
    world.settle().await;
    let one_run = world.second.n_requests() - asked;
    assert!((1..=3).contains(&one_run), "{one_run} requests");
    snap!(world, "edit_during_rescan", world.state().await);
    world.close().await;
}

async fn a_deleted_product_is_gone(url: String) {
    let world = World::open(url).await;
    let (at_tiktok, at_woo) = (
        product(&world.first, "TEA-25"),
        product(&world.second, "TEA-25"),
    );
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.edit_product(&at_tiktok, now, |p| p.state = ProductState::Gone);
    });
    world.first.announce(ShopChange::ProductDeleted(at_tiktok));
    world
        .second
        .announce(ShopChange::ProductDeleted(at_woo.clone()));
    world.second.with(|shop| shop.products.remove(&at_woo));

    world.settle().await;
    if !world.first.marketplace().limits().pushes_product_edits {
        // Nobody tells: the scan at night finds it.
        let method = ScanMethod::Async;
        let scan = ScanKind::Full;
        let full = Work::RunScan { scan, method };
        world.ask_for(&world.first, full, Source::Schedule).await;
        world.settle().await;
    }

    let listings = world.section("listings").await;
    assert_eq!(listings.matches(" gone ").count(), 4, "{listings}");
    // What is gone is told nothing any more.
    let asked = world.second.n_requests();
    world.set_stock("TEA-25", 5).await;
    world.settle().await;
    assert_eq!(world.second.n_requests(), asked);
    snap!(world, "deleted", world.state().await);
    world.close().await;
}

async fn a_deleted_product_that_we_never_knew_changes_nothing(url: String) {
    let world = World::open(url).await;
    let before = world.listings(&world.second).await;
    // WooCommerce announces deleted coupons and pages as deleted products.
    world
        .second
        .announce(ShopChange::ProductDeleted("987654".into()));

    world.settle().await;

    assert_eq!(world.listings(&world.second).await, before);
    snap!(world, "unknown_deleted", world.state().await);
    world.close().await;
}

async fn an_edit_whose_webhook_is_lost_is_found_by_the_updated_scan(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        shop.next_deliveries(vec![Lost; 10]);
        let mug = product(shop, "MUG");
        shop.edit_product(&mug, |p| "Mug, renamed".clone_into(&mut p.title));
    }
    world.settle().await;
    assert!(!world.section("listings").await.contains("renamed"));
    world.first.forget_faults();
    world.second.forget_faults();

    world.pass(Duration::from_secs(16 * 60)).await;

    let listings = world.section("listings").await;
    assert_eq!(listings.matches("renamed").count(), 2, "{listings}");
    snap!(world, "lost_edit", world.state().await);
    world.close().await;
}
