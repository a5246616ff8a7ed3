//! What is special about custom stores: the contract word for word, stores with half an API or none, and a store
//! that stops sending.

use super::{StandardWebhooksSimulator, client, mapping, webhook};
use crate::domain::{Document, Event, Fulfilment, ProductState, Standing, Timestamp};
use crate::marketplaces::{
    Abilities, Access, Carried, Malformed, MarketplaceError, PushOutcome, RawDelivery, Rejected,
    Secrets, StockLevel, VerifiedDelivery, WebhookKeys,
    http::Response,
    simulation::{
        NewLine, Shop, ShopChange, SimDelivery, SimStatus, Simulator,
        loopback::{self, Shared},
    },
};
use mapping::Place;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);
const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const SIMULATOR: StandardWebhooksSimulator = StandardWebhooksSimulator;

fn file(path: &str) -> Value {
    let text = std::fs::read_to_string(format!("fixtures/standard_webhooks/{path}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn believed(body: &Value) -> VerifiedDelivery {
    RawDelivery::new(vec![], body.to_string()).believed_before()
}

fn message(kind: &str, data: &Value) -> Value {
    json!({"type": kind, "timestamp": "2026-11-23T02:20:00Z", "data": data})
}

/// What is said to be wrong with an order in which the member at `pointer` is `value` (null: left out).
fn fault(pointer: &str, value: Value) -> String {
    let mut body = message("order.updated", &file("api/orders.json")["orders"][0]);
    *body.pointer_mut(pointer).unwrap() = value;
    match webhook::parse(&believed(&body)) {
        Err(Malformed::Shape(why)) => why,
        other => panic!("{pointer}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_by_its_place_and_not_by_its_value() {
    for (pointer, value, says) in [
        ("/data/id", json!("a,b"), "`/data/id` must be an id"),
        (
            "/data/total",
            json!(187_500),
            "`/data/total` must be an amount of IDR as text, such as \"187500.00\"",
        ),
        (
            "/data/total",
            json!("-1"),
            "`/data/total` must be 0 or more",
        ),
        (
            "/data/currency",
            json!("Rp"),
            "`/data/currency` must be the code",
        ),
        (
            "/data/status",
            json!("shipped"),
            "`/data/status` must be one of draft, placed, confirmed, cancelled",
        ),
        ("/data/payment", Value::Null, "`/data/payment` is missing"),
        (
            "/data/fulfilment",
            json!("returned"),
            "`/data/fulfilment` may be `returned` only",
        ),
        (
            "/data/updated_at",
            json!("2027-01-02T03:04:05"),
            "`/data/updated_at` must be a time with its zone",
        ),
        ("/data/lines", json!({}), "`/data/lines` must be a list"),
        (
            "/data/lines/0/quantity",
            json!(1.5),
            "`/data/lines/0/quantity` must be a whole number",
        ),
        (
            "/data/lines/0/cancelled_quantity",
            json!(3),
            "`/data/lines/0` has a `cancelled_quantity` above",
        ),
        (
            "/data/lines/0/unit_price",
            json!("1.005"),
            "`/data/lines/0/unit_price` must be an amount",
        ),
        (
            "/data/lines/0/discount",
            json!("900000"),
            "`/data/lines/0` has a `discount` above",
        ),
        (
            "/data/shipping",
            json!("free"),
            "`/data/shipping` must be an amount",
        ),
        ("/timestamp", Value::Null, "`/timestamp` is missing"),
        ("/data", json!("x"), "`/data` must be an object"),
    ] {
        let said = fault(pointer, value.clone());
        assert!(said.starts_with(says), "{pointer}: {said}");
        if let Some(text) = value.as_str().filter(|text| text.len() > 3) {
            assert!(!said.contains(text) || says.contains(text), "{said}");
        }
    }
    let mut another = message("ping", &json!({}));
    another["contract"] = json!("2");
    let said = webhook::parse(&believed(&another)).unwrap_err().to_string();
    assert!(said.contains("`/contract`"), "{said}");
}

#[test]
fn twins_among_lines_and_variants_are_refused() {
    let mut order = file("api/orders.json")["orders"][0].clone();
    let line = order["lines"][0].clone();
    order["lines"].as_array_mut().unwrap().push(line);
    let mut product = file("api/products.json")["products"][0].clone();
    product["variants"][1]["id"] = product["variants"][0]["id"].clone();

    let order = mapping::order(&Place::root(&order)).unwrap_err();
    let product = mapping::product(&Place::root(&product)).unwrap_err();

    assert_eq!(order, "`/lines/1` has the id of another line");
    assert_eq!(product, "`/variants/1` has the id of another variant");
}

#[test]
fn the_words_of_an_order_are_its_standing_one_to_one() {
    let standing_of = |status: &str, payment: &str, fulfilment: &str| {
        let mut row = file("api/orders.json")["orders"][0].clone();
        row["status"] = json!(status);
        row["payment"] = json!(payment);
        row["fulfilment"] = json!(fulfilment);
        let order = mapping::order(&Place::root(&row)).unwrap();
        let words = (status.to_owned(), payment.to_owned(), fulfilment.to_owned());
        let (a, b, c) = mapping::words(order.standing);
        assert_eq!((a.to_owned(), b.to_owned(), c.to_owned()), words);
        order.standing
    };

    assert_eq!(standing_of("draft", "unpaid", "unsent"), Standing::NOTHING);
    assert_eq!(standing_of("placed", "unpaid", "unsent"), Standing::PLACED);
    assert_eq!(standing_of("confirmed", "unpaid", "unsent"), Standing::SOLD);
    assert_eq!(
        standing_of("confirmed", "unpaid", "sent"),
        Standing::SHIPPED
    );
    assert_eq!(
        standing_of("confirmed", "paid", "sent"),
        Standing::COMPLETED
    );
    assert_eq!(
        standing_of("cancelled", "unpaid", "unsent"),
        Standing::CANCELLED
    );
    assert_eq!(
        standing_of("cancelled", "paid", "returned"),
        Standing::of(Document::Void, true, Fulfilment::Returned)
    );
}

#[test]
fn a_whole_order_is_read_to_the_cent() {
    let rows = file("api/orders.json");
    let first = mapping::order(&Place::root(&rows["orders"][0])).unwrap();
    let second = mapping::order(&Place::root(&rows["orders"][1])).unwrap();

    assert_eq!(
        (first.number.as_str(), first.total.minor),
        ("10042", 20_150_000)
    );
    let line = &first.lines[0];
    assert_eq!((line.quantity, line.total.minor), (2, 18_750_000));
    assert_eq!(line.seller_sku.as_deref(), Some("KOPI-GAYO-250"));
    assert_eq!(first.remote_status, "confirmed, paid, unsent");
    assert_eq!(
        (second.remote_id.as_str(), second.number.as_str()),
        ("10043", "10043")
    );
}

#[test]
fn a_line_of_a_store_without_products_is_known_by_its_sku() {
    let mut row = file("api/orders.json")["orders"][0].clone();
    let line = row["lines"][0].as_object_mut().unwrap();
    line.remove("product_id");
    line.remove("variant_id");

    let order = mapping::order(&Place::root(&row)).unwrap();
    row["lines"][0]["sku"] = json!(" ");
    let without = mapping::order(&Place::root(&row)).unwrap_err();

    assert_eq!(order.lines[0].product_id.as_str(), "KOPI-GAYO-250");
    assert_eq!(without, "`/lines/0` needs `sku` or `product_id`");
}

#[test]
fn a_product_shows_what_its_store_shows() {
    let rows = file("api/products.json");
    let product = mapping::product(&Place::root(&rows["products"][0])).unwrap();
    let mut empty = rows["products"][0].clone();
    empty["variants"] = json!([]);
    let refused = mapping::product(&Place::root(&empty)).unwrap_err();

    let states: Vec<_> = product
        .variants
        .iter()
        .map(|v| (v.state, v.quantity))
        .collect();
    assert_eq!(
        states,
        [
            (ProductState::Active, Some(40)),
            (ProductState::Inactive, None)
        ]
    );
    assert!(
        refused.starts_with("`/variants` must not be empty"),
        "{refused}"
    );
}

#[test]
fn whole_messages_carry_what_they_tell_of_and_thin_ones_carry_nothing() {
    let order = file("api/orders.json")["orders"][0].clone();
    let carried = |kind: &str, data: &Value| webhook::carried(&believed(&message(kind, data)));
    let thin = json!({"id": "SO-10042", "updated_at": "2026-11-23T02:20:00Z"});

    assert_eq!(carried("order.updated", &order).orders.len(), 1);
    assert_eq!(carried("order.updated", &thin), Carried::default());
    assert_eq!(carried("product.updated", &thin), Carried::default());
    let gone = carried("product.deleted", &json!({"id": 7}))
        .products
        .remove(0);
    assert_eq!((gone.state, gone.version), (ProductState::Gone, NOW));
    assert!(carried("store.disconnected", &json!({})).is_farewell);
    let parsed = |kind: &str, data: &Value| webhook::parse(&believed(&message(kind, data)));
    let both = parsed("order.updated", &thin);
    assert_eq!(both, Ok(vec![Event::order("SO-10042".into(), Some(NOW))]));
    // Deleted is a version, too, and not the first that comes.
    let deleted = parsed("product.deleted", &json!({"id": 7}));
    assert_eq!(deleted, Ok(vec![Event::product("7".into(), Some(NOW))]));
    let edited = parsed("product.updated", &json!({"id": 7}));
    assert_eq!(edited, Ok(vec![Event::product("7".into(), None)]));
}

#[test]
fn a_list_ends_without_a_next_page_whether_it_is_left_out_null_or_empty() {
    let next = |answer: Value| client::next_page(&Place::root(&answer));

    for end in [
        json!({}),
        json!({"next_page": null}),
        json!({"next_page": ""}),
    ] {
        assert_eq!(next(end), Ok(None));
    }
    let token = next(json!({"next_page": "2"})).unwrap();
    assert_eq!(token.unwrap().0, "2");
    assert!(next(json!({"next_page": 2})).is_err());
}

#[test]
fn problems_say_whether_to_try_again() {
    let read = |status: u16, body: &str| {
        let response = Response {
            status,
            headers: [("retry-after".parse().unwrap(), "7".parse().unwrap())]
                .into_iter()
                .collect(),
            body: body.to_owned().into(),
        };
        client::read_answer(&response, NOW).unwrap_err().to_string()
    };
    let problem = file("api/problem.json").to_string();
    let page = "<html>not here</html>";

    for (status, body, says) in [
        (
            401,
            problem.as_str(),
            "refused the credentials (401 Unauthorized: the token is not known)",
        ),
        (403, page, "refused the credentials (403)"),
        (404, page, "is this the address of the pull API?"),
        (404, problem.as_str(), "does not know"),
        (405, page, "leave that out of its `capabilities`"),
        (
            422,
            problem.as_str(),
            "refused the request: 422 Unauthorized",
        ),
        (429, page, "asked us to slow down"),
        (301, page, "leads elsewhere"),
        (502, page, "could not answer (502)"),
        (200, page, "no JSON object"),
        (200, "[]", "no JSON object"),
    ] {
        let said = read(status, body);
        assert!(said.contains(says), "{status}: {said}");
    }
}

/// A mug that is product 101 with the variant 102.
fn store() -> Shared {
    let mut shop = SIMULATOR.open_shop(7, "Kedai", NOW);
    shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, 9)], NOW);
    SIMULATOR.switch_on(&mut shop, "http://127.0.0.1:9/x", SECRET);
    Arc::new(Mutex::new(shop))
}

#[tokio::test]
async fn a_store_says_what_it_can_be_asked_and_one_without_an_address_nothing() {
    let mut access = loopback::host(&SIMULATOR, &store(), NOW).await;
    assert_eq!(client::abilities(&access), Abilities::ALL);
    let shop = client::shops(&access).await.unwrap().remove(0);
    assert_eq!(shop.remote_id.as_str(), "store-7.example.com");
    assert_eq!(
        shop.secrets,
        [(
            "capabilities".to_owned(),
            "orders products stock prices".to_owned()
        )]
    );

    access.secrets.set("capabilities", "orders");
    let some = client::abilities(&access);
    access.api = Access::no_api();
    let none = client::abilities(&access);

    assert!(some.orders && !some.products && !some.stock && !some.prices);
    assert_eq!(none, Abilities::NONE);
}

#[tokio::test]
async fn a_store_without_an_address_is_what_the_merchant_says() {
    let mut access = loopback::host(&SIMULATOR, &store(), NOW).await;
    access.api = Access::no_api();
    let named = |access: &Access, secrets: Secrets| {
        let access = Access {
            secrets,
            ..access.clone()
        };
        async move { client::shops(&access).await }
    };

    let alone = named(&access, Secrets::of([("store_id", "kedai.example.com")])).await;
    let with_name = [("store_id", "k1"), ("store_name", "Kedai")];
    let with_name = named(&access, Secrets::of(with_name)).await;
    let nameless = named(&access, Secrets::default()).await;
    let with_key = [("store_id", "k1"), ("api_key", "k")];
    let with_key = named(&access, Secrets::of(with_key)).await;
    let asked = client::orders_by_id(&access, &["1".into()]).await;

    assert_eq!(alone.unwrap()[0].name, "kedai.example.com");
    assert_eq!(with_name.unwrap()[0].name, "Kedai");
    for refused in [nameless, with_key] {
        assert!(matches!(refused, Err(MarketplaceError::Refused { .. })));
    }
    assert!(matches!(
        asked,
        Err(MarketplaceError::AddressRefused { .. })
    ));
}

#[tokio::test]
async fn each_row_of_a_push_has_its_own_answer() {
    let access = loopback::host(&SIMULATOR, &store(), NOW).await;
    let level = |product: &str, variant: &str, quantity| StockLevel {
        product_id: product.into(),
        variant_id: variant.into(),
        quantity,
        push_ref: None,
    };
    let levels = [
        level("101", "102", 4),
        level("101", "7", 4),
        level("101", "102", -1),
    ];

    let alone = client::set_stock(&access, &levels[2..]).await.unwrap();
    let together = client::set_stock(&access, &levels[..2]).await.unwrap();

    let is_refused = |outcome: &PushOutcome| matches!(outcome, Err(MarketplaceError::Refused { message, .. }) if message.contains("whole number"));
    assert!(is_refused(&alone[0]), "{alone:?}");
    assert_eq!(together[0], Ok(()));
    assert!(matches!(
        together[1],
        Err(MarketplaceError::NotFound { .. })
    ));
}

fn sent(shop: &mut Shop) -> SimDelivery {
    let line = NewLine {
        variant_id: "102".into(),
        quantity: 1,
    };
    let id = shop.place_order("standard_webhooks", SimStatus::Paid, &[line], NOW);
    let change = ShopChange::OrderCreated(id.unwrap());
    SIMULATOR.webhooks(shop, &change, NOW).remove(0)
}

#[test]
fn each_try_is_signed_anew_under_the_same_id() {
    let shop = store();
    let mut shop = shop.lock().unwrap();
    let mut delivery = sent(&mut shop);
    let first = delivery.headers.clone();
    let later = NOW + Duration::from_secs(305);

    SIMULATOR.leaving(&shop, &mut delivery, later);

    let judge = |headers| {
        let raw = RawDelivery::new(headers, delivery.body.clone()).at(later);
        let believed = webhook::verify(raw, &WebhookKeys::one("", SECRET));
        believed.map(|delivery| webhook::delivery_key(&delivery).0)
    };
    assert_eq!(judge(first.clone()), Err(Rejected::OutOfTime));
    let id = judge(delivery.headers.clone()).unwrap();
    assert!(first.contains(&("webhook-id".to_owned(), id)));
}

#[test]
fn the_store_tries_nine_times_again_and_stops_when_we_are_gone() {
    let shop = store();
    let mut shop = shop.lock().unwrap();
    let delivery = sent(&mut shop);
    let waits: Vec<u64> = (1..)
        .map_while(|failures| SIMULATOR.retry_after(failures))
        .map(|wait| wait.as_secs())
        .collect();

    let after_500 = SIMULATOR.wants_retry(&mut shop, &delivery, Some(500));
    let after_none = SIMULATOR.wants_retry(&mut shop, &delivery, None);
    let after_410 = SIMULATOR.wants_retry(&mut shop, &delivery, Some(410));

    assert_eq!(waits.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
    assert_eq!(waits[..3], [5, 300, 1_800]);
    assert_eq!((after_500, after_none, after_410), (true, true, false));
    let change = ShopChange::ProductCreated("101".into());
    assert!(SIMULATOR.webhooks(&mut shop, &change, NOW).is_empty());
}
