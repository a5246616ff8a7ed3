//! A whole world in one test: two simulated shops, their marketplaces, and marketsink between them.
//!
//! Time stands still until a test moves it; nothing happens unless a test asks for it. So a scenario does
//! the same each time, and ends in one snapshot of the whole state.

use marketsink::{
    accounts,
    app::{App, Roles, Running, open_database},
    catalog, channels,
    clock::Clock,
    config::{Secret, Settings},
    db::{Fuse, Meter},
    domain::{MerchantId, OutletId, RemoteId, SkuId, Timestamp},
    marketplaces::{
        find,
        simulation::{NewLine, SimStatus},
    },
    reports,
    sandbox::{Sandbox, SimShop, Weather},
    schedule, stock,
    sync::{Connect, Connected},
};
use std::{cell::Cell, net::TcpListener, time::Duration};

/// The marketplace of the snapshots.
const DEFAULT: &str = "tiktok_shop";

thread_local! {
    static UNDER_TEST: Cell<&'static str> = const { Cell::new(DEFAULT) };
}

/// Runs a scenario with another marketplace in the first shop's place.
pub fn elsewhere(slug: &'static str, scenario: impl FnOnce()) {
    UNDER_TEST.set(slug);
    scenario();
    UNDER_TEST.set(DEFAULT);
}

/// Asserts the snapshot of this name. On another marketplace than the snapshot's, ids and words differ: there
/// the books must be the same.
macro_rules! snap {
    ($world:expr, $name:literal, $state:expr $(,)?) => {
        match $world.elsewhere() {
            None => insta::assert_snapshot!($name, $state),
            Some(_) => {
                $crate::scenarios::books::assert_same(module_path!(), $name, &$state);
            }
        }
    };
}
pub(crate) use snap;

/// 2026-11-23 02:20:00 UTC, a quiet morning in Jakarta.
pub const START: Timestamp = Timestamp::from_secs(1_795_400_400);

/// Units of every SKU at the start, in the books and in both shops.
pub const OPENING: i64 = 10;

pub struct World {
    pub running: Running,
    pub sandbox: Sandbox,
    pub clock: Clock,
    /// The shop on the marketplace that the scenario is about.
    pub first: SimShop,
    /// Another shop of the merchant, on another marketplace.
    pub second: SimShop,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    /// Blown, it keeps marketsink from writing, as if the process were dead.
    pub fuse: Fuse,
    /// Counts marketsink's statements.
    pub meter: Meter,
    /// Duplicates that earlier processes acknowledged.
    pub duplicates_before: u64,
    /// Held over a restart, so that marketplaces find us where we were and nobody takes the address meanwhile.
    socket: TcpListener,
}

impl World {
    /// Two shops that sell the same mug and tea, both connected, scanned and in step.
    pub async fn open(url: String) -> Self {
        let world = Self::unconnected(url).await;
        world.stock_shops().await;
        world.connect_all().await;
        world.settle().await;
        world
    }

