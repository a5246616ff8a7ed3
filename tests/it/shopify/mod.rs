//! What Shopify alone asks of the whole program: scans that wait for a bulk operation, several deliveries
//! for one deed, and subscriptions that a merchant made by hand.

use crate::support::scenarios;
use entity::{channels, jobs, listings, orders, scans};
use marketsink::{
    accounts,
    app::{App, Roles, Running, open_database},
    channels::credentials,
    clock::Clock,
    config::{Secret, Settings},
    domain::{MerchantId, OutletId, ScanKind, ScanMethod, Source, Timestamp, Work},
    marketplaces::{
        Secrets, find,
        simulation::{NewLine, SimStatus, Subscription},
    },
    queue::{self, NewJob},
    sandbox::{Fault, Sandbox, SimShop, Weather},
    sync::Connect,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use std::{net::TcpListener, time::Duration};

scenarios!(
    a_scan_waits_for_its_bulk_operation_and_counts_no_failure,
    a_product_that_changes_while_a_list_is_walked_in_windows_is_not_gone,
    three_deliveries_of_one_deed_record_one_order,
    a_subscription_that_was_made_by_hand_is_believed_at_the_channels_own_address,
    an_app_of_the_stores_own_needs_no_token_to_begin_with,
);

const START: Timestamp = Timestamp::from_secs(1_795_400_400);

struct Town {
    running: Running,
    sandbox: Sandbox,
    clock: Clock,
    shop: SimShop,
    merchant: MerchantId,
    outlet: OutletId,
}

impl Town {
    /// A shop that sells `n` products, one variant each, not connected yet.
    async fn open(url: String, n: usize) -> Self {
        let clock = Clock::standing(START);
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let shop = sandbox.open(find("shopify").unwrap(), 1, "Kopi").await;
        let shop = shop.unwrap();
        shop.with(|shop| {
            for index in 0..n {
                let sku = format!("P-{index}");
                shop.add_product(&sku, &[("", Some(sku.as_str()), 1_000_000, 9)], START);
            }
        });
        let mut settings = settings(url, &shop);
        let db = open_database(&settings).await.unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        settings.http.public_url = format!("http://{}", socket.local_addr().unwrap());
        let app = App::build_on(db, settings, clock.clone(), 1_000.0).await;
        let running = app.unwrap().start_on(socket, Roles::INGEST).unwrap();
        let tx = running.app.db.write_tx().await.unwrap();
        let merchant = accounts::open_merchant(&tx, "default", "Asia/Jakarta", START).await;
        let merchant = merchant.unwrap();
        let outlet = accounts::open_outlet(&tx, merchant, "Main", START).await;
        tx.commit().await.unwrap();
        Self {
            running,
            sandbox,
            clock,
            shop,
            merchant,
            outlet: outlet.unwrap(),
        }
    }

    async fn connect(&self, webhook_secret: Option<&str>) -> channels::Model {
        let mut secrets = self.shop.handed();
        if let Some(secret) = webhook_secret {
            secrets.set("webhook_secret", secret);
        }
        self.connect_with(secrets).await
    }

    async fn connect_with(&self, secrets: Secrets) -> channels::Model {
        let connect = Connect {
            merchant: self.merchant,
            outlet: self.outlet,
            marketplace: self.shop.marketplace(),
            base_url: self.shop.base_url(),
            secrets,
            expires_at: None,
            name: None,
        };
        let connected = self
            .running
            .app
            .sync
            .connect(connect)
            .await
            .unwrap()
            .connected;
        assert!(connected[0].webhooks.is_ok(), "{:?}", connected[0].webhooks);
        let row = channels::Entity::find()
            .one(self.running.app.db.read())
            .await;
        row.unwrap().unwrap()
    }

    fn address(&self) -> String {
        format!("http://{}", self.running.address)
    }

    async fn work(&self) {
        self.sandbox.courier().deliver_due().await;
        self.running.app.worker().run_due().await.unwrap();
    }

    /// A minute, in steps that are shorter than a bulk operation.
    async fn settle(&self) {
        for _ in 0..12 {
            self.work().await;
            self.clock.advance(Duration::from_secs(5));
        }
        self.work().await;
    }

    async fn scan(&self, channel: i64, method: ScanMethod) {
        let job = NewJob {
            merchant: self.merchant,
            channel: marketsink::domain::ChannelId(channel),
            work: Work::RunScan {
                scan: ScanKind::Full,
                method,
            },
            source: Source::Manual,
            run_at: None,
        };
        let tx = self.running.app.db.write_tx().await.unwrap();
        queue::enqueue(&tx, &[job], self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn last_scan(&self) -> scans::Model {
        let rows = scans::Entity::find().order_by_desc(scans::Column::Id);
        let row = rows.one(self.running.app.db.read()).await;
        row.unwrap().unwrap()
    }

    async fn last_scan_job(&self) -> jobs::Model {
        let rows = jobs::Entity::find()
            .filter(jobs::Column::Kind.eq("run_scan"))
            .order_by_desc(jobs::Column::Id);
        let row = rows.one(self.running.app.db.read()).await;
        row.unwrap().unwrap()
    }

    async fn orders(&self) -> Vec<orders::Model> {
        let rows = orders::Entity::find().all(self.running.app.db.read()).await;
        rows.unwrap()
    }

    fn buy(&self) {
        let variant_id = self
            .shop
            .with(|shop| shop.variant_by_sku("P-0").unwrap().id.clone());
        let line = NewLine {
            variant_id,
            quantity: 2,
        };
        let order = self.shop.place_order("shopify", SimStatus::Paid, &[line]);
        order.expect("it is in stock");
    }

    async fn close(self) {
        self.sandbox.stop().await;
        self.running.stop().await.unwrap();
    }
}

fn settings(url: String, shop: &SimShop) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = url;
    settings.database.allow_undurable = true;
    settings.database.connections = 4;
    settings.http.workers = 1;
    settings.sync.allow_private_hosts = true;
    settings.sync.timeout = Duration::from_secs(5);
    settings.secrets.key = Some(Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    shop.set_up(&mut settings.apps);
    settings
}

async fn a_scan_waits_for_its_bulk_operation_and_counts_no_failure(url: String) {
    let town = Town::open(url, 2_001).await;
    let channel = town.connect(None).await.id;

    // The one that every new channel begins with.
    town.work().await;
    let (scan, job) = (town.last_scan().await, town.last_scan_job().await);
    assert_eq!(
        (scan.state.as_str(), scan.listings, scan.pages),
        ("running", 0, 1)
    );
    assert!(scan.page_token.unwrap().contains("BulkOperation"));
    assert_eq!((job.state.as_str(), job.attempts), ("available", 0));
    assert_eq!(job.run_at, (START + Duration::from_secs(15)).micros());
    town.settle().await;
    let scan = town.last_scan().await;
    assert_eq!((scan.state.as_str(), scan.listings), ("done", 2_001));

    // Somebody waits for this one, and a product has disappeared meanwhile.
    let vanished = town.shop.with(|shop| {
        let id = shop.products.keys().nth(1_000).unwrap().clone();
        shop.products.remove(&id);
        id.to_string()
    });
    let asked = town.shop.n_requests();
    town.scan(channel, ScanMethod::Sync).await;
    town.settle().await;

    let scan = town.last_scan().await;
    assert_eq!(
        (scan.state.as_str(), scan.method.as_str()),
        ("done", "sync")
    );
    assert_eq!((scan.listings, scan.gone, scan.error), (2_000, 1, None));
    let gone = listings::Entity::find().filter(listings::Column::State.eq("gone"));
    let gone = gone.all(town.running.app.db.read()).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].product_id, vanished);
    let calls = town.shop.n_requests() - asked;
    assert!(calls < 20, "{calls} calls instead of 200 pages");
    town.close().await;
}

async fn a_product_that_changes_while_a_list_is_walked_in_windows_is_not_gone(url: String) {
    let town = Town::open(url, 25).await;
    let channel = town.connect(None).await.id;
    town.settle().await;
    let product = |at: usize| {
        town.shop
            .with(|s| s.products.keys().nth(at).unwrap().clone())
    };
    let (vanished, touched) = (product(3), product(24));
    town.shop.with(|shop| {
        shop.products.remove(&vanished);
        // More than anyone may page through, and no bulk operation to be had.
        for (name, value) in [("counted", "25001"), ("bulk full", "yes")] {
            shop.memory.insert(name.to_owned(), value.to_owned());
        }
    });

    // Counted and tried in bulk, read to see that it is too long; counted and read in a window; then it fails.
    let mut answers = vec![Fault::Fair; 5];
    answers.push(Fault::ServerError);
    town.shop.next_answers(answers);
    town.scan(channel, ScanMethod::Async).await;
    town.work().await;
    assert_eq!(town.last_scan().await.pages, 1);
    let now = town.clock.now() + Duration::from_secs(2);
    town.shop
        .with(|shop| shop.edit_product(&touched, now, |_| ()).unwrap());
    town.settle().await;

    let scan = town.last_scan().await;
    assert_eq!((scan.state.as_str(), scan.gone), ("done", 1));
    let gone = listings::Entity::find().filter(listings::Column::State.eq("gone"));
    let gone = gone.all(town.running.app.db.read()).await.unwrap();
    assert_eq!(gone[0].product_id, vanished.to_string());
    town.close().await;
}

async fn three_deliveries_of_one_deed_record_one_order(url: String) {
    let town = Town::open(url, 1).await;
    town.connect(None).await;
    town.settle().await;
    let before = town.sandbox.ledger().accepted;

    town.buy();
    town.settle().await;

    // Created, updated, paid, and the product whose stock fell.
    assert_eq!(town.sandbox.ledger().accepted - before, 4);
    let orders = town.orders().await;
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (orders[0].document.as_str(), orders[0].paid),
        ("invoice", true)
    );
    town.close().await;
}

