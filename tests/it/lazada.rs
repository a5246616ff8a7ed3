//! What is special about Lazada, against its simulator: consents, countries, units, and where lists end.

use marketsink::{
    clock::Clock,
    domain::{ChannelId, ProductState, RemoteId, Timestamp, Window},
    marketplaces::{
        Access, ConsentAnswer, ConsentQuestion, Marketplace, MarketplaceError, OrderQuery,
        OrderTime, PageToken, ProductQuery, ProductScope, PushOutcome, StockLevel,
        access::Unpaced,
        http::{
            Http,
            walk::{Sort, Walk},
        },
        lazada::Lazada,
        simulation::{NewLine, Shop, ShopChange, SimDelivery, SimRequest, SimResponse, SimStatus},
    },
    sandbox::{Fault, Sandbox, SimShop, Weather},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);

/// A simulated shop that sells a mug, and access to it.
struct Place {
    /// Serves the shop as long as the place stands.
    _sandbox: Sandbox,
    shop: SimShop,
    access: Access,
}

impl Place {
    async fn open() -> Self {
        let clock = Clock::standing(NOW);
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let shop = sandbox.open(&Lazada, 7, "Toko Contoh").await.unwrap();
        shop.with(|shop| shop.add_product("Mug", &[("", Some("MUG & <CUP>"), 5_500_000, 90)], NOW));
        let root: url::Url = shop.origin().parse().unwrap();
        let access = Access {
            channel: ChannelId(1),
            shop: "".into(),
            api: root.clone(),
            auth: root.clone(),
            consent: root,
            secrets: shop.credentials(),
            version: 0,
            http: Http::new(true, Duration::from_secs(10)),
            pace: Arc::new(Unpaced),
            clock,
        };
        Self {
            _sandbox: sandbox,
            shop,
            access,
        }
    }

    fn buy(&self, units: i64) -> RemoteId {
        let variant_id = self.shop.with(|shop| {
            shop.products.values().next().unwrap().variants[0]
                .id
                .clone()
        });
        let wanted = [NewLine {
            variant_id,
            quantity: units,
        }];
        self.shop
            .place_order("lazada", SimStatus::Paid, &wanted)
            .unwrap()
    }

    /// The statuses of which the webhooks of a change tell.
    fn told(&self, change: &ShopChange) -> Vec<Value> {
        let simulator = Lazada.simulator();
        let sent = self.shop.with(|shop| simulator.webhooks(shop, change, NOW));
        let body = |sent: SimDelivery| serde_json::from_slice::<Value>(&sent.body).unwrap();
        sent.into_iter()
            .map(|sent| body(sent)["data"]["order_status"].clone())
            .collect()
    }

    fn remember(&self, name: &str, value: &str) {
        self.shop
            .with(|shop| shop.memory.insert(name.to_owned(), value.to_owned()));
    }

    /// What the seller's browser is answered.
    fn browse(&self, page: &url::Url) -> SimResponse {
        let request = SimRequest {
            method: "GET".to_owned(),
            origin: self.shop.origin(),
            path: page.path().to_owned(),
            query: page.query_pairs().into_owned().collect(),
            headers: Vec::new(),
            body: Vec::new().into(),
        };
        self.shop
            .with(|shop| Lazada.simulator().answer(shop, &request, NOW))
    }

    async fn opened(&self) -> Vec<String> {
        let shops = Lazada.shops(&self.access).await.unwrap().into_iter();
        shops.map(|shop| shop.remote_id.to_string()).collect()
    }

    /// The mug, and listings that the shop does not know.
    async fn levels(&self, unknown: usize) -> Vec<StockLevel> {
        let all = ProductQuery {
            scope: ProductScope::Full,
            page: None,
        };
        let mut products = Lazada.products(&self.access, &all).await.unwrap().items;
        let mug = products.remove(0);
        let level = |variant_id: RemoteId| StockLevel {
            product_id: mug.remote_id.clone(),
            variant_id,
            quantity: 12,
            push_ref: mug.variants[0].push_ref.clone(),
        };
        let mut levels = vec![level(mug.variants[0].remote_id.clone())];
        levels.extend((0..unknown).map(|n| level((999_000 + n as u64).into())));
        levels
    }
}

