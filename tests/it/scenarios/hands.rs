//! What a scenario does by hand: webhooks posted one by one, jobs asked for, and a closer look.

use super::World;
use entity::{deliveries, jobs, listings};
use marketsink::{
    channels::{self, Channel, ChannelSettings},
    domain::{ChannelId, JobKind, RemoteId, Source, Work},
    marketplaces::simulation::{ShopChange, Signing, SimDelivery},
    queue::{self, JobFilter, NewJob},
    sandbox::SimShop,
};
use reqwest::Response;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::time::Duration;

impl World {
    /// The webhooks of a change that the shop has already made, signed and not sent.
    pub fn told(&self, shop: &SimShop, change: &ShopChange) -> Vec<SimDelivery> {
        let (now, simulator) = (self.clock.now(), shop.marketplace().simulator());
        shop.with(|shop| simulator.webhooks(shop, change, now))
    }

    /// Posts a webhook past the courier and returns the status of the answer.
    pub async fn post(&self, delivery: &SimDelivery) -> u16 {
        let answer = self.send(&delivery.address, &delivery.headers, &delivery.body);
        answer.await.status().as_u16()
    }

    /// Posts a delivery that was made earlier, signed anew where the time of the try is signed.
    pub async fn post_late(&self, shop: &SimShop, delivery: &SimDelivery) -> u16 {
        let (mut delivery, now) = (delivery.clone(), self.clock.now());
        let simulator = shop.marketplace().simulator();
        shop.with(|shop| simulator.leaving(shop, &mut delivery, now));
        self.post(&delivery).await
    }

    /// Posts a body with headers, and nothing else.
    pub async fn send(&self, url: &str, headers: &[(String, String)], body: &[u8]) -> Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap()
    }

    /// Signs a body as the shop's marketplace would, with this secret.
    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    pub fn signed(&self, shop: &SimShop, secret: &str, body: &[u8]) -> Vec<(String, String)> {
        let app_key = shop.with(|shop| shop.secrets.get("app_key").unwrap_or("").to_owned());
        let signing = Signing {
            app_key: &app_key,
            secret,
            ..Signing::default()
        };
        let simulator = shop.marketplace().simulator();
        simulator.sign(&signing, body)
    }

    /// What marketsink calls this shop, and its settings.
    pub async fn channel(&self, shop: &SimShop) -> Channel {
        self.channel_named(shop.marketplace().slug()).await
    }

    pub async fn channel_named(&self, platform: &str) -> Channel {
        let all = channels::list(&self.running.app.db, self.merchant, true).await;
        let mut all = all.unwrap().into_iter();
        all.find(|channel| channel.platform == platform).unwrap()
    }

    pub async fn set(&self, channel: ChannelId, settings: &ChannelSettings) {
        let tx = self.running.app.db.write_tx().await.unwrap();
        let now = self.clock.now();
        channels::save_settings(&tx, channel, settings, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Asks for work, as a person or a schedule does.
    pub async fn ask_for(&self, shop: &SimShop, work: Work, source: Source) {
        let channel = self.channel(shop).await.id;
        self.ask(channel, work, source).await;
    }

    pub async fn ask(&self, channel: ChannelId, work: Work, source: Source) {
        let job = NewJob {
            merchant: self.merchant,
            channel,
            work,
            source,
            run_at: None,
        };
        let tx = self.running.app.db.write_tx().await.unwrap();
        queue::enqueue(&tx, &[job], self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// After a restart: leases run out, abandoned work is taken up, marketplaces try again.
    pub async fn recover(&self) {
        self.take_up_abandoned().await;
        self.settle().await;
    }

    /// Lets every lease run out, and the queue notice.
    pub async fn take_up_abandoned(&self) {
        self.clock.advance(Duration::from_secs(120));
        let now = self.clock.now();
        self.running.app.queue.janitor(now).await.unwrap();
    }

    /// Works off everything in so many rounds, half a minute apart.
    pub async fn settle_in(&self, rounds: usize) {
        for _ in 0..rounds {
            self.work().await;
            self.clock.advance(Duration::from_secs(30));
        }
        self.work().await;
    }

    /// The jobs of one kind, newest first.
    pub async fn jobs(&self, kind: JobKind) -> Vec<jobs::Model> {
        let filter = JobFilter {
            kind: Some(kind),
            ..JobFilter::default()
        };
        let queue = &self.running.app.queue;
        queue.list(self.merchant, &filter, 1_000).await.unwrap()
    }

    /// The shop's listings, in the order of their ids.
    pub async fn listings(&self, shop: &SimShop) -> Vec<listings::Model> {
        listings::Entity::find()
            .filter(listings::Column::ChannelId.eq(self.channel(shop).await.id.0))
            .order_by_asc(listings::Column::VariantId)
            .all(self.running.app.db.read())
            .await
            .unwrap()
    }

    /// Deliveries in the database, whoever claims them.
    pub async fn n_deliveries(&self) -> u64 {
        let db = self.running.app.db.read();
        deliveries::Entity::find().count(db).await.unwrap()
    }

    /// Stored deliveries that somebody sent because something happened: neither trials of the address nor those
    /// that we fetched because they were missed.
    pub async fn n_genuine(&self) -> u64 {
        let db = self.running.app.db.read();
        let by_us = "%x-marketsink-came-by%";
        let genuine = deliveries::Entity::find()
            .filter(deliveries::Column::Verdict.ne("ignored"))
            .filter(deliveries::Column::Headers.not_like(by_us));
        genuine.count(db).await.unwrap()
    }

    /// Deliveries that were acknowledged because they were stored already.
    pub fn n_duplicates(&self) -> u64 {
        self.duplicates_before + self.running.app.inbox.tally().duplicates
    }

    /// One section of the state, such as `orders`.
    pub async fn section(&self, name: &str) -> String {
        section(&self.state().await, name)
    }
}

/// What every marketplace takes for an answer, each in its own spelling.
pub fn is_2xx(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The lines of a section of a state.
pub fn section(state: &str, name: &str) -> String {
    let rest = state.lines().skip_while(|line| *line != name).skip(1);
    let lines = rest.take_while(|line| line.starts_with(' '));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The product that holds a variant with this seller SKU.
pub fn product(shop: &SimShop, sku: &str) -> RemoteId {
    shop.with(|shop| {
        let variant = shop.variant_by_sku(sku).unwrap().id.clone();
        shop.product_of(&variant).unwrap().id.clone()
    })
}

/// Products without end, each with one variant and without webhooks.
pub fn add_many(world: &World, shop: &SimShop, n: usize) {
    let now = world.clock.now();
    shop.with(|shop| {
        for n in 0..n {
            let sku = format!("BULK-{n:04}");
            shop.add_product(
                &format!("Bulk {n:04}"),
                &[("", Some(&sku), 1_000_000, 1)],
                now,
            );
        }
    });
}
