//! A shop that never stands still while it is read: products and orders change between any two requests, and no
//! webhook tells of it. What scans and downloads find must be enough.
//!
//! While deeds go on, no scan may believe anything gone that was there all the time. Whenever they pause, one
//! updated scan makes what changed right, one full scan everything, and one download every order.

mod meddler;

use super::{World, hands::add_many};
use crate::support::{everywhere, scenarios};
use entity::{jobs, order_lines, orders};
use marketsink::{
    domain::{Document, Download, ProductState, ScanKind, ScanMethod, Source, Work},
    marketplaces::simulation::{Shop, SimOrder, SimStatus},
};
use meddler::Meddler;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

scenarios!(
    a_shop_that_never_stands_still_is_known_whole_after_the_last_scan,
    a_scan_that_dies_at_any_page_loses_nothing,
);

everywhere!(
    a_shop_that_never_stands_still_is_known_whole_after_the_last_scan,
    a_scan_that_dies_at_any_page_loses_nothing,
);

/// Deeds on each marketplace and database: more than ten thousand of them together.
const MOST_DEEDS: u64 = 1_700;
/// Another seed is another life; any must do.
const SEED: u64 = 7;
/// Scans and downloads between two looks at a shop that stands still.
const ROUNDS: usize = 6;

/// How long work may wait: some is put off for seconds, because more of its kind may come, and the second look at a
/// shop that lost much at once for longer.
const WAITS: [u64; 14] = [
    10, 10, 10, 10, 10, 10, 600, 600, 600, 3_600, 600, 3_600, 600, 3_600,
];

/// Listings by seller SKU.
type Shelf = BTreeMap<String, Shown>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    title: String,
    state: &'static str,
    price: Option<i64>,
    quantity: Option<i64>,
}

/// Orders by id: document, where the goods are, and of what is sold the units.
type Books = BTreeMap<String, (String, String, i64)>;

/// A shop of two and a half pages that changes between any two requests while its meddler is awake.
async fn restless(url: String) -> (World, Arc<Mutex<Meddler>>) {
    let world = World::unconnected(url).await;
    world.stock_shops().await;
    let page = world.first.marketplace().limits().product_page as usize;
    add_many(&world, &world.first, page * 5 / 2);
    world.clock.advance(Duration::from_secs(60));
    world.connect_all().await;
    world.settle_in(4).await;
    let meddler = Meddler::new(SEED, page * 3, world.clock.clone());
    let meddler = Arc::new(Mutex::new(meddler));
    let hand = meddler.clone();
    world
        .first
        .before_answers(move |shop| hand.lock().unwrap().meddle(shop));
    (world, meddler)
}

async fn a_scan_that_dies_at_any_page_loses_nothing(url: String) {
    let (mut world, meddler) = restless(url).await;
    let mut n_deaths = 0;
    loop {
        let before = held(&world).await;
        wake(&meddler);
        world
            .ask_for(&world.first, scan(ScanKind::Full), Source::Manual)
            .await;
        world.fuse.blow_after(n_deaths);
        let worked = world.running.app.worker().run_due().await;
        let is_dead = world.fuse.has_blown();
        assert!(is_dead || worked.is_ok(), "{worked:?}");
        if is_dead {
            n_deaths += 1;
            world = world.restarted().await;
            world.take_up_abandoned().await;
            work_off(&world).await;
        }
        world.fuse.mend();
        let disturbed = put_to_sleep(&meddler);
        assert_kept(&world, &before, &disturbed, "a scan that died").await;
        if !is_dead {
            break;
        }
    }
    stand_still(&world).await;
    assert!(n_deaths > 4, "it died {n_deaths} times only");
    world.close().await;
}

async fn a_shop_that_never_stands_still_is_known_whole_after_the_last_scan(url: String) {
    let (world, meddler) = restless(url).await;
    while meddler.lock().unwrap().n_done < MOST_DEEDS {
        for _ in 0..ROUNDS {
            noisy_round(&world, &meddler).await;
        }
        stand_still(&world).await;
    }
    world.close().await;
}

