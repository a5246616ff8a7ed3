//! A product as a marketplace shows it now, in our words.

use super::{Money, RemoteId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductState {
    /// Buyers can find it.
    Active,
    /// Drafts, deactivated, under review: still the merchant's, not for sale now.
    Inactive,
    /// Deleted at the marketplace.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub remote_id: RemoteId,
    pub title: String,
    pub state: ProductState,
    pub version: Timestamp,
    pub variants: Vec<Variant>,
}

/// One sellable variant: what becomes a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub remote_id: RemoteId,
    pub title: String,
    pub state: ProductState,
    pub seller_sku: Option<String>,
    pub price: Option<Money>,
    /// What the channel shows as available; `None` when it does not count stock.
    pub quantity: Option<i64>,
    /// Units that campaigns of the marketplace hold, and that `quantity` leaves out; `None` where the API does not
    /// tell them.
    pub reserved: Option<i64>,
    /// What the adapter needs to push stock or price to it, such as warehouse ids. Opaque above.
    pub push_ref: Option<String>,
}
