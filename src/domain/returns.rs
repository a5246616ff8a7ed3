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

impl Return {
    /// What several tellings come to, one row for each return: the newest state, and the newest that says how much goes
    /// back, of what, and why. Tellings may come in any order, and more than once.
    #[must_use]
    pub fn newest(mut told: Vec<Self>) -> Vec<Self> {
        told.sort_by_key(|of| (of.version, of.state));
        let mut newest: Vec<Self> = Vec::new();
        for mut telling in told {
            let known = newest
                .iter_mut()
                .find(|known| known.remote_id == telling.remote_id);
            let Some(known) = known else {
                newest.push(telling);
                continue;
            };
            telling.refund = telling.refund.or(known.refund);
            telling.reason = telling.reason.or_else(|| known.reason.take());
            if telling.lines.is_empty() {
                telling.lines = std::mem::take(&mut known.lines);
            }
            *known = telling;
        }
        newest.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    fn telling(at: i64, state: ReturnState, minor: Option<i64>) -> Return {
        let currency = Currency::from_code("IDR").unwrap();
        Return {
            remote_id: "1".into(),
            remote_status: String::new(),
            state,
            version: Timestamp::from_secs(at),
            reason: None,
            refund: minor.map(|minor| Money { minor, currency }),
            lines: Vec::new(),
        }
    }

    #[test]
    fn the_newest_state_and_the_last_amount_count_in_whatever_order_they_came() {
        let asked = telling(1, ReturnState::Requested, None);
        let paid = telling(3, ReturnState::Refunded, Some(500));
        let done = telling(4, ReturnState::Refunded, None);

        let forwards = Return::newest(vec![asked.clone(), paid.clone(), done.clone()]);
        let backwards = Return::newest(vec![done.clone(), paid.clone(), asked, paid]);

        assert_eq!(forwards, backwards);
        assert_eq!(forwards.len(), 1);
        assert_eq!(forwards[0].version, done.version);
        assert_eq!(forwards[0].refund.map(|money| money.minor), Some(500));
    }
}
