//! A return or a refund of an order, as a marketplace shows it now, in our words.

use super::{Money, RemoteId, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a return has come. It moves forward only, except that a marketplace may take back what it granted.
///
/// ```text
/// requested -> accepted -> refunded
///      \___________\-> closed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// The buyer asks; nothing is granted yet.
    Requested,
    /// Granted; goods or money are on their way.
    Accepted,
    /// The money went back to the buyer, or the replacement was sent.
    Refunded,
    /// Refused, or taken back by the buyer: nothing comes of it.
    Closed,
}

/// Where the goods of a return are, as far as the marketplace says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goods {
    /// The marketplace does not say: the channel's policy decides, or a person.
    Unknown,
    /// They stay with the buyer, or are lost: money only.
    Kept,
    /// On their way back.
    Coming,
    /// In the seller's hands again.
    Back,
}

/// One return, refund or exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Unique within the order.
    pub remote_id: RemoteId,
    /// The marketplace's own word for the state, kept for people.
    pub remote_status: String,
    pub state: ReturnState,
    /// When the marketplace last changed it; when it was made, where that is all it tells.
    pub version: Timestamp,
    /// The marketplace's word for why, such as `DAMAGED`: a restock policy may be about it. No buyer's words.
    pub reason: Option<String>,
    /// All money that goes back to the buyer, shipping included; `None` where the marketplace does not tell it yet,
    /// zero for an exchange.
    pub refund: Option<Money>,
    /// What is returned; empty where only money goes back, or where the marketplace does not say.
    pub lines: Vec<ReturnLine>,
}

/// Units of one order line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    /// The order line's `remote_id`.
    pub line: RemoteId,
    /// Units; 0 for money without goods.
    pub quantity: i64,
    /// Of the return's refund; `None` where it is not told by line.
    pub refund: Option<Money>,
    pub goods: Goods,
}
