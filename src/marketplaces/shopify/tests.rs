//! What every file of this folder is tested with: documented answers, signatures, and the schema.

mod errors;
mod returns;

use super::{mapping::*, *};
use crate::domain::{Currency, Document, Fulfilment, ProductState, Standing, Window};
use crate::marketplaces::ProductScope;
use apollo_compiler::{ExecutableDocument, Schema, validation::Valid};
use bytes::Bytes;
use proptest::prelude::*;
use reqwest::header::HeaderMap;
use serde_json::json;

fn file(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/fixtures/shopify/{name}")).unwrap()
}

fn fixture(name: &str) -> Value {
    serde_json::from_str(&file(&format!("{name}.json"))).unwrap()
}

fn schema() -> Valid<Schema> {
    Schema::parse_and_validate(file("schema.graphql"), "schema.graphql").unwrap()
}

/// What is wrong with a document.
fn complaint(document: &str) -> Option<String> {
    let read = ExecutableDocument::parse_and_validate(&schema(), document, "document");
    read.err().map(|error| error.errors.to_string())
}

fn place() -> Place {
    Place {
        currency: Currency::from_code("IDR").unwrap(),
        location: Some("24826418".to_owned()),
        is_one_of_many: false,
    }
}

fn response(status: u16, body: impl Into<Bytes>) -> Response {
    Response {
        status,
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn read(status: u16, body: &Value) -> Result<Value> {
    let answer = read_answer(&response(status, body.to_string()), Timestamp::EPOCH);
    answer.map(|(data, _)| data)
}

#[test]
fn every_document_asks_for_what_the_schema_has() {
    for (name, document) in client::DOCUMENTS {
        assert_eq!(complaint(document), None, "{name}");
    }
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/marketplaces/shopify/queries"
    );
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let is_whole = |name: &std::ffi::OsString| !name.to_str().unwrap().contains("_fields");
    assert_eq!(files.filter(is_whole).count(), client::DOCUMENTS.len());
}

#[test]
fn a_document_that_asks_for_anything_else_is_found_out() {
    for (name, document) in client::DOCUMENTS {
        let spoilt = [
            document.replacen(" id", " ident", 1),
            document.replacen("first: ", "top: ", 1),
            document.replacen("ID!", "Int!", 1),
            document.replacen("userErrors", "errors", 1),
            document.replacen("@idempotent(key: $key)", "@idempotent", 1),
            document.replacen("name", "title title", 1),
        ];

        let changed = spoilt.iter().filter(|spoilt| spoilt != document);
        let changed: Vec<_> = changed.collect();

        assert!(!changed.is_empty(), "{name}");
        for spoilt in changed {
            assert!(complaint(spoilt).is_some(), "{name}: {spoilt}");
        }
    }
}

#[test]
fn what_is_run_in_bulk_is_a_document_of_its_own_without_variables() {
    for scope in [ProductScope::Full, ProductScope::Active] {
        let query = client::bulk_query(&product_filter(scope), &place());

        assert_eq!(complaint(&query), None);
        assert!(
            query.contains("unlisted") && !query.contains('$'),
            "{query}"
        );
        assert!(
            query.contains("\"gid://shopify/Location/24826418\""),
            "{query}"
        );
    }
}

#[test]
fn a_known_callback_is_believed_and_no_changed_one() {
    let vector = &fixture("vectors")["oauth_callback"];
    let query = vector["query"].as_str().unwrap();
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let signature = (
        "hmac".to_owned(),
        vector["hmac_hex"].as_str().unwrap().to_owned(),
    );
    let mut pairs: Vec<_> = pairs.chain([signature]).collect();
    // The order in which they come does not matter.
    pairs.reverse();
    let secret = vector["client_secret"].as_str().unwrap();
    let is_signed = |pairs: &[(String, String)], name: &str, secret: &str| {
        let answer = ConsentAnswer {
            pairs: pairs.to_vec(),
        };
        webhook::is_signed(&answer, &Secrets::of([(name, secret)]))
    };

    assert!(is_signed(&pairs, "client_secret", secret));
    assert!(is_signed(&pairs, "previous_client_secret", secret));
    assert!(!is_signed(&pairs, "client_secret", "another"));
    for at in 0..pairs.len() {
        let mut changed = pairs.clone();
        changed[at].1.push('0');
        assert!(
            !is_signed(&changed, "client_secret", secret),
            "{}",
            pairs[at].0
        );
        let mut doubled = pairs.clone();
        doubled.push(pairs[at].clone());
        let is_of_signature = pairs[at].0 == "hmac";
        assert_eq!(
            is_signed(&doubled, "client_secret", secret),
            is_of_signature
        );
    }
}

#[test]
fn the_known_webhook_is_believed_and_one_blank_more_is_not() {
    let vector = &fixture("vectors")["webhook"];
    let keys = WebhookKeys::one("", vector["client_secret"].as_str().unwrap());
    let sent = |body: String| {
        let signature = vector["hmac"].as_str().unwrap().to_owned();
        let headers = vec![("X-Shopify-Hmac-Sha256".to_owned(), signature)];
        webhook::verify(RawDelivery::new(headers, body), &keys).err()
    };
    let body = vector["body"].as_str().unwrap().to_owned();

    assert_eq!(sent(body.clone()), None);
    assert_eq!(sent(body + " "), Some(Rejected::BadSignature));
}

#[test]
fn one_deed_has_many_deliveries_and_a_delivery_many_tries() {
    let believed = |webhook_id: Option<&str>, topic: &str| {
        let mut headers = vec![webhook::signature("s", b"{\"id\":1}")];
        headers.push(("x-shopify-topic".to_owned(), topic.to_owned()));
        headers.push(("x-shopify-event-id".to_owned(), "98880550".to_owned()));
        headers.extend(webhook_id.map(|id| ("x-shopify-webhook-id".to_owned(), id.to_owned())));
        let raw = RawDelivery::new(headers, "{\"id\":1}");
        webhook::delivery_key(&webhook::verify(raw, &WebhookKeys::one("", "s")).unwrap())
    };

    assert_eq!(
        believed(Some("a"), "orders/paid"),
        believed(Some("a"), "orders/paid")
    );
    assert_ne!(
        believed(Some("a"), "orders/paid"),
        believed(Some("b"), "orders/updated")
    );
    assert_eq!(believed(None, "orders/paid"), believed(None, "orders/paid"));
    assert_ne!(
        believed(None, "orders/paid"),
        believed(None, "orders/updated")
    );
}

fn order_after(at: usize, refunds: &Value, most: usize, returns: &Value) -> Order {
    let row = &fixture("api/orders_by_id")["data"]["nodes"][at];
    let answers = WentBackAnswers {
        refunds,
        most,
        returns,
    };
    super::mapping::order(row, &answers).unwrap()
}

fn order(at: usize) -> Order {
    order_after(at, &Value::Null, 10, &Value::Null)
}

#[test]
fn an_order_is_booked_in_the_money_of_the_shop_with_discounts_spread_over_its_lines() {
    let order = order(0);

    assert_eq!(
        (order.remote_id.as_str(), order.number.as_str()),
        ("5623011049531", "1042")
    );
    assert_eq!(order.total.to_string(), "201500.00 IDR");
    assert_eq!(order.lines[0].total.to_string(), "187500.00 IDR");
    assert_eq!(order.lines[0].gross.unwrap().to_string(), "196000.00 IDR");
    assert_eq!(order.charges.unwrap().to_string(), "14000.00 IDR");
    assert_eq!(
        order.version,
        Timestamp::parse("2026-11-23T03:15:03Z").unwrap()
    );
    let paid = Standing::of(Document::Invoice, true, Fulfilment::Unsent);
    assert_eq!((order.standing, order.remark), (paid, None));
}

#[test]
fn odd_orders_are_read_all_the_same() {
    let custom = order(3);
    let unknown = order(4);

    // Deleted from the catalogue: the SKU is what is left. Sent before it was paid: sold.
    let line = &custom.lines[0];
    assert_eq!(
        (line.variant_id.as_str(), line.seller_sku.as_deref()),
        ("0", Some("OLD-SKU"))
    );
    assert_eq!(
        (custom.number.as_str(), custom.standing),
        ("EN-1044", Standing::SHIPPED)
    );
    assert_eq!(custom.remark.as_deref(), Some("test order"));
    assert_eq!(unknown.standing, Standing::PLACED);
    let remark = unknown.remark.unwrap();
    assert!(
        remark.contains("TELEPORTED") && remark.contains("BEAMED"),
        "{remark}"
    );
}

#[test]
fn an_order_that_cannot_be_read_is_named() {
    let mut row = fixture("api/orders_by_id")["data"]["nodes"][0].clone();
    row["currentTotalPriceSet"]["shopMoney"]["amount"] = json!("201500.001");

    let misfit = super::mapping::order(
        &row,
        &WentBackAnswers {
            refunds: &Value::Null,
            most: 10,
            returns: &Value::Null,
        },
    )
    .unwrap_err();

    assert_eq!(misfit.0.as_str(), "5623011049531");
    assert!(misfit.1.contains("201500.001"), "{}", misfit.1);
}

fn products(place: &Place) -> Vec<Product> {
    let page = fixture("api/products_page");
    let rows = page["data"]["products"]["nodes"]
        .as_array()
        .unwrap()
        .clone();
    rows.iter()
        .map(|row| product(row, place).unwrap())
        .collect()
}

#[test]
fn products_have_their_states_and_stock_where_it_is_counted() {
    let products = products(&place());

    let states: Vec<_> = products.iter().map(|product| product.state).collect();
    let (on, off) = (ProductState::Active, ProductState::Inactive);
    assert_eq!(states, [on, on, off, off]);
    let quantities = |at: usize| products[at].variants.iter().map(|variant| variant.quantity);
    assert_eq!(quantities(0).collect::<Vec<_>>(), [Some(40), Some(5)]);
    let voucher = &products[1].variants[0];
    assert_eq!(
        (voucher.quantity, &voucher.push_ref, voucher.title.as_str()),
        (None, &None, "")
    );
    let coffee = &products[0].variants[0];
    assert_eq!(coffee.push_ref.as_deref(), Some("46931234567355@24826418"));
    assert_eq!(coffee.price.unwrap().to_string(), "98000.00 IDR");
    assert_eq!(products[0].variants[1].seller_sku, None);
}

#[test]
fn of_several_locations_only_one_counts() {
    let locations = |rows: Value| {
        let data = json!({"shop": {"currencyCode": "IDR"}, "locations": {"nodes": rows}});
        Place::read(&data).unwrap()
    };
    let row = |id: &str, active: bool, online: bool, of_others: bool| {
        json!({"legacyResourceId": id, "isActive": active, "fulfillsOnlineOrders": online,
            "isFulfillmentService": of_others})
    };

    let many = locations(json!([
        row("1", false, true, false),
        row("2", true, false, false),
        row("3", true, true, true),
        row("4", true, true, false),
        row("5", true, true, false)
    ]));
    let none = locations(json!([
        row("1", false, true, false),
        row("2", true, false, false)
    ]));

    assert_eq!(
        (many.location.as_deref(), many.is_one_of_many),
        (Some("4"), true)
    );
    assert_eq!((none.location, none.is_one_of_many), (None, false));
    let variants = products(&many).remove(0).variants;
    let shown: Vec<_> = variants
        .iter()
        .map(|v| (v.quantity, v.push_ref.is_some()))
        .collect();
    assert_eq!(shown, [(Some(33), true), (None, false)]);
}

#[test]
fn a_bulk_file_is_read_piece_by_piece_as_a_page_is() {
    let text = file("api/bulk.jsonl");
    for length in 1..=text.len() {
        let (mut offset, mut length, mut read) = (0, length, Vec::new());
        while offset < text.len() {
            let end = text.len().min(offset + length);
            let piece = &text.as_bytes()[offset..end];
            let (rows, n) = products_of_lines(piece, end == text.len());
            // A piece that is too short for a product is asked for again, longer.
            length = if n == 0 { length * 4 } else { length };
            offset += n;
            read.extend(rows.iter().map(|row| product(row, &place()).unwrap()));
        }

        assert_eq!(read, products(&place())[..2], "{length}");
    }
}

#[test]
fn a_line_that_is_out_of_its_place_is_told() {
    let text = file("api/bulk.jsonl");
    let mut lines: Vec<_> = text.lines().collect();
    lines.swap(0, 4);

    let (rows, _) = products_of_lines(lines.join("\n").as_bytes(), true);

    let misread = rows.iter().filter(|row| product(row, &place()).is_err());
    assert!(misread.count() > 0);
    assert_eq!(products_of_lines(b"", true), (vec![], 0));
}

#[test]
fn an_answer_of_another_version_is_noticed() {
    let mut answer = response(200, "{}");
    assert_eq!(other_version("2026-10", &answer), None);
    for version in ["2026-10", "2027-01"] {
        let value = version.parse().unwrap();
        answer.headers.insert("x-shopify-api-version", value);
        let noticed = other_version("2026-10", &answer);
        assert_eq!(noticed, (version != "2026-10").then_some(version));
    }
}

#[test]
fn filters_name_whole_seconds_and_every_state() {
    let micros = |micros: i64| Timestamp::from_micros(1_795_400_000_000_000 + micros);
    let window = Window {
        from: micros(1),
        to: micros(1_000_001),
    };

    let filter = product_filter(ProductScope::Updated(window));

    let expected = "updated_at:>='2026-11-23T02:13:20Z' AND updated_at:<'2026-11-23T02:13:22Z' AND status:active,draft,archived,unlisted";
    assert_eq!(filter, expected);
}

proptest! {
    #[test]
    fn no_bytes_and_no_topic_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        topic in prop::sample::select(vec!["orders/edited", "refunds/create", "products/update", "x", "returns/", "/"]),
    ) {
        let headers = vec![webhook::signature("s", &body), ("x-shopify-topic".to_owned(), topic.to_owned())];
        let delivery = webhook::verify(RawDelivery::new(headers, body), &WebhookKeys::one("", "s")).unwrap();
        let _ = (webhook::parse(&delivery), webhook::delivery_key(&delivery), webhook::topic(delivery.raw()));
    }

    #[test]
    fn no_file_makes_it_panic(text in "(\\{\"(id|__parentId)\":[1\"x]{0,3}\\}?\n?){0,9}", is_end: bool) {
        let (_, read) = products_of_lines(text.as_bytes(), is_end);
        prop_assert!(read <= text.len());
    }
}
