//! Absence is believed only after a complete full scan, and not at once when it is odd.

use super::{World, hands::add_many};
use crate::support::{everywhere, scenarios};
use marketsink::{
    domain::{ScanId, ScanKind, ScanMethod, Source, Work},
    marketplaces::simulation::SimProduct,
    sync,
};
use std::{collections::BTreeMap, time::Duration};

scenarios!(
    an_empty_list_takes_nothing_away_and_the_second_look_finds_it_again,
    an_empty_list_is_believed_when_it_is_as_empty_later,
    a_cancelled_scan_concludes_nothing,
);

everywhere!(an_empty_list_takes_nothing_away_and_the_second_look_finds_it_again);

const FULL: Work = Work::RunScan {
    method: ScanMethod::Async,
    scan: ScanKind::Full,
};

async fn stocked(url: String) -> World {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    add_many(&world, &world.first, 230);
    world.connect_all().await;
    world.settle().await;
    world
}

async fn n_live(world: &World) -> usize {
    let listings = world.listings(&world.first).await;
    listings.iter().filter(|row| row.state != "gone").count()
}

async fn states(world: &World, n: u64) -> Vec<String> {
    let channel = world.channel(&world.first).await.id;
    let scans = sync::scans_of(&world.running.app.db, world.merchant, channel, n).await;
    scans.unwrap().into_iter().map(|scan| scan.state).collect()
}

fn emptied(world: &World) -> BTreeMap<marketsink::domain::RemoteId, SimProduct> {
    world.first.with(|shop| std::mem::take(&mut shop.products))
}

async fn scan_and_work(world: &World) {
    world.ask_for(&world.first, FULL, Source::Schedule).await;
    for _ in 0..6 {
        world.work().await;
        world.clock.advance(Duration::from_secs(16));
    }
}

async fn an_empty_list_takes_nothing_away_and_the_second_look_finds_it_again(url: String) {
    let world = stocked(url).await;
    let before = n_live(&world).await;
    let products = emptied(&world);

    scan_and_work(&world).await;

    assert_eq!(states(&world, 1).await, ["suspicious"]);
    assert_eq!(n_live(&world).await, before);
    let told = sync::notices(&world.running.app.db, world.merchant, 10).await;
    let told = told.unwrap();
    assert!(
        told[0]
            .text
            .contains("233 listings that are known were not shown"),
        "{told:?}"
    );

    // The trouble is over when it looks again.
    world.first.with(|shop| shop.products = products);
    world.clock.advance(Duration::from_secs(11 * 60));
    world.settle().await;
    assert_eq!(states(&world, 2).await, ["done", "suspicious"]);
    assert_eq!(n_live(&world).await, before);
    world.close().await;
}

async fn an_empty_list_is_believed_when_it_is_as_empty_later(url: String) {
    let world = stocked(url).await;
    let cursor = || async {
        let channel = world.channel(&world.first).await.id;
        let stream = sync::Stream::Products;
        sync::cursor(world.running.app.db.read(), channel, stream).await
    };
    let read_until = cursor().await.unwrap();
    emptied(&world);

    scan_and_work(&world).await;
    assert_eq!(cursor().await.unwrap(), read_until, "nothing was read");
    // Somebody who asks again at once learns nothing new.
    scan_and_work(&world).await;
    assert_eq!(states(&world, 2).await, ["suspicious", "suspicious"]);
    world.clock.advance(Duration::from_secs(61 * 60));
    world.settle().await;

    assert_eq!(states(&world, 1).await, ["done"]);
    assert_eq!(n_live(&world).await, 0);
    world.close().await;
}

async fn a_cancelled_scan_concludes_nothing(url: String) {
    let world = stocked(url).await;
    let before = n_live(&world).await;
    world.first.with(|shop| {
        let early = shop.products.keys().next().unwrap().clone();
        shop.products.remove(&early)
    });
    let faults = [
        marketsink::sandbox::Fault::Fair,
        marketsink::sandbox::Fault::ServerError,
    ];
    world.first.next_answers(faults.to_vec());
    world.ask_for(&world.first, FULL, Source::Manual).await;
    world.running.app.worker().run_due().await.unwrap();
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    let scan = scans.unwrap().remove(0);
    assert_eq!((scan.state.as_str(), scan.pages), ("running", 1));

    let sync = &world.running.app.sync;
    sync.cancel_scan(world.merchant, ScanId(scan.id))
        .await
        .unwrap();
    let asked = world.first.n_requests();
    world.settle().await;

    assert_eq!(world.first.n_requests(), asked, "nobody goes on with it");
    assert_eq!(n_live(&world).await, before);
    assert_eq!(states(&world, 1).await, ["cancelled"]);
    world.close().await;
}
