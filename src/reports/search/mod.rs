//! One box for everything that a person may have in hand: numbers of orders, invoices and parcels, codes, ids of
//! listings, deliveries, returns and jobs.
//!
//! 1. What was typed or pasted is cut into texts, without spaces, quotes and `#`.
//! 2. Every kind is looked up exactly, all texts at once: one bounded query each, along an index.
//! 3. A text that is nothing whole, and has at least four characters, is looked for as a beginning.
//!
//! The number of statements depends on the number of texts alone, and the rows that are read on what is found.

mod lookup;

use crate::channels::{self, ChannelError};
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, job::named};
use lookup::Lookup;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt};

/// What is found of one kind at most, for each text.
pub const MOST_HITS: u64 = 20;
/// Texts that are answered at once; of more the rest is left out, and said.
pub const MOST_TEXTS: usize = 50;
/// Characters of a beginning at least.
pub const SHORTEST_BEGINNING: usize = 4;
/// Texts that are looked for as beginnings.
const MOST_BEGINNINGS: usize = 10;
/// Bytes of a text that can be a number of anything.
const LONGEST_TEXT: usize = 200;

named!(
    /// What a text can be.
    HitKind {
        OrderNumber = "order_number",
        OrderId = "order_id",
        Invoice = "invoice",
        Tracking = "tracking",
        Return = "return",
        /// An order that was read or heard of, and is not in the books.
        Heard = "heard",
        Sku = "sku",
        SellerSku = "seller_sku",
        Product = "product",
        Variant = "variant",
        Delivery = "delivery",
        DeliveryKey = "delivery_key",
        Job = "job",
    }
);

impl HitKind {
    /// Whether it leads to an order.
    pub fn is_order(self) -> bool {
        matches!(
            self,
            Self::OrderNumber
                | Self::OrderId
                | Self::Invoice
                | Self::Tracking
                | Self::Return
                | Self::Heard
        )
    }
}

/// An order that a hit leads to, in the books or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// Whose API has it.
    pub connection: ChannelId,
    pub remote_id: String,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    pub kind: HitKind,
    /// Of the row: the order, the SKU, the listing, ...
    pub id: i64,
    /// The whole text that was found.
    pub text: String,
    /// As the merchant sees it; none where the thing has none.
    pub channel: Option<ChannelId>,
    /// What it is, for people.
    pub label: String,
    pub order: Option<Subject>,
}

/// What one text is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub text: String,
    /// The texts of the hits begin with it only.
    pub is_beginning: bool,
    pub hits: Vec<Hit>,
    /// There are more of some kind.
    pub has_more: bool,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchAnswer {
    pub found: Vec<Found>,
    /// Texts that were left out because there were too many.
    pub left_out: usize,
}

/// The texts of what was typed or pasted: lines, cells and words, without what people and spreadsheets put around
/// them, each once.
pub fn texts(pasted: &str) -> Vec<String> {
    let is_cut = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '\u{feff}');
    let around = |c: char| {
        matches!(
            c,
            '#' | '"' | '\'' | '`' | '“' | '”' | '‘' | '’' | '(' | ')'
        )
    };
    let mut kept: Vec<String> = Vec::new();
    for text in pasted.split(is_cut) {
        let text = text.trim_matches(around);
        // PostgreSQL keeps no NUL in a text: nothing has one.
        let is_text = !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains('\0');
        if is_text && !kept.iter().any(|known| known == text) {
            kept.push(text.to_owned());
        }
    }
    kept
}

/// Finds what was typed or pasted among the merchant's things; with `only`, among those of these channels and those
/// that are of no channel.
///
/// # Errors
/// When the database cannot be asked.
pub async fn search(
    db: &Db,
    merchant: MerchantId,
    pasted: &str,
    only: Option<&[ChannelId]>,
) -> Result<SearchAnswer, ChannelError> {
    let mut wanted = texts(pasted);
    // A code may hold a space: what was typed is looked for whole as well.
    let whole = pasted.trim();
    let is_one_line = !whole.contains(['\n', ',', ';', '\t']) && whole.len() <= LONGEST_TEXT;
    if wanted.len() > 1 && wanted.len() < 5 && is_one_line {
        wanted.insert(0, whole.to_owned());
    }
    let left_out = wanted.len().saturating_sub(MOST_TEXTS);
    wanted.truncate(MOST_TEXTS);
    let channels = channels::list(db, merchant, true).await?;
    let lookup = Lookup {
        db,
        merchant,
        channels: &channels,
    };
    let is_seen = |hit: &Hit| match (only, hit.channel) {
        (Some(only), Some(channel)) => only.contains(&channel),
        (Some(_), None) => hit.order.is_none(),
        (None, _) => true,
    };
    let exact = lookup.exact(&wanted).await?;
    let mut beginnings = 0;
    let mut found = Vec::new();
    for text in wanted {
        let hits: Vec<Hit> = exact
            .iter()
            .filter(|(asked, hit)| *asked == text && is_seen(hit))
            .map(|(_, hit)| hit.clone())
            .collect();
        if !hits.is_empty() {
            found.push(of_text(text, false, hits));
            continue;
        }
        let is_long = text.chars().count() >= SHORTEST_BEGINNING;
        let mut hits = Vec::new();
        if is_long && beginnings < MOST_BEGINNINGS {
            beginnings += 1;
            hits = lookup.beginning(&text).await?;
            hits.retain(is_seen);
        }
        found.push(of_text(text, true, hits));
    }
    // What was typed whole is left out where its parts are what was meant.
    let is_idle = found.len() > 1 && found[0].text.contains(' ') && found[0].hits.is_empty();
    if is_idle {
        found.remove(0);
    }
    Ok(SearchAnswer { found, left_out })
}

/// Each thing once: an order whose number is its id is one hit.
fn of_text(text: String, is_beginning: bool, hits: Vec<Hit>) -> Found {
    let mut seen = HashSet::new();
    let mut kept: Vec<Hit> = Vec::new();
    let mut has_more = false;
    for hit in hits {
        let is_known = match &hit.order {
            Some(order) => !seen.insert((true, order.remote_id.clone(), order.connection.0)),
            None => !seen.insert((false, hit.kind.as_str().to_owned(), hit.id)),
        };
        if is_known {
            continue;
        }
        let of_kind = kept.iter().filter(|known| known.kind == hit.kind).count();
        if of_kind as u64 >= MOST_HITS {
            has_more = true;
            continue;
        }
        kept.push(hit);
    }
    Found {
        text,
        is_beginning: is_beginning && !kept.is_empty(),
        hits: kept,
        has_more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_cut_into_texts_without_what_is_around_them() {
        let pasted = " #1042, \"1043\";1042\n'INV/2026/0001'\t“MUG”\r\n";

        assert_eq!(texts(pasted), ["1042", "1043", "INV/2026/0001", "MUG"]);
        assert!(texts(" # \"\" ,;").is_empty());
    }

    #[test]
    fn an_order_is_one_hit_whatever_of_it_was_found() {
        let hit = |kind, id| Hit {
            kind,
            id,
            text: "1042".to_owned(),
            channel: Some(ChannelId(1)),
            label: String::new(),
            order: Some(Subject {
                connection: ChannelId(1),
                remote_id: "1042".to_owned(),
            }),
        };

        let found = of_text(
            "1042".to_owned(),
            false,
            vec![hit(HitKind::OrderNumber, 7), hit(HitKind::OrderId, 7)],
        );

        assert_eq!(found.hits.len(), 1);
        assert_eq!(found.hits[0].kind, HitKind::OrderNumber);
    }
}
