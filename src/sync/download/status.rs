//! Which orders of a list have a status that was asked for, in our words or in the marketplace's own. Pure.
//!
//! No list of orders takes every status that people ask for; the list is walked whole and its orders are picked here.

use crate::domain::{Document, Fulfilment, Order, Standing};
use crate::marketplaces::OrderSummary;
use entity::downloads;

/// Our words for how an order stands.
pub const STATUS_WORDS: &[&str] = &[
    "unpaid",
    "paid",
    "shipped",
    "completed",
    "cancelled",
    "returned",
];

/// Whether an order has one of the statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Yes,
    No,
    /// The list does not tell enough of it: only the order itself can say.
    Unknown,
}

/// The statuses that a download was asked for; none: any will do.
pub fn of_row(row: &downloads::Model) -> Vec<String> {
    let statuses = row.statuses.as_deref().unwrap_or("[]");
    serde_json::from_str(statuses).unwrap_or_default()
}

/// Whether an order of a list has one of the statuses; without statuses every order has.
pub fn fits(statuses: &[String], order: &OrderSummary) -> Fit {
    has_one(statuses, order.standing, order.remote_status.as_deref())
}

/// The same of the order itself.
pub fn has_status(statuses: &[String], order: &Order) -> bool {
    has_one(statuses, Some(order.standing), Some(&order.remote_status)) == Fit::Yes
}

fn has_one(statuses: &[String], standing: Option<Standing>, told: Option<&str>) -> Fit {
    if statuses.is_empty() {
        return Fit::Yes;
    }
    let mut unknown = false;
    for status in statuses {
        let is_ours = STATUS_WORDS.contains(&status.as_str());
        let is_word = match (is_ours, standing, told) {
            (true, Some(standing), _) => word(standing) == Some(status.as_str()),
            (false, _, Some(told)) => is_told(told, status),
            _ => {
                unknown = true;
                false
            }
        };
        if is_word {
            return Fit::Yes;
        }
    }
    if unknown { Fit::Unknown } else { Fit::No }
}

fn word(standing: Standing) -> Option<&'static str> {
    Some(match (standing.document, standing.fulfilment) {
        (Document::None, _) => return None,
        (Document::SalesOrder, _) => "unpaid",
        (Document::Void, _) => "cancelled",
        (Document::Invoice, Fulfilment::Unsent) => "paid",
        (Document::Invoice, Fulfilment::Sent) if standing.paid => "completed",
        (Document::Invoice, Fulfilment::Sent) => "shipped",
        (Document::Invoice, Fulfilment::Returned) => "returned",
    })
}

/// Some marketplaces tell several words at once, such as how it is paid and how it is sent.
fn is_told(told: &str, status: &str) -> bool {
    told.eq_ignore_ascii_case(status)
        || told
            .split([',', '/', ' ', '+'])
            .any(|word| word.eq_ignore_ascii_case(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(statuses: &[&str], standing: Option<Standing>, told: Option<&str>) -> Fit {
        let statuses: Vec<String> = statuses.iter().map(|&status| status.to_owned()).collect();
        has_one(&statuses, standing, told)
    }

    #[test]
    fn any_of_the_statuses_will_do_and_none_is_all() {
        let sold = Some(Standing::SOLD);

        assert_eq!(fit(&[], None, None), Fit::Yes);
        assert_eq!(fit(&["shipped", "paid"], sold, None), Fit::Yes);
        assert_eq!(fit(&["shipped"], sold, Some("AWAITING_SHIPMENT")), Fit::No);
    }

    #[test]
    fn every_standing_of_the_books_has_its_word() {
        let words = [
            (Standing::PLACED, "unpaid"),
            (Standing::SOLD, "paid"),
            (Standing::SHIPPED, "shipped"),
            (Standing::COMPLETED, "completed"),
            (Standing::CANCELLED, "cancelled"),
        ];

        for (standing, expected) in words {
            assert_eq!(word(standing), Some(expected));
            assert!(STATUS_WORDS.contains(&expected));
        }
        assert_eq!(word(Standing::NOTHING), None);
    }

    #[test]
    fn the_marketplaces_own_word_is_taken_whatever_its_case() {
        let told = Some("paid / partially_fulfilled");

        assert_eq!(fit(&["Partially_Fulfilled"], None, told), Fit::Yes);
        assert_eq!(
            fit(&["on-hold"], Some(Standing::SOLD), Some("On-Hold")),
            Fit::Yes
        );
        assert_eq!(
            fit(&["on-hold"], Some(Standing::SOLD), Some("processing")),
            Fit::No
        );
    }

    #[test]
    fn what_the_list_does_not_tell_is_not_known() {
        assert_eq!(fit(&["paid"], None, Some("processing")), Fit::Unknown);
        assert_eq!(fit(&["on-hold"], Some(Standing::SOLD), None), Fit::Unknown);
    }
}