#[tokio::test]
async fn an_order_is_told_unit_by_unit_and_nothing_after_the_consent_is_withdrawn() {
    let place = Place::open().await;
    place
        .shop
        .switch_on("http://127.0.0.1:9/webhooks/lazada", "");
    let order = place.buy(3);
    let updated = ShopChange::OrderUpdated(order.clone());

    // Nothing has changed since it was told: all units are told again.
    assert_eq!(place.told(&updated), ["pending"; 3]);
    place.shop.with(|shop| shop.cancel_units(&order, 0, 1, NOW));
    assert_eq!(place.told(&updated), ["canceled"]);
    place
        .shop
        .with(|shop| shop.move_order(&order, SimStatus::Shipped, NOW));
    assert_eq!(place.told(&updated), ["shipped"; 2]);
    assert_eq!(place.told(&ShopChange::Deauthorized), Vec::<Value>::new());
    assert_eq!(place.told(&updated), Vec::<Value>::new());
}

#[test]
fn the_marketplace_waits_half_a_second_and_tries_again_for_six_hours() {
    let simulator = Lazada.simulator();

    let waits: Vec<_> = (1..=13).map(|n| simulator.retry_after(n)).collect();

    assert_eq!(waits[..12], [Some(Duration::from_secs(1_800)); 12]);
    assert_eq!(waits[12], None);
    assert_eq!(simulator.answer_deadline(), Duration::from_millis(500));
}

#[tokio::test]
async fn units_of_an_order_are_read_as_one_line() {
    let place = Place::open().await;
    let order = place.buy(3);

    let orders = Lazada.orders_by_id(&place.access, &[order]).await.unwrap();

    let lines = &orders[0].lines;
    assert_eq!((lines.len(), lines[0].quantity), (1, 3));
    assert_eq!(lines[0].total.to_string(), "165000.00 IDR");
}

#[tokio::test]
async fn a_consent_is_good_once_and_renewing_does_not_move_its_end() {
    let mut place = Place::open().await;
    let question = ConsentQuestion {
        state: "st/ate+1".to_owned(),
        callback: "https://hooks.example.com/connect/lazada/callback"
            .parse()
            .unwrap(),
    };
    let page = Lazada.consent_page(&place.access, &question).unwrap();
    let sent = place.browse(&page);
    let back = url::Url::parse(&sent.headers[0].1).unwrap();
    let answer = ConsentAnswer {
        pairs: back.query_pairs().into_owned().collect(),
    };

    let consent = Lazada.consent(&place.access, &answer).await.unwrap();
    let again = Lazada.consent(&place.access, &answer).await;

    assert_eq!((sent.status, answer.get("state")), (302, Some("st/ate+1")));
    assert_eq!(back.path(), "/connect/lazada/callback");
    let is_refused = matches!(again, Err(MarketplaceError::Unauthorized { .. }));
    assert!(is_refused, "{again:?}");
    let end = Some(NOW + Duration::from_secs(180 * 86_400));
    assert_eq!(consent.until, end);
    for (name, value) in consent.tokens.secrets {
        place.access.secrets.set(&name, value);
    }
    place.access.clock.advance(Duration::from_secs(86_400));
    assert_eq!(place.opened().await, ["id:1000100007"]);
    let now = place.access.clock.now();
    let renewed = Lazada.refresh(&place.access, now).await.unwrap().unwrap();
    assert_eq!(renewed.refresh_expires_at, end);
    assert!(renewed.expires_at > consent.tokens.expires_at);
}

#[tokio::test]
async fn an_app_that_renews_nothing_is_told_so_when_its_token_ends() {
    let place = Place::open().await;
    place
        .shop
        .with(|shop| shop.memory.insert("renews nothing".into(), "yes".into()));

    let alive = Lazada.refresh(&place.access, NOW).await;
    place.shop.expire_token();
    let dead = Lazada.refresh(&place.access, NOW).await;

    assert_eq!(alive, Ok(None));
    let is_over = matches!(dead, Err(MarketplaceError::Unauthorized { .. }));
    assert!(is_over, "{dead:?}");
}

