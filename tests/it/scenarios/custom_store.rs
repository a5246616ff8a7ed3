//! A custom store without a pull API: what its webhooks carry is all there is.

use super::{World, hands::is_2xx, world::START};
use crate::support::scenarios;
use marketsink::{
    channels::ChannelState,
    domain::{Download, JobKind, ScanKind, ScanMethod, Source, Timestamp, Work},
    marketplaces::{
        Secrets, find,
        simulation::{Signing, SimStatus},
    },
    schedule,
    sync::{Connect, Connected},
};
use serde_json::{Value, json};
use std::{cell::Cell, time::Duration};

scenarios!(
    a_whole_order_becomes_a_sale_and_its_stock_is_told_to_the_other_channel,
    a_later_version_changes_a_sale_and_an_older_one_does_not,
    lines_that_share_their_ids_are_told_apart_by_their_sku,
    a_whole_product_makes_listings_that_are_linked_to_skus,
    a_product_that_was_deleted_stays_so_when_older_messages_come_late,
    a_thin_message_says_what_the_store_must_send_and_a_whole_one_mends_it,
    what_cannot_be_asked_is_done_and_no_failure,
    a_message_that_breaks_the_contract_is_kept_for_support,
    a_store_that_says_farewell_is_locked_until_it_is_connected_again,
    a_farewell_from_before_a_connection_does_not_end_it,
    a_secret_is_told_once_and_the_one_before_stays_good_for_three_days,
);

const STORE: &str = "shop.example.com";

/// A store that signs its messages and posts them.
struct Store<'w> {
    world: &'w World,
    address: String,
    secret: String,
    n_sent: Cell<u32>,
}

/// Connects the store again or for the first time, with what its people hand over besides its id.
async fn connect(world: &World, handed: &[(&str, &str)]) -> Connected {
    let mut secrets = Secrets::of([("store_id", STORE), ("store_name", "Kedai")]);
    for (name, value) in handed {
        secrets.set(name, *value);
    }
    let connect = Connect {
        merchant: world.merchant,
        outlet: world.outlet,
        marketplace: find("standard_webhooks").unwrap(),
        base_url: None,
        secrets,
        expires_at: None,
        name: None,
    };
    let mut connected = world
        .running
        .app
        .sync
        .connect(connect)
        .await
        .unwrap()
        .connected;
    assert_eq!(connected.len(), 1);
    connected.remove(0)
}

impl<'w> Store<'w> {
    /// The second shop of the world sells the same goods, and is connected before.
    async fn open(world: &'w World) -> Self {
        world.stock_shops().await;
        world.connect(&world.second).await;
        world.settle().await;
        let connected = connect(world, &[]).await;
        Self {
            world,
            address: connected.webhook_url,
            secret: connected.webhook_secret.unwrap().expose().to_owned(),
            n_sent: Cell::new(0),
        }
    }

    async fn send(&self, kind: &str, data: &Value) -> u16 {
        let now = self.world.clock.now();
        let body = json!({"type": kind, "timestamp": now.to_string(), "data": data}).to_string();
        self.n_sent.set(self.n_sent.get() + 1);
        let signing = Signing {
            secret: &self.secret,
            id: &format!("msg_{}", self.n_sent.get()),
            at: now,
            ..Signing::default()
        };
        let simulator = find("standard_webhooks").unwrap().simulator();
        let headers = simulator.sign(&signing, body.as_bytes());
        let answer = self.world.send(&self.address, &headers, body.as_bytes());
        answer.await.status().as_u16()
    }

    /// Sends, and lets everything come of it that comes of it.
    async fn tell(&self, kind: &str, data: &Value) {
        assert!(is_2xx(self.send(kind, data).await), "{kind}");
        self.world.settle().await;
    }

    /// What the books hold of this store's orders.
    async fn booked(&self) -> String {
        let orders = self.world.section("orders").await;
        let (_, ours) = orders.split_once("standard_webhooks ").unwrap_or_default();
        ours.to_owned()
    }

    async fn state(&self) -> ChannelState {
        self.world.channel_named("standard_webhooks").await.state
    }
}

/// So many seconds after the store was connected.
fn at(seconds: i64) -> String {
    Timestamp::from_secs(START.secs() + 300 + seconds).to_string()
}

/// An order of two mugs, placed a second after the store was connected, as it is so many seconds later.
fn order(status: &str, fulfilment: &str, seconds: i64) -> Value {
    json!({
        "id": "A-1", "number": "1042", "status": status, "payment": "paid",
        "fulfilment": fulfilment, "currency": "IDR", "total": "110000.00",
        "created_at": at(1), "updated_at": at(seconds),
        "lines": [{"id": "1", "sku": "MUG", "title": "Mug", "quantity": 2, "unit_price": "55000.00"}],
    })
}

