//! Queries of a page: their number does not grow with the catalogue, and each finds its rows by an index.

use super::{a_known_shop, all, another_channel, apply, on, product, skus};
use crate::support::{
    builders::{NOW, Shop},
    database::databases,
};
use marketsink::{
    catalog,
    db::{Db, Meter, Reading},
    domain::{ListingId, Product},
    reports::{
        drift::{self, DriftQuery},
        views::{self, ViewQuery},
    },
    stock,
};
use sea_orm::{ConnectionTrait, Statement};

databases!(
    a_page_costs_as_many_queries_of_a_small_catalogue_as_of_a_large_one,
    on_sqlite_every_page_is_found_by_an_index,
);

/// So many SKUs, each listed once, with another quantity than is on hand; and as many listings without a SKU.
async fn catalogue(db: &Db, n: u64) -> Shop {
    let shop = a_known_shop(db).await;
    another_channel(db, shop, "active").await;
    let codes: Vec<String> = (0..n).map(|n| format!("S-{n:04}")).collect();
    let names: Vec<&str> = codes.iter().map(String::as_str).collect();
    skus(db, shop, &names).await;
    let tx = db.write_tx().await.unwrap();
    for code in &names {
        let sku = catalog::find_sku(&tx, shop.merchant, code).await.unwrap();
        let at = (sku.unwrap(), shop.outlet);
        stock::set_on_hand(&tx, shop.merchant, at, 9, "counted", NOW)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let linked = (0..n).map(|i| product(i + 1, Some(names[i as usize]), "Linked"));
    let twins = (0..n).map(|i| product(n + i + 1, Some(names[i as usize]), "Twin"));
    let unlinked = (0..n).map(|i| product(2 * n + i + 1, Some("other"), "Unlinked"));
    let products: Vec<Product> = linked.chain(twins).chain(unlinked).collect();
    apply(db, shop, shop.channel, &products).await;
    shop
}

async fn every_view(db: &Db, shop: Shop, query: &ViewQuery) {
    let m = shop.merchant;
    views::sold_in_channel(db, m, query).await.unwrap();
    views::not_in_channel(db, m, query).await.unwrap();
    views::in_pos(db, m, query).await.unwrap();
    views::not_in_pos(db, m, query).await.unwrap();
    views::multiple_listed(db, m, query).await.unwrap();
    views::channel_statistic(db, m, query).await.unwrap();
}

async fn page_of_drift(db: &Db, shop: Shop) {
    let query = DriftQuery {
        limit: 100,
        ..DriftQuery::default()
    };
    let page = drift::drift(db, shop.merchant, &query, NOW).await.unwrap();
    assert!(!page.rows.is_empty());
}

async fn a_page_costs_as_many_queries_of_a_small_catalogue_as_of_a_large_one(db: Db) {
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let (small, large) = (catalogue(&db, 3).await, catalogue(&db, 120).await);
    let cost = async |shop: Shop| -> [u64; 3] {
        let mut costs = Vec::new();
        let mut note = |before: Reading| {
            let cost = meter.read().since(before);
            assert_eq!(cost.writes, 0);
            costs.push(cost.reads);
        };
        let before = meter.read();
        every_view(&db, shop, &on(shop.channel)).await;
        note(before);
        let before = meter.read();
        page_of_drift(&db, shop).await;
        note(before);
        let before = meter.read();
        let found = catalog::suggestions(&db, shop.merchant, None, ListingId(0), 100).await;
        found.unwrap();
        note(before);
        [costs[0], costs[1], costs[2]]
    };

    let (of_small, of_large) = (cost(small).await, cost(large).await);

    assert_eq!((of_small[0], of_small[2]), (of_large[0], of_large[2]));
    let [views, drift, suggestions] = of_large;
    assert!(views <= 6 * 6, "{views} for six views");
    // The small one ends in time to ask the next channel.
    assert!(drift <= 20 && of_small[1] <= drift + 1, "{drift}");
    assert!(suggestions <= 3, "{suggestions}");
}

async fn on_sqlite_every_page_is_found_by_an_index(db: Db) {
    if db.is_postgres() {
        // Its plans follow statistics: of a table this small it rightly reads all.
        return;
    }
    let meter = Meter::default();
    let db = db.with_meter(meter.clone());
    let shop = catalogue(&db, 120).await;
    meter.keep_statements();
    for query in [all(), on(shop.channel)] {
        every_view(&db, shop, &query).await;
        let after = |place: &str| ViewQuery {
            after: Some(place.to_owned()),
            limit: 10,
            ..query.clone()
        };
        let m = shop.merchant;
        views::sold_in_channel(&db, m, &after("S-0050"))
            .await
            .unwrap();
        views::not_in_pos(&db, m, &after("30")).await.unwrap();
        views::multiple_listed(&db, m, &after("30:1"))
            .await
            .unwrap();
    }
    page_of_drift(&db, shop).await;
    let statements = meter.take_statements();

    let mut scans = Vec::new();
    for statement in &statements {
        for step in plan(&db, statement).await {
            let walks_all = step.starts_with("SCAN ") && !step.contains(" USING ");
            // Rows of an inner statement, not of a table.
            let is_inner = [
                "SCAN groups",
                "SCAN per_sku",
                "SCAN t",
                "SCAN (",
                "SCAN CONSTANT ROW",
            ]
            .iter()
            .any(|inner| step.starts_with(inner))
                || ["SCAN a", "SCAN b", "SCAN c", "SCAN d"].contains(&step.as_str());
            let sorts_page =
                step.contains("TEMP B-TREE FOR ORDER BY") && statement.sql.contains("LIMIT");
            if (walks_all && !is_inner) || sorts_page {
                scans.push(format!("{step}: {}", statement.sql));
            }
        }
    }
    assert!(statements.len() > 40, "{}", statements.len());
    assert_eq!(scans, Vec::<String>::new(), "{scans:#?}");
}

async fn plan(db: &Db, statement: &Statement) -> Vec<String> {
    let mut explained = statement.clone();
    explained.sql = format!("explain query plan {}", statement.sql);
    let rows = db.read().query_all_raw(explained).await.unwrap();
    rows.iter()
        .map(|row| row.try_get::<String>("", "detail").unwrap())
        .collect()
}
