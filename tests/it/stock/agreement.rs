//! What SQL says of a whole catalogue is what the rules say of each SKU.

use super::{bundle, channel, count, sku};
use crate::support::{
    builders::{NOW, Shop, a_shop, outlet},
    database::databases,
};
use marketsink::{
    catalog,
    channels::Channel,
    db::{Db, Tx},
    domain::{ChannelId, Currency, Money, OutletId, SkuId},
    prices::{self, PriceRule, PriceRules, PriceScope, RoundHow, Rounding},
    stock::{self, Rule, RuleScope, Rules, UnpaidOrder},
};
use sea_orm::{ConnectionTrait, Statement};

databases!(
    the_quantity_in_sql_is_the_one_that_is_pushed,
    the_price_in_sql_is_the_one_that_is_pushed,
    a_nearer_rule_holds_field_by_field,
);

/// A column of whole numbers, null or not.
async fn numbers(db: &Db, sql: String) -> Vec<Option<i64>> {
    let backend = db.read().get_database_backend();
    let rows = db
        .read()
        .query_all_raw(Statement::from_string(backend, sql));
    let rows = rows.await.unwrap();
    rows.iter()
        .map(|row| row.try_get::<Option<i64>>("", "n").unwrap())
        .collect()
}

/// SKUs with levels of every kind at two outlets, one that was never counted, and bundles of them.
async fn stocked(tx: &Tx, shop: Shop, second: OutletId) -> Vec<SkuId> {
    let mut skus = Vec::new();
    for (n, units) in [0, 1, 4, 7, 60, 250].into_iter().enumerate() {
        let one = sku(tx, shop, &format!("S{n}")).await;
        count(tx, shop, (one, shop.outlet), units).await;
        if n % 2 == 0 {
            count(tx, shop, (one, second), units / 2 + 3).await;
        }
        skus.push(one);
    }
    stock::reserve(tx, shop.merchant, (skus[4], shop.outlet), 11, "sale", NOW)
        .await
        .unwrap();
    stock::adjust(tx, shop.merchant, (skus[1], shop.outlet), -3, "lost", NOW)
        .await
        .unwrap();
    let uncounted = sku(tx, shop, "UNCOUNTED").await;
    skus.push(uncounted);
    for (n, parts) in [
        vec![(skus[3], 2), (skus[4], 3)],
        vec![(skus[1], 1), (skus[5], 1)],
        vec![(skus[2], 1), (uncounted, 1)],
    ]
    .into_iter()
    .enumerate()
    {
        let set = sku(tx, shop, &format!("SET{n}")).await;
        bundle(tx, shop, set, &parts).await;
        skus.push(set);
    }
    skus
}

async fn assert_agreed(db: &Db, channel: &Channel, skus: &[SkuId]) {
    let rules = Rules::of_merchant(db.read(), channel.merchant)
        .await
        .unwrap();
    let told = stock::pushable(db.read(), channel, skus, NOW)
        .await
        .unwrap();
    let expected: Vec<Option<i64>> = skus
        .iter()
        .map(|sku| told.get(sku).map(|told| told.quantity))
        .collect();

    let quantity = stock::pushable_sql(channel, "skus.id", &rules, true, NOW);
    let merchant = channel.merchant;
    let sql =
        format!("select {quantity} as n from skus where merchant_id = {merchant} order by skus.id");

    assert_eq!(numbers(db, sql).await, expected, "{rules:?}");
}

