//! What every file of this folder is tested with: documented answers.

use super::{
    TikTokShopSimulator as Simulated,
    client::{Call, PRODUCTS, sign},
    *,
};
use crate::clock::Clock;
use crate::domain::{ProductState, Standing};
use crate::marketplaces::simulation::bridge::{access_to, answer_to};

pub(super) fn fixture(name: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/fixtures/tiktok_shop/{name}.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list(name: &str) -> List {
    serde_json::from_value(fixture(name)["data"].clone()).unwrap()
}

#[test]
fn orders_mean_units_and_what_the_sale_earns_and_odd_ones_stand_aside() {
    let (orders, misfits) = list("api/orders_search").read(mapping::order);

    let [on_tokopedia, sample] = orders.as_slice() else {
        panic!("two orders can be read: {misfits:?}")
    };
    assert_eq!((on_tokopedia.platform, sample.platform), (TOKOPEDIA, SLUG));
    assert_eq!(
        (on_tokopedia.standing, sample.standing),
        (Standing::SOLD, Standing::SHIPPED)
    );
    let totals = on_tokopedia
        .lines
        .iter()
        .map(|line| (line.quantity, line.total.minor));
    assert_eq!(
        totals.collect::<Vec<_>>(),
        [(1, 17_900_000), (1, 17_900_000), (1, 0)]
    );
    assert_eq!(on_tokopedia.total.minor, 35_900_000);
    let open = sample
        .lines
        .iter()
        .map(crate::domain::OrderLine::open_quantity);
    assert_eq!(open.collect::<Vec<_>>(), [0, 1]);
    assert_eq!(sample.tracking_number.as_deref(), Some("JX0000000001"));
    assert_eq!(sample.remark.as_deref(), Some("sample order"));
    let [(id, reason)] = misfits.as_slice() else {
        panic!("one order cannot be read")
    };
    assert_eq!(id.as_str(), "576900000000000323");
    assert!(reason.contains("TELEPORTED"), "{reason}");
}

#[test]
fn products_read_the_same_from_the_list_and_on_their_own() {
    let (products, misfits) = list("api/products_search").read(mapping::product);
    let alone = mapping::product(fixture("api/product")["data"].clone()).unwrap();

    assert_eq!(misfits, []);
    assert_eq!(alone, products[0]);
    let states: Vec<_> = products.iter().map(|product| product.state).collect();
    let (on, off) = (ProductState::Active, ProductState::Inactive);
    // The second has a status on Tokopedia only.
    assert_eq!(states, [on, on, off]);
    let [shirt, switched_off] = alone.variants.as_slice() else {
        panic!("two SKUs")
    };
    assert_eq!(
        (shirt.quantity, shirt.price.unwrap().minor),
        (Some(20), 18_900_000)
    );
    assert_eq!(
        (switched_off.state, switched_off.seller_sku.as_deref()),
        (off, None)
    );
    let (first, second) = ("7068517275539719941", "7068517275539719942");
    let level = StockLevel {
        product_id: alone.remote_id.clone(),
        variant_id: shirt.remote_id.clone(),
        quantity: 7,
        push_ref: shirt.push_ref.clone(),
    };
    let all =
        json!([{"warehouse_id": first, "quantity": 7}, {"warehouse_id": second, "quantity": 0}]);
    assert_eq!(mapping::stock_of(&level)["inventory"], all);
}

#[test]
fn a_refusal_under_code_zero_is_its_skus_alone() {
    let data = fixture("api/inventory_refused")["data"].clone();
    let answer: PushAnswer = serde_json::from_value(data).unwrap();

    let refused = answer.refusal(&"1729900000000000666".into());

    assert_eq!(refused.map(|(code, _)| code), Some(12_019_028));
    assert_eq!(answer.refusal(&"1729900000000000667".into()), None);
}

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);

#[test]
fn every_known_request_is_signed_as_its_source_says() {
    for vector in fixture("vectors")["requests"].as_array().unwrap() {
        let query = vector["query"].as_object().unwrap().iter();
        let query: Vec<_> = query
            .map(|(n, v)| (n.as_str(), v.as_str().unwrap().to_owned()))
            .collect();
        let text = |name: &str| vector[name].as_str().unwrap_or_default();

        let signature = sign(
            text("app_secret"),
            text("path"),
            &query,
            text("body").as_bytes(),
        );

        assert_eq!(signature, text("signature"), "{}", text("name"));
    }
}

#[test]
fn what_is_signed_for_another_time_shop_or_token_is_refused() {
    let mut shop = Simulated.open_shop(7, "Toko Contoh", NOW);
    let good = access_to(&Simulated, &shop, NOW);
    let mut ask = |access: &Access, now| -> Result<Value> {
        let call = Call::of_shop(access, format!("{PRODUCTS}/1"))?.signed(access)?;
        read_answer(&answer_to(&Simulated, &mut shop, call, now), now)
    };
    let with = |name: &str, value: &str| {
        let mut changed = good.clone();
        changed.secrets.set(name, value);
        changed
    };
    let code = |answer: Result<Value>| match answer {
        Err(MarketplaceError::Refused { code, .. }) => code,
        other => format!("{other:?}").split([' ', '(']).take(2).collect(),
    };

    assert_eq!(code(ask(&good, NOW)), "ErrNotFound");
    assert_eq!(code(ask(&good, NOW + Duration::from_secs(301))), "36009004");
    assert_eq!(code(ask(&good, NOW - Duration::from_secs(31))), "36009004");
    assert_eq!(code(ask(&with("app_secret", "other"), NOW)), "106001");
    assert_eq!(
        code(ask(&with("shop_cipher", "other"), NOW)),
        "ErrUnauthorized"
    );
    assert_eq!(
        code(ask(&with("access_token", "other"), NOW)),
        "ErrTokenExpired"
    );
    let long_after = NOW + Duration::from_secs(8 * 86_400);
    let late = Access {
        clock: Clock::standing(long_after),
        ..good.clone()
    };
    assert_eq!(code(ask(&late, long_after)), "ErrTokenExpired");
}