/// One scan and one download, while the shop changes.
async fn noisy_round(world: &World, meddler: &Mutex<Meddler>) {
    let before = held(world).await;
    wake(meddler);
    let work = {
        let mut meddler = meddler.lock().unwrap();
        match meddler.below(6) {
            0 | 1 => scan(ScanKind::Full),
            2 => scan(ScanKind::Active),
            3 => Work::RescanProduct {
                product: world.first.with(|shop| meddler.any_product(shop).unwrap()),
            },
            _ => scan(ScanKind::Updated),
        }
    };
    let name = format!("{work:?}");
    read(world, &[work, download()]).await;
    let disturbed = put_to_sleep(meddler);
    assert_kept(world, &before, &disturbed, &name).await;
}

fn wake(meddler: &Mutex<Meddler>) {
    let mut meddler = meddler.lock().unwrap();
    meddler.is_awake = true;
    meddler.disturbed.clear();
}

/// Seller SKUs that were not on the shelf all the time since it woke.
fn put_to_sleep(meddler: &Mutex<Meddler>) -> BTreeSet<String> {
    let mut meddler = meddler.lock().unwrap();
    meddler.is_awake = false;
    std::mem::take(&mut meddler.disturbed)
}

/// Whatever we knew, and was there all the time, we still know.
async fn assert_kept(world: &World, before: &Shelf, disturbed: &BTreeSet<String>, by: &str) {
    let (after, held) = (world.first.with(|shop| shelf_of(shop)), held(world).await);
    let stayed = before
        .keys()
        .filter(|code| after.contains_key(*code) && !disturbed.contains(*code));
    for code in stayed {
        assert!(held.contains_key(code), "{code} was lost by {by}");
    }
}

/// Nothing changes any more: everything must come to be known.
async fn stand_still(world: &World) {
    world.clock.advance(Duration::from_secs(2));
    read(world, &[scan(ScanKind::Updated)]).await;
    let shown = world.first.with(|shop| shelf_of(shop));
    let mut known = held(world).await;
    // What is removed, and what buyers take off the shelf, is no edit.
    known.retain(|code, _| shown.contains_key(code));
    assert_same(&edited(&known), &edited(&shown), "after an updated scan");

    read(world, &[scan(ScanKind::Full), download()]).await;
    assert_same(&held(world).await, &shown, "after a full scan");
    assert_same(&booked(world).await, &sold(world), "after a download");
}

async fn read(world: &World, work: &[Work]) {
    for work in work {
        world
            .ask_for(&world.first, work.clone(), Source::Manual)
            .await;
        work_off(world).await;
        assert_eq!(left(world).await, Vec::<String>::new(), "after {work:?}");
    }
}

async fn work_off(world: &World) {
    for seconds in WAITS {
        world.running.app.worker().run_due().await.unwrap();
        if left(world).await.is_empty() {
            return;
        }
        world.clock.advance(Duration::from_secs(seconds));
    }
}

/// Work that is not over: what, since when it is tried, and why it was not done.
async fn left(world: &World) -> Vec<String> {
    let left = jobs::Column::State.is_in(["available", "running", "dead"]);
    let left = jobs::Entity::find().filter(left);
    let left = left.all(world.running.app.db.read()).await.unwrap();
    let now = world.clock.now().micros();
    let told = |job: jobs::Model| {
        let seconds = (job.run_at - now) / 1_000_000;
        let (kind, key, state) = (job.kind, job.key, job.state);
        let error = job.last_error.unwrap_or_default();
        format!("{kind} {key} {state} in {seconds} s: {error}")
    };
    left.into_iter().map(told).collect()
}

const fn scan(scan: ScanKind) -> Work {
    let method = ScanMethod::Async;
    Work::RunScan { scan, method }
}

const fn download() -> Work {
    let orders = Download::Updated;
    Work::DownloadOrders { orders }
}

