//! One simulated shop of each marketplace, and an adapter that is connected to it.

use marketsink::{
    clock::Clock,
    domain::{ChannelId, Product, RemoteId, Timestamp, Window},
    marketplaces::{
        Access, Marketplace, OrderQuery, OrderSummary, OrderTime, ProductQuery, ProductScope,
        WebhookKeys,
        access::Unpaced,
        all,
        http::Http,
        simulation::{NewLine, SimStatus},
    },
    sandbox::{Sandbox, SimShop, Weather},
};
use std::{sync::Arc, time::Duration};

/// Where subscriptions send to; nothing listens there, and nothing is sent.
pub const ADDRESS: &str = "http://127.0.0.1:9/webhooks/here";

pub struct Stage {
    pub marketplace: &'static dyn Marketplace,
    pub clock: Clock,
    pub shop: SimShop,
    pub access: Access,
    /// Serves the shop as long as the stage stands.
    pub sandbox: Sandbox,
}

impl Stage {
    /// One for each marketplace; the shop sells a mug and a tea in two sizes.
    pub async fn every() -> Vec<Self> {
        assert!(
            !all().is_empty(),
            "there is nothing to hold to the contract"
        );
        let mut stages = Vec::new();
        for marketplace in all() {
            let mut stage = Self::open(*marketplace).await;
            stage.stock();
            stage.connect().await;
            stages.push(stage);
        }
        stages
    }

    async fn open(marketplace: &'static dyn Marketplace) -> Self {
        let clock = Clock::standing(Timestamp::from_secs(1_795_400_000));
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let shop = sandbox.open(marketplace, 3, "Contract").await.unwrap();
        let root: url::Url = shop.origin().parse().unwrap();
        let access = Access {
            channel: ChannelId(1),
            shop: RemoteId::from(""),
            api: root.clone(),
            auth: root.clone(),
            consent: root,
            secrets: shop.credentials(),
            version: 0,
            http: Http::new(true, Duration::from_secs(10)),
            pace: Arc::new(Unpaced),
            clock: clock.clone(),
        };
        Self {
            marketplace,
            clock,
            shop,
            access,
            sandbox,
        }
    }

    fn stock(&self) {
        let now = self.clock.now();
        let unit = 10_i64.pow(self.shop.with(|shop| shop.currency.exponent()));
        self.shop.with(|shop| {
            shop.add_product("Mug", &[("", Some("MUG"), 55_000 * unit, 1_000)], now);
            let tea = [
                ("25 bags", Some("TEA-25"), 18_500 * unit, 400),
                ("100 bags", Some("TEA-100"), 62_000 * unit, 90),
            ];
            shop.add_product("Tea", &tea, now);
            shop.add_product("No code", &[("", None, 9_000 * unit, 5)], now);
        });
    }

    /// What connecting a channel does: the first call tells the shop and the secrets that belong to it.
    async fn connect(&mut self) {
        let slug = self.slug();
        let shops = self.marketplace.shops(&self.access).await;
        let mut shops = shops.unwrap_or_else(|error| panic!("{slug}: {error}"));
        assert_eq!(shops.len(), 1, "{slug}");
        let identity = shops.remove(0);
        self.access.shop = identity.remote_id;
        for (name, value) in identity.secrets {
            self.access.secrets.set(&name, value);
        }
    }

