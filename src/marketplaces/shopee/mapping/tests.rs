//! Documented orders and products, and nonsense.

use super::super::{mapping, tests::fixture};
use super::*;
use crate::domain::{Document, Fulfilment, Retry};
use proptest::prelude::*;
use serde_json::json;

fn listed(name: &str, list: &str) -> Vec<Value> {
    let mut answer = fixture(name)["response"].take();
    serde_json::from_value(answer[list].take()).unwrap()
}

#[test]
fn orders_keep_units_and_prices_and_odd_ones_stand_aside() {
    let rows = listed("api/order_detail", "order_list");
    let settled = fixture("api/escrow_detail")["response"].clone();
    let [paid, on_delivery, bundle, unknown, empty] = rows.as_slice() else {
        panic!("five orders")
    };

    let order = mapping::order(paid, None).unwrap();
    assert_eq!(
        (order.standing, order.total.minor),
        (Standing::SOLD, 20_150_000)
    );
    assert_eq!(order.lines[0].total.minor, 18_750_000);
    assert_eq!(order.lines[0].title, "Kopi Gayo, 250g");
    let named = "23456789012-23456789012-221404189791-0";
    assert_eq!(order.lines[0].remote_id.as_str(), named);
    assert_eq!((order.version.secs(), order.remark), (1_795_400_405, None));

    let order = mapping::order(on_delivery, None).unwrap();
    let [coffee, glass] = order.lines.as_slice() else {
        panic!("a split order is one order: {:?}", order.lines)
    };
    assert_eq!(
        (order.standing, order.standing.paid),
        (Standing::SOLD, false)
    );
    // One was called off; the one that was returned is in the order's returns, which are asked for.
    assert_eq!((coffee.quantity, coffee.open_quantity()), (3, 2));
    assert!(mapping::has_returns(on_delivery));
    assert_eq!(
        coffee.remote_id.as_str(),
        "23456789012-23456789012-221404189791-0"
    );
    assert_eq!((glass.cancelled, glass.total.minor), (0, 1_900_050));
    assert_eq!(
        glass.variant_id, glass.product_id,
        "model 0 is the product itself"
    );
    assert_eq!(glass.seller_sku.as_deref(), Some("GELAS"));
    assert_eq!(
        order.total.minor,
        3 * 9_375_000 + 1_900_050,
        "nothing is told before it is paid"
    );

    assert!(mapping::hides_prices(bundle) && !mapping::hides_prices(paid));
    let order = mapping::order(bundle, Some(&settled)).unwrap();
    let totals: Vec<_> = order.lines.iter().map(|line| line.total.minor).collect();
    assert_eq!(
        (totals, order.remark),
        (vec![10_000_000, 5_000_000, 0], None)
    );
    let unsettled = mapping::order(bundle, None).unwrap().remark.unwrap();
    assert!(
        unsettled.contains("the price of line 23456789012-23456789012-221404189791-1 is not told"),
        "{unsettled}"
    );

    let order = mapping::order(unknown, None).unwrap();
    assert_eq!(
        (order.standing, order.currency.code()),
        (Standing::SOLD, "IDR")
    );
    assert!(
        order
            .remark
            .is_some_and(|remark| remark.contains("TELEPORTED"))
    );
    let (id, reason) = mapping::order(empty, None).unwrap_err();
    assert_eq!(
        (id.as_str(), reason.as_str()),
        ("2611230NOITEMS", "the order has no items")
    );
}

#[test]
fn every_status_has_its_place_in_the_books() {
    let paid = listed("api/order_detail", "order_list").remove(0);
    let standing = |status: &str, paid_at: i64| {
        let mut order = paid.clone();
        (order["order_status"], order["pay_time"]) = (status.into(), paid_at.into());
        mapping::order(&order, None).unwrap().standing
    };

    assert_eq!(standing("UNPAID", 0), Standing::PLACED);
    assert_eq!(standing("PENDING", 5), Standing::PLACED);
    for sold in [
        "READY_TO_SHIP",
        "PROCESSED",
        "RETRY_SHIP",
        "INVOICE_PENDING",
        "IN_CANCEL",
    ] {
        assert_eq!(standing(sold, 5), Standing::SOLD, "{sold}");
    }
    assert_eq!(standing("IN_CANCEL", 0), Standing::PLACED);
    for sent in ["SHIPPED", "TO_CONFIRM_RECEIVE", "TO_RETURN"] {
        assert_eq!(standing(sent, 5), Standing::SHIPPED, "{sent}");
    }
    let done = standing("COMPLETED", 5);
    assert!(done.paid && done.fulfilment == Fulfilment::Sent);
    assert_eq!(standing("CANCELLED", 5).document, Document::Void);
}

