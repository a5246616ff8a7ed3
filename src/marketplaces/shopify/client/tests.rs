//! The client against the simulated API, where it is special: long lists, bulk files, compared stock, costs,
//! tokens, consent.

mod connecting;
mod pushes;

use super::*;
use crate::clock::Clock;
use crate::domain::{Money, Product, Timestamp, Window};
use crate::marketplaces::{
    Marketplace, OrderTime, Pace, ProductQuery, ProductScope, Secrets,
    shopify::{Shopify, ShopifySimulator as Simulated},
    simulation::{
        NewLine, Shop, ShopChange, Signing, SimDelivery, SimRequest, SimResponse, SimStatus,
        Simulator, Subscription,
        loopback::{Shared, host},
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
const LATER: Timestamp = Timestamp::from_secs(1_795_400_031);

/// A buyer is quicker: before each of the next changes of stock, as many as `sales` says, one unit is sold.
#[derive(Debug)]
struct Rush;

impl Simulator for Rush {
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop {
        Simulated.open_shop(seed, name, now)
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        Simulated.credentials(shop)
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        let is_change = String::from_utf8_lossy(&request.body).contains("mutation StockSet");
        let left = shop.memory.get("sales").and_then(|n| n.parse::<u32>().ok());
        if let (true, Some(left @ 1..)) = (is_change, left) {
            shop.memory
                .insert("sales".to_owned(), (left - 1).to_string());
            for product in shop.products.values_mut() {
                product.variants[0].quantity -= 1;
            }
        }
        Simulated.answer(shop, request, now)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        Simulated.webhooks(shop, change, now)
    }

    fn retry_after(&self, failures: u32) -> Option<Duration> {
        Simulated.retry_after(failures)
    }

    fn answer_deadline(&self) -> Duration {
        Simulated.answer_deadline()
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        Simulated.sign(signing, body)
    }

    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        Simulated.rate_limited(retry_after)
    }
}

/// Remembers how long it was told to wait, and waits not at all.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Duration>>);

#[async_trait]
impl Pace for Told {
    async fn permit(&self) {}

    fn slow_down(&self, wait: Duration) {
        self.0.lock().unwrap().push(wait);
    }
}

/// A shop with `n` products of `variants` variants each, ten units of everything.
async fn town(n: usize, variants: usize) -> (Shared, Access) {
    let mut shop = Simulated.open_shop(7, "Toko Contoh", NOW);
    for index in 0..n {
        let skus: Vec<_> = (0..variants).map(|v| format!("P{index}-{v}")).collect();
        let rows = skus
            .iter()
            .map(|sku| (sku.as_str(), Some(sku.as_str()), 1_000_000, 10));
        shop.add_product(&format!("Product {index}"), &rows.collect::<Vec<_>>(), NOW);
    }
    let shop = Arc::new(Mutex::new(shop));
    let access = host(&Rush, &shop, NOW).await;
    (shop, access)
}

fn remember(shop: &Shared, name: &str, value: &str) {
    shop.lock()
        .unwrap()
        .memory
        .insert(name.to_owned(), value.to_owned());
}

async fn page(access: &Access, token: Option<PageToken>) -> Result<Page<Product>> {
    let scope = ProductScope::Full;
    products(access, &ProductQuery { scope, page: token }).await
}

/// Everything from a token on, and the number of pages.
async fn rest(access: &Access, mut token: Option<PageToken>) -> (Vec<Product>, usize) {
    let (mut found, mut n_pages) = (Vec::new(), 0);
    loop {
        let page = page(access, token).await.unwrap();
        assert_eq!(page.unreadable, []);
        found.extend(page.items);
        n_pages += 1;
        token = page.next;
        if token.is_none() {
            return (found, n_pages);
        }
    }
}

fn titles(products: &[Product]) -> BTreeSet<&str> {
    products
        .iter()
        .map(|product| product.title.as_str())
        .collect()
}

async fn levels(access: &Access, quantity: i64) -> Vec<StockLevel> {
    let (products, _) = rest(access, None).await;
    let variants = products.into_iter().flat_map(|product| {
        let id = product.remote_id;
        product
            .variants
            .into_iter()
            .map(move |variant| (id.clone(), variant))
    });
    let level = |(product_id, variant): (RemoteId, crate::domain::Variant)| StockLevel {
        product_id,
        variant_id: variant.remote_id,
        quantity,
        push_ref: variant.push_ref,
    };
    variants.map(level).collect()
}

fn quantities(shop: &Shared) -> Vec<i64> {
    let shop = shop.lock().unwrap();
    let variants = shop.products.values().flat_map(|product| &product.variants);
    variants.map(|variant| variant.quantity).collect()
}

fn until_now() -> OrderQuery {
    let from = NOW - Duration::from_secs(3_600);
    let window = Window {
        from,
        to: NOW + Duration::from_secs(1),
    };
    OrderQuery::updated(window)
}

#[tokio::test]
async fn lists_inside_of_an_object_are_read_to_their_end() {
    let (shop, access) = town(1, 430).await;
    let order = {
        let mut shop = shop.lock().unwrap();
        let product = shop.products.values().next().unwrap();
        let line = |id: &RemoteId| NewLine {
            variant_id: id.clone(),
            quantity: 1,
        };
        let lines: Vec<_> = product
            .variants
            .iter()
            .take(175)
            .map(|v| line(&v.id))
            .collect();
        shop.place_order(SLUG, SimStatus::Paid, &lines, NOW)
            .unwrap()
    };

    let orders = orders_by_id(&access, &[order]).await.unwrap();
    let (listed, _) = rest(&access, None).await;
    let alone = products_by_id(&access, &[listed[0].remote_id.clone()])
        .await
        .unwrap();

    let ids: BTreeSet<_> = orders[0].lines.iter().map(|line| &line.remote_id).collect();
    assert_eq!((orders[0].lines.len(), ids.len()), (175, 175));
    assert_eq!(listed[0].variants.len(), 430);
    assert_eq!(alone, listed);
}

#[tokio::test]
async fn a_page_that_costs_too_much_is_made_smaller_and_stays_so() {
    let (_shop, access) = town(30, 1).await;
    let first = page(&access, None).await.unwrap();
    let mut turn: Value = serde_json::from_str(&first.next.unwrap().0).unwrap();
    turn["size"] = 25.into();

    let smaller = page(&access, Some(PageToken(turn.to_string())))
        .await
        .unwrap();

    assert_eq!((first.items.len(), first.total), (10, Some(30)));
    // 25 cost 2,327 points, 12 cost 1,118, and 1,000 are allowed.
    assert_eq!(smaller.items.len(), 6);
    let (rest, n_pages) = rest(&access, smaller.next).await;
    assert_eq!((rest.len(), n_pages), (14, 3));
}

#[tokio::test]
async fn whatever_a_call_may_cost_everything_is_read() {
    let (shop, access) = town(3, 120).await;
    let ids: Vec<_> = {
        let mut shop = shop.lock().unwrap();
        let product = shop.products.values().next().unwrap();
        let line = |id: &RemoteId| NewLine {
            variant_id: id.clone(),
            quantity: 1,
        };
        let variants = product.variants.iter().take(25);
        let lines: Vec<_> = variants.map(|v| line(&v.id)).collect();
        let mut order = || {
            shop.place_order(SLUG, SimStatus::Paid, &lines, NOW)
                .unwrap()
        };
        (0..5).map(|_| order()).collect()
    };
    remember(&shop, "largest_cost", "120");

    let orders = orders_by_id(&access, &ids).await.unwrap();
    let (listed, n_pages) = rest(&access, None).await;
    let alone = products_by_id(&access, &[listed[0].remote_id.clone()]).await;

    assert_eq!(orders.len(), 5);
    assert!(orders.iter().all(|order| order.lines.len() == 25));
    assert!(listed.iter().all(|product| product.variants.len() == 120));
    assert_eq!((listed.len(), n_pages), (3, 3));
    assert_eq!(alone.unwrap()[0], listed[0]);
}

#[tokio::test]
async fn no_list_is_read_deeper_than_anyone_may() {
    let (shop, access) = town(1, 1).await;
    {
        let mut shop = shop.lock().unwrap();
        let variant_id = shop.variant_by_sku("P0-0").unwrap().id.clone();
        shop.edit_variant(&variant_id, NOW, |variant| variant.quantity = 500);
        for _ in 0..101 {
            let line = NewLine {
                variant_id: variant_id.clone(),
                quantity: 1,
            };
            shop.place_order(SLUG, SimStatus::Paid, &[line], NOW)
                .unwrap();
        }
    }
    let from = |n: u64| OrderQuery {
        by: OrderTime::Updated,
        page: Some(
            Turn {
                n,
                ..Turn::default()
            }
            .token(),
        ),
        ..until_now()
    };

    let near = orders(&access, &from(24_800)).await.unwrap();
    let beyond = orders(&access, &from(24_801)).await;

    assert_eq!(near.items.len(), 100);
    assert_eq!(
        beyond,
        Err(MarketplaceError::TooManyResults { marketplace: SLUG })
    );
}

#[tokio::test]
async fn of_several_locations_only_the_one_for_online_orders_is_read_and_set() {
    let (shop, access) = town(12, 2).await;
    remember(&shop, "showroom", "open");

    let levels = levels(&access, 4).await;
    let outcomes = set_stock(&access, &levels).await.unwrap();
    let (after, n_pages) = rest(&access, None).await;

    assert_eq!(outcomes, vec![Ok(()); 24]);
    assert_eq!(quantities(&shop), [4; 24]);
    let shown = after.iter().flat_map(|p| &p.variants).map(|v| v.quantity);
    assert!(
        shown.eq([Some(4); 24]),
        "the showroom's units are not counted"
    );
    assert_eq!(n_pages, 3, "pages are half as long");
}

#[tokio::test]
async fn a_large_catalogue_is_read_in_bulk_and_nobody_waits_without_a_token() {
    let (shop, access) = town(2_001, 2).await;
    let later = host(&Rush, &shop, LATER).await;

    let begun = page(&access, None).await.unwrap();
    let early = page(&access, begun.next.clone()).await;
    let (found, n_pages) = rest(&later, begun.next.clone()).await;

    assert_eq!((begun.items.len(), begun.total), (0, None));
    let wait = Duration::from_secs(15);
    assert_eq!(
        early,
        Err(MarketplaceError::NotReady {
            marketplace: SLUG,
            wait
        })
    );
    assert_eq!((found.len(), titles(&found).len()), (2_001, 2_001));
    // About 400 bytes for each of 4,002 variants and 2,001 products, by 256 KiB.
    assert!((3..12).contains(&n_pages), "{n_pages}");
    let alone = products_by_id(&access, &[found[0].remote_id.clone()])
        .await
        .unwrap();
    assert_eq!(alone[0], found[0], "a bulk file tells the same as a page");
    let token = begun.next.unwrap().0;
    assert!(!token.contains("http") && !token.contains("key"), "{token}");
}

#[tokio::test]
async fn without_a_bulk_file_the_list_is_walked() {
    let (shop, access) = town(2_001, 1).await;
    let later = host(&Rush, &shop, LATER).await;
    let begun = page(&access, None).await.unwrap();

    for trouble in ["bulk fails", "bulk expired"] {
        remember(&shop, trouble, "yes");
        let back = page(&later, begun.next.clone()).await.unwrap();
        let walked = page(&later, back.next).await.unwrap();
        assert_eq!((back.items.len(), walked.items.len()), (0, 10), "{trouble}");
        shop.lock().unwrap().memory.remove(trouble);
    }
    remember(&shop, "bulk full", "yes");
    let walked = page(&access, None).await.unwrap();

    assert_eq!((walked.items.len(), walked.total), (10, Some(2_001)));
}

#[tokio::test]
async fn a_bulk_operation_whose_file_is_missing_or_cut_off_ends_no_scan() {
    let (shop, access) = town(2_001, 1).await;
    let later = host(&Rush, &shop, LATER).await;
    let begun = page(&access, None).await.unwrap();
    let second = page(&later, begun.next.clone()).await.unwrap().next;
    let shorten = |length: usize| {
        for (name, text) in &mut shop.lock().unwrap().memory {
            if name.starts_with("bulk ") && !name.ends_with("done") {
                text.truncate(length);
            }
        }
    };

    for (length, token) in [(1_000, second), (0, begun.next)] {
        shorten(length);
        let back = page(&later, token).await.unwrap();
        assert_eq!(back.items.len(), 0, "{length}");
        let walked = page(&later, back.next).await.unwrap();
        assert_eq!(walked.items.len(), 10, "{length}: the list is walked");
    }
}

#[tokio::test]
async fn what_is_left_to_spend_sets_the_pace() {
    let (shop, mut access) = town(10, 1).await;
    let told = Arc::new(Told::default());
    access.pace = told.clone();
    let waits = || std::mem::take(&mut *told.0.lock().unwrap());
    remember(&shop, "restore_rate", "100");
    let with = |points: &str| {
        remember(&shop, "points", points);
        remember(&shop, "points_at", &NOW.micros().to_string());
    };
    let first = json!({"first": 10, "after": null, "q": "", "variants": 45,
        "location": gid("Location", "1"), "many": false});

    with("2000");
    let _ = ask(&access, PRODUCTS_PAGE, first.clone()).await.unwrap();
    assert!(waits().is_empty(), "enough for another");
    with("940");
    let _ = ask(&access, PRODUCTS_PAGE, first.clone()).await.unwrap();
    let wait = waits();
    // 932 for the page, which in the end cost some 40.
    assert!(
        wait.len() == 1 && wait[0] < Duration::from_secs(1),
        "{wait:?}"
    );
    with("100");
    let throttled = ask(&access, PRODUCTS_PAGE, first).await.unwrap_err();
    let wait = Duration::from_millis(8_320);
    assert_eq!(throttled.retry(), Retry::After(wait));
    assert_eq!(waits(), [wait]);
}

#[tokio::test]
async fn a_version_that_is_no_longer_served_is_answered_by_another() {
    let (_shop, mut access) = town(1, 1).await;
    access.secrets.set("api_version", "2024-07");

    // Answered all the same; what is told to people is the caller's.
    assert!(shops(&access).await.is_ok());
}
