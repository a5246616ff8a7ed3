//! What a scan says it found: which field, from what, to what; and what could not be read.

use super::{World, hands::product};
use crate::support::scenarios;
use entity::{scan_changes, scans};
use marketsink::{
    domain::{ScanId, ScanKind, ScanMethod, Source, Work},
    sync::{self, ScanRequest},
};

scenarios!(
    a_scan_tells_what_was_added_changed_gone_and_linked,
    listings_that_share_a_seller_sku_are_told,
    what_a_page_may_not_hold_does_not_fail_it,
    a_single_scan_tells_what_it_found,
    a_notice_tells_of_the_end_of_a_scan_that_nobody_waited_for,
    a_plan_holds_what_the_scan_then_takes,
);

const FULL: Work = Work::RunScan {
    method: ScanMethod::Async,
    scan: ScanKind::Full,
};

async fn last(world: &World) -> scans::Model {
    let scans = sync::scans(&world.running.app.db, world.merchant, 1).await;
    scans.unwrap().remove(0)
}

async fn changes(world: &World, scan: i64) -> Vec<scan_changes::Model> {
    let db = &world.running.app.db;
    let all = (0, 1_000);
    sync::scan_changes(db, world.merchant, ScanId(scan), None, all)
        .await
        .unwrap()
}

async fn full_scan(world: &World) -> (scans::Model, Vec<scan_changes::Model>) {
    world.ask_for(&world.first, FULL, Source::Manual).await;
    world.running.app.worker().run_due().await.unwrap();
    let scan = last(world).await;
    let changes = changes(world, scan.id).await;
    (scan, changes)
}

/// Kind, field, before, after; sorted.
fn told(changes: &[scan_changes::Model]) -> Vec<(&str, &str, &str, &str)> {
    let text = |value: &'_ Option<String>| -> &'static str {
        Box::leak(value.clone().unwrap_or_default().into_boxed_str())
    };
    let mut told: Vec<_> = changes
        .iter()
        .map(|c| {
            (
                c.kind.as_str(),
                text(&c.field),
                text(&c.before),
                text(&c.after),
            )
        })
        .collect();
    told.sort_unstable();
    told
}

async fn a_scan_tells_what_was_added_changed_gone_and_linked(url: String) {
    let world = World::open(url).await;
    world.set_stock("POT", 3).await;
    let (mug, tea) = (
        product(&world.first, "MUG"),
        product(&world.first, "TEA-25"),
    );
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.edit_product(&mug, now, |p| {
            "Mug, blue".clone_into(&mut p.title);
            p.variants[0].price.minor += 100_000;
        });
        shop.products.remove(&tea);
        shop.add_product("Pot", &[("", Some("POT"), 9_000_000, 3)], now);
    });

    let (scan, changes) = full_scan(&world).await;

    assert_eq!(
        (scan.added, scan.changed, scan.gone, scan.linked),
        (1, 1, 2, 1)
    );
    assert_eq!(scan.differences, changes.len() as i64);
    assert_eq!(
        told(&changes),
        [
            ("added", "", "", "Pot - POT"),
            ("changed", "price", "5500000", "5600000"),
            ("changed", "title", "Mug - MUG", "Mug, blue - MUG"),
            ("gone", "", "Tea - TEA-100", ""),
            ("gone", "", "Tea - TEA-25", ""),
            ("linked", "sku", "", "POT"),
        ]
    );
    let (again, nothing) = full_scan(&world).await;
    assert_eq!((again.differences, nothing.len()), (0, 0));
    world.close().await;
}

async fn listings_that_share_a_seller_sku_are_told(url: String) {
    let world = World::open(url).await;
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.add_product("Mug again", &[("", Some("MUG"), 5_000_000, 1)], now);
    });

    let (scan, changes) = full_scan(&world).await;

    assert_eq!(scan.conflicts, 1);
    let conflict = changes.iter().find(|c| c.kind == "conflict").unwrap();
    assert_eq!(conflict.after.as_deref(), Some("MUG"));
    let other = product(&world.first, "MUG").to_string();
    assert!(conflict.before.as_deref().unwrap().starts_with(&other));
    world.close().await;
}