fn product(quantity: i64, seconds: i64) -> Value {
    json!({
        "id": "P-1", "title": "Mug", "state": "active", "currency": "IDR",
        "updated_at": at(seconds),
        "variants": [
            {"id": "V-1", "sku": "MUG", "title": "white", "price": "55000.00", "quantity": quantity},
            {"id": "V-2", "sku": "MUG-BLUE", "title": "blue", "price": "56000.00", "quantity": null},
        ],
    })
}

async fn a_whole_order_becomes_a_sale_and_its_stock_is_told_to_the_other_channel(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;

    store
        .tell("order.created", &order("confirmed", "unsent", 5))
        .await;
    store
        .tell("order.created", &order("confirmed", "unsent", 5))
        .await;

    let booked = store.booked().await;
    assert!(
        booked.starts_with("1042 [confirmed, paid, unsent] invoice paid unsent 11000000 IDR"),
        "{booked}"
    );
    assert!(
        booked.contains("MUG x2 cancelled 0 allocated 2 shipped 0"),
        "{booked}"
    );
    assert_eq!(world.available("MUG").await, 8);
    assert_eq!(world.shown(&world.second, "MUG"), 8);
    assert_eq!(world.section("left to do").await, "");
    world.close().await;
}

async fn a_later_version_changes_a_sale_and_an_older_one_does_not(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;

    store
        .tell("order.updated", &order("confirmed", "sent", 60))
        .await;
    let sent = store.booked().await;
    store
        .tell("order.created", &order("placed", "unsent", 5))
        .await;
    let after_older = store.booked().await;
    let mut cancelled = order("cancelled", "sent", 120);
    cancelled["lines"][0]["cancelled_quantity"] = json!(2);
    store.tell("order.updated", &cancelled).await;

    assert!(sent.contains("] invoice paid sent"), "{sent}");
    assert_eq!(after_older, sent);
    let booked = store.booked().await;
    assert!(booked.contains("] void paid returned"), "{booked}");
    assert_eq!(world.available("MUG").await, 10);
    world.close().await;
}

async fn lines_that_share_their_ids_are_told_apart_by_their_sku(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    let line = |id: &str, sku: &str, quantity: i64| {
        json!({"id": id, "product_id": "P-9", "sku": sku, "quantity": quantity,
            "unit_price": "10000.00"})
    };
    let mut order = order("confirmed", "unsent", 5);
    order["lines"] = json!([
        line("1", "MUG", 1),
        line("2", "TEA-25", 2),
        line("3", "NONE", 1),
        line("4", "TEA-100", 3)
    ]);

    store.tell("order.created", &order).await;

    let mut left = Vec::new();
    for sku in ["MUG", "TEA-25", "TEA-100"] {
        left.push(world.available(sku).await);
        assert_eq!(world.shown(&world.second, sku), *left.last().unwrap());
    }
    assert_eq!(left, [9, 8, 7]);
    let booked = store.booked().await;
    assert_eq!(booked.matches("unknown_sku").count(), 1, "{booked}");
    world.close().await;
}

async fn a_product_that_was_deleted_stays_so_when_older_messages_come_late(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    store.tell("product.created", &product(9, 60)).await;
    store.tell("product.deleted", &json!({"id": "P-1"})).await;

    store.tell("product.updated", &product(3, 65)).await;
    let late = world.section("listings").await;
    let much_later = world.clock.now().since(START).as_secs() as i64 - 300;
    store.tell("product.updated", &product(3, much_later)).await;
    let anew = world.section("listings").await;

    assert_eq!(late.matches(" gone ").count(), 2, "{late}");
    assert_eq!(anew.matches(" gone ").count(), 0, "{anew}");
    world.close().await;
}

async fn a_whole_product_makes_listings_that_are_linked_to_skus(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    let listings = async || {
        let all = world.section("listings").await;
        let ours = all
            .lines()
            .filter(|line| line.contains("standard_webhooks"));
        ours.map(str::trim).collect::<Vec<_>>().join("\n")
    };

    store.tell("product.created", &product(9, 60)).await;
    let made = listings().await;
    let mut older = product(3, 5);
    older["title"] = json!("Old mug");
    store.tell("product.updated", &older).await;
    let after_older = listings().await;
    store.tell("product.deleted", &json!({"id": "P-1"})).await;

    assert_eq!(
        made,
        "standard_webhooks V-1 \"Mug - white\" active sku MUG pushed -\n\
         standard_webhooks V-2 \"Mug - blue\" active sku - pushed -"
    );
    assert_eq!(after_older, made);
    let gone = listings().await;
    assert_eq!(gone.matches(" gone ").count(), 2, "{gone}");
    world.close().await;
}

