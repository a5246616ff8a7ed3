//! One connected Shopee shop, and marketsink that can be made deaf.

use entity::{deliveries, events, jobs, orders};
use marketsink::{
    accounts,
    app::{App, Roles, Running, open_database},
    clock::Clock,
    config::{Secret, Settings},
    db::Fuse,
    domain::{RemoteId, Timestamp},
    marketplaces::{
        find,
        simulation::{NewLine, SimStatus},
    },
    sandbox::{Sandbox, SimShop, Weather},
    sync::Connect,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::{net::TcpListener, time::Duration};

const START: Timestamp = Timestamp::from_secs(1_795_400_400);

pub struct Stage {
    pub running: Running,
    pub sandbox: Sandbox,
    pub clock: Clock,
    pub shop: SimShop,
    /// Blown, marketsink stores nothing and answers 503.
    pub fuse: Fuse,
}

impl Stage {
    pub async fn open(url: String) -> Self {
        let clock = Clock::standing(START);
        let sandbox = Sandbox::new(clock.clone(), Weather::calm(), 1);
        let shop = sandbox.open(find("shopee").unwrap(), 1, "Toko Contoh");
        let shop = shop.await.unwrap();
        shop.with(|shop| shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, 500)], START));
        let fuse = Fuse::default();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = Settings::default();
        settings.database.url = url;
        settings.database.allow_undurable = true;
        settings.database.connections = 4;
        settings.http.workers = 1;
        settings.http.public_url = format!("http://{}", socket.local_addr().unwrap());
        settings.sync.allow_private_hosts = true;
        settings.secrets.key = Some(Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
        shop.set_up(&mut settings.apps);
        let db = open_database(&settings).await.unwrap();
        let db = db.with_fuse(fuse.clone());
        let app = App::build_on(db, settings, clock.clone(), 1_000.0).await;
        let running = app.unwrap().start_on(socket, Roles::INGEST).unwrap();
        let tx = running.app.db.write_tx().await.unwrap();
        let merchant = accounts::open_merchant(&tx, "default", "Asia/Jakarta", START)
            .await
            .unwrap();
        let outlet = accounts::open_outlet(&tx, merchant, "Main", START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let connect = Connect {
            merchant,
            outlet,
            marketplace: shop.marketplace(),
            base_url: shop.base_url(),
            secrets: shop.handed(),
            expires_at: shop.with(|shop| shop.token_expires_at),
            name: None,
        };
        let connected = running.app.sync.connect(connect).await.unwrap().connected;
        shop.switch_on(&connected[0].webhook_url, "");
        let stage = Self {
            running,
            sandbox,
            clock,
            shop,
            fuse,
        };
        stage.sandbox.courier().settle().await;
        stage.work().await;
        stage.clock.advance(Duration::from_secs(60));
        stage
    }

    pub async fn close(self) {
        self.sandbox.stop().await;
        self.running.stop().await.unwrap();
    }

    pub async fn work(&self) {
        self.running.app.worker().run_due().await.unwrap();
    }

    pub fn order(&self) -> RemoteId {
        let variant_id = self
            .shop
            .with(|shop| shop.variant_by_sku("MUG").unwrap().id.clone());
        let line = NewLine {
            variant_id,
            quantity: 1,
        };
        let placed = self.shop.place_order("shopee", SimStatus::Paid, &[line]);
        placed.expect("there are mugs")
    }

    /// Orders whose every webhook fails until Shopee gives up: more than three and a half hours.
    pub async fn lose(&self, n_orders: usize) -> Vec<RemoteId> {
        self.fuse.blow_after(0);
        let ids = (0..n_orders).map(|_| self.order()).collect();
        self.sandbox.courier().settle().await;
        self.fuse.mend();
        ids
    }

    /// Deliveries with their verdicts, in the order stored.
    pub async fn deliveries(&self) -> Vec<deliveries::Model> {
        deliveries::Entity::find()
            .order_by_asc(deliveries::Column::Id)
            .all(self.running.app.db.read())
            .await
            .unwrap()
    }

    pub async fn n_fetches(&self) -> u64 {
        jobs::Entity::find()
            .filter(jobs::Column::Kind.eq("fetch_order"))
            .count(self.running.app.db.read())
            .await
            .unwrap()
    }

    pub async fn n_events(&self) -> u64 {
        let all = events::Entity::find();
        all.count(self.running.app.db.read()).await.unwrap()
    }

    /// Numbers of the orders in the books.
    pub async fn booked(&self) -> Vec<String> {
        let rows = orders::Entity::find()
            .order_by_asc(orders::Column::RemoteId)
            .all(self.running.app.db.read())
            .await
            .unwrap();
        rows.into_iter().map(|row| row.remote_id).collect()
    }
}