#[test]
fn products_have_their_models_named_priced_and_counted() {
    let models = fixture("api/model_list")["response"].clone();
    let items = listed("api/item_base_info", "item_list");
    let idr = Currency::from_code("IDR").ok();
    let [coffee, glass, deleted, odd] = items.as_slice() else {
        panic!("four items")
    };

    assert!(mapping::has_models(coffee) && !mapping::has_models(deleted));
    let product = mapping::product(coffee, Some(&models), idr).unwrap();
    let [first, second] = product.variants.as_slice() else {
        panic!("two models")
    };
    assert_eq!(
        (first.title.as_str(), first.quantity),
        ("250g, Bubuk", Some(40))
    );
    assert_eq!(first.price.unwrap().minor, 9_800_000, "before promotions");
    assert_eq!(
        (second.seller_sku.as_deref(), second.state),
        (None, ProductState::Inactive)
    );
    assert!(
        mapping::product(coffee, Some(&models), None).is_err(),
        "a price needs a currency"
    );
    let product = mapping::product(glass, None, None).unwrap();
    assert_eq!(product.state, ProductState::Inactive);
    assert_eq!(product.variants[0].remote_id, product.remote_id);
    assert_eq!(product.variants[0].price.unwrap().minor, 1_900_050);
    let product = mapping::product(deleted, None, None).unwrap();
    assert_eq!(
        (product.state, product.variants.len()),
        (ProductState::Gone, 0)
    );
    assert!(
        mapping::product(odd, None, None)
            .unwrap_err()
            .1
            .contains("TELEPORTED")
    );
}

#[test]
fn a_line_keeps_its_name_when_its_own_number_is_told_and_rows_that_share_it_are_one() {
    let mut row = listed("api/order_detail", "order_list").remove(0);
    let told = |row: &Value| mapping::order(row, None).unwrap().lines;
    let with = told(&row);
    row["item_list"][0]["line_item_id"] = Value::Null;
    let without = told(&row);
    let mut second = row["item_list"][0].clone();
    (second["line_item_id"], second["cancelled_qty"]) = (7.into(), 1.into());
    (second["promotion_id"], second["model_discounted_price"]) = (5.into(), 90_000.into());
    row["item_list"].as_array_mut().unwrap().push(second);
    let both = told(&row);

    assert_eq!(with, without);
    let [line] = both.as_slice() else {
        panic!("one line: {both:?}")
    };
    assert_eq!(line.remote_id, with[0].remote_id);
    assert_eq!((line.quantity, line.cancelled), (4, 1));
    assert_eq!(line.total.minor, 2 * 9_375_000 + 2 * 9_000_000);
}

#[test]
fn what_a_campaign_holds_is_part_of_the_stock_and_several_warehouses_are_all_named() {
    let models = fixture("api/model_list")["response"].clone();
    let mut items = listed("api/item_base_info", "item_list");

    let of_coffee = mapping::held(&items[0], Some(&models));
    let of_glass = mapping::held(&items[1], None);

    let coffee = &of_coffee[&221_404_189_791];
    let stock = |units, names| mapping::stock_entry(5, units, coffee, names)["seller_stock"].take();
    assert_eq!(stock(40, false), json!([{"stock": 40}]));
    assert_eq!(stock(1, false), json!([{"stock": 2}]), "a campaign holds 2");
    assert_eq!(
        stock(40, true),
        json!([{"location_id": "IDZ", "stock": 40}])
    );
    let both = |first: &str, second: &str| json!([{"location_id": first, "stock": 4}, {"location_id": second, "stock": 0}]);
    let entry = mapping::stock_entry(0, 4, &of_glass[&0], false);
    assert_eq!(entry["seller_stock"], both("IDA", "IDZ"));
    items[1]["stock_info_v2"]["seller_stock"][1]["if_saleable"] = false.into();
    let of_glass = mapping::held(&items[1], None);
    let entry = mapping::stock_entry(0, 4, &of_glass[&0], false);
    assert_eq!(
        entry["seller_stock"],
        both("IDZ", "IDA"),
        "nobody can buy from the other"
    );
}

#[test]
fn a_refusal_that_ends_by_itself_is_tried_again() {
    let told = fixture("api/update_stock_refused")["response"].clone();
    let mut other = told.clone();
    other["failure_list"][0]["failed_reason"] = "model_id is repeated".into();
    let of = |told: &Value| mapping::refusal(told, 221_404_189_792).unwrap();

    assert!(mapping::refusal(&told, 221_404_189_791).is_none());
    assert!(of(&told).to_string().contains("under promotion"));
    assert_eq!(of(&told).retry(), Retry::Backoff);
    assert_eq!(of(&other).retry(), Retry::Never);
}

proptest! {
    #[test]
    fn no_row_makes_the_mapping_panic(row in "\\PC{0,60}", n in any::<i64>()) {
        for value in [json!(row), json!(n), json!([row]), json!({"order_sn": row})] {
            let line = json!({"item_id": n, "model_id": value, "model_quantity_purchased": n,
                "model_discounted_price": n, "cancelled_qty": n, "returned_qty": n});
            let order = json!({"order_sn": "A", "order_status": row, "update_time": n,
                "currency": "IDR", "item_list": [line], "total_amount": value});
            let read = mapping::order(&order, Some(&json!({"order_income": {"items": [value]}})));
            if let Ok(order) = read {
                prop_assert!(order.lines.iter().map(OrderLine::open_quantity).all(|n| n >= 0));
            }
            let item = json!({"item_id": 5, "item_status": "NORMAL", "price_info": [value],
                "stock_info_v2": value});
            let _ = (mapping::product(&item, Some(&value), None), mapping::held(&item, None));
        }
    }
}
