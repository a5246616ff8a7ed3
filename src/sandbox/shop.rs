//! The handle of one hosted shop: change it as buyers and sellers do, and its webhooks go out.

use super::{
    console,
    courier::{Courier, Kind, Parcel},
    locked,
    weather::{DeliveryFault, Fault, Forecast, Weather},
};
use crate::clock::Clock;
use crate::config::{self, Apps, Secret};
use crate::domain::{RemoteId, Timestamp};
use crate::marketplaces::{
    Marketplace, Secrets, ShopAddress,
    simulation::{
        NewLine, Shop, ShopChange, SimDelivery, SimProduct, SimRequest, SimResponse, SimStatus,
        SimVariant, Simulator, Subscription,
    },
};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A simulated shop that answers over HTTP; cheap to clone, clones share the shop.
#[derive(Clone)]
pub struct SimShop(Arc<Inner>);

struct Inner {
    marketplace: &'static dyn Marketplace,
    origin: String,
    clock: Clock,
    courier: Courier,
    weather: Arc<Mutex<Weather>>,
    forecast: Mutex<Forecast>,
    shop: Mutex<Shop>,
    meddler: Mutex<Option<Meddler>>,
}

/// Whoever changes the shop while it is being read.
type Meddler = Box<dyn FnMut(&mut Shop) + Send>;

/// What is wrong with a forged delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// One bit of the body differs from what was signed.
    FlippedBit,
    /// Everything is right but the secret.
    WrongSecret,
}

/// The address alone: shops hold secrets.
impl fmt::Debug for SimShop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimShop({} {})",
            self.0.marketplace.slug(),
            self.0.origin
        )
    }
}

/// What [`super::Sandbox`] shares with its shops.
pub(super) struct Surroundings {
    pub clock: Clock,
    pub courier: Courier,
    pub weather: Arc<Mutex<Weather>>,
}

impl SimShop {
    pub(super) fn new(
        marketplace: &'static dyn Marketplace,
        origin: String,
        shop: Shop,
        seed: u64,
        around: Surroundings,
    ) -> Self {
        Self(Arc::new(Inner {
            marketplace,
            origin,
            clock: around.clock,
            courier: around.courier,
            weather: around.weather,
            forecast: Mutex::new(Forecast::new(seed)),
            shop: Mutex::new(shop),
            meddler: Mutex::new(None),
        }))
    }

    pub(super) fn courier(&self) -> &Courier {
        &self.0.courier
    }