fn assert_same<T: std::fmt::Debug + PartialEq>(
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
    when: &str,
) {
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = keys
        .into_iter()
        .filter(|key| ours.get(*key) != theirs.get(*key));
    let differ: Vec<_> = differ
        .map(|key| {
            format!(
                "{key}: {:?} here, {:?} there",
                ours.get(key),
                theirs.get(key)
            )
        })
        .collect();
    assert!(differ.is_empty(), "{when}:\n{}", differ.join("\n"));
}

/// The shelf without what buyers change.
fn edited(shelf: &Shelf) -> Shelf {
    let mut shelf = shelf.clone();
    for shown in shelf.values_mut() {
        shown.quantity = None;
    }
    shelf
}

fn shelf_of(shop: &Shop) -> Shelf {
    let products = shop.products.values();
    let variants = products.flat_map(|product| product.variants.iter().map(move |v| (product, v)));
    variants
        .map(|(product, variant)| {
            let shown = Shown {
                title: product.title.clone(),
                state: match product.state {
                    ProductState::Active => "active",
                    _ => "inactive",
                },
                price: Some(variant.price.minor),
                quantity: Some(variant.quantity),
            };
            (variant.seller_sku.clone().unwrap(), shown)
        })
        .collect()
}

/// Listings that we believe are there.
async fn held(world: &World) -> Shelf {
    let listings = world.listings(&world.first).await;
    let there = listings.into_iter().filter(|row| row.state != "gone");
    let mut shelf = Shelf::new();
    for row in there {
        let shown = Shown {
            // Behind the product's title stands the variant's.
            title: row.title.split(" - ").next().unwrap().to_owned(),
            state: if row.state == "active" {
                "active"
            } else {
                "inactive"
            },
            price: row.price_minor,
            quantity: row.quantity,
        };
        let code = row.seller_sku.unwrap();
        let twin = shelf.insert(code.clone(), shown);
        assert_eq!(twin, None, "two listings of {code}");
    }
    shelf
}

/// What the marketplace's orders ask of the books; unpaid ones ask nothing.
fn sold(world: &World) -> Books {
    let orders = world.first.with(|shop| shop.orders.clone());
    let asked = |order: &SimOrder| {
        let units =
            |line: &marketsink::marketplaces::simulation::SimLine| line.quantity - line.cancelled;
        let (document, fulfilment) = match order.status {
            SimStatus::Unpaid => return None,
            SimStatus::Cancelled => (Document::Void, "unsent"),
            status if status >= SimStatus::Shipped => (Document::Invoice, "sent"),
            _ => (Document::Invoice, "unsent"),
        };
        let document = serde_json::to_value(document).unwrap();
        let units = order.lines.iter().map(units).sum();
        Some(entry(document.as_str().unwrap(), fulfilment, units))
    };
    let known = orders.values();
    known
        .filter_map(|order| Some((order.id.to_string(), asked(order)?)))
        .collect()
}

async fn booked(world: &World) -> Books {
    let db = world.running.app.db.read();
    let connection = world.channel(&world.first).await.id.0;
    let lines = order_lines::Entity::find().all(db).await.unwrap();
    let mut open = BTreeMap::<i64, i64>::new();
    for line in lines {
        *open.entry(line.order_id).or_default() += line.quantity - line.cancelled;
    }
    let orders = orders::Entity::find().all(db).await.unwrap();
    let here = orders
        .into_iter()
        .filter(|order| order.connection_id == connection && order.document != "none");
    here.map(|order| {
        let units = open.get(&order.id).copied().unwrap_or(0);
        let entry = entry(&order.document, &order.fulfilment, units);
        (order.remote_id, entry)
    })
    .collect()
}

/// Of a void order, marketplaces tell different units.
fn entry(document: &str, fulfilment: &str, units: i64) -> (String, String, i64) {
    let units = if document == "void" { 0 } else { units };
    (document.to_owned(), fulfilment.to_owned(), units)
}
