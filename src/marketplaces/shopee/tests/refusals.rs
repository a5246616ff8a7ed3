//! What the simulator refuses or leaves out takes nothing else with it.

use super::*;
use crate::domain::Window;
use crate::marketplaces::OrderTime;

fn remember(shop: &Mutex<Shop>, name: &str, value: &str) {
    let mut shop = shop.lock().unwrap();
    shop.memory.insert(name.to_owned(), value.to_owned());
}

fn level(shop: &Mutex<Shop>, sku: &str, quantity: i64) -> StockLevel {
    let shop = shop.lock().unwrap();
    let variant = shop.variant_by_sku(sku).unwrap().id.clone();
    let product = shop.product_of(&variant).unwrap();
    let has_models = product.variants.len() > 1;
    StockLevel {
        product_id: product.id.clone(),
        variant_id: if has_models {
            variant
        } else {
            product.id.clone()
        },
        quantity,
        push_ref: None,
    }
}

fn shown(shop: &Mutex<Shop>, sku: &str) -> i64 {
    shop.lock().unwrap().variant_by_sku(sku).unwrap().quantity
}

fn id_of_sku(shop: &Mutex<Shop>, sku: &str) -> RemoteId {
    shop.lock().unwrap().variant_by_sku(sku).unwrap().id.clone()
}

fn passes(outcome: &PushOutcome) -> bool {
    matches!(outcome, Err(MarketplaceError::Unavailable { .. }))
}

#[tokio::test]
async fn a_campaign_raises_no_stock_and_keeps_what_it_holds() {
    let (shop, access) = hosted().await;
    let tea = id_of_sku(&shop, "TEA-25");
    remember(&shop, &format!("campaign {tea}"), "4");

    let enough = Shopee
        .set_stock(&access, &[level(&shop, "TEA-25", 9)])
        .await;
    let with_enough = shown(&shop, "TEA-25");
    let fewer = Shopee
        .set_stock(&access, &[level(&shop, "TEA-25", 1)])
        .await;

    assert_eq!((enough, fewer), (Ok(vec![Ok(())]), Ok(vec![Ok(())])));
    assert_eq!((with_enough, shown(&shop, "TEA-25")), (9, 4));
}

#[tokio::test]
async fn a_promoted_model_is_tried_again_and_stops_no_other() {
    let (shop, access) = hosted().await;
    let tea = id_of_sku(&shop, "TEA-25");
    remember(&shop, &format!("promoted {tea}"), "yes");
    let levels = ["TEA-25", "TEA-100", "MUG"].map(|sku| level(&shop, sku, 3));

    let outcomes = Shopee.set_stock(&access, &levels).await.unwrap();

    assert!(passes(&outcomes[0]), "{outcomes:?}");
    assert_eq!(outcomes[1..], [Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_holiday_is_waited_for_row_by_row() {
    let (shop, access) = hosted().await;
    remember(&shop, "on holiday", "yes");
    let levels = ["TEA-25", "MUG"].map(|sku| level(&shop, sku, 3));

    let outcomes = Shopee.set_stock(&access, &levels).await.unwrap();

    assert!(outcomes.iter().all(passes), "{outcomes:?}");
}

#[tokio::test]
async fn the_only_warehouse_is_named_where_that_is_asked_for() {
    let (shop, access) = hosted().await;
    remember(&shop, "names its warehouse", "yes");
    let levels = ["TEA-25", "MUG"].map(|sku| level(&shop, sku, 3));

    let outcomes = Shopee.set_stock(&access, &levels).await;

    assert_eq!(outcomes, Ok(vec![Ok(()), Ok(())]));
    assert_eq!((shown(&shop, "TEA-25"), shown(&shop, "MUG")), (3, 3));
}

#[tokio::test]
async fn one_refused_order_hides_no_other() {
    let (shop, access) = hosted().await;
    let ids: Vec<_> = (0..3).map(|_| place(&shop, "MUG", 1)).collect();
    remember(&shop, &format!("refused {}", ids[1]), "yes");
    let query = OrderQuery {
        window: Window {
            from: NOW - Duration::from_secs(60),
            to: NOW + Duration::from_secs(60),
        },
        by: OrderTime::Updated,
        page: None,
    };

    let page = Shopee.orders(&access, &query).await.unwrap();
    let all = Shopee.orders_by_id(&access, &ids).await;
    let alone = Shopee.orders_by_id(&access, &ids[1..2]).await;
    let first = Shopee.orders_by_id(&access, &ids[..1]).await;

    assert_eq!((page.items.len(), page.unreadable.len()), (2, 1));
    assert_eq!(page.unreadable[0].0, ids[1]);
    // The batch is read one by one then, and only the refused one fails.
    let is_named = matches!(&all, Err(MarketplaceError::Unreadable { reason, .. })
        if reason.starts_with(ids[1].as_str()));
    assert!(is_named, "{all:?}");
    assert!(matches!(alone, Err(MarketplaceError::Refused { .. })));
    assert_eq!(first.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_without_its_response_is_no_empty_list() {
    let (shop, access) = hosted().await;
    let order = place(&shop, "MUG", 1);
    let product = level(&shop, "TEA-25", 1).product_id;
    remember(&shop, "hollow", "yes");
    let window = Window {
        from: NOW - Duration::from_secs(60),
        to: NOW + Duration::from_secs(60),
    };
    let all = ProductQuery {
        scope: crate::marketplaces::ProductScope::Full,
        page: None,
    };

    let errors = [
        Shopee
            .orders(&access, &OrderQuery::updated(window))
            .await
            .err(),
        Shopee.orders_by_id(&access, &[order]).await.err(),
        Shopee.products(&access, &all).await.err(),
        Shopee.products_by_id(&access, &[product]).await.err(),
    ];

    for error in errors {
        assert!(
            matches!(error, Some(MarketplaceError::Unreadable { .. })),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_shop_that_an_api_is_not_granted_for_stays_out_and_locks_nothing() {
    let (shop, access) = hosted().await;
    remember(&shop, "not granted", "5");
    let of_account = |shops: &str| {
        let mut account = access.clone();
        account.secrets.take("shop_id");
        account.secrets.set("shop_id_list", shops);
        account
    };

    let some = Shopee.shops(&of_account("5,727000007")).await.unwrap();
    let none = Shopee.shops(&of_account("5")).await;

    assert_eq!(some.len(), 1);
    assert!(matches!(none, Err(MarketplaceError::Refused { .. })));
}
