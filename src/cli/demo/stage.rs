//! The demo's world: shops on every marketplace, marketsink, and a SQLite file of their own.

use super::DemoArgs;
use crate::accounts;
use crate::app::{App, Roles, Running};
use crate::catalog;
use crate::channels;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::{ChannelId, MerchantId, OutletId, Timestamp};
use crate::marketplaces::{
    self,
    simulation::{NewLine, SimStatus},
};
use crate::sandbox::{Driver, OpeningStock, Sandbox, SimShop, Weather};
use crate::schedule::{self, Task};
use crate::stock;
use crate::sync::{self, Connect};
use anyhow::{Context, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Retries of a marketplace come so much sooner: 12 hours become 72 seconds.
const TIME_SCALE: u32 = 600;
/// The simulated marketplaces take so many times the usual requests.
const HASTE: f64 = 30.0;
/// How often something is looked at that will end by itself.
const LOOK: Duration = Duration::from_millis(150);

/// Schedules for people in a hurry.
const SCHEDULES: [(Task, &str); 6] = [
    (Task::OrderDownload, "*/15 * * * * *"),
    (Task::UpdatedScan, "5,25,45 * * * * *"),
    (Task::ActiveScan, "35 * * * * *"),
    (Task::FullScan, "50 * * * * *"),
    (Task::TokenRefresh, "20 * * * * *"),
    (Task::SubscriptionCheck, "40 * * * * *"),
];

pub struct Stage {
    pub running: Running,
    pub sandbox: Sandbox,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub opening: Vec<OpeningStock>,
    pub connections: Vec<ChannelId>,
    /// Every channel, with the address of its shop.
    channels: Vec<(ChannelId, String)>,
    directory: PathBuf,
    courier: JoinHandle<()>,
    stop: CancellationToken,
}

impl Stage {
    /// Opens the shops, starts marketsink, counts the opening stock and connects everything.
    pub async fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let sandbox =
            Sandbox::new(clock.clone(), Weather::calm(), args.seed).with_time_scale(TIME_SCALE);
        for (seed, marketplace) in (1..).zip(marketplaces::all()) {
            let name = format!("Kedai Contoh {seed}");
            sandbox
                .open(*marketplace, seed, &name)
                .await
                .context("a simulated shop could not be opened")?;
        }
        let shops = sandbox.shops();
        let opening = Driver::new(sandbox.clone(), args.seed).stock_catalogue(&shops);
        let directory = fresh_directory()?;
        let socket = free_socket(args.port)?;
        let settings = settings(socket.local_addr()?, &directory, &shops);
        let app = App::build_hasty(settings, clock, HASTE).await?;
        let running = app.start_on(socket, Roles::ALL)?;
        let (merchant, outlet) = open_books(&running, &opening).await?;
        let stop = CancellationToken::new();
        let courier = tokio::spawn({
            let (sandbox, stop) = (sandbox.clone(), stop.clone());
            async move { sandbox.run(stop).await }
        });
        let mut stage = Self {
            running,
            sandbox,
            merchant,
            outlet,
            opening,
            connections: Vec::new(),
            channels: Vec::new(),
            directory,
            courier,
            stop,
        };
        for shop in shops {
            stage.connect(&shop).await?;
        }
        Ok(stage)
    }

    async fn connect(&mut self, shop: &SimShop) -> anyhow::Result<()> {
        let app = &self.running.app;
        let marketplace = shop.marketplace();
        let connect = Connect {
            merchant: self.merchant,
            outlet: self.outlet,
            marketplace,
            base_url: shop.base_url(),
            secrets: shop.handed(),
            expires_at: shop.with(|shop| shop.token_expires_at),
            name: None,
        };
        for connected in app.sync.connect(connect).await?.connected {
            if let Err(error) = connected.webhooks {
                bail!(
                    "{} did not take our webhook address: {error}",
                    marketplace.name()
                );
            }
            let id = connected.channels[0].id;
            self.switch_on(shop, id, &connected.webhook_url).await?;
            let now = app.clock.now();
            let tx = app.db.write_tx().await?;
            for channel in &connected.channels {
                let mut settings = channel.settings.clone();
                settings.unpaid_orders = true;
                channels::save_settings(&tx, channel.id, &settings, now).await?;
            }
            for (task, expression) in SCHEDULES {
                let enabled = task.default_expression(id, marketplace.limits()).is_some();
                schedule::set(&tx, self.merchant, id, task, expression, enabled, now).await?;
            }
            tx.commit().await?;
            self.connections.push(id);
            let ids = connected.channels.iter().map(|channel| channel.id);
            self.channels.extend(ids.map(|id| (id, shop.origin())));
        }
        Ok(())
    }

    /// What a person does in the marketplace's console after connecting.
    async fn switch_on(&self, shop: &SimShop, id: ChannelId, address: &str) -> anyhow::Result<()> {
        let app = &self.running.app;
        let now = app.clock.now();
        let keys = channels::secrets_of_connection(app.db.read(), &app.sealer, id, now).await?;
        let secret = keys.keys.first().map_or("", |key| key.secret.as_str());
        shop.switch_on(address, secret);
        Ok(())
    }

    /// Whether a channel is one of this shop's.
    pub fn is_of(&self, channel: i64, shop: &SimShop) -> bool {
        let origin = shop.origin();
        let of_shop = |(id, of): &(ChannelId, String)| id.0 == channel && *of == origin;
        self.channels.iter().any(of_shop)
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.running.address)
    }

    pub fn introduction(&self) -> String {
        let shops = self.sandbox.shops();
        let names: Vec<String> = shops
            .iter()
            .map(|shop| {
                let platforms = shop.marketplace().limits().platforms;
                let names: Vec<&str> = platforms.iter().map(|platform| platform.name).collect();
                format!("  {:<28} {}", names.join(" and "), shop.origin())
            })
            .collect();
        format!(
            "marketsink demo: simulated marketplaces, signed webhooks, recorded sales.\n\n\
             Simulated shops:\n{}\n\n\
             Books:  {}\nPage:   {}/\n\nCtrl-C ends the demo.\n",
            names.join("\n"),
            self.directory.join("demo.db").display(),
            self.address()
        )
    }

    /// A buyer orders at each shop, and nobody tells us: only a scheduled scan can find these orders.
    pub fn lose_webhooks(&self) -> String {
        let lost: Vec<String> = self
            .sandbox
            .shops()
            .iter()
            .filter_map(lose_webhook)
            .collect();
        lost.join("\n")
    }

    /// Returns when nothing runs, is due, or waits to be tried again.
    pub async fn until_idle(&self, at_most: Duration) -> anyhow::Result<()> {
        let give_up = Instant::now() + at_most;
        let app = &self.running.app;
        let mut idle_looks = 0;
        while idle_looks < 3 && Instant::now() < give_up {
            let counts = app.queue.waiting(app.clock.now()).await?;
            let left = counts.due + counts.later + counts.running;
            // Between the end of one job and the start of what it made necessary there is a moment of rest.
            idle_looks = if left == 0 { idle_looks + 1 } else { 0 };
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Returns when every connection's orders have been downloaded by a walk that began after `since`.
    pub async fn until_downloaded_since(
        &self,
        since: Timestamp,
        at_most: Duration,
    ) -> anyhow::Result<()> {
        let give_up = Instant::now() + at_most;
        while Instant::now() < give_up {
            let walks = sync::downloads(&self.running.app.db, self.merchant, 200).await?;
            let walked = |connection: &ChannelId| {
                walks.iter().any(|walk| {
                    walk.channel_id == connection.0
                        && walk.state == "done"
                        && walk.window_to.is_some_and(|to| to > since.micros())
                })
            };
            if self.connections.iter().all(walked) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends everything and removes the demo's files.
    pub async fn clear(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.sandbox.stop().await;
        self.courier
            .await
            .context("the sender of webhooks did not end well")?;
        self.running.stop().await?;
        std::fs::remove_dir_all(&self.directory)
            .with_context(|| format!("cannot remove {}", self.directory.display()))
    }
}

fn lose_webhook(shop: &SimShop) -> Option<String> {
    let platform = shop.marketplace().limits().platforms.first()?.slug;
    let now = Clock::system().now();
    let order = shop.with(|shop| {
        let mut variants = shop.products.values().flat_map(|product| &product.variants);
        let in_stock = variants.find(|v| v.quantity > 0 && v.seller_sku.is_some())?;
        let line = NewLine {
            variant_id: in_stock.id.clone(),
            quantity: 1,
        };
        shop.place_order(platform, SimStatus::Paid, &[line], now)
    })?;
    Some(format!(
        "shops    A buyer orders 1 unit at {} ({platform}): order {order}, paid. Its webhooks are lost.",
        shop.name()
    ))
}

async fn open_books(
    running: &Running,
    opening: &[OpeningStock],
) -> anyhow::Result<(MerchantId, OutletId)> {
    let app = &running.app;
    let now = app.clock.now();
    let tx = app.db.write_tx().await?;
    let merchant =
        accounts::open_merchant(&tx, accounts::DEFAULT_MERCHANT, "Asia/Jakarta", now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, accounts::DEFAULT_OUTLET, now).await?;
    for count in opening {
        let (sku, _) = catalog::create_sku(&tx, merchant, &count.sku, &count.name, now).await?;
        stock::set_on_hand(
            &tx,
            merchant,
            (sku, outlet),
            count.quantity,
            "opening count",
            now,
        )
        .await?;
    }
    tx.commit().await?;
    Ok((merchant, outlet))
}

/// A directory that no other demo uses; what an earlier one left behind is not touched.
fn fresh_directory() -> anyhow::Result<PathBuf> {
    let name = format!("marketsink-demo-{}", uuid::Uuid::now_v7().simple());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

fn settings(address: SocketAddr, directory: &std::path::Path, shops: &[SimShop]) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = format!("sqlite:{}", directory.join("demo.db").display());
    settings.http.listen = address.to_string();
    // Some marketplaces sign the address at which they push.
    settings.http.public_url = format!("http://{address}");
    settings.http.workers = 2;
    settings.sync.allow_private_hosts = true;
    settings.sync.timeout = Duration::from_secs(5);
    for shop in shops {
        shop.set_up(&mut settings.apps);
    }
    settings
}

/// Listens on the wanted port of loopback, or on one of the system's choice when it is taken.
fn free_socket(port: u16) -> anyhow::Result<TcpListener> {
    let wanted = TcpListener::bind(("127.0.0.1", port));
    let socket = wanted.or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    socket.context("cannot listen on loopback")
}