#[tokio::test]
async fn a_refresh_token_that_ended_locks_nobody_out_whose_access_token_lives() {
    let mut place = Place::open().await;
    let days = |n: u64| Duration::from_secs(n * 86_400);
    place.access.clock.advance(days(170));
    let now = place.access.clock.now();
    let last = Lazada.refresh(&place.access, now).await.unwrap().unwrap();
    for (name, value) in last.secrets {
        place.access.secrets.set(&name, value);
    }

    place.access.clock.advance(days(15));
    let alive = Lazada
        .refresh(&place.access, place.access.clock.now())
        .await;
    place.access.clock.advance(days(20));
    let dead = Lazada
        .refresh(&place.access, place.access.clock.now())
        .await;

    assert_eq!(alive, Ok(None));
    let is_over = matches!(dead, Err(MarketplaceError::Unauthorized { .. }));
    assert!(is_over, "{dead:?}");
}

#[tokio::test]
async fn a_short_page_is_not_the_end_of_a_list_that_has_more() {
    let place = Place::open().await;
    for n in 0..5 {
        place.shop.with(|shop| {
            shop.add_product(&format!("P{n}"), &[("", None, 100_000, 1)], NOW);
        });
        place.buy(1);
        place.access.clock.advance(Duration::from_secs(1));
    }
    place.remember("short pages", "2");
    let window = Window {
        from: NOW,
        to: NOW + Duration::from_secs(60),
    };
    let mut query = OrderQuery::updated(window);
    let mut of_products = ProductQuery {
        scope: ProductScope::Active,
        page: None,
    };

    let (mut orders, mut products) = (Vec::new(), Vec::new());
    loop {
        let page = Lazada.orders(&place.access, &query).await.unwrap();
        orders.extend(page.items.into_iter().map(|order| order.remote_id));
        query.page = page.next;
        if query.page.is_none() {
            break;
        }
    }
    loop {
        let page = Lazada.products(&place.access, &of_products).await.unwrap();
        products.extend(page.items.into_iter().map(|product| product.remote_id));
        of_products.page = page.next;
        if of_products.page.is_none() {
            break;
        }
    }
    place.remember("short pages", "0");
    let no_orders = Lazada.orders(&place.access, &query).await;
    let no_products = Lazada.products(&place.access, &of_products).await;

    assert_eq!((orders.len(), products.len()), (5, 6));
    let untold = |error| matches!(error, Some(MarketplaceError::Unreadable { .. }));
    assert!(untold(no_orders.err()) && untold(no_products.err()));
}

#[tokio::test]
async fn stock_finds_its_warehouses_when_they_were_empty_and_when_they_are_gone() {
    let place = Place::open().await;
    let mug = "MUG & <CUP>";
    let units = |units| {
        let set = move |shop: &mut Shop| {
            let id = shop.variant_by_sku(mug).unwrap().id.clone();
            shop.edit_variant(&id, NOW, |variant| variant.quantity = units);
        };
        place.shop.with(set);
    };
    let shown = || {
        place
            .shop
            .with(|shop| shop.variant_by_sku(mug).unwrap().quantity)
    };
    place.remember("several warehouses", "yes");
    units(0);

    let from_zero = Lazada
        .set_stock(&place.access, &place.levels(0).await)
        .await;
    let after_zero = shown();
    let in_two = place.levels(0).await;
    place
        .shop
        .with(|shop| shop.memory.remove("several warehouses"));
    units(1);
    let in_one = Lazada.set_stock(&place.access, &in_two).await;

    let push_ref = in_two[0].push_ref.as_ref().unwrap();
    assert!(push_ref.contains("WH-2"), "{push_ref}");
    assert_eq!((from_zero, in_one), (Ok(vec![Ok(())]), Ok(vec![Ok(())])));
    assert_eq!((after_zero, shown()), (12, 12));
}

#[tokio::test]
async fn an_account_that_sells_across_borders_has_a_shop_in_each_country() {
    let mut place = Place::open().await;

    place.access.secrets.set("country", "my, sg");
    assert_eq!(place.opened().await, ["my:1000100007", "sg:1000100007"]);
    place.access.secrets.set("country", "cb");
    assert_eq!(place.opened().await.len(), 6);
    // Once connected, a shop asks for itself alone.
    place.access.shop = "vn:1000100007".into();
    assert_eq!(place.opened().await, ["vn:1000100007"]);
    place.access.shop = "".into();
    place.access.secrets.set("country", "atlantis");
    let nowhere = Lazada.shops(&place.access).await;
    assert!(matches!(nowhere, Err(MarketplaceError::Refused { .. })));
}