async fn a_thin_message_says_what_the_store_must_send_and_a_whole_one_mends_it(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    let thin = json!({"id": "A-1", "updated_at": at(30)});

    store.tell("order.created", &thin).await;
    let left = world.section("left to do").await;
    let jobs = world.jobs(JobKind::FetchOrder).await;
    let whole = order("confirmed", "unsent", 31);
    store.tell("order.updated", &whole).await;

    let error = jobs[0].last_error.clone().unwrap_or_default();
    assert!(error.contains("must send the whole order"), "{error}");
    assert_eq!((jobs[0].state.as_str(), jobs[0].attempts), ("dead", 1));
    assert!(left.contains("must send the whole order"), "{left}");
    let booked = store.booked().await;
    assert!(booked.contains("] invoice paid unsent"), "{booked}");
    world.close().await;
}

async fn what_cannot_be_asked_is_done_and_no_failure(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    store.tell("product.created", &product(9, 60)).await;
    let channel = world.channel_named("standard_webhooks").await.id;
    let scan = Work::RunScan {
        scan: ScanKind::Full,
        method: ScanMethod::Async,
    };
    let orders = Download::Updated;

    for work in [
        scan,
        Work::DownloadOrders { orders },
        Work::REFRESH_TOKEN,
        Work::CHECK_AUTHORIZATION,
    ] {
        world.ask(channel, work, Source::Manual).await;
    }
    store.tell("catalogue.updated", &json!({})).await;
    // A sale elsewhere would be pushed to this store, if it could be.
    world.order(&world.second, SimStatus::Paid, &[("MUG", 1)]);
    world.settle().await;

    for kind in JobKind::ALL {
        for job in world.jobs(*kind).await {
            assert_eq!(
                (job.state.as_str(), &job.last_error),
                ("done", &None),
                "{kind}"
            );
        }
    }
    assert!(!world.jobs(JobKind::PushStock).await.is_empty());
    let schedules = schedule::list(&world.running.app.db, world.merchant).await;
    let ours = schedules
        .unwrap()
        .into_iter()
        .filter(|s| s.channel == channel);
    assert_eq!(ours.count(), 0);
    assert_eq!(world.section("left to do").await, "");
    assert_eq!(store.state().await, ChannelState::Active);
    world.close().await;
}

async fn a_message_that_breaks_the_contract_is_kept_for_support(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    let mut broken = order("confirmed", "unsent", 5);
    broken["lines"][0]["quantity"] = json!("two");

    store.tell("order.created", &broken).await;
    store.tell("order.eaten", &json!({})).await;
    store.tell("ping", &json!({})).await;

    let deliveries = world.section("deliveries").await;
    for verdict in ["unreadable 1", "unknown_topic 1", "ignored 1"] {
        assert!(deliveries.contains(verdict), "{deliveries}");
    }
    assert_eq!(store.booked().await, "");
    world.close().await;
}

async fn a_store_that_says_farewell_is_locked_until_it_is_connected_again(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;

    store.tell("store.disconnected", &json!({})).await;
    let after_farewell = store.state().await;
    store
        .tell("order.created", &order("confirmed", "unsent", 5))
        .await;
    let while_locked = store.booked().await;
    let again = connect(&world, &[]).await;
    world.settle().await;

    assert_eq!(after_farewell, ChannelState::Locked);
    assert_eq!(while_locked, "");
    assert_eq!(store.state().await, ChannelState::Active);
    assert!(again.webhook_secret.is_none(), "the pasted one stays");
    assert_eq!(again.webhook_url, store.address);
    assert!(
        store.booked().await.contains("] invoice"),
        "what waited is taken up"
    );
    world.close().await;
}

async fn a_farewell_from_before_a_connection_does_not_end_it(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;

    let said = store.send("store.disconnected", &json!({})).await;
    world.clock.advance(Duration::from_secs(10));
    connect(&world, &[]).await;
    world.settle().await;

    assert_eq!(said, 200);
    assert_eq!(store.state().await, ChannelState::Active);
    world.close().await;
}

async fn a_secret_is_told_once_and_the_one_before_stays_good_for_three_days(url: String) {
    let world = World::unconnected(url).await;
    let store = Store::open(&world).await;
    let made = find("standard_webhooks").unwrap().webhook_secret(&[7; 32]);
    let ping = json!({});

    let handed = connect(&world, &[("webhook_secret", &made)]).await;
    world.clock.advance(Duration::from_secs(10));
    let new = Store {
        secret: made.clone(),
        address: store.address.clone(),
        n_sent: Cell::new(100),
        world: &world,
    };
    let now = (
        store.send("ping", &ping).await,
        new.send("ping", &ping).await,
    );
    world.clock.advance(Duration::from_secs(3 * 86_400));
    let later = (
        store.send("ping", &ping).await,
        new.send("ping", &ping).await,
    );

    assert!(handed.webhook_secret.is_none(), "they have it already");
    assert_eq!((is_2xx(now.0), is_2xx(now.1)), (true, true), "{now:?}");
    assert_eq!((later.0, is_2xx(later.1)), (401, true), "{later:?}");
    assert!(!format!("{handed:?}").contains(&made));
    world.close().await;
}
