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
}

/// Page sizes, batch sizes, rate, filters. Each adapter cites its source.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The first is the marketplace itself.
    pub platforms: &'static [Platform],
    pub webhook_address: WebhookAddress,
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
    /// The product list can be filtered by update time.
    pub updated_filter: bool,
    /// The product list can be filtered to what buyers can find.
    pub active_filter: bool,
    /// Rows that one product query can reach; beyond it the window must be cut.
    pub product_result_cap: Option<u64>,
    /// The marketplace lowers its own stock when it sells.
    pub reduces_own_stock: bool,
    /// Access tokens die and are renewed.
    pub tokens_expire: bool,
}