    pub fn marketplace(&self) -> &'static dyn Marketplace {
        self.0.marketplace
    }

    /// The root of its API, such as `http://127.0.0.1:4001`; it serves tokens there too.
    pub fn origin(&self) -> String {
        self.0.origin.clone()
    }

    pub fn name(&self) -> String {
        self.with(|shop| shop.name.clone())
    }

    pub fn remote_id(&self) -> RemoteId {
        self.with(|shop| shop.remote_id.clone())
    }

    /// Looks at the shop or changes it; no webhooks go out.
    ///
    /// `f` must not use this handle again: the shop is locked.
    pub fn with<R>(&self, f: impl FnOnce(&mut Shop) -> R) -> R {
        f(&mut locked(&self.0.shop))
    }

    /// The secrets that a merchant would hand to marketsink.
    pub fn credentials(&self) -> Secrets {
        self.with(|shop| self.0.marketplace.simulator().credentials(shop))
    }

    /// Of those, what the merchant hands over by hand; the rest are values of the app.
    pub fn handed(&self) -> Secrets {
        let all = self.credentials();
        let mut handed = Secrets::default();
        for secret in self.0.marketplace.connecting().secrets {
            if let Some(value) = all.get(secret.name) {
                handed.set(secret.name, value);
            }
        }
        handed
    }

    /// The address that the merchant tells, where shops have one of their own.
    pub fn base_url(&self) -> Option<String> {
        let is_shared = self.0.marketplace.connecting().address == ShopAddress::Shared;
        (!is_shared).then(|| self.origin())
    }

    /// Makes `apps` those of this shop's marketplace: its API is here, and its keys are the app's.
    pub fn set_up(&self, apps: &mut Apps) {
        let (marketplace, all) = (self.0.marketplace, self.credentials());
        let app = apps.at(marketplace.slug());
        if self.base_url().is_none() {
            app.api_url = Some(self.origin());
            app.auth_url = Some(self.origin());
            app.consent_url = Some(self.origin());
        }
        let connecting = marketplace.connecting();
        for name in connecting.app.iter().chain(connecting.app_besides) {
            if let Some(value) = all.get(name) {
                app.values.insert(name, Secret::new(value));
            }
        }
    }

    /// The same as environment variables, for another process.
    pub fn environment(&self) -> Vec<(String, String)> {
        let (marketplace, all) = (self.0.marketplace, self.credentials());
        let is_url = |name: &str| ["api_url", "auth_url", "consent_url"].contains(&name);
        let mut variables = Vec::new();
        for setting in config::describe() {
            let name = setting.key.strip_prefix(marketplace.slug());
            let Some(name) = name.and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let value = if is_url(name) {
                Some(self.origin())
            } else {
                all.get(name).map(str::to_owned)
            };
            variables.extend(value.map(|value| (setting.variable, value)));
        }
        variables
    }

    /// What a person does in the marketplace's console, where its API cannot: webhooks go to `address`.
    pub fn switch_on(&self, address: &str, secret: &str) {
        let simulator = self.0.marketplace.simulator();
        self.with(|shop| simulator.switch_on(shop, address, secret));
    }

    /// API requests answered so far, faults included.
    pub fn n_requests(&self) -> u64 {
        self.with(|shop| shop.n_requests)
    }

    /// The next API answers go wrong like this, in order; the weather has its way again afterwards.
    pub fn next_answers(&self, faults: Vec<Fault>) {
        locked(&self.0.forecast).answers.extend(faults);
    }

    /// The next webhooks fare like this, in order; the weather has its way again afterwards.
    pub fn next_deliveries(&self, faults: Vec<DeliveryFault>) {
        locked(&self.0.forecast).deliveries.extend(faults);
    }

    /// From now on `meddle` changes the shop before each API answer, and no webhook tells of it.
    pub fn before_answers(&self, meddle: impl FnMut(&mut Shop) + Send + 'static) {
        *locked(&self.0.meddler) = Some(Box::new(meddle));
    }

    /// Takes back what was ordered with `next_answers` and `next_deliveries` and has not happened yet.
    pub fn forget_faults(&self) {
        let mut forecast = locked(&self.0.forecast);
        forecast.answers.clear();
        forecast.deliveries.clear();
    }

    /// Queues the webhooks of a change, through the weather.
    pub fn announce(&self, change: ShopChange) {
        let (now, simulator) = (self.now(), self.0.marketplace.simulator());
        for delivery in self.with(|shop| simulator.webhooks(shop, &change, now)) {
            self.0.courier.count(|ledger| ledger.raised += 1);
            let fault = locked(&self.0.forecast).next_delivery(&self.weather());
            self.post_through(fault, delivery, &change);
        }
    }

    /// Sends forged copies of a change's webhooks; the shop itself does not notice.
    pub fn forge(&self, change: &ShopChange, forgery: Forgery) {
        for delivery in self.forged(change, forgery) {
            self.post(Kind::Forged, delivery, Duration::ZERO);
        }
    }

    /// A buyer orders. `None` when a variant is unknown or sold out.
    pub fn place_order(
        &self,
        platform: &'static str,
        status: SimStatus,
        lines: &[NewLine],
    ) -> Option<RemoteId> {
        let now = self.now();
        let id = self.with(|shop| shop.place_order(platform, status, lines, now))?;
        self.announce(ShopChange::OrderCreated(id.clone()));
        Some(id)
    }

    /// Moves an order on. Returns whether it moved.
    pub fn move_order(&self, id: &RemoteId, status: SimStatus) -> bool {
        self.change_order(id, |shop, now| shop.move_order(id, status, now))
    }

    /// Calls off units of one line (0 is the first). Returns whether any were.
    pub fn cancel_units(&self, id: &RemoteId, line: usize, units: i64) -> bool {
        self.change_order(id, |shop, now| shop.cancel_units(id, line, units, now))
    }

    /// The seller edits a product. Returns whether it is known.
    pub fn edit_product(&self, id: &RemoteId, edit: impl FnOnce(&mut SimProduct)) -> bool {
        self.change(|shop, now| shop.edit_product(id, now, edit))
    }

    /// The seller sets a price in minor units. Returns whether the variant is known.
    pub fn edit_variant_price(&self, variant: &RemoteId, minor: i64) -> bool {
        self.edit_variant(variant, |variant| variant.price.minor = minor)
    }

    /// The seller sets a quantity by hand. Returns whether the variant is known.
    pub fn edit_variant_quantity(&self, variant: &RemoteId, quantity: i64) -> bool {
        self.edit_variant(variant, |variant| variant.quantity = quantity)
    }

    /// The access token is dead from now on. Returns whether this marketplace's tokens can die.
    pub fn expire_token(&self) -> bool {
        let can_die = self.0.marketplace.limits().tokens_expire;
        if can_die {
            let now = self.now();
            self.with(|shop| shop.token_expires_at = Some(now));
        }
        can_die
    }

    fn edit_variant(&self, id: &RemoteId, edit: impl FnOnce(&mut SimVariant)) -> bool {
        self.change(|shop, now| shop.edit_variant(id, now, edit))
    }

    pub(super) fn change_order(
        &self,
        id: &RemoteId,
        change: impl FnOnce(&mut Shop, Timestamp) -> Option<ShopChange>,
    ) -> bool {
        let lag = locked(&self.0.forecast).next_read_lag(&self.weather());
        self.change(|shop, now| {
            if let Some(lag) = lag {
                shop.freeze_reads(id, now + lag);
            }
            change(shop, now)
        })
    }

    fn change(&self, change: impl FnOnce(&mut Shop, Timestamp) -> Option<ShopChange>) -> bool {
        let now = self.now();
        let changed = self.with(|shop| change(shop, now));
        let has_changed = changed.is_some();
        if let Some(change) = changed {
            self.announce(change);
        }
        has_changed
    }

    fn post_through(&self, fault: DeliveryFault, delivery: SimDelivery, change: &ShopChange) {
        let (count, delay): (fn(&mut super::Ledger), _) = match fault {
            DeliveryFault::Lost => {
                return self.0.courier.count(|ledger| ledger.lost += 1);
            }
            DeliveryFault::Doubled => {
                self.post(Kind::Genuine, delivery.clone(), Duration::ZERO);
                (|ledger| ledger.doubled += 1, Duration::ZERO)
            }
            DeliveryFault::Late(delay) => (|ledger| ledger.late += 1, delay),
            DeliveryFault::Reordered(delay) => (|ledger| ledger.reordered += 1, delay),
            DeliveryFault::Forged => {
                self.forge(change, Forgery::FlippedBit);
                self.forge(change, Forgery::WrongSecret);
                (|_| (), Duration::ZERO)
            }
            DeliveryFault::Fair => (|_| (), Duration::ZERO),
        };
        self.0.courier.count(count);
        self.post(Kind::Genuine, delivery, delay);
    }

    fn post(&self, kind: Kind, delivery: SimDelivery, delay: Duration) {
        let parcel = Parcel {
            shop: self.clone(),
            delivery,
            kind,
            failures: 0,
        };
        self.0.courier.post(parcel, delay);
    }

    /// Made on a copy of the shop, so that nothing is remembered of it.
    fn forged(&self, change: &ShopChange, forgery: Forgery) -> Vec<SimDelivery> {
        let mut copy = self.with(|shop| shop.clone());
        if forgery == Forgery::WrongSecret {
            spoil_secrets(&mut copy);
        }
        let simulator = self.0.marketplace.simulator();
        let mut deliveries = simulator.webhooks(&mut copy, change, self.now());
        if forgery == Forgery::FlippedBit {
            for delivery in &mut deliveries {
                delivery.body = with_flipped_bit(&delivery.body);
            }
        }
        deliveries
    }

    /// Answers a request; what the fault does to the answer on its way is left to [`super::server`].
    pub(super) fn answer(&self, request: &SimRequest) -> (SimResponse, Fault) {
        if console::is_meant(request) {
            return (self.at_the_console(request), Fault::Fair);
        }
        if let Some(meddle) = locked(&self.0.meddler).as_mut() {
            self.with(meddle);
        }
        let (fault, is_ordered) = locked(&self.0.forecast).next_answer(&self.weather());
        self.with(|shop| shop.n_requests += 1);
        let simulator = self.0.marketplace.simulator();
        match fault {
            Fault::RateLimited(wait) => return (simulator.rate_limited(wait), fault),
            Fault::ServerError => return (page_for_people(), fault),
            Fault::ExpiredToken => {
                self.expire_token();
            }
            Fault::Fair | Fault::Dropped | Fault::Truncated => {}
        }
        let (response, has_rotated) = self.carry_out(request);
        // Whoever never hears of new tokens is locked out for ever: too harsh for mere weather.
        let is_spared = has_rotated && !is_ordered;
        (response, if is_spared { Fault::Fair } else { fault })
    }

    /// The simulator's answer, and whether it gave new tokens; pings and echoes are queued.
    fn carry_out(&self, request: &SimRequest) -> (SimResponse, bool) {
        let (now, simulator) = (self.now(), self.0.marketplace.simulator());
        let (response, after) = self.with(|shop| {
            let before = Snapshot::of(shop);
            let response = simulator.answer(shop, request, now);
            (response, before.compared_to(shop, simulator))
        });
        for ping in after.pings {
            self.post(Kind::Ping, ping, Duration::ZERO);
        }
        for change in after.changes {
            self.announce(change);
        }
        (response, after.has_rotated)
    }

    /// What its clock shows, as HTTP writes it.
    pub(super) fn date(&self) -> String {
        let now = self.now().to_utc();
        now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn weather(&self) -> Weather {
        *locked(&self.0.weather)
    }
}

