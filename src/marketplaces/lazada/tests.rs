//! What the files of this folder are tested with: documented answers, published signatures, and the simulator.

mod orders;

use super::client::answers::{code_of, error_of};
use super::*;
use crate::domain::{Currency, Money, ProductState};
use crate::marketplaces::{
    MarketplaceError,
    http::{Request, lenient},
    simulation::bridge::{access_to, answer_to},
};
use serde_json::json;
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
const SIMULATED: LazadaSimulator = LazadaSimulator;

fn fixture(name: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/fixtures/lazada/{name}.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn said<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn push(body: &Value) -> RawDelivery {
    RawDelivery::new(Vec::new(), body.to_string())
}

fn believed(body: &Value) -> VerifiedDelivery {
    push(body).believed_before()
}

fn ringgit() -> Currency {
    Currency::from_code("MYR").unwrap()
}

#[test]
fn every_known_push_is_believed_in_either_case_and_no_changed_one() {
    for vector in fixture("vectors")["webhooks"].as_array().unwrap() {
        let keys = WebhookKeys::one(said(vector, "app_key"), said(vector, "app_secret"));
        let sent = |signature: &str| {
            let headers = vec![("Authorization".to_owned(), signature.to_owned())];
            let raw = RawDelivery::new(headers, said(vector, "body").to_owned());
            webhook::verify(raw, &keys).err()
        };
        let signature = said(vector, "signature");

        assert_eq!(sent(signature), None, "{}", vector["name"]);
        assert_eq!(sent(&signature.to_uppercase()), None);
        let last = if signature.ends_with('0') { '1' } else { '0' };
        let changed = format!("{}{last}", &signature[..63]);
        assert_eq!(sent(&changed), Some(Rejected::BadSignature));
        let unreadable = Some(Rejected::UnreadableSignature);
        assert_eq!(sent(&format!("Bearer {signature}")), unreadable);
        assert_eq!(sent(&"g".repeat(64)), unreadable);
    }
}

#[test]
fn every_known_request_is_signed_and_encoded_as_its_source_says() {
    for vector in fixture("vectors")["requests"].as_array().unwrap() {
        let pairs = vector["pairs"].as_object().unwrap().iter();
        let mut pairs: Vec<_> = pairs
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();

        let signature = client::sign(said(vector, "app_secret"), said(vector, "path"), &pairs);

        assert_eq!(signature, said(vector, "signature"), "{}", vector["name"]);
        pairs.push(("sign", signature));
        let url: Url = "https://api.lazada.com.my/rest".parse().unwrap();
        let form = Request::form(url, &pairs).body;
        let form = String::from_utf8(form.unwrap().to_vec()).unwrap();
        let encoded: BTreeSet<&str> = form.split('&').collect();
        let known = said(vector, "encoded");
        assert!(known.is_empty() || encoded == known.split('&').collect());
    }
}

#[test]
fn a_shop_is_a_seller_in_a_country_however_both_are_spelled() {
    let claimed = |body: Value| webhook::claimed_channel(&push(&body)).map(|id| id.to_string());
    let is = |id: &str| Some(id.to_owned());

    let text = json!({"seller_id": "1000123456", "site": "lazada_my"});
    let number = json!({"seller_id": 1_000_123_456, "site": "LAZADA_MY"});
    let dashed = json!({"seller_id": "1000123456", "site": "lazada-my"});
    for body in [text, number, dashed] {
        assert_eq!(claimed(body), is("my:1000123456"));
    }
    let elsewhere = json!({"seller_id": "1000123456", "site": "lazada_sg"});
    assert_eq!(claimed(elsewhere), is("sg:1000123456"));
    let inside =
        json!({"seller_id": "null", "site": "lazada_ph", "data": {"seller_id": 1_000_165_972}});
    assert_eq!(claimed(inside), is("ph:1000165972"));
    assert_eq!(
        claimed(json!({"message_type": 12, "site": "lazada_my"})),
        None
    );
    assert_eq!(claimed(json!({"seller_id": "1000123456"})), None);
    assert_eq!(
        claimed(json!({"seller_id": "1", "site": "lazada_xx"})),
        None
    );
    assert_eq!(claimed(json!([])), None);
}

#[test]
fn a_transition_of_a_unit_is_one_delivery_however_often_it_is_told() {
    let told = |changes: &[(&str, Value)]| {
        let mut body = json!({"seller_id": "1", "message_type": 0, "timestamp": 1, "site": "lazada_my",
            "data": {"order_status": "packed", "trade_order_id": "7", "trade_order_line_id": "71",
                "status_update_time": 1_792_550_400}});
        for (pointer, value) in changes {
            *body.pointer_mut(pointer).unwrap() = value.clone();
        }
        webhook::delivery_key(&believed(&body))
    };
    let first = told(&[]);

    assert_eq!(told(&[("/timestamp", json!(1_792_550_401_123_i64))]), first);
    assert_eq!(told(&[("/data/trade_order_line_id", json!(71))]), first);
    let others = [
        ("/data/trade_order_line_id", json!("72")),
        ("/data/order_status", json!("canceled")),
        ("/data/status_update_time", json!(1_792_550_999)),
        // Two stores can share an order's id.
        ("/seller_id", json!("2")),
        ("/site", json!("lazada_sg")),
    ];
    for other in others {
        assert_ne!(told(std::slice::from_ref(&other)), first, "{other:?}");
    }
    // Without its parts, or of another type, it is known by its body.
    assert_eq!(told(&[("/data/order_status", json!(null))]).0.len(), 64);
    assert_eq!(told(&[("/message_type", json!(10))]).0.len(), 64);
}

#[test]
fn times_are_told_apart_by_their_size_and_members_found_in_both_places() {
    let read = |body: Value| webhook::parse(&believed(&body));
    let edited = Ok(vec![Event::product(
        "31".into(),
        Some(Timestamp::from_millis(1_792_550_500_456)),
    )]);

    let beside = json!({"message_type": 3, "data": {"item_id": 31}, "status_update_time": 1_792_550_500_456_i64});
    let inside = json!({"message_type": "4", "data": {"item_id": "31", "status_update_time": "1792550500456"}});
    assert_eq!((read(beside), read(inside)), (edited.clone(), edited));
    let seconds = json!({"message_type": 0, "data": {"trade_order_id": 9, "status_update_time": 1_792_550_400}});
    let version = Some(Timestamp::from_secs(1_792_550_400));
    assert_eq!(read(seconds), Ok(vec![Event::order("9".into(), version)]));
    let hollow = read(json!({"message_type": 0, "data": {"order_status": "packed"}}));
    assert!(matches!(hollow, Err(Malformed::Shape(_))));
    assert!(matches!(
        read(json!({"data": {}})),
        Err(Malformed::Shape(_))
    ));
    let unknown = Malformed::UnknownTopic("type 99".to_owned());
    assert_eq!(read(json!({"message_type": 99, "data": {}})), Err(unknown));
    for ignored in [2, 7, 11, 12, 19, 21, 35] {
        assert_eq!(
            read(json!({"message_type": ignored})),
            Ok(vec![]),
            "{ignored}"
        );
    }
}

#[test]
fn products_are_read_with_their_special_price_on_its_days_only() {
    let rows = fixture("api/products_get")["data"]["products"].clone();
    let site = Site::of("MY").unwrap();
    let at = |row: usize, time: &str| {
        mapping::product(&rows[row], site, Timestamp::parse(time).unwrap())
    };

    let shirt = at(0, "2026-11-01T00:00:00Z").unwrap();
    // The days are Malaysia's: eight hours ahead of UTC.
    let before = at(0, "2026-10-31T15:59:59Z").unwrap();
    let after = at(0, "2026-11-30T16:00:00Z").unwrap();

    assert_eq!(
        (shirt.title.as_str(), shirt.state),
        ("Kemeja-T", ProductState::Active)
    );
    assert_eq!(shirt.version, Timestamp::from_millis(1_792_550_500_456));
    let [black, white] = shirt.variants.as_slice() else {
        panic!("two SKUs")
    };
    assert_eq!(
        (black.title.as_str(), white.title.as_str()),
        ("Hitam, M", "Putih, M")
    );
    assert_eq!((black.quantity, white.quantity), (Some(18), Some(0)));
    assert_eq!(white.state, ProductState::Inactive);
    assert_eq!(
        (white.seller_sku.as_deref(), white.push_ref.as_deref()),
        (None, None)
    );
    let price = |product: &Product| product.variants[0].price.unwrap().minor;
    assert_eq!(
        (price(&before), price(&shirt), price(&after)),
        (18_900, 16_950, 18_900)
    );
    assert!(
        at(1, "2026-11-01T00:00:00Z")
            .unwrap_err()
            .contains("Levitating")
    );
    let cap = at(2, "2026-11-01T00:00:00Z").unwrap();
    assert_eq!(cap.state, ProductState::Inactive);
    let empty = fixture("api/products_empty")["data"].clone();
    assert!(lenient::rows(&empty, "products").is_empty());
}

#[test]
fn stock_goes_to_the_first_warehouse_and_text_is_escaped() {
    let rows = fixture("api/products_get")["data"]["products"].clone();
    let site = Site::of("my").unwrap();
    let xml = |row: usize, form: mapping::Form| {
        let product = mapping::product(&rows[row], site, NOW).unwrap();
        let level = StockLevel {
            product_id: product.remote_id.clone(),
            variant_id: product.variants[0].remote_id.clone(),
            quantity: 18,
            push_ref: product.variants[0].push_ref.clone(),
        };
        mapping::stock_xml(&level, form)
    };
    let (known, other) = (mapping::Form::AsKnown, mapping::Form::Other);

    let payload = mapping::payload(&[&xml(0, known)]);

    let vectors = fixture("vectors");
    let mut signed = vectors["requests"].as_array().unwrap().iter();
    let signed = signed.find_map(|vector| vector["pairs"].get("payload"));
    assert_eq!(Some(&Value::from(payload)), signed);
    let in_two = "<Sku><ItemId>3100045888</ItemId><SkuId>15500080001</SkuId>\
        <SellerSku>CAP &amp; &lt;RED&gt;</SellerSku><MultiWarehouseInventories>\
        <MultiWarehouseInventory><WarehouseCode>WH-KL</WarehouseCode><SellableQuantity>18</SellableQuantity>\
        </MultiWarehouseInventory><MultiWarehouseInventory><WarehouseCode>WH-PJ</WarehouseCode>\
        <SellableQuantity>0</SellableQuantity></MultiWarehouseInventory></MultiWarehouseInventories></Sku>";
    assert_eq!(xml(2, known), in_two);
    let in_one =
        "<WarehouseCode>dropshipping</WarehouseCode><SellableQuantity>18</SellableQuantity>";
    assert!(xml(0, other).contains(in_one));
    assert!(!xml(2, other).contains("Warehouse"));
}

#[test]
fn a_sku_of_which_nothing_is_left_goes_to_the_warehouses_of_its_product() {
    let mut row = fixture("api/products_get")["data"]["products"][2].clone();
    let mut empty = row["skus"][0].clone();
    empty["SkuId"] = 15_500_080_002_u64.into();
    empty["multiWarehouseInventories"] = json!([]);
    row["skus"].as_array_mut().unwrap().push(empty);

    let product = mapping::product(&row, Site::of("my").unwrap(), NOW).unwrap();

    let [full, empty] = product.variants.as_slice() else {
        panic!("two SKUs")
    };
    assert_eq!(empty.push_ref, full.push_ref);
    assert!(empty.push_ref.as_ref().unwrap().contains("WH-PJ"));
}

#[test]
fn money_is_written_in_the_decimals_of_its_currency() {
    let written = |text: &str, code: &str| {
        let money = Money::parse(text, Currency::from_code(code).unwrap()).unwrap();
        mapping::major(money)
    };

    assert_eq!(written("189", "MYR"), "189.00");
    assert_eq!(written("150000.00", "VND"), "150000");
}

#[test]
fn a_token_answer_tells_whose_it_is_and_how_long_it_lives() {
    let end = |days: u64| Some(NOW + Duration::from_secs(days * 86_400));
    let own = tokens(&fixture("api/token_create"), NOW).unwrap();
    let last = tokens(&fixture("api/token_refresh"), NOW).unwrap();

    assert_eq!(
        (own.expires_at, own.refresh_expires_at),
        (end(30), end(180))
    );
    // It renews nothing: when the access token ends, the consent does.
    assert_eq!((last.expires_at, last.refresh_expires_at), (end(7), end(7)));
    let known = |name: &str| account(&fixture(name));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let malaysian = [pair("country", "my"), pair("seller_id", "1000123456")];
    assert_eq!(known("api/token_create"), malaysian);
    assert_eq!(known("api/token_refresh"), malaysian);
    assert_eq!(known("api/token_create_cb"), [pair("country", "my,sg,vn")]);
}

#[test]
fn a_country_has_its_host_and_a_sandbox_only_its_own() {
    let root = |country: &str, api: &str| {
        let root = Site::of(country).unwrap().root(&api.parse().unwrap());
        root.map(String::from)
    };

    let my = Some("https://api.lazada.com.my/rest".to_owned());
    assert_eq!(root("my", "https://api.lazada.sg/rest"), my);
    assert_eq!(root("my", "https://api.lazada.com.my/rest"), my);
    assert_eq!(root("my", "http://127.0.0.1:4001"), None);
    assert_eq!(root("vn", "https://lazada.example/rest"), None);
}

#[test]
fn each_code_asks_for_what_helps() {
    let kind = |code: &str, message: &str| {
        let error = format!("{:?}", error_of(code, message));
        error.split([' ', '{']).next().unwrap().to_owned()
    };
    let wait = |code: &str, message: &str| match error_of(code, message) {
        MarketplaceError::RateLimited { retry_after, .. } => retry_after.map(|w| w.as_secs()),
        other => panic!("{other}"),
    };

    assert_eq!(kind("IllegalAccessToken", ""), "TokenExpired");
    for code in ["IllegalRefreshToken", "InvalidCode", "SellerNotActive"] {
        assert_eq!(kind(code, ""), "Unauthorized", "{code}");
    }
    for code in ["6", "506", "513", "1000", "4147", "4170"] {
        assert_eq!(kind(code, ""), "Unavailable", "{code}");
    }
    for code in [
        "IncompleteSignature",
        "InsufficientPermission",
        "MissingParameter",
        "17",
        "4171",
        "4225",
        "501",
    ] {
        assert_eq!(kind(code, ""), "Refused", "{code}");
    }
    assert_eq!(
        (kind("16", ""), kind("208", "")),
        ("NotFound".into(), "NotFound".into())
    );
    assert_eq!(kind("14", ""), "TooManyResults");
    assert_eq!(wait("901", "too fast"), Some(1));
    assert_eq!(
        wait("AppApiCallLimit", "This ban will last 50400 more seconds"),
        Some(50_400)
    );
    assert_eq!(
        code_of(&json!("E1002")).map(|code| wait(&code, "")),
        Some(None)
    );
}

#[test]
fn a_refusal_names_its_sku_by_id_or_by_code() {
    let detail = fixture("api/push_refused")["detail"].clone();
    let of = |id: &str, sku: Option<&str>| {
        let found = mapping::refusal(detail.as_array().unwrap(), &id.into(), sku);
        found.and_then(|(code, _)| code)
    };

    assert_eq!(of("15500078901", None).as_deref(), Some("4170"));
    assert_eq!(of("15500079999", Some("CAP-RED")).as_deref(), Some("212"));
    // An id that is named decides, whatever the code says.
    assert_eq!(of("15500070000", Some("TEE-BLK-M")), None);
}

#[test]
fn what_is_signed_wrongly_or_at_another_time_is_refused() {
    let mut shop = SIMULATED.open_shop(7, "Toko Contoh", NOW);
    let good = access_to(&SIMULATED, &shop, NOW);
    let mut ask = |access: &Access, now: Timestamp| -> String {
        let call = client::Call::get(access, "/order/get").unwrap();
        let request = call.with("order_id", "a+b & c").signed(access).unwrap();
        let answer = read_answer(&answer_to(&SIMULATED, &mut shop, request, now), now);
        answer.unwrap_err().code
    };
    let with = |name: &str, value: &str| {
        let mut changed = good.clone();
        changed.secrets.set(name, value);
        changed
    };

    assert_eq!(ask(&good, NOW), "16");
    assert_eq!(ask(&good, NOW + Duration::from_secs(7_199)), "16");
    assert_eq!(
        ask(&good, NOW + Duration::from_secs(7_201)),
        "IllegalTimestamp"
    );
    assert_eq!(
        ask(&with("app_secret", "other"), NOW),
        "IncompleteSignature"
    );
    assert_eq!(ask(&with("app_key", "other"), NOW), "IncompleteSignature");
    assert_eq!(
        ask(&with("access_token", "other"), NOW),
        "IllegalAccessToken"
    );
}
