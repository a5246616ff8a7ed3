//! What a scan costs: statements per page, and calls per change.

use super::{
    World,
    hands::{add_many, product},
};
use crate::support::{everywhere, scenarios};
use marketsink::{
    db::Reading,
    domain::{ScanKind, ScanMethod, Source, Work},
    sync,
};
use std::time::Duration;

scenarios!(
    a_page_without_changes_costs_one_query_and_one_write,
    an_updated_scan_costs_calls_for_what_changed_and_not_for_what_there_is,
);

everywhere!(an_updated_scan_costs_calls_for_what_changed_and_not_for_what_there_is);

const fn scan(scan: ScanKind) -> Work {
    Work::RunScan {
        method: ScanMethod::Async,
        scan,
    }
}

/// A full scan: its pages, and the statements that it took.
async fn full(world: &World) -> (i64, Reading) {
    world
        .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
        .await;
    let before = world.meter.read();
    world.running.app.worker().run_due().await.unwrap();
    let cost = world.meter.read().since(before);
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    let scan = scans.unwrap().remove(0);
    assert_eq!((scan.state.as_str(), scan.differences), ("done", 0));
    (scan.pages, cost)
}

async fn a_page_without_changes_costs_one_query_and_one_write(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    world.connect_all().await;
    world.settle().await;
    let (few_pages, few) = full(&world).await;
    add_many(&world, &world.first, 900);
    world
        .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
        .await;
    world.settle().await;

    let (many_pages, many) = full(&world).await;

    let pages = (many_pages - few_pages).cast_unsigned();
    assert!(pages >= 8, "{pages}");
    assert_eq!(many.writes - few.writes, pages, "the checkpoint");
    assert_eq!(many.transactions - few.transactions, pages);
    assert_eq!(many.reads - few.reads, pages, "the listings of the page");
    world.close().await;
}

async fn an_updated_scan_costs_calls_for_what_changed_and_not_for_what_there_is(url: String) {
    let world = World::open(url).await;
    // Renewals are no part of it.
    world.first.with(|shop| shop.token_expires_at = None);
    let cost = async || {
        // Behind every lookback.
        world.clock.advance(Duration::from_secs(4 * 3_600));
        let mug = product(&world.first, "MUG");
        let now = world.clock.now();
        world.first.with(|shop| {
            shop.edit_product(&mug, now, |p| p.title.push('!'));
        });
        world.clock.advance(Duration::from_secs(60));
        let asked = world.first.n_requests();
        let work = scan(ScanKind::Updated);
        world.ask_for(&world.first, work, Source::Manual).await;
        world.running.app.worker().run_due().await.unwrap();
        world.first.n_requests() - asked
    };
    cost().await;
    let of_few = cost().await;
    add_many(&world, &world.first, 200);
    cost().await;

    world.clock.advance(Duration::from_secs(4 * 3_600));
    let work = scan(ScanKind::Updated);
    world.ask_for(&world.first, work, Source::Manual).await;
    world.running.app.worker().run_due().await.unwrap();
    let of_many = cost().await;

    assert_eq!(of_many, of_few);
    assert!(of_few <= 5, "{of_few} calls for one product");
    let listings = world.section("listings").await;
    assert!(listings.contains("Mug!!!!"), "{listings}");
    world.close().await;
}
