//! Stock and prices: compared, refused one by one, and never set over a sale.

use super::*;

#[tokio::test]
async fn a_sale_between_reading_and_setting_is_seen_and_not_overwritten() {
    let (shop, access) = town(2, 1).await;
    let levels = levels(&access, 6).await;

    remember(&shop, "sales", "2");
    let in_the_end = set_stock(&access, &levels).await.unwrap();
    let quantities_then = quantities(&shop);
    remember(&shop, "sales", "99");
    let levels_again: Vec<_> = levels
        .iter()
        .map(|l| StockLevel {
            quantity: 9,
            ..l.clone()
        })
        .collect();
    let never = set_stock(&access, &levels_again).await.unwrap();

    assert_eq!((in_the_end, quantities_then), (vec![Ok(()); 2], vec![6, 6]));
    for outcome in never {
        assert_eq!(outcome.unwrap_err().retry(), Retry::Backoff);
    }
    assert_eq!(quantities(&shop), [3, 3], "sold three times, set never");
}

#[tokio::test]
async fn what_is_right_already_is_not_set_again() {
    let (shop, access) = town(1, 1).await;
    let levels = levels(&access, 10).await;
    // Any change would be a sale.
    remember(&shop, "sales", "1");

    let outcomes = set_stock(&access, &levels).await.unwrap();

    assert_eq!((outcomes, quantities(&shop)), (vec![Ok(())], vec![10]));
}

#[tokio::test]
async fn stock_that_costs_too_much_to_read_at_once_is_read_in_parts() {
    let (shop, access) = town(10, 4).await;
    let levels = levels(&access, 6).await;
    remember(&shop, "largest_cost", "20");

    let outcomes = set_stock(&access, &levels).await.unwrap();

    assert_eq!(outcomes, vec![Ok(()); 40]);
    assert_eq!(quantities(&shop), [6; 40]);
}

#[tokio::test]
async fn what_is_not_counted_or_contradicts_itself_fails_alone_and_says_why() {
    let (shop, access) = town(4, 1).await;
    let mut levels = levels(&access, 3).await;
    let untracked = levels[1].variant_id.clone();
    remember(&shop, &format!("untracked {untracked}"), "yes");
    levels[2].push_ref = None;
    levels.push(StockLevel {
        quantity: 5,
        ..levels[3].clone()
    });

    let outcomes = set_stock(&access, &levels).await.unwrap();

    let are_set: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(are_set, [true, false, false, true, false]);
    let told = outcomes[1].clone().unwrap_err().to_string();
    assert!(told.contains("tracking"), "{told}");
    assert_eq!(outcomes[1], outcomes[2]);
    assert_eq!(quantities(&shop), [3, 10, 10, 3]);
}

#[tokio::test]
async fn the_simulator_holds_a_key_to_its_first_use() {
    let (shop, access) = town(1, 1).await;
    let (item, location) = {
        let levels = levels(&access, 0).await;
        let (item, location) = mapping::target(&levels[0]).unwrap();
        (gid("InventoryItem", item), gid("Location", location))
    };
    let set = async |key: &str, from: i64, to: i64| {
        let row = json!({"inventoryItemId": item, "locationId": location, "quantity": to,
            "changeFromQuantity": from});
        let input = json!({"name": "available", "reason": "correction", "quantities": [row]});
        let data = ask(&access, STOCK_SET, json!({"input": input, "key": key}))
            .await
            .unwrap();
        data["inventorySetQuantities"]["userErrors"][0]["code"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };

    assert_eq!(set("a", 10, 8).await, "");
    shop.lock()
        .unwrap()
        .products
        .values_mut()
        .next()
        .unwrap()
        .variants[0]
        .quantity = 10;
    assert_eq!(set("a", 10, 8).await, "");
    assert_eq!(quantities(&shop), [10], "answered from memory");
    assert_eq!(set("a", 10, 7).await, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    assert_eq!(set("b", 9, 7).await, "CHANGE_FROM_QUANTITY_STALE");
    assert_eq!(set("b", 10, -1).await, "INVALID_QUANTITY_NEGATIVE");
}

#[tokio::test]
async fn a_price_that_is_refused_is_refused_alone() {
    let (shop, access) = town(2, 2).await;
    let currency = shop.lock().unwrap().currency;
    let levels = levels(&access, 0).await;
    let change = |level: &StockLevel, minor: i64| PriceChange {
        product_id: level.product_id.clone(),
        variant_id: level.variant_id.clone(),
        price: Money { minor, currency },
        push_ref: None,
    };
    let stranger = PriceChange {
        variant_id: levels[2].variant_id.clone(),
        ..change(&levels[0], 7)
    };
    let prices = [
        change(&levels[0], 500),
        stranger,
        change(&levels[1], -5),
        change(&levels[3], 700),
    ];

    let outcomes = set_price(&access, &prices).await.unwrap();

    let are_set: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(are_set, [true, false, false, true]);
    assert!(matches!(
        outcomes[1],
        Err(MarketplaceError::NotFound { .. })
    ));
    assert!(matches!(outcomes[2], Err(MarketplaceError::Refused { .. })));
}
