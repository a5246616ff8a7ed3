//! Simulated shops that nobody has connected yet, and a marketsink that they can reach.

use super::Browser;
use entity::channels as rows;
use marketsink::{
    accounts,
    app::{App, Roles, Running},
    channels::{self, Channel, StoredCredentials},
    clock::Clock,
    config::{Secret, Settings},
    domain::{MerchantId, OutletId, RemoteId, Timestamp},
    marketplaces::{
        Marketplace, Subscribing, all,
        simulation::{NewLine, SimStatus},
    },
    reports,
    sandbox::{Sandbox, SimShop, Weather},
    schedule,
    sync::{self, AskConsent, ConsentLink},
};
use sea_orm::EntityTrait;
use std::{net::TcpListener, time::Duration};

pub const START: Timestamp = Timestamp::from_secs(1_795_400_400);
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub struct Town {
    pub running: Running,
    pub sandbox: Sandbox,
    pub clock: Clock,
    /// One of every marketplace with a page for consenting.
    pub shops: Vec<SimShop>,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub browser: Browser,
}

impl Town {
    pub async fn open(url: String) -> Self {
        Self::open_with(url, |_| ()).await
    }

    /// With other settings.
    pub async fn open_with(url: String, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::standing(START);
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let public_url = format!("http://{}", socket.local_addr().unwrap());
        let mut settings = settings(url, &public_url);
        let mut shops = Vec::new();
        let consenting = all().iter().filter(|m| m.connecting().consent);
        for (marketplace, seed) in consenting.zip(1..) {
            let name = format!("Toko {}", marketplace.name());
            let shop = sandbox.open(*marketplace, seed, &name).await.unwrap();
            shop.set_up(&mut settings.apps);
            shop.send_consents_to(&sync::consent_callback(&public_url, *marketplace));
            stock(&shop);
            shops.push(shop);
        }
        change(&mut settings);
        let app = App::build_hasty(settings, clock.clone(), 1_000.0).await;
        let running = app.unwrap().start_on(socket, Roles::INGEST).unwrap();
        let (merchant, outlet) = merchant(&running.app, "default").await;
        Self {
            running,
            sandbox,
            clock,
            shops,
            merchant,
            outlet,
            browser: Browser::new(),
        }
    }

    pub async fn close(self) {
        self.sandbox.stop().await;
        self.running.stop().await.unwrap();
    }

    pub fn shop(&self, slug: &str) -> &SimShop {
        let mut shops = self.shops.iter();
        let found = shops.find(|shop| shop.marketplace().slug() == slug);
        found.unwrap_or_else(|| panic!("{slug} has no page for consenting"))
    }

    pub fn address(&self) -> String {
        self.running.app.settings.http.public_url.clone()
    }

    pub fn callback(&self, marketplace: &dyn Marketplace) -> String {
        sync::consent_callback(&self.address(), marketplace)
    }

    /// A link for the shop, for the merchant of the town.
    pub async fn link(&self, shop: &SimShop) -> ConsentLink {
        self.link_of(shop, (self.merchant, self.outlet)).await
    }

    pub async fn link_of(&self, shop: &SimShop, of: (MerchantId, OutletId)) -> ConsentLink {
        let ask = AskConsent {
            merchant: of.0,
            outlet: of.1,
            marketplace: shop.marketplace(),
            base_url: shop.base_url(),
            name: None,
        };
        self.running.app.sync.begin_consent(ask).await.unwrap()
    }

    /// The merchant opens a new link, agrees, and comes back.
    pub async fn consent(&self, shop: &SimShop) -> super::Page {
        let link = self.link(shop).await;
        let back = self.browser.agree(link.url.as_str()).await;
        let page = self.browser.open(&back).await;
        self.do_by_hand(shop).await;
        page
    }

    /// What people do in consoles, where marketplaces have no call for it.
    async fn do_by_hand(&self, shop: &SimShop) {
        if shop.marketplace().limits().subscribing == Subscribing::Api {
            return;
        }
        if let Some(channel) = self.channel(shop).await {
            let app = &self.running.app;
            let now = self.clock.now();
            let keys =
                channels::secrets_of_connection(app.db.read(), &app.sealer, channel.id, now).await;
            let keys = keys.unwrap().keys;
            let secret = keys.first().map_or("", |key| key.secret.as_str());
            shop.switch_on(&app.sync.webhook_url(&channel), secret);
        }
    }

