//! Refunds and returns as the documents show them, and what they mean for the order.

use super::*;
use crate::domain::{Goods, ReturnState};

fn refunds() -> Value {
    fixture("api/order_refunds")["data"]["order"]["refunds"].clone()
}

fn whole_refund(kind: &str) -> Value {
    let set = |amount: &str| json!({"shopMoney": {"amount": amount}});
    json!([{"id": "gid://shopify/Refund/9", "createdAt": "2026-11-24T02:00:00Z",
        "updatedAt": "2026-11-24T02:00:00Z", "totalRefundedSet": set("55000.0"),
        "refundShippingLines": {"nodes": []},
        "refundLineItems": {"pageInfo": {"hasNextPage": false}, "nodes": [
            {"quantity": 1, "restockType": kind, "subtotalSet": set("55000.0"),
             "totalTaxSet": set("0.0"), "lineItem": {"id": "gid://shopify/LineItem/14022310789184"}}]}}])
}

#[test]
fn refunded_units_stay_ordered_and_the_returns_say_where_they_are() {
    let order = order_after(2, &refunds(), 10, &Value::Null);

    let tea = &order.lines[0];
    // Five ordered, three refunded, of which one was never restocked.
    assert_eq!((tea.quantity, tea.cancelled, tea.off_shelf), (5, 0, 0));
    // 5 x 10.00, less 3.00, and 1.50 of tax that the price does not hold.
    assert_eq!(tea.total.to_string(), "48.50 USD");
    // 31.50 is left; 9.70 and 19.40 of units and 2.00 of shipping went back.
    assert_eq!(order.total.to_string(), "62.60 USD");
    assert_eq!(order.standing, Standing::COMPLETED);
    assert_eq!(order.tracking_number.as_deref(), Some("JX0000000001"));
    assert_eq!(order.remark, None);
    let returns = order.returns.unwrap();
    let told: Vec<_> = returns
        .iter()
        .map(|of| {
            let line = &of.lines[0];
            let money = of.refund.unwrap().minor;
            (of.remote_id.as_str(), money, line.quantity, line.goods)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("refund-901122334455", 970, 1, Goods::Kept),
            ("refund-901122334456", 2_140, 2, Goods::Back)
        ]
    );
}

#[test]
fn a_return_takes_in_the_refunds_that_came_of_it() {
    let returns = &fixture("api/order_returns")["data"]["order"]["returns"];

    let order = order_after(2, &refunds(), 10, returns);

    let told = order.returns.unwrap();
    let states: Vec<_> = told
        .iter()
        .map(|of| (of.remote_id.as_str(), of.state, of.refund.map(|m| m.minor)))
        .collect();
    assert_eq!(
        states,
        [
            ("refund-901122334455", ReturnState::Refunded, Some(970)),
            ("return-33445566", ReturnState::Refunded, Some(2_140)),
            ("return-33445567", ReturnState::Requested, None)
        ]
    );
    assert_eq!(told[1].reason.as_deref(), Some("defective"));
    assert_eq!(told[1].lines[0].goods, Goods::Back);
    assert_eq!(told[1].lines[0].refund.unwrap().to_string(), "19.40 USD");
    assert_eq!(told[2].lines[0].goods, Goods::Coming);
    assert_eq!(order.total.to_string(), "62.60 USD");
}

#[test]
fn what_was_refunded_before_it_was_sent_is_called_off_and_no_return() {
    let called_off = order_after(5, &whole_refund("CANCEL"), 10, &Value::Null);
    let returned = order_after(5, &whole_refund("RETURN"), 10, &Value::Null);
    let cancelled = order(6);

    assert_eq!(called_off.standing, Standing::CANCELLED);
    assert_eq!(called_off.returns, Some(Vec::new()));
    assert_eq!(
        (called_off.total.minor, called_off.lines[0].cancelled),
        (0, 1)
    );
    // Paid, sent, and all of it given back.
    assert_eq!(returned.standing, Standing::COMPLETED);
    assert_eq!(returned.total.to_string(), "55000.00 IDR");
    assert_eq!(returned.returns.unwrap()[0].refund, Some(returned.total));
    assert_eq!(cancelled.standing, Standing::CANCELLED);
    assert_eq!(cancelled.remote_status, "CANCELLED CUSTOMER");
}

#[test]
fn more_refunds_than_can_be_read_are_left_to_a_person() {
    let order = order_after(2, &refunds(), 2, &Value::Null);

    assert!(order.remark.unwrap().contains("too many refunds"));
    assert_eq!(order.returns, None);
}
