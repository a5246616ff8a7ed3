//! The sandbox itself: weather that a seed reproduces, retries on a standing clock, faults on order.

mod answers;
mod deliveries;
mod driver;
mod plain;
pub mod receiver;
mod weather;

use marketsink::{
    clock::Clock,
    domain::{RemoteId, Timestamp},
    marketplaces::simulation::{NewLine, SimStatus},
    sandbox::{Sandbox, SimShop, Weather},
};
use plain::Plain;
use receiver::Receiver;

/// One plain shop with one product, and a receiver that is subscribed to it.
struct Stage {
    clock: Clock,
    sandbox: Sandbox,
    shop: SimShop,
    receiver: Receiver,
}

impl Stage {
    async fn set(weather: Weather) -> Self {
        let clock = Clock::standing(Timestamp::from_secs(1_795_400_000));
        let sandbox = Sandbox::new(clock.clone(), weather, 7);
        let shop = sandbox.open(&Plain, 1, "Plain shop").await.unwrap();
        let now = clock.now();
        shop.with(|shop| shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, 1_000)], now));
        let receiver = Receiver::open();
        let stage = Self {
            clock,
            sandbox,
            shop,
            receiver,
        };
        stage.subscribe();
        stage
    }

    /// As if it had been there already: without a ping.
    fn subscribe(&self) {
        let address = self.receiver.address();
        self.shop.with(|shop| {
            let id = shop.take_ids(1);
            shop.subscriptions
                .push(marketsink::marketplaces::simulation::Subscription {
                    id,
                    topic: "change".to_owned(),
                    address,
                    secret: plain::SECRET.to_owned(),
                    is_active: true,
                    failures: 0,
                });
        });
    }

    fn variant(&self) -> RemoteId {
        self.shop
            .with(|shop| shop.variant_by_sku("MUG").unwrap().id.clone())
    }

    fn order(&self, units: i64) -> RemoteId {
        let line = NewLine {
            variant_id: self.variant(),
            quantity: units,
        };
        self.shop
            .place_order("plain", SimStatus::Paid, &[line])
            .unwrap()
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response, reqwest::Error> {
        reqwest::get(format!("{}{path}", self.shop.origin())).await
    }

    async fn post(&self, path: &str, body: String) -> reqwest::Response {
        let address = format!("{}{path}", self.shop.origin());
        let request = reqwest::Client::new().post(address).body(body);
        request.send().await.unwrap()
    }
}
