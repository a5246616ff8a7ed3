//! What we ask of a marketplace, and the shapes of its answers.

use super::MarketplaceError;
use crate::domain::{Money, RemoteId, Standing, Timestamp, Window};
use serde::{Deserialize, Serialize};

/// Where to go on in a list; opaque above the adapter, and safe to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<PageToken>,
    /// Rows in the whole list, where the marketplace says so.
    pub total: Option<u64>,
    /// Rows that could not be read, with the reason; the rest of the page stands.
    pub unreadable: Vec<(RemoteId, String)>,
}

/// Which of an order's times a window is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderTime {
    Updated,
    /// When it was placed. Only where `limits().created_filter`.
    Created,
}

impl OrderTime {
    /// A marketplace's words for one time or the other.
    pub fn pick<T>(self, updated: T, created: T) -> T {
        match self {
            Self::Updated => updated,
            Self::Created => created,
        }
    }
}

/// Orders whose time of this kind lies in the window, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderQuery {
    pub window: Window,
    pub by: OrderTime,
    pub page: Option<PageToken>,
}

impl OrderQuery {
    /// The first page of what changed in a window.
    pub fn updated(window: Window) -> Self {
        Self {
            window,
            by: OrderTime::Updated,
            page: None,
        }
    }
}

/// Enough of an order to see whether our books are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSummary {
    pub remote_id: RemoteId,
    pub number: String,
    pub version: Timestamp,
    /// The same words as the order's own, where the list tells them: two changes can share one version.
    pub remote_status: Option<String>,
    /// Nothing to book, such as a checkout draft: not counted as missing.
    pub bookable: bool,
    /// When it was placed, where the list tells it.
    pub placed_at: Option<Timestamp>,
    /// What its status asks of the books, where the list tells enough of it.
    pub standing: Option<Standing>,
    /// The same amount as the order's own, where the list tells it.
    pub total: Option<Money>,
}

/// Which products to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductScope {
    /// Active and inactive.
    Full,
    /// What buyers can find.
    Active,
    /// Changed in the window, active and inactive. Only where `limits().updated_filter`.
    Updated(Window),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductQuery {
    pub scope: ProductScope,
    pub page: Option<PageToken>,
}

/// The quantity a channel should show for one listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    pub product_id: RemoteId,
    pub variant_id: RemoteId,
    /// Units; 0 or more.
    pub quantity: i64,
    /// As the adapter's own mapping gave it.
    pub push_ref: Option<String>,
}

/// The price a channel should show for one listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChange {
    pub product_id: RemoteId,
    pub variant_id: RemoteId,
    pub price: Money,
    pub push_ref: Option<String>,
}

/// How the push of one listing ended; the error is that listing's alone.
pub type PushOutcome = Result<(), MarketplaceError>;

/// A shop that credentials open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopIdentity {
    pub remote_id: RemoteId,
    pub name: String,
    /// Platforms (slugs of `limits().platforms`) under which this shop sells.
    pub platforms: Vec<&'static str>,
    /// Secrets that belong to the shop and are learned here, such as TikTok Shop's `shop_cipher`.
    pub secrets: Vec<(String, String)>,
    /// Where this shop's API is, when that is learned here, such as the host of Lazada's country.
    pub base_url: Option<String>,
    /// When the merchant's consent ends, where the marketplace says so.
    pub consent_until: Option<Timestamp>,
}
