//! The documented objects, and what they must mean.

use super::*;
use crate::marketplaces::woocommerce::example;

fn refunds() -> Vec<Value> {
    let rows = example("order_refunds.json");
    rows.as_array().unwrap().clone()
}

#[test]
fn a_paid_order_is_an_invoice_with_its_lines() {
    let order = order(&example("order_processing.json"), &refunds()).unwrap();

    let standing = Standing::of(Document::Invoice, true, Fulfilment::Unsent);
    assert_eq!((order.number.as_str(), order.standing), ("1042", standing));
    assert_eq!(order.total.minor, 20_150_000);
    assert_eq!(order.remark, None);
    assert_eq!(order.charges.map(|money| money.minor), Some(1_400_000));
    let line = &order.lines[0];
    assert_eq!((line.variant_id.as_str(), line.quantity), ("502", 2));
    assert_eq!(
        (line.total.minor, line.seller_sku.as_deref()),
        (18_750_000, Some("KOPI-GAYO-250"))
    );
    assert_eq!(line.gross.map(|money| money.minor), Some(19_600_000));
}

#[test]
fn an_order_of_a_deleted_product_in_a_shop_without_decimals_is_read() {
    let order = order(&example("order_whole_rupiah.json"), &[]).unwrap();

    assert_eq!(
        (order.remote_id.as_str(), order.number.as_str()),
        ("1050", "INV/2026/1050")
    );
    assert_eq!(
        (order.standing, order.total.minor),
        (Standing::SOLD, 18_800_000)
    );
    let line = &order.lines[0];
    assert_eq!(
        (line.title.as_str(), line.product_id.as_str()),
        ("Teh & Jamu", "0")
    );
    assert_eq!((&line.seller_sku, line.total.minor), (&None, 18_800_000));
}

#[test]
fn every_status_has_its_place_in_the_books() {
    let standing_of = |status: &str, paid: Option<&str>| {
        standing(&json!({ "status": status, "date_paid_gmt": paid })).0
    };
    let paid = Standing::of(Document::Invoice, true, Fulfilment::Unsent);

    assert_eq!(standing_of("checkout-draft", None), Standing::NOTHING);
    assert_eq!(standing_of("pending", None), Standing::PLACED);
    assert_eq!(standing_of("completed", None), Standing::COMPLETED);
    for called_off in ["cancelled", "failed", "refunded", "trash"] {
        assert_eq!(standing_of(called_off, None), Standing::CANCELLED);
    }
    assert_eq!(standing_of("pre-ordered", None), Standing::PLACED);
    assert_eq!(standing_of("shipped", Some("2026-11-23T03:15:03")), paid);
}

#[test]
fn what_cannot_be_booked_exactly_is_refused_by_name() {
    let mut half = example("order_processing.json");
    half["line_items"][0]["quantity"] = json!(0.5);
    let mut fine = example("order_processing.json");
    fine["total"] = json!("201500.005");

    assert!(
        order(&half, &refunds())
            .unwrap_err()
            .contains("line 77 sells 0.5 units")
    );
    assert!(order(&fine, &[]).unwrap_err().contains("`total`"));
}