async fn what_a_page_may_not_hold_does_not_fail_it(url: String) {
    let world = World::open(url).await;
    let (mug, now) = (product(&world.first, "MUG"), world.clock.now());
    // PostgreSQL refuses zero bytes in texts.
    world.first.with(|shop| {
        shop.edit_product(&mug, now, |p| "Mug\0, blue".clone_into(&mut p.title));
    });

    let (scan, changes) = full_scan(&world).await;

    assert_eq!((scan.state.as_str(), scan.changed), ("done", 1));
    assert_eq!(changes[0].after.as_deref(), Some("Mug, blue - MUG"));
    world.close().await;
}

async fn a_single_scan_tells_what_it_found(url: String) {
    let world = World::open(url).await;
    let (mug, now) = (product(&world.first, "MUG"), world.clock.now());
    world.first.with(|shop| {
        shop.edit_product(&mug, now, |p| "Mug, blue".clone_into(&mut p.title));
    });
    let request = ScanRequest {
        channel: world.channel(&world.first).await.id,
        kind: ScanKind::Single,
        method: ScanMethod::Sync,
        source: Source::Manual,
        product: Some(mug),
    };
    let asked = world.first.n_requests();

    let requested = world.running.app.sync.request_scan(&request).await.unwrap();
    let again = world.running.app.sync.request_scan(&request).await.unwrap();
    world.running.app.worker().run_due().await.unwrap();

    assert!(!requested.joined && again.joined && again.scan == requested.scan);
    let scan = last(&world).await;
    assert_eq!((scan.id, scan.state.as_str()), (requested.scan.0, "done"));
    assert_eq!((scan.changed, scan.api_calls), (1, 1));
    assert_eq!(world.first.n_requests() - asked, 1);
    let changes = changes(&world, scan.id).await;
    let title = ("changed", "title", "Mug - MUG", "Mug, blue - MUG");
    assert_eq!(told(&changes), [title]);
    world.close().await;
}

async fn a_notice_tells_of_the_end_of_a_scan_that_nobody_waited_for(url: String) {
    let world = World::open(url).await;
    let request = |method| ScanRequest {
        channel: marketsink::domain::ChannelId(1),
        kind: ScanKind::Full,
        method,
        source: Source::Manual,
        product: None,
    };
    let (db, sync) = (&world.running.app.db, &world.running.app.sync);

    sync.request_scan(&request(ScanMethod::Sync)).await.unwrap();
    world.work().await;
    let waited = sync::notices(db, world.merchant, 10).await.unwrap();
    let asked = sync
        .request_scan(&request(ScanMethod::Async))
        .await
        .unwrap();
    world.work().await;
    let left = sync::notices(db, world.merchant, 10).await.unwrap();
    let now = world.clock.now();
    let n_read = sync::read_notices(db, world.merchant, left[0].id, now).await;
    let after = sync::notices(db, world.merchant, 10).await.unwrap();

    assert_eq!((waited.len(), left.len(), after.len()), (0, 1, 0));
    assert_eq!(n_read.unwrap(), 1);
    assert_eq!(left[0].scan_id, Some(asked.scan.0));
    assert!(
        left[0].text.contains("is done: 3 listings"),
        "{}",
        left[0].text
    );
    world.close().await;
}

async fn a_plan_holds_what_the_scan_then_takes(url: String) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    super::hands::add_many(&world, &world.first, 250);
    world.connect_all().await;
    let channel = world.channel(&world.first).await.id;
    let request = ScanRequest {
        channel,
        kind: ScanKind::Full,
        method: ScanMethod::Async,
        source: Source::Manual,
        product: None,
    };
    let sync = &world.running.app.sync;

    let blind = sync.plan(&request, false).await.unwrap();
    let asked = world.first.n_requests();
    let counted = sync.plan(&request, true).await.unwrap();
    let price = world.first.n_requests() - asked;
    world.settle().await;
    let scan = last(&world).await;
    let measured = sync.plan(&request, false).await.unwrap();

    assert_eq!(blind.products, None, "nobody has told");
    assert_eq!((counted.products, price), (Some(252), 1));
    assert_eq!(measured.products, Some(252));
    let calls = scan.api_calls.cast_unsigned();
    let width = |plan: &sync::Plan| plan.calls.to - plan.calls.from;
    for plan in [&counted, &measured] {
        assert!(
            (plan.calls.from..=plan.calls.to).contains(&calls),
            "{plan:?}"
        );
    }
    assert!(width(&measured) < width(&counted), "it was measured");
    assert!(measured.last_at.is_some() && blind.last_at.is_none());
    world.close().await;
}
