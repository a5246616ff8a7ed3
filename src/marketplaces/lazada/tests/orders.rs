//! Orders of their units: lines, standings, and rows that cannot be read.

use super::*;
use crate::domain::{OrderLine, Standing};

#[test]
fn units_of_one_sku_are_one_line() {
    let rows = fixture("api/orders_get")["data"]["orders"].clone();
    let items = fixture("api/order_items")["data"][0]["order_items"].clone();

    let order = mapping::order(&rows[0], items.as_array().unwrap(), ringgit()).unwrap();

    let told = |line: &OrderLine| {
        let ids = [&line.remote_id, &line.product_id, &line.variant_id].map(ToString::to_string);
        (
            ids.join(" "),
            line.quantity,
            line.cancelled,
            line.total.minor,
        )
    };
    let lines: Vec<_> = order.lines.iter().map(told).collect();
    let expected = [
        (
            "260422900298363 3100045678 15500078901".to_owned(),
            3,
            1,
            55_700,
        ),
        (
            "260422900298366 3100045999 15500079999".to_owned(),
            1,
            0,
            10_000,
        ),
    ];
    assert_eq!(lines, expected);
    assert_eq!(order.total.to_string(), "661.90 MYR");
    assert_eq!(order.tracking_number.as_deref(), Some("MYMPA000000001"));
    assert_eq!(order.remote_status, "canceled, pending");
    assert_eq!((order.standing, order.remark), (Standing::SOLD, None));
    assert_eq!(order.lines[0].title, "Kemeja-T, Hitam, M");
    // A unit changed after its order did.
    assert_eq!(order.version.to_string(), "2026-10-21T02:42:00Z");
    assert_eq!(order.placed_at.to_string(), "2026-10-21T02:15:00Z");
    let without = mapping::order(&rows[0], &[], ringgit());
    assert!(without.unwrap_err().contains("no items"));
}

#[test]
fn the_list_is_read_and_odd_rows_stand_aside() {
    let rows = fixture("api/orders_get")["data"]["orders"].clone();

    let read: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| mapping::summary(row, None))
        .collect();

    let numbers: Vec<_> = read.iter().flatten().map(|o| o.number.as_str()).collect();
    assert_eq!(numbers, ["260422900198363", "260422900198999"]);
    assert!(
        read[2]
            .as_ref()
            .is_err_and(|why| why.contains("updated_at"))
    );
}

#[test]
fn an_order_stands_where_its_units_stand() {
    let row = fixture("api/orders_get")["data"]["orders"][0].clone();
    let item = fixture("api/order_items")["data"][0]["order_items"][0].clone();
    let read = |statuses: &[&str]| {
        let of = |(at, status): (usize, &&str)| {
            let mut item = item.clone();
            item["order_item_id"] = (at + 1).into();
            item["status"] = (*status).into();
            item
        };
        let items: Vec<Value> = statuses.iter().enumerate().map(of).collect();
        let order = mapping::order(&row, &items, ringgit()).unwrap();
        let open: i64 = order.lines.iter().map(OrderLine::open_quantity).sum();
        (order.standing, open, order.remark.is_some())
    };

    assert_eq!(read(&["unpaid", "unpaid"]), (Standing::PLACED, 2, false));
    assert_eq!(read(&["pending", "canceled"]), (Standing::SOLD, 1, false));
    assert_eq!(
        read(&["canceled", "canceled"]),
        (Standing::CANCELLED, 0, false)
    );
    assert_eq!(read(&["shipping", "packed"]), (Standing::SOLD, 2, false));
    assert_eq!(
        read(&["shipped", "canceled"]),
        (Standing::SHIPPED, 1, false)
    );
    assert_eq!(
        read(&["shipping", "delivered"]),
        (Standing::SHIPPED, 2, false)
    );
    assert_eq!(
        read(&["delivered", "canceled"]),
        (Standing::COMPLETED, 1, false)
    );
    // What came back is in the order's returns, and not called off.
    assert_eq!(
        read(&["delivered", "returned"]),
        (Standing::COMPLETED, 2, false)
    );
    assert_eq!(
        read(&["returned", "returned"]),
        (Standing::SHIPPED, 2, false)
    );
    // What never arrived is for a person to decide.
    assert_eq!(read(&["failed"]), (Standing::SHIPPED, 1, true));
    assert_eq!(
        read(&["lost_by_3pl", "delivered"]),
        (Standing::SHIPPED, 2, true)
    );
    assert_eq!(read(&["levitating"]), (Standing::SOLD, 1, true));
}

#[test]
fn a_voucher_that_is_split_anew_moves_no_unit_to_another_line() {
    let row = fixture("api/orders_get")["data"]["orders"][0].clone();
    let mut items = fixture("api/order_items")["data"][0]["order_items"].clone();
    let read = |items: &Value| {
        let order = mapping::order(&row, items.as_array().unwrap(), ringgit()).unwrap();
        let lines = order.lines.into_iter();
        lines
            .map(|line| (line.remote_id, line.quantity, line.cancelled))
            .collect::<Vec<_>>()
    };
    let before = read(&items);

    (items[0]["paid_price"], items[1]["paid_price"]) = ("180.00".into(), "188.00".into());
    items[2]["item_price"] = "200.00".into();
    let after = read(&items);

    assert_eq!(before, after);
}