async fn the_quantity_in_sql_is_the_one_that_is_pushed(db: Db) {
    let shop = a_shop(&db).await;
    let second = outlet(&db, shop.merchant, "Second").await;
    let tx = db.write_tx().await.unwrap();
    let skus = stocked(&tx, shop, second).await;
    tx.commit().await.unwrap();
    let near = channel(shop, &[]);
    let far = channel(shop, &[second]);
    assert_agreed(&db, &near, &skus).await;
    assert_agreed(&db, &far, &skus).await;
    let told = stock::pushable(db.read(), &near, &skus, NOW).await.unwrap();
    assert_eq!(told[&skus[4]].available, 49, "reserved units are left out");
    assert_eq!(told[&skus[7]].quantity, 3, "a bundle of two and three");
    assert!(
        !told.contains_key(&skus[9]),
        "a component was never counted"
    );

    let scope = |sku: Option<usize>, channel: Option<ChannelId>| RuleScope {
        sku: sku.map(|n| skus[n]),
        channel,
    };
    let elsewhere = ChannelId(shop.channel.0 + 1);
    let units = |buffer, minimum, maximum| Rule {
        buffer,
        minimum,
        maximum,
        ..Rule::default()
    };
    let share = |percentage| Rule {
        percentage: Some(percentage),
        ..Rule::default()
    };
    let last = |units, only| Rule {
        last: Some((units, only)),
        ..Rule::default()
    };
    let unpaid = UnpaidOrder {
        merchant: shop.merchant,
        connection: shop.channel,
        outlet: shop.outlet,
        remote_id: &"unpaid".into(),
        placed_at: NOW,
    };
    for (at, rule) in [
        (scope(None, None), share(50)),
        (scope(None, None), units(Some(2), Some(3), Some(40))),
        (scope(None, Some(shop.channel)), share(90)),
        (scope(Some(3), None), last(5, elsewhere)),
        (scope(Some(4), None), last(5, shop.channel)),
        (
            scope(Some(7), Some(shop.channel)),
            units(Some(1), None, None),
        ),
        (scope(Some(5), None), units(None, None, Some(100))),
        (scope(None, None), last(4, elsewhere)),
    ] {
        let tx = db.write_tx().await.unwrap();
        stock::set_rule(&tx, shop.merchant, at, &rule, NOW)
            .await
            .unwrap();
        stock::hold_softly(&tx, &unpaid, &[(skus[7], 1), (skus[2], 2)], NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        for channel in [&near, &far] {
            assert_agreed(&db, channel, &skus).await;
        }
    }
}

async fn the_price_in_sql_is_the_one_that_is_pushed(db: Db) {
    let shop = a_shop(&db).await;
    let channel = channel(shop, &[]);
    let idr = |minor| Money {
        minor,
        currency: Currency::from_code("IDR").unwrap(),
    };
    let tx = db.write_tx().await.unwrap();
    let mut skus = Vec::new();
    for (n, minor) in [99, 1_000, 12_345, 5_500_000].into_iter().enumerate() {
        let code = format!("S{n}");
        let one = sku(&tx, shop, &code).await;
        catalog::set_price(&tx, shop.merchant, &code, idr(minor), NOW)
            .await
            .unwrap();
        skus.push((one, Some(idr(minor))));
    }
    skus.push((sku(&tx, shop, "UNPRICED").await, None));
    tx.commit().await.unwrap();
    let rounded = |adjust_bp, to_minor, how, ending_minor| PriceRule {
        fixed: None,
        adjust_bp,
        rounding: Some(Rounding {
            to_minor,
            how,
            ending_minor,
        }),
    };
    let fixed = PriceRule {
        fixed: Some(idr(77)),
        ..PriceRule::default()
    };
    let here = Some(shop.channel);
    for (sku, of, rule) in [
        (None, None, rounded(1_050, 1, RoundHow::Up, 0)),
        (None, here, rounded(-2_000, 500, RoundHow::Nearest, 1)),
        (Some(2), None, rounded(0, 1_000, RoundHow::Up, 100)),
        (Some(3), here, rounded(333, 10_000, RoundHow::Down, 0)),
        (Some(4), None, fixed),
        (Some(0), here, rounded(0, 1_000, RoundHow::Down, 0)),
    ] {
        let scope = PriceScope {
            sku: sku.map(|n: usize| skus[n].0),
            channel: of,
        };
        let tx = db.write_tx().await.unwrap();
        prices::set_price_rule(&tx, shop.merchant, scope, &rule, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let rules = PriceRules::of_merchant(db.read(), shop.merchant)
            .await
            .unwrap();
        let expected: Vec<Option<i64>> = skus
            .iter()
            .map(|(sku, base)| rules.price(*sku, shop.channel, *base))
            .map(|price| price.map(|(price, _)| price.minor))
            .collect();

        let price = prices::price_sql(&channel, &rules);
        let merchant = shop.merchant;
        let sql = format!(
            "select {price} as n from skus where merchant_id = {merchant} order by skus.id"
        );

        assert_eq!(numbers(&db, sql).await, expected, "{rules:?}");
    }
}

async fn a_nearer_rule_holds_field_by_field(db: Db) {
    let shop = a_shop(&db).await;
    let tx = db.write_tx().await.unwrap();
    let mug = sku(&tx, shop, "MUG").await;
    let scope = |sku, channel| RuleScope { sku, channel };
    let general = Rule {
        percentage: Some(50),
        buffer: Some(4),
        ..Rule::default()
    };
    let zero = Rule {
        buffer: Some(0),
        maximum: Some(9),
        ..Rule::default()
    };
    let of_mug = Rule {
        percentage: Some(80),
        ..Rule::default()
    };
    let here = Some(shop.channel);
    for (scope, rule) in [
        (scope(None, None), general),
        (scope(None, here), zero),
        (scope(Some(mug), None), of_mug),
    ] {
        stock::set_rule(&tx, shop.merchant, scope, &rule, NOW)
            .await
            .unwrap();
    }
    let rules = Rules::of_skus(&tx, shop.merchant, &[mug]).await.unwrap();
    let mut channel = channel(shop, &[]);

    let rule = rules.effective(mug, &channel);
    assert_eq!(
        (rule.percentage, rule.buffer, rule.maximum),
        (Some(80), Some(0), Some(9))
    );
    channel.settings.buffer = 3;
    assert_eq!(rules.effective(mug, &channel).buffer, Some(3));
    let removed = stock::remove_rule(&tx, shop.merchant, scope(None, here)).await;
    assert!(removed.unwrap());
}
