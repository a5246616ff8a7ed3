//! What a marketplace's API can and cannot do, as data.

use std::time::Duration;

/// A name under which merchants know a marketplace. One protocol can carry several: since
/// 30 September 2025 Tokopedia's orders arrive through TikTok Shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    pub slug: &'static str,
    pub name: &'static str,
}

/// Where the marketplace sends webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookAddress {
    /// One URL for the whole app: `/webhooks/{marketplace}`.
    App,
    /// One URL per channel: `/webhooks/{marketplace}/{address}`.
    Channel,
    /// The app's URL, signed with the app's key; and one per channel for subscriptions that a merchant made
    /// by hand, signed with the channel's secret or the app's.
    Either,
}

impl WebhookAddress {
    pub fn is_per_app(self) -> bool {
        self != Self::Channel
    }

    pub fn is_per_channel(self) -> bool {
        self != Self::App
    }
}

/// Who asks the marketplace to send webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribing {
    /// We do, through its API, for each shop.
    Api,
    /// We give the address through its API; the topics are switched on by hand in the app's console.
    AddressOnly,
    /// A person does, by hand: the marketplace's API has no call for it.
    ByHand,
}

/// How far the time in a signed request may be from the marketplace's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    pub behind: Duration,
    pub ahead: Duration,
}

/// Page sizes, batch sizes, rate, filters. Each adapter cites its source.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The first is the marketplace itself.
    pub platforms: &'static [Platform],
    pub webhook_address: WebhookAddress,
    pub subscribing: Subscribing,
    /// The marketplace's words for the webhooks that we live on, as its console or API shows them.
    pub topics: &'static [&'static str],
    /// Product edits raise webhooks; where they do not, scans of what changed run on a short schedule.
    pub pushes_product_edits: bool,
    /// Webhooks that failed are kept for us and can be fetched.
    pub keeps_missed: bool,
    /// Orders per page of the order list.
    pub order_page: u32,
    /// Orders per detail call.
    pub order_batch: u32,
    /// Products per page of the product list.
    pub product_page: u32,
    /// Listings per stock call of ours; the adapter splits further where it must.
    pub stock_batch: u32,
    /// Requests per second and shop that we allow ourselves.
    pub requests_per_second: f64,
    /// Requests that may be made at once after a pause.
    pub burst: u32,
    /// How far back before the cursor the next window starts.
    pub lookback: Duration,
    /// Longest order window per query, where there is one.
    pub longest_order_window: Option<Duration>,
    /// The order list can be filtered by the time when orders were placed.
    pub created_filter: bool,
    /// The product list can be filtered by update time.
    pub updated_filter: bool,
    /// The product list can be filtered to what buyers can find.
    pub active_filter: bool,
    /// Rows that one product query can reach; beyond it the window must be cut.
    pub product_result_cap: Option<u64>,
    /// The marketplace lowers its own stock when it sells.
    pub reduces_own_stock: bool,
    /// What was paid out for an order, and which fees were kept, can be asked.
    pub tells_settlements: bool,
    /// Webhooks tell of returns what the order's own answer leaves out.
    pub tells_returns_apart: bool,
    /// Access tokens die and are renewed.
    pub tokens_expire: bool,
}