    pub async fn unconnected(url: String) -> Self {
        let clock = Clock::standing(START);
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let slug = UNDER_TEST.get();
        let other = if slug == "woocommerce" {
            DEFAULT
        } else {
            "woocommerce"
        };
        let first = sandbox.open(find(slug).unwrap(), 1, "Toko Contoh").await;
        let second = sandbox.open(find(other).unwrap(), 2, "Kedai Contoh").await;
        let (first, second) = (first.unwrap(), second.unwrap());
        let (fuse, meter) = (Fuse::default(), Meter::default());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = settings(url, [&first, &second]);
        // Some marketplaces sign the address at which they push.
        settings.http.public_url = format!("http://{}", socket.local_addr().unwrap());
        let running = run(settings, &clock, (&fuse, &meter), &socket).await;
        let tx = running.app.db.write_tx().await.unwrap();
        let merchant = accounts::open_merchant(&tx, "default", "Asia/Jakarta", START)
            .await
            .unwrap();
        let outlet = accounts::open_outlet(&tx, merchant, "Main", START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self {
            running,
            sandbox,
            clock,
            first,
            second,
            merchant,
            outlet,
            fuse,
            meter,
            duplicates_before: 0,
            socket,
        }
    }

    /// Starts the program again over the same database, as after a crash or a restart. Leases are not given
    /// back.
    pub async fn restarted(self) -> Self {
        self.restarted_with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn restarted_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.running.app.settings.clone();
        let address = self.running.address;
        let duplicates_before = self.n_duplicates();
        self.running.stop().await.unwrap();
        change(&mut settings);
        self.fuse.mend();
        let running = run(
            settings,
            &self.clock,
            (&self.fuse, &self.meter),
            &self.socket,
        )
        .await;
        assert_eq!(
            running.address, address,
            "marketplaces find us where we were"
        );
        Self {
            running,
            duplicates_before,
            ..self
        }
    }

    /// Ends the servers.
    pub async fn close(self) {
        self.sandbox.stop().await;
        self.running.stop().await.unwrap();
    }

    pub async fn stock_shops(&self) {
        for shop in [&self.first, &self.second] {
            let now = self.clock.now();
            shop.with(|shop| {
                shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, OPENING)], now);
                let tea = [
                    ("25 bags", Some("TEA-25"), 1_850_000, OPENING),
                    ("100 bags", Some("TEA-100"), 6_200_000, OPENING),
                ];
                shop.add_product("Tea", &tea, now);
            });
        }
        for sku in ["MUG", "TEA-25", "TEA-100"] {
            self.set_stock(sku, OPENING).await;
        }
    }

    pub async fn set_stock(&self, code: &str, units: i64) {
        let now = self.clock.now();
        let tx = self.running.app.db.write_tx().await.unwrap();
        let (sku, _) = catalog::create_sku(&tx, self.merchant, code, code, now)
            .await
            .unwrap();
        let at = (sku, self.outlet);
        stock::set_on_hand(&tx, self.merchant, at, units, "opening count", now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn connect_all(&self) {
        self.connect(&self.first).await;
        self.connect(&self.second).await;
    }

    pub async fn connect(&self, shop: &SimShop) -> Vec<Connected> {
        let connect = Connect {
            merchant: self.merchant,
            outlet: self.outlet,
            marketplace: shop.marketplace(),
            base_url: shop.base_url(),
            secrets: shop.handed(),
            expires_at: shop.with(|shop| shop.token_expires_at),
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
        for one in &connected {
            assert!(one.webhooks.is_ok(), "{:?}", one.webhooks);
            self.switch_on(shop, one).await;
        }
        connected
    }

    /// What a person does in the marketplace's console after connecting.
    async fn switch_on(&self, shop: &SimShop, connected: &Connected) {
        let app = &self.running.app;
        let (id, now) = (connected.channels[0].id, self.clock.now());
        let keys = channels::secrets_of_connection(app.db.read(), &app.sealer, id, now).await;
        let keys = keys.unwrap().keys;
        let secret = keys.first().map_or("", |key| key.secret.as_str());
        shop.switch_on(&connected.webhook_url, secret);
    }

    /// The marketplace that this run is about, when it is not the one of the snapshots.
    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    pub fn elsewhere(&self) -> Option<&'static str> {
        Some(UNDER_TEST.get()).filter(|slug| *slug != DEFAULT)
    }

    /// Where marketsink listens.
    pub fn address(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// Sends every webhook that is due, and works off every job that is due.
    pub async fn work(&self) {
        self.sandbox.courier().deliver_due().await;
        self.running.app.worker().run_due().await.unwrap();
    }

    /// Lets time pass until everything has been sent, worked off and pushed: five minutes, in small steps.
    pub async fn settle(&self) {
        for _ in 0..30 {
            self.work().await;
            self.clock.advance(Duration::from_secs(10));
        }
        self.work().await;
    }

    /// Lets time pass and fires what the schedules say.
    pub async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        schedule::fire_due(&self.running.app.db, self.clock.now())
            .await
            .unwrap();
        self.settle().await;
    }

    /// A buyer orders at a shop.
    pub fn order(&self, shop: &SimShop, status: SimStatus, wanted: &[(&str, i64)]) -> RemoteId {
        self.order_on(shop, shop.marketplace().slug(), status, wanted)
    }

    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    pub fn order_on(
        &self,
        shop: &SimShop,
        platform: &'static str,
        status: SimStatus,
        wanted: &[(&str, i64)],
    ) -> RemoteId {
        let lines: Vec<NewLine> = wanted
            .iter()
            .map(|(sku, quantity)| NewLine {
                variant_id: variant(shop, sku),
                quantity: *quantity,
            })
            .collect();
        shop.place_order(platform, status, &lines)
            .expect("the shop has it in stock")
    }

    /// Tokopedia on TikTok Shop; elsewhere the marketplace itself.
    pub fn other_platform(&self) -> &'static str {
        let platforms = self.first.marketplace().limits().platforms;
        platforms.last().expect("it has one").slug
    }

    /// What a shop shows buyers of a SKU.
    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    pub fn shown(&self, shop: &SimShop, sku: &str) -> i64 {
        shop.with(|shop| shop.variant_by_sku(sku).unwrap().quantity)
    }

    /// What the books say is available of a SKU.
    pub async fn available(&self, code: &str) -> i64 {
        let db = self.running.app.db.read();
        let sku: SkuId = catalog::find_sku(db, self.merchant, code)
            .await
            .unwrap()
            .unwrap();
        let levels = stock::levels(db, self.merchant).await.unwrap();
        levels
            .iter()
            .find(|level| level.sku == sku)
            .map_or(0, |level| level.available)
    }

    /// Books and both shops agree on every SKU, in every unit.
    pub async fn assert_in_step(&self) {
        for sku in ["MUG", "TEA-25", "TEA-100"] {
            let books = self.available(sku).await;
            for shop in [&self.first, &self.second] {
                assert_eq!(self.shown(shop, sku), books, "{sku} at {}", shop.name());
            }
        }
    }

    /// The whole state as text; names that vary from run to run are not in it.
    pub async fn state(&self) -> String {
        reports::state_text(&self.running.app.queue, self.merchant)
            .await
            .unwrap()
    }
}

pub fn variant(shop: &SimShop, sku: &str) -> RemoteId {
    shop.with(|shop| {
        shop.variant_by_sku(sku)
            .expect("the shop lists it")
            .id
            .clone()
    })
}

async fn run(
    mut settings: Settings,
    clock: &Clock,
    (fuse, meter): (&Fuse, &Meter),
    socket: &TcpListener,
) -> Running {
    let db = open_database(&settings).await.unwrap();
    let db = db.with_fuse(fuse.clone()).with_meter(meter.clone());
    settings.http.public_url = format!("http://{}", socket.local_addr().unwrap());
    let app = App::build_on(db, settings, clock.clone(), 1_000.0).await;
    let socket = socket.try_clone().unwrap();
    app.unwrap().start_on(socket, Roles::INGEST).unwrap()
}

fn settings(url: String, shops: [&SimShop; 2]) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = url;
    settings.database.allow_undurable = true;
    settings.database.connections = 4;
    settings.http.workers = 1;
    settings.sync.allow_private_hosts = true;
    settings.sync.timeout = Duration::from_secs(5);
    settings.secrets.key = Some(Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    for shop in shops {
        shop.set_up(&mut settings.apps);
    }
    settings
}