async fn a_subscription_that_was_made_by_hand_is_believed_at_the_channels_own_address(url: String) {
    let town = Town::open(url, 1).await;
    let channel = town
        .connect(Some("shown-in-the-notification-settings"))
        .await;
    town.settle().await;
    let by_hand = |path: &str, secret: &str| Subscription {
        id: 1 + path.len() as u64,
        topic: "orders/paid".to_owned(),
        address: format!("{}{path}", town.address()),
        secret: secret.to_owned(),
        is_active: true,
        failures: 0,
    };
    let own = format!("/webhooks/shopify/{}", channel.address);
    town.shop.with(|shop| {
        let secret = "shown-in-the-notification-settings";
        shop.subscriptions = vec![by_hand(&own, secret), by_hand("/webhooks/shopify", secret)];
    });

    town.buy();
    town.sandbox.courier().deliver_due().await;
    let ledger = town.sandbox.ledger();
    town.settle().await;

    // The app's own address knows the app's secret alone.
    assert_eq!((ledger.accepted, ledger.refused), (1, 1), "{ledger:?}");
    assert_eq!(town.orders().await.len(), 1);
    town.close().await;
}

async fn an_app_of_the_stores_own_needs_no_token_to_begin_with(url: String) {
    let town = Town::open(url, 3).await;

    let channel = town.connect_with(Secrets::default()).await;
    town.settle().await;
    let app = &town.running.app;
    let id = marketsink::domain::ChannelId(channel.id);
    let stored = credentials(app.db.read(), &app.sealer, id).await.unwrap();

    assert_eq!(channel.state, "active");
    assert_eq!(town.last_scan().await.listings, 3);
    // What the app's own credentials give lives for a day, and that is known from the start.
    let a_day = START + Duration::from_secs(86_400);
    assert_eq!(stored.unwrap().expiry.access, Some(a_day));
    town.close().await;
}
