//! What writing a page of products costs: in proportion to what differs, and never a statement per row.

use crate::support::{
    builders::{NOW, Shop, a_shop},
    database::databases,
};
use marketsink::{
    catalog::{self, Applied},
    db::{Db, Meter},
    domain::{Product, ProductState, Variant},
};
use std::time::Duration;

databases!(
    new_listings_of_a_page_are_written_together,
    a_page_without_changes_costs_one_query_and_no_write,
    only_the_listing_that_changed_is_written,
);

async fn new_listings_of_a_page_are_written_together(db: Db) {
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let shop = a_shop(&db).await;
    let before = meter.read();

    let applied = apply(&db, shop, &page()).await;

    assert_eq!(applied.added, 300);
    assert_eq!(applied.seen.len(), 300);
    assert_eq!(meter.read().since(before).writes, 1);
}

async fn a_page_without_changes_costs_one_query_and_no_write(db: Db) {
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let shop = a_shop(&db).await;
    let first = apply(&db, shop, &page()).await;
    let before = meter.read();

    let again = apply(&db, shop, &page()).await;

    let cost = meter.read().since(before);
    assert_eq!((cost.reads, cost.writes), (1, 0));
    assert_eq!((again.added, again.changed), (0, 0));
    assert_eq!(sorted(again), sorted(first));
}

async fn only_the_listing_that_changed_is_written(db: Db) {
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let shop = a_shop(&db).await;
    apply(&db, shop, &page()).await;
    let mut edited = page();
    edited[7].variants[1].quantity = Some(1);
    edited[7].version = NOW + Duration::from_secs(1);
    let before = meter.read();

    let applied = apply(&db, shop, &edited).await;

    assert_eq!((applied.added, applied.changed), (0, 1));
    assert_eq!(meter.read().since(before).writes, 1);
}

async fn apply(db: &Db, shop: Shop, page: &[Product]) -> Applied {
    let tx = db.write_tx().await.unwrap();
    let applied = catalog::apply_products(&tx, shop.merchant, shop.channel, page, NOW).await;
    tx.commit().await.unwrap();
    applied.unwrap()
}

fn sorted(applied: Applied) -> Vec<i64> {
    let mut seen = applied.seen;
    seen.sort_unstable();
    seen
}

/// A hundred products with three variants each.
fn page() -> Vec<Product> {
    let variant = |product: u64, n: u64| Variant {
        remote_id: (product * 10 + n).into(),
        title: format!("Size {n}"),
        state: ProductState::Active,
        seller_sku: Some(format!("SHIRT-{product}-{n}")),
        price: None,
        quantity: Some(10),
        reserved: None,
        push_ref: None,
    };
    let product = |product: u64| Product {
        remote_id: product.into(),
        title: format!("Shirt {product}"),
        state: ProductState::Active,
        version: NOW,
        variants: (0..3).map(|n| variant(product, n)).collect(),
    };
    (1..=100).map(product).collect()
}
