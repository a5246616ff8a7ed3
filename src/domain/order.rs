//! An order as a marketplace shows it now, in our words.

use super::{Currency, Money, RemoteId, Return, Timestamp};
use serde::{Deserialize, Serialize};

/// The POS document of an order. It only ever moves to the right.
///
/// ```text
/// none -> sales_order -> invoice -> void
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    None,
    SalesOrder,
    Invoice,
    Void,
}

/// Where the goods are. It only ever moves to the right.
///
/// ```text
/// unsent -> sent -> returned
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilment {
    Unsent,
    Sent,
    Returned,
}

/// What an order's remote status asks of the books.
///
/// Each marketplace's `mapping.rs` translates its statuses to this, so that the differences between
/// marketplaces are data in their folders and branches nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    pub document: Document,
    pub paid: bool,
    pub fulfilment: Fulfilment,
}

impl Standing {
    /// Nothing to book yet, or ever: drafts and the like.
    pub const NOTHING: Self = Self::of(Document::None, false, Fulfilment::Unsent);
    /// Ordered, not paid for: a sales order, if the channel's settings want one.
    pub const PLACED: Self = Self::of(Document::SalesOrder, false, Fulfilment::Unsent);
    /// Sold: an invoice; the marketplace still holds the money.
    pub const SOLD: Self = Self::of(Document::Invoice, false, Fulfilment::Unsent);
    /// Sold and on its way.
    pub const SHIPPED: Self = Self::of(Document::Invoice, false, Fulfilment::Sent);
    /// Received by the buyer and paid out.
    pub const COMPLETED: Self = Self::of(Document::Invoice, true, Fulfilment::Sent);
    /// Called off. Whether goods come back depends on whether they had left.
    pub const CANCELLED: Self = Self::of(Document::Void, false, Fulfilment::Unsent);

    pub const fn of(document: Document, paid: bool, fulfilment: Fulfilment) -> Self {
        Self {
            document,
            paid,
            fulfilment,
        }
    }
}

/// One order as the marketplace's API showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    pub remote_id: RemoteId,
    /// The number that buyers and support staff use; often equal to `remote_id`.
    pub number: String,
    /// The name under which the merchant sees it, one of the marketplace's `platforms()`.
    pub platform: &'static str,
    /// The marketplace's own word for the state, kept for people.
    pub remote_status: String,
    pub standing: Standing,
    /// When the marketplace last changed it: older readings never overwrite newer ones.
    pub version: Timestamp,
    pub placed_at: Timestamp,
    pub currency: Currency,
    pub total: Money,
    pub tracking_number: Option<String>,
    pub lines: Vec<OrderLine>,
    /// What `total` has beyond the lines: shipping, taxes and fees of the buyer, less vouchers over the whole order.
    /// `None` where the API does not tell it; then the total is not checked against the lines.
    pub charges: Option<Money>,
    /// Every return and refund of it, as they are now: one that is missing was deleted. `None` where the API does not
    /// tell them with the order.
    pub returns: Option<Vec<Return>>,
    /// Why a person should look at it, such as `sample order`; books are kept all the same.
    pub remark: Option<String>,
}

impl Order {
    /// Whether an adapter met a status that it does not know: it then says so in the remark, with this word.
    pub fn has_unknown_words(&self) -> bool {
        let remark = self.remark.as_deref().unwrap_or_default();
        ["unknown", "a plugin's"]
            .iter()
            .any(|word| remark.contains(word))
    }
}

/// One line. TikTok Shop sends one per unit; others give a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    pub remote_id: RemoteId,
    pub product_id: RemoteId,
    pub variant_id: RemoteId,
    /// As the marketplace wrote it, spaces and case included.
    pub seller_sku: Option<String>,
    pub title: String,
    /// Units ordered, cancelled ones included; 0 or more.
    pub quantity: i64,
    /// Units of `quantity` that were called off before they left. What is in `Order::returns` is not among them.
    pub cancelled: i64,
    /// Units of `quantity` that will not come back to stock, whatever becomes of the order: the money for them went
    /// back, and they did not. They count as sold; 0 where the marketplace does not say.
    pub off_shelf: i64,
    /// What the buyer is charged for the whole line, before shipping.
    pub total: Money,
    /// The same before the seller's discounts, for all of `quantity`; `None` where the API does not tell it.
    pub gross: Option<Money>,
}

impl OrderLine {
    /// Units that are still sold.
    pub fn open_quantity(&self) -> i64 {
        (self.quantity - self.cancelled).max(0)
    }
}
