//! Scans that people ask for, watch and stop while they run: requests to the marketplace wait at a gate, so that a
//! test can act between two pages.

mod control;
mod http;
mod upgrade;

use crate::connecting::{Gate, Town};
use entity::{jobs, scans};
use marketsink::{
    config::Settings,
    domain::{ChannelId, ScanId, ScanKind, ScanMethod, Source},
    sandbox::SimShop,
    sync::{self, Connect, ScanRequest},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::task::JoinHandle;

/// A shop of TikTok Shop behind a gate: three pages of a hundred products, and one of what was deleted.
struct Stage {
    town: Town,
    gate: Gate,
    channel: ChannelId,
}

impl Stage {
    /// Connected, scanned, and the gate closed.
    async fn open(url: String) -> Self {
        let gate = Gate::closed();
        let origin = gate.origin();
        let change = |settings: &mut Settings| {
            settings.apps.at("tiktok_shop").api_url = Some(origin);
        };
        let town = Town::open_with(url, change).await;
        let shop = town.shop("tiktok_shop").clone();
        gate.stands_before(&shop);
        gate.let_through(10_000);
        let now = town.clock.now();
        shop.with(|shop| {
            for n in shop.products.len()..250 {
                let sku = format!("BULK-{n:04}");
                shop.add_product(&sku, &[("", Some(&sku), 1_000_000, 1)], now);
            }
        });
        let connect = Connect {
            merchant: town.merchant,
            outlet: town.outlet,
            marketplace: shop.marketplace(),
            base_url: None,
            secrets: shop.handed(),
            expires_at: None,
            name: None,
        };
        let connected = town.running.app.sync.connect(connect).await.unwrap();
        let channel = connected.connected[0].channels[0].id;
        town.settle().await;
        gate.close();
        Self {
            town,
            gate,
            channel,
        }
    }

    fn shop(&self) -> &SimShop {
        self.town.shop("tiktok_shop")
    }

    fn request(&self, kind: ScanKind, method: ScanMethod) -> ScanRequest {
        ScanRequest {
            channel: self.channel,
            kind,
            method,
            source: Source::Manual,
            product: None,
        }
    }

    /// Asks for a full scan.
    async fn ask(&self, method: ScanMethod) -> sync::Requested {
        let request = self.request(ScanKind::Full, method);
        let asked = self.town.running.app.sync.request_scan(&request).await;
        asked.unwrap()
    }

    /// Works everything off beside the test.
    fn work(&self) -> JoinHandle<()> {
        let worker = self.town.running.app.worker();
        tokio::spawn(async move {
            worker.run_due().await.unwrap();
        })
    }

    /// Lets so many pages be read and written; the next request stands at the gate then.
    async fn pages(&self, n: usize) {
        self.gate.one_arrives().await;
        for _ in 0..n {
            self.gate.let_through(1);
            self.gate.one_arrives().await;
        }
    }

    async fn row(&self, id: ScanId) -> scans::Model {
        let db = &self.town.running.app.db;
        sync::scan(db, self.town.merchant, id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn n_jobs(&self, state: &str) -> u64 {
        let jobs = jobs::Entity::find()
            .filter(jobs::Column::Kind.eq("run_scan"))
            .filter(jobs::Column::State.eq(state));
        jobs.count(self.town.running.app.db.read()).await.unwrap()
    }
}