    pub fn slug(&self) -> &'static str {
        self.marketplace.slug()
    }

    /// Subscribes to webhooks and returns the keys that they are signed with.
    pub async fn subscribe(&self) -> WebhookKeys {
        self.subscribe_to(ADDRESS).await
    }

    pub async fn subscribe_to(&self, address: &str) -> WebhookKeys {
        let slug = self.slug();
        let changed = self
            .marketplace
            .subscribe(&self.access, address, &self.secret())
            .await;
        changed.unwrap_or_else(|error| panic!("{slug}: {error}"));
        self.shop.switch_on(address, &self.secret());
        let mut keys = WebhookKeys::one("", &self.secret()).at(address);
        if self.marketplace.limits().webhook_address.is_per_app() {
            keys.keys = self.marketplace.app_keys(&self.shop.credentials());
            assert!(!keys.keys.is_empty(), "{slug} signs with no key of the app");
        }
        keys
    }

    /// A secret of ours, as the marketplace writes them.
    fn secret(&self) -> String {
        // Letters and digits: WooCommerce would change anything else.
        self.marketplace
            .webhook_secret(b"ChosenByUsAndInvented0123456789!")
    }

    pub async fn subscribe_again(&self) -> Vec<String> {
        let again = self
            .marketplace
            .subscribe(&self.access, ADDRESS, &self.secret())
            .await;
        again.unwrap_or_else(|error| panic!("{}: {error}", self.slug()))
    }

    /// An order under the marketplace's own platform; `wanted` is SKU and units.
    pub fn order(&self, wanted: &[(&str, i64)], status: SimStatus) -> RemoteId {
        let platform = self.shop.with(|shop| shop.platforms[0]);
        self.order_on(platform, wanted, status)
    }

    pub fn order_on(
        &self,
        platform: &'static str,
        wanted: &[(&str, i64)],
        status: SimStatus,
    ) -> RemoteId {
        let lines: Vec<_> = wanted
            .iter()
            .map(|(sku, quantity)| NewLine {
                variant_id: self
                    .shop
                    .with(|shop| shop.variant_by_sku(sku).unwrap().id.clone()),
                quantity: *quantity,
            })
            .collect();
        self.shop.place_order(platform, status, &lines).unwrap()
    }

    pub fn product_of(&self, sku: &str) -> RemoteId {
        self.shop.with(|shop| {
            let variant = shop.variant_by_sku(sku).unwrap().id.clone();
            shop.product_of(&variant).unwrap().id.clone()
        })
    }

    /// The whole list of orders in `window`, page by page; also how many pages there were.
    pub async fn all_orders(&self, window: Window) -> (Vec<OrderSummary>, usize) {
        self.all_orders_by(OrderTime::Updated, window).await
    }

    /// The same by one time of an order or the other.
    pub async fn all_orders_by(&self, by: OrderTime, window: Window) -> (Vec<OrderSummary>, usize) {
        let mut query = OrderQuery {
            by,
            ..OrderQuery::updated(window)
        };
        let (mut found, mut n_pages) = (Vec::new(), 0);
        loop {
            let page = self.marketplace.orders(&self.access, &query).await;
            let page = page.unwrap_or_else(|error| panic!("{}: {error}", self.slug()));
            assert_eq!(page.unreadable, [], "{}", self.slug());
            found.extend(page.items);
            n_pages += 1;
            assert!(n_pages < 100, "{}: the list does not end", self.slug());
            query.page = page.next;
            if query.page.is_none() {
                return (found, n_pages);
            }
        }
    }

    /// The whole list of products in `scope`; also how many pages there were.
    pub async fn all_products(&self, scope: ProductScope) -> (Vec<Product>, usize) {
        let mut query = ProductQuery { scope, page: None };
        let (mut found, mut n_pages) = (Vec::new(), 0);
        loop {
            let page = self.marketplace.products(&self.access, &query).await;
            let page = page.unwrap_or_else(|error| panic!("{}: {error}", self.slug()));
            assert_eq!(page.unreadable, [], "{}", self.slug());
            found.extend(page.items);
            n_pages += 1;
            assert!(n_pages < 100, "{}: the list does not end", self.slug());
            query.page = page.next;
            if query.page.is_none() {
                return (found, n_pages);
            }
        }
    }

    /// Everything up to now, this second included.
    pub fn until_now(&self) -> Window {
        Window {
            from: Timestamp::from_secs(1_795_000_000),
            to: self.clock.now() + Duration::from_secs(1),
        }
    }
}