/// What a request can change that someone has to be told.
struct Snapshot {
    secrets: Secrets,
    subscriptions: BTreeSet<(u64, String)>,
}

/// What a request did.
struct Aftermath {
    has_rotated: bool,
    pings: Vec<SimDelivery>,
    changes: Vec<ShopChange>,
}

impl Snapshot {
    fn of(shop: &mut Shop) -> Self {
        shop.edited.clear();
        let subscriptions = shop.subscriptions.iter();
        Self {
            secrets: shop.secrets.clone(),
            subscriptions: subscriptions.map(|s| (s.id, s.address.clone())).collect(),
        }
    }

    fn compared_to(&self, shop: &Shop, simulator: &dyn Simulator) -> Aftermath {
        let is_new = |s: &&Subscription| !self.subscriptions.contains(&(s.id, s.address.clone()));
        let new = shop.subscriptions.iter().filter(is_new);
        Aftermath {
            has_rotated: shop.secrets != self.secrets,
            pings: new.flat_map(|s| simulator.pings(shop, s)).collect(),
            changes: echoes(shop),
        }
    }
}

/// Marketplaces tell about changes through their API too: whoever pushes stock hears the echo.
fn echoes(shop: &Shop) -> Vec<ShopChange> {
    let edited = shop.edited.iter();
    let edited = edited.filter_map(|id| Some((shop.product_of(id)?, id)));
    let echo = |(product, variant): (&SimProduct, &RemoteId)| ShopChange::ProductUpdated {
        product: product.id.clone(),
        variant: Some(variant.clone()),
    };
    edited.map(echo).collect()
}

/// Webhooks are signed with the subscription's secret or, where there is one, the app's.
fn spoil_secrets(shop: &mut Shop) {
    for subscription in &mut shop.subscriptions {
        subscription.secret.push_str("-guessed");
    }
    for name in ["app_secret", "push_key", "partner_key", "client_secret"] {
        if let Some(secret) = shop.secrets.get(name) {
            let guessed = format!("{secret}-guessed");
            shop.secrets.set(name, guessed);
        }
    }
}

/// The lowest bit of the middle byte: often still readable, never what was signed.
fn with_flipped_bit(body: &Bytes) -> Bytes {
    let mut changed = body.to_vec();
    let middle = changed.len() / 2;
    if let Some(byte) = changed.get_mut(middle) {
        *byte ^= 1;
    }
    changed.into()
}

fn page_for_people() -> SimResponse {
    SimResponse {
        status: 500,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: Bytes::from_static(
            b"<!doctype html><html><body><h1>Internal Server Error</h1></body></html>",
        ),
    }
}