#[tokio::test]
async fn beyond_the_last_offset_the_window_is_to_be_cut() {
    let place = Place::open().await;
    let minute = Duration::from_secs(60);
    let window = Window {
        from: NOW - minute,
        to: NOW + minute,
    };
    let mut walk = Walk::begin("all", Some(window));
    walk.sort = Sort::Modified {
        after: NOW.secs() - 1,
        page: 52,
        given: vec![],
    };
    let far = r#"{"pass":"all","offset":10001,"begun_secs":0,"last":null,"steps_back":0}"#;

    let query = OrderQuery {
        window,
        by: OrderTime::Updated,
        page: Some(walk.token()),
    };
    let orders = Lazada.orders(&place.access, &query).await;
    let query = ProductQuery {
        scope: ProductScope::Full,
        page: Some(PageToken(far.to_owned())),
    };
    let products = Lazada.products(&place.access, &query).await;

    let too_many = |error| matches!(error, Some(MarketplaceError::TooManyResults { .. }));
    assert!(too_many(orders.err()) && too_many(products.err()));
}

#[tokio::test]
async fn what_changes_during_a_full_walk_is_listed_once_more_at_its_end() {
    let place = Place::open().await;
    let mut query = ProductQuery {
        scope: ProductScope::Full,
        page: None,
    };
    place.shop.with(|shop| {
        for n in 0..60 {
            shop.add_product(&format!("P{n}"), &[("", None, 100_000, 1)], NOW);
        }
    });
    let first = Lazada.products(&place.access, &query).await.unwrap();
    let jumping = first.items[3].remote_id.clone();
    place.access.clock.advance(Duration::from_secs(30));
    place
        .shop
        .edit_product(&jumping, |product| product.title = "Jumped".to_owned());

    let mut titles = Vec::new();
    query.page = first.next;
    while query.page.is_some() {
        let page = Lazada.products(&place.access, &query).await.unwrap();
        titles.extend(page.items.into_iter().map(|product| product.title));
        query.page = page.next;
    }

    assert!(titles.contains(&"Jumped".to_owned()));
    assert!(titles.contains(&"P59".to_owned()));
}

#[tokio::test]
async fn a_deleted_product_is_seen_among_what_changed() {
    let place = Place::open().await;
    let id = place
        .shop
        .with(|shop| shop.products.keys().next().unwrap().clone());
    place.shop.edit_product(&id, |product| {
        product.state = ProductState::Gone;
    });
    let window = Window {
        from: NOW,
        to: NOW + Duration::from_secs(1),
    };
    let mut query = ProductQuery {
        scope: ProductScope::Updated(window),
        page: None,
    };

    let all = Lazada.products(&place.access, &query).await.unwrap();
    query.page = all.next;
    let deleted = Lazada.products(&place.access, &query).await.unwrap();

    assert_eq!((all.items.len(), all.total), (0, Some(0)));
    assert_eq!(deleted.items[0].state, ProductState::Gone);
    assert_eq!(deleted.next, None);
}

#[tokio::test]
async fn a_sku_that_is_refused_takes_no_other_with_it() {
    let place = Place::open().await;
    let mut levels = place.levels(30).await;
    levels.rotate_left(7);

    let outcomes = Lazada.set_stock(&place.access, &levels).await.unwrap();

    let is_unknown =
        |outcome: &PushOutcome| matches!(outcome, Err(MarketplaceError::NotFound { .. }));
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| is_unknown(outcome))
            .count(),
        30
    );
    assert_eq!(outcomes[24], Ok(()));
    let shown = place
        .shop
        .with(|shop| shop.variant_by_sku("MUG & <CUP>").unwrap().quantity);
    assert_eq!(shown, 12);
}

#[tokio::test]
async fn a_wait_that_is_only_stated_in_words_is_kept() {
    let place = Place::open().await;
    let levels = place.levels(0).await;
    place
        .shop
        .next_answers(vec![Fault::RateLimited(Some(Duration::from_secs(50)))]);

    let answer = Lazada.set_stock(&place.access, &levels).await;

    let waited = Some(Duration::from_secs(50));
    let is_it = matches!(&answer, Err(MarketplaceError::RateLimited { retry_after, .. }) if *retry_after == waited);
    assert!(is_it, "{answer:?}");
}