    /// The connection of a shop.
    pub async fn channel(&self, shop: &SimShop) -> Option<Channel> {
        let db = &self.running.app.db;
        let slug = shop.marketplace().slug();
        let all = rows::Entity::find().all(db.read()).await.unwrap();
        let of_shop = |row: &rows::Model| row.marketplace == slug && row.parent_id.is_none();
        let row = all.into_iter().find(of_shop)?;
        Some(row.try_into().unwrap())
    }

    pub async fn credentials(&self, shop: &SimShop) -> StoredCredentials {
        let app = &self.running.app;
        let id = self.channel(shop).await.unwrap().id;
        let stored = channels::credentials(app.db.read(), &app.sealer, id).await;
        stored.unwrap().unwrap()
    }

    /// Requests answered by all the shops so far.
    pub fn n_requests(&self) -> u64 {
        self.shops.iter().map(SimShop::n_requests).sum()
    }

    /// A buyer orders a mug and pays; the webhook is on its way.
    #[expect(clippy::unused_self, reason = "it reads as the town's own")]
    pub fn order(&self, shop: &SimShop) -> RemoteId {
        let variant_id = shop.with(|shop| shop.variant_by_sku("MUG").unwrap().id.clone());
        let platform = shop.with(|shop| shop.platforms[0]);
        let line = NewLine {
            variant_id,
            quantity: 1,
        };
        shop.place_order(platform, SimStatus::Paid, &[line])
            .unwrap()
    }

    /// Lets time pass until everything has been sent and worked off: five minutes, in small steps.
    pub async fn settle(&self) {
        for _ in 0..30 {
            self.sandbox.courier().deliver_due().await;
            self.running.app.worker().run_due().await.unwrap();
            self.clock.advance(Duration::from_secs(10));
        }
    }

    /// Lets time pass, fires what the schedules say, and works it off.
    pub async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        schedule::fire_due(&self.running.app.db, self.clock.now())
            .await
            .unwrap();
        self.running.app.worker().run_due().await.unwrap();
    }

    /// How many orders of the shop's channels are in the books.
    pub async fn n_orders(&self, shop: &SimShop) -> u64 {
        let queue = &self.running.app.queue;
        let overview = reports::overview(queue, self.merchant, self.clock.now()).await;
        let channels = overview.unwrap().channels.into_iter();
        let platforms = shop.with(|shop| shop.platforms.clone());
        let names = platforms.iter().map(|slug| marketplace_name(slug));
        let names: Vec<_> = names.collect();
        let of_shop = channels.filter(|row| names.contains(&row.platform));
        of_shop.map(|row| row.orders).sum()
    }

    /// How many deliveries ended so.
    pub async fn n_deliveries(&self, verdict: &str) -> i64 {
        let queue = &self.running.app.queue;
        let overview = reports::overview(queue, self.merchant, self.clock.now()).await;
        let deliveries = overview.unwrap().deliveries;
        let found = deliveries.into_iter().find(|(known, _)| known == verdict);
        found.map_or(0, |(_, n)| n)
    }
}

fn marketplace_name(platform: &str) -> String {
    marketsink::marketplaces::platform_name(platform).to_owned()
}

/// A merchant of this name, with an outlet.
pub async fn merchant(app: &App, name: &str) -> (MerchantId, OutletId) {
    let tx = app.db.write_tx().await.unwrap();
    let merchant = accounts::open_merchant(&tx, name, "Asia/Jakarta", START).await;
    let merchant = merchant.unwrap();
    let outlet = accounts::open_outlet(&tx, merchant, "Main", START).await;
    tx.commit().await.unwrap();
    (merchant, outlet.unwrap())
}

fn stock(shop: &SimShop) {
    let unit = 10_i64.pow(shop.with(|shop| shop.currency.exponent()));
    shop.with(|shop| {
        let mug = [("", Some("MUG"), 55_000 * unit, 50)];
        shop.add_product("Mug", &mug, START);
    });
}

fn settings(url: String, public_url: &str) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = url;
    settings.database.allow_undurable = true;
    settings.database.connections = 4;
    settings.http.workers = 1;
    public_url.clone_into(&mut settings.http.public_url);
    settings.sync.allow_private_hosts = true;
    settings.sync.timeout = Duration::from_secs(5);
    settings.secrets.key = Some(Secret::new(KEY));
    settings
}
