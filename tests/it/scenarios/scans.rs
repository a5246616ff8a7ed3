//! Walks over a long catalogue: interrupted, resumed, and what they may conclude.

use super::{
    World,
    hands::{add_many, product},
    world::snap,
};
use crate::support::{everywhere, scenarios};
use marketsink::{
    domain::{JobKind, RemoteId, ScanKind, Source, Timestamp, Work},
    marketplaces::simulation::{ShopChange, SimProduct},
    sandbox::{
        Fault::{Fair, ServerError},
        SimShop,
    },
    sync,
};
use std::time::Duration;

scenarios!(
    a_scan_that_fails_goes_on_at_its_page_and_concludes_nothing_before_its_end,
    a_full_scan_keeps_a_listing_that_was_added_meanwhile,
    a_scan_that_never_ends_marks_nothing_gone,
    a_restart_in_mid_scan_goes_on_at_its_page,
);

everywhere!(
    a_scan_that_fails_goes_on_at_its_page_and_concludes_nothing_before_its_end,
    a_scan_that_never_ends_marks_nothing_gone,
);

const FULL: Work = Work::RunScan {
    method: marketsink::domain::ScanMethod::Async,
    scan: ScanKind::Full,
};

/// 252 products at TikTok Shop: three pages of a hundred, and one of what was deleted there.
async fn long_catalogue(url: String) -> World {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    add_many(&world, &world.first, 250);
    world.clock.advance(Duration::from_secs(60));
    world.connect_all().await;
    world.settle().await;
    world
}

/// Disappears without a word, as products do when somebody works in the shop's database.
fn vanish(shop: &SimShop, sku: &str) {
    let id = product(shop, sku);
    shop.with(|shop| shop.products.remove(&id)).unwrap();
}

/// How many requests were made since; other marketplaces need other numbers.
fn assert_requests(world: &World, since: u64, expected: u64) {
    let made = world.first.n_requests() - since;
    if world.elsewhere().is_none() {
        assert_eq!(made, expected, "requests");
    } else {
        assert!(made > 0, "nothing was asked");
    }
}

async fn n_gone(world: &World) -> usize {
    let listings = world.listings(&world.first).await;
    listings.iter().filter(|row| row.state == "gone").count()
}

async fn a_scan_that_fails_goes_on_at_its_page_and_concludes_nothing_before_its_end(url: String) {
    let world = long_catalogue(url).await;
    vanish(&world.first, "BULK-0007");
    vanish(&world.first, "BULK-0249");
    let asked = world.first.n_requests();

    world.first.next_answers(vec![Fair, Fair, ServerError]);
    world.ask_for(&world.first, FULL, Source::Manual).await;
    world.work().await;
    assert_requests(&world, asked, 3);
    assert_eq!(n_gone(&world).await, 0, "the walk is not over");
    world.settle().await;

    // The third page again, and the deleted ones; not the first two. The two that were not shown are asked for.
    assert_requests(&world, asked, 7);
    assert_eq!(n_gone(&world).await, 2);
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    let scan = &scans.unwrap()[0];
    assert_eq!((scan.listings, scan.gone), (251, 2));
    snap!(world, "resumed", world.section("scans").await);
    world.close().await;
}

async fn a_full_scan_keeps_a_listing_that_was_added_meanwhile(url: String) {
    let world = long_catalogue(url).await;
    vanish(&world.first, "BULK-0007");
    world.first.next_answers(vec![Fair, ServerError]);
    world.ask_for(&world.first, FULL, Source::Manual).await;
    world.work().await;

    // A new product whose place is on the page that was read already; its webhook brings it in.
    let early = RemoteId::from("1728000000000000001");
    insert_under(&world.first, &early, world.clock.now());
    world
        .first
        .announce(ShopChange::ProductCreated(early.clone()));
    let channel = world.channel(&world.first).await.id;
    let added = world.running.app.sync.rescan_product(channel, &early).await;
    assert_eq!(added.unwrap().added, 1);
    world.settle().await;

    let listings = world.listings(&world.first).await;
    let of = |id: &RemoteId| listings.iter().find(|row| row.product_id == id.as_str());
    assert_eq!(of(&early).unwrap().state, "active");
    assert_eq!(n_gone(&world).await, 1);
    snap!(world, "added_meanwhile", world.section("scans").await);
    world.close().await;
}

/// A product under an id of our choice.
fn insert_under(shop: &SimShop, id: &RemoteId, now: Timestamp) {
    shop.with(|shop| {
        let variants = [("", Some("EARLY"), 1_000_000, 1)];
        let ShopChange::ProductCreated(made) = shop.add_product("Early", &variants, now) else {
            unreachable!("a product was created");
        };
        let product = shop.products.remove(&made).unwrap();
        let product = SimProduct {
            id: id.clone(),
            ..product
        };
        shop.products.insert(id.clone(), product);
    });
}

async fn a_scan_that_never_ends_marks_nothing_gone(url: String) {
    let world = long_catalogue(url).await;
    vanish(&world.first, "BULK-0007");
    // Every try reads nothing more; in the end the job is given up.
    let mut answers = vec![Fair, Fair];
    answers.extend([ServerError; 12]);
    world.first.next_answers(answers);
    world.ask_for(&world.first, FULL, Source::Manual).await;
    for _ in 0..30 {
        world.settle().await;
        world.clock.advance(Duration::from_secs(600));
    }
    let jobs = world.jobs(JobKind::RunScan).await;
    assert_eq!(jobs[0].state, "dead", "{jobs:?}");
    assert_eq!(n_gone(&world).await, 0);
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    let failed = scans.unwrap().remove(0);
    assert_eq!(failed.state, "failed");
    assert_eq!(failed.error, jobs[0].last_error);

    // The next one goes on where it stopped: its window is that of the first.
    let asked = world.first.n_requests();
    world.ask_for(&world.first, FULL, Source::Manual).await;
    world.settle().await;
    assert_requests(&world, asked, 3);
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    let done = scans.unwrap().remove(0);
    assert_eq!((done.state.as_str(), done.error), ("done", None));
    // Where a page takes several calls, none was written: there was nothing to go on with.
    assert_eq!(done.id == failed.id, failed.page_token.is_some());
    assert_eq!(n_gone(&world).await, 1);
    snap!(world, "never_ended", world.section("scans").await);
    world.close().await;
}

async fn a_restart_in_mid_scan_goes_on_at_its_page(url: String) {
    let world = long_catalogue(url).await;
    vanish(&world.first, "BULK-0100");
    let asked = world.first.n_requests();
    world.ask_for(&world.first, FULL, Source::Manual).await;
    // The claim, the scan's row, and two pages.
    world.fuse.blow_after(4);
    world.running.app.worker().run_due().await.unwrap();
    assert!(world.fuse.has_blown());
    assert_eq!(n_gone(&world).await, 0);

    let world = world.restarted().await;
    world.recover().await;

    // Two pages before, one that could not be written, the two that were left, and the product that was missing.
    assert_eq!(world.first.n_requests() - asked, 6);
    assert_eq!(n_gone(&world).await, 1);
    snap!(world, "restarted", world.section("scans").await);
    world.close().await;
}
