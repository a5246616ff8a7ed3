//! Simulated marketplaces with weather: for the demo, for tests, for integrators.
//!
//! - `Sandbox` hosts shops over HTTP on loopback, one port each, because signatures cover the path.
//! - `SimShop` changes a shop as buyers and sellers do; its webhooks go out through the `Courier`.
//! - `Weather` decides what goes wrong on the way; a seed reproduces it.
//! - `Driver` is a shopkeeper and a crowd of buyers in one, for the demo.
//!
//! The protocols are not here: each marketplace's `simulator.rs` has its own.

mod catalogue;
mod console;
mod courier;
mod driver;
mod ledger;
mod returns;
mod server;
mod shop;
mod till;
mod weather;

pub use catalogue::OpeningStock;
pub use courier::Courier;
pub use driver::Driver;
pub use ledger::{Ledger, Sent};
pub use shop::{Forgery, SimShop};
pub use till::SimTill;
pub use weather::{DeliveryFault, Fault, Rng, Weather};

use crate::clock::Clock;
use crate::marketplaces::Marketplace;
use actix_web::dev::ServerHandle;
use shop::Surroundings;
use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Hosts simulated shops; cheap to clone, clones share the shops.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    clock: Clock,
    seed: u64,
    weather: Arc<Mutex<Weather>>,
    courier: Courier,
    hosted: Mutex<Vec<(SimShop, ServerHandle)>>,
    others: Mutex<Vec<ServerHandle>>,
    stopped: CancellationToken,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shops()).finish()
    }
}

impl Sandbox {
    /// An empty sandbox. The same `seed` gives every shop the same weather again.
    pub fn new(clock: Clock, weather: Weather, seed: u64) -> Self {
        Self(Arc::new(Inner {
            courier: Courier::new(clock.clone()),
            clock,
            seed,
            weather: Arc::new(Mutex::new(weather)),
            hosted: Mutex::default(),
            others: Mutex::default(),
            stopped: CancellationToken::new(),
        }))
    }

    /// Divides the waits between tries of a delivery by `scale` (1 or more; 600 turns ten minutes into
    /// a second). Answer deadlines stay as they are.
    pub fn with_time_scale(self, scale: u32) -> Self {
        self.0.courier.set_time_scale(scale);
        self
    }

    /// Opens a shop on a port of the system's choice.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(
        &self,
        marketplace: &'static dyn Marketplace,
        seed: u32,
        name: &str,
    ) -> io::Result<SimShop> {
        self.open_at(marketplace, seed, name, 0).await
    }

    /// Opens a shop on this port of loopback; 0 lets the system choose.
    ///
    /// # Errors
    /// When the port is taken.
    #[expect(clippy::unused_async, reason = "the server needs a running runtime")]
    pub async fn open_at(
        &self,
        marketplace: &'static dyn Marketplace,
        seed: u32,
        name: &str,
        port: u16,
    ) -> io::Result<SimShop> {
        let (listener, port) = server::take_port(port)?;
        let now = self.0.clock.now();
        let shop = marketplace.simulator().open_shop(seed, name, now);
        let around = Surroundings {
            clock: self.0.clock.clone(),
            courier: self.0.courier.clone(),
            weather: self.0.weather.clone(),
        };
        let mut hosted = locked(&self.0.hosted);
        let weather_seed = Rng::new(self.0.seed.wrapping_add(hosted.len() as u64)).draw();
        let origin = format!("http://127.0.0.1:{port}");
        let shop = SimShop::new(marketplace, origin, shop, weather_seed, around);
        let server = server::serve(listener, shop.clone())?;
        hosted.push((shop.clone(), server.handle()));
        tokio::spawn(server);
        Ok(shop)
    }

    /// In the order opened.
    pub fn shops(&self) -> Vec<SimShop> {
        let hosted = locked(&self.0.hosted);
        hosted.iter().map(|(shop, _)| shop.clone()).collect()
    }

    /// A server that ends with the sandbox.
    fn keep(&self, handle: ServerHandle) {
        locked(&self.0.others).push(handle);
    }

    pub fn courier(&self) -> Courier {
        self.0.courier.clone()
    }

    pub fn ledger(&self) -> Ledger {
        self.0.courier.ledger()
    }

    pub fn weather(&self) -> Weather {
        *locked(&self.0.weather)
    }

    /// Changes the weather for every shop; what is already queued stays as it is.
    pub fn set_weather(&self, weather: Weather) {
        *locked(&self.0.weather) = weather;
    }

    /// Sends webhooks as they become due until `stop` is cancelled or the sandbox is stopped.
    pub async fn run(&self, stop: CancellationToken) {
        let stopped = self.0.stopped.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            () = self.0.courier.run(stop) => {}
        }
    }

    /// Ends the servers and the sender; webhooks that still wait are forgotten.
    pub async fn stop(&self) {
        self.0.stopped.cancel();
        self.0.courier.clear();
        let handles: Vec<_> = {
            let hosted = locked(&self.0.hosted);
            let others = locked(&self.0.others);
            let hosted = hosted.iter().map(|(_, handle)| handle.clone());
            hosted.chain(others.iter().cloned()).collect()
        };
        for handle in handles {
            handle.stop(false).await;
        }
    }
}

/// A test that ends without [`Sandbox::stop`] leaves no server behind.
impl Drop for Inner {
    fn drop(&mut self) {
        self.courier.clear();
        for (_, handle) in locked(&self.hosted).iter() {
            drop(handle.stop(false));
        }
        for handle in locked(&self.others).iter() {
            drop(handle.stop(false));
        }
    }
}

/// A shop that panicked under the lock is still a shop.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
