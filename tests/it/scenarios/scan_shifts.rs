//! Lists that move while they are read, and lists that end before their end: nothing is lost, nothing comes back.

use super::{World, hands::add_many};
use crate::support::{everywhere, scenarios};
use marketsink::{
    domain::{ProductState, RemoteId, ScanKind, ScanMethod, Source, Work},
    sandbox::Fault::{Fair, ServerError},
    sync,
};
use std::{collections::BTreeSet, time::Duration};

scenarios!(
    a_catalogue_that_moves_with_every_page_is_read_whole,
    a_scan_that_crashes_at_every_page_ends_as_one_that_does_not,
    a_list_that_ends_at_its_cap_is_read_whole,
);

everywhere!(
    a_catalogue_that_moves_with_every_page_is_read_whole,
    a_list_that_ends_at_its_cap_is_read_whole,
);

const fn scan(scan: ScanKind) -> Work {
    Work::RunScan {
        method: ScanMethod::Async,
        scan,
    }
}

/// Products of the shop, and those that our books show.
async fn both(world: &World) -> (BTreeSet<RemoteId>, BTreeSet<RemoteId>) {
    let theirs = world.first.with(|shop| {
        let live = shop
            .products
            .values()
            .filter(|p| p.state != ProductState::Gone);
        live.map(|product| product.id.clone()).collect()
    });
    let listings = world.listings(&world.first).await;
    let live = listings.iter().filter(|row| row.state != "gone");
    let ours = live
        .map(|row| RemoteId::from(row.product_id.as_str()))
        .collect();
    (theirs, ours)
}

async fn a_catalogue_that_moves_with_every_page_is_read_whole(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    add_many(&world, &world.first, 240);
    world.connect_all().await;
    world.settle().await;
    world.clock.advance(Duration::from_secs(3_600));

    world
        .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
        .await;
    for round in 0..8_usize {
        // A page or two, then trouble; meanwhile the list moves at its beginning, in its middle, at its end.
        world.first.next_answers(vec![Fair, Fair, ServerError]);
        world.running.app.worker().run_due().await.unwrap();
        let now = world.clock.now();
        world.first.with(|shop| {
            let ids: Vec<RemoteId> = shop.products.keys().cloned().collect();
            shop.products.remove(&ids[1]);
            shop.products.remove(&ids[ids.len() / 2]);
            shop.edit_product(&ids[3 + round], now, |p| p.title.push('!'));
            let sku = format!("NEW-{round}");
            shop.add_product(&sku, &[("", Some(&sku), 1_000_000, 1)], now);
        });
        world.clock.advance(Duration::from_secs(120));
    }
    world.first.forget_faults();
    world.settle().await;
    world
        .ask_for(&world.first, scan(ScanKind::Updated), Source::Manual)
        .await;
    world.settle().await;

    let scans = sync::scans(&world.running.app.db, world.merchant, 10).await;
    let full = scans.unwrap().into_iter().find(|scan| scan.kind == "full");
    assert_eq!(full.unwrap().state, "done");
    let (theirs, ours) = both(&world).await;
    assert!(
        theirs.is_subset(&ours),
        "{:?} were lost",
        theirs.difference(&ours)
    );
    // What went after its page was read is found by the next full scan.
    world
        .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
        .await;
    world.settle().await;
    let (theirs, ours) = both(&world).await;
    assert_eq!(ours, theirs);
    world.close().await;
}

async fn a_scan_that_crashes_at_every_page_ends_as_one_that_does_not(url: String) {
    let mut world = World::unconnected(url).await;
    world.stock_shops().await;
    add_many(&world, &world.first, 250);
    world.connect_all().await;
    world.settle().await;
    world.clock.advance(Duration::from_secs(60));
    world.first.with(|shop| {
        let ids: Vec<RemoteId> = shop.products.keys().cloned().collect();
        shop.products.remove(&ids[7]);
        shop.products.remove(&ids[240]);
    });
    world
        .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
        .await;

    let mut crashes = 0;
    for n in [2, 2, 2, 2, 2, 2] {
        // The claim, and a page; then the process dies.
        world.fuse.blow_after(n);
        world.running.app.worker().run_due().await.unwrap();
        crashes += i32::from(world.fuse.has_blown());
        world = world.restarted().await;
        world.take_up_abandoned().await;
    }
    world.settle().await;

    assert!(crashes >= 4, "{crashes}");
    let (theirs, ours) = both(&world).await;
    assert_eq!(ours, theirs);
    let scans = sync::scans(&world.running.app.db, world.merchant, 10).await;
    let scans = scans.unwrap();
    let last = &scans[0];
    assert_eq!(
        (last.state.as_str(), last.gone, last.listings),
        ("done", 2, 251)
    );
    world.close().await;
}

async fn a_list_that_ends_at_its_cap_is_read_whole(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    // Where the marketplace says that the cap is met: after 60 rows instead of the thousands that the documents name.
    // Forty share a second.
    world.first.with(|shop| {
        shop.memory.insert("result cap".to_owned(), "60".to_owned());
    });
    for group in 0..6 {
        let now = world.clock.now();
        world.first.with(|shop| {
            for n in 0..40 {
                let sku = format!("G{group}-{n:02}");
                shop.add_product(&sku, &[("", Some(&sku), 1_000_000, 1)], now);
            }
        });
        world.clock.advance(Duration::from_secs(5));
    }
    world.connect_all().await;
    world.settle().await;
    let (theirs, ours) = both(&world).await;
    assert_eq!(ours, theirs, "by the first full scan");

    // Everything changes, and the updated scan meets the cap too.
    world.clock.advance(Duration::from_secs(6 * 3_600));
    for group in 0..6 {
        let now = world.clock.now();
        world.first.with(|shop| {
            let ids: Vec<RemoteId> = shop.products.keys().cloned().collect();
            for id in ids.iter().skip(group * 40).take(40) {
                shop.edit_product(id, now, |p| p.title.push('!'));
            }
        });
        world.clock.advance(Duration::from_secs(5));
    }
    world
        .ask_for(&world.first, scan(ScanKind::Updated), Source::Manual)
        .await;
    world.settle().await;

    let listings = world.listings(&world.first).await;
    let stale: Vec<_> = listings
        .iter()
        .filter(|row| !row.title.contains('!'))
        .collect();
    assert!(stale.len() <= 3, "{} were not read", stale.len());
    world.close().await;
}
