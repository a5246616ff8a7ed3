//! Why channels show something else than the books say: each class, from what really happened.

use super::{World, elsewhere, world::variant};
use crate::support::{everywhere, scenarios};
use marketsink::{
    catalog,
    domain::{Currency, Money, Source},
    marketplaces::simulation::SimStatus::Paid,
    reports::drift::{self, Difference, DriftClass, DriftPage, DriftQuery, Of},
    sandbox::{Fault::ServerError, SimShop},
    stock,
};
use std::time::Duration;

scenarios!(
    channels_that_are_in_step_have_no_drift,
    a_sale_is_in_flight_until_the_channels_are_read_again,
    a_push_that_waits_is_in_flight_and_one_that_fails_has_failed,
    a_quantity_set_at_the_marketplace_is_an_edit,
    a_level_that_was_never_told_is_unknown_and_what_has_no_sku_is_unlinked,
    a_price_is_compared_where_we_have_one,
);

everywhere!(
    channels_that_are_in_step_have_no_drift,
    a_sale_is_in_flight_until_the_channels_are_read_again,
    a_push_that_waits_is_in_flight_and_one_that_fails_has_failed,
    a_quantity_set_at_the_marketplace_is_an_edit,
    a_level_that_was_never_told_is_unknown_and_what_has_no_sku_is_unlinked,
    a_price_is_compared_where_we_have_one,
);

impl World {
    async fn drift_page(&self, query: &DriftQuery) -> DriftPage {
        let (db, now) = (&self.running.app.db, self.clock.now());
        drift::drift(db, self.merchant, query, now).await.unwrap()
    }

    async fn drift(&self) -> Vec<Difference> {
        let query = DriftQuery {
            limit: 100,
            ..DriftQuery::default()
        };
        self.drift_page(&query).await.rows
    }

    /// Of one SKU on one shop.
    async fn drift_of(&self, shop: &SimShop, code: &str) -> Vec<Difference> {
        let channel = self.channel(shop).await.id;
        let mut rows = self.drift().await;
        rows.retain(|row| row.channel == channel && row.code.as_deref() == Some(code));
        rows
    }

    /// A person counts, and every channel is to be told.
    async fn count(&self, code: &str, units: i64) {
        self.set_stock(code, units).await;
        let (sku, now) = (self.sku(code).await, self.clock.now());
        let tx = self.running.app.db.write_tx().await.unwrap();
        stock::enqueue_pushes(&tx, self.merchant, &[sku], None, Source::Manual, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Reads both shops after everything has had its time.
    async fn read_again(&self) {
        self.clock.advance(Duration::from_secs(600));
        self.scan(&self.first).await;
        self.scan(&self.second).await;
    }
}

fn classes(rows: &[Difference]) -> Vec<DriftClass> {
    rows.iter().map(|row| row.class).collect()
}

fn has(row: &Difference, what: &str) -> bool {
    row.timeline.iter().any(|entry| entry.what == what)
}

async fn channels_that_are_in_step_have_no_drift(url: String) {
    let world = World::open(url).await;
    let query = DriftQuery {
        limit: 10,
        ..DriftQuery::default()
    };

    let page = world.drift_page(&query).await;

    assert_eq!(page.rows, []);
    assert_eq!((page.totals.compared, page.totals.stock), (6, 0));
    assert_eq!(page.next, None);
    world.close().await;
}

async fn a_sale_is_in_flight_until_the_channels_are_read_again(url: String) {
    let world = World::open(url).await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    let rows = world.drift().await;

    assert!(
        rows.iter().all(|row| row.class == DriftClass::InFlight),
        "{rows:#?}"
    );
    for row in &rows {
        assert_eq!((row.ours, row.shown), (Some(9), Some(10)));
        assert!(has(row, "movement") && has(row, "read"), "{row:#?}");
    }
    world.read_again().await;
    assert_eq!(world.drift().await, []);
    world.close().await;
}

async fn a_push_that_waits_is_in_flight_and_one_that_fails_has_failed(url: String) {
    let world = World::open(url).await;
    world.count("MUG", 7).await;

    let waiting = world.drift_of(&world.second, "MUG").await;
    world.second.next_answers(vec![ServerError; 20]);
    world.work().await;
    let failed = world.drift_of(&world.second, "MUG").await;
    world.second.forget_faults();
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(300));
        world.settle().await;
    }
    let told = world.shown(&world.second, "MUG");
    world.read_again().await;

    assert_eq!(classes(&waiting), [DriftClass::InFlight]);
    assert!(waiting[0].why.contains("waits"), "{}", waiting[0].why);
    assert_eq!(classes(&failed), [DriftClass::FailedPush]);
    assert!(failed[0].why.contains("tried again"), "{}", failed[0].why);
    assert!(has(&failed[0], "job"));
    assert_eq!(told, 7);
    assert_eq!(world.drift().await, []);
    world.close().await;
}

async fn a_quantity_set_at_the_marketplace_is_an_edit(url: String) {
    let world = World::open(url).await;
    world.count("MUG", 7).await;
    world.settle().await;
    world.read_again().await;
    assert_eq!(world.drift().await, []);

    let mug = variant(&world.first, "MUG");
    assert!(world.first.edit_variant_quantity(&mug, 12));
    world.settle().await;
    world.read_again().await;

    let rows = world.drift().await;
    assert_eq!(classes(&rows), [DriftClass::Edited], "{rows:#?}");
    assert_eq!((rows[0].ours, rows[0].shown), (Some(7), Some(12)));
    assert!(has(&rows[0], "push") && has(&rows[0], "changed_there"));
    world.close().await;
}

async fn a_level_that_was_never_told_is_unknown_and_what_has_no_sku_is_unlinked(url: String) {
    let world = World::open(url).await;
    world.set_stock("TEA-25", 8).await;
    world.list(&world.first, "Gift", None, 3).await;

    let rows = world.drift().await;

    let tea = world.drift_of(&world.first, "TEA-25").await;
    assert_eq!(classes(&tea), [DriftClass::Unknown]);
    assert!(tea[0].why.contains("never told"), "{}", tea[0].why);
    let unlinked: Vec<_> = rows.iter().filter(|row| row.of == Of::Link).collect();
    assert_eq!(unlinked.len(), 1);
    assert_eq!(unlinked[0].class, DriftClass::Unlinked);
    // Page by page, and by class, the same.
    let mut query = DriftQuery {
        limit: 1,
        ..DriftQuery::default()
    };
    let mut paged = Vec::new();
    loop {
        let page = world.drift_page(&query).await;
        paged.extend(page.rows);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(paged, rows);
    query = DriftQuery {
        class: Some(DriftClass::Unlinked),
        limit: 10,
        ..DriftQuery::default()
    };
    assert_eq!(world.drift_page(&query).await.rows.len(), 1);
    world.close().await;
}

async fn a_price_is_compared_where_we_have_one(url: String) {
    let world = World::open(url).await;
    let now = world.clock.now();
    let currency = world.listing_of(&world.first, "MUG").await.currency;
    let currency = Currency::from_code(&currency.unwrap()).unwrap();
    let shown = world.listing_of(&world.first, "MUG").await.price_minor;
    let price = Money {
        minor: shown.unwrap(),
        currency,
    };
    let tx = world.running.app.db.write_tx().await.unwrap();
    let set = catalog::set_price(&tx, world.merchant, "MUG", price, now).await;
    assert!(set.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(world.drift_of(&world.first, "MUG").await, []);

    world.clock.advance(Duration::from_secs(60));
    let mug = variant(&world.first, "MUG");
    assert!(world.first.edit_variant_price(&mug, 6_100_000));
    world.settle().await;
    world.read_again().await;

    let rows = world.drift_of(&world.first, "MUG").await;
    assert_eq!(classes(&rows), [DriftClass::Edited], "{rows:#?}");
    assert_eq!(rows[0].of, Of::Price);
    assert_eq!(rows[0].shown, Some(6_100_000));
    world.close().await;
}

/// Only Shopee's API tells what its campaigns hold.
#[test]
fn units_that_a_campaign_holds_are_promotion_reserved() {
    elsewhere("shopee", || {
        crate::support::database::at_sqlite(a_campaign_holds_units);
    });
}

async fn a_campaign_holds_units(url: String) {
    let world = World::open(url).await;
    let mug = variant(&world.first, "MUG");
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.memory
            .insert(format!("campaign {mug}"), "4".to_owned());
        shop.edit_variant(&mug, now, |_| ());
    });
    world.read_again().await;

    let rows = world.drift().await;

    assert_eq!(classes(&rows), [DriftClass::PromotionReserved], "{rows:#?}");
    assert_eq!((rows[0].ours, rows[0].shown), (Some(10), Some(6)));
    world.close().await;
}
