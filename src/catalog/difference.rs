//! What a reading changed, one difference at a time, for whoever wants to know.

use super::Fetched;
use crate::domain::job::named;
use entity::listings;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What kind of difference a reading made.
    DifferenceKind {
        /// A listing that we did not know.
        Added = "added",
        /// A field of a listing is another than before.
        Changed = "changed",
        /// The marketplace no longer has the listing.
        Gone = "gone",
        /// A listing that had no SKU has one now.
        Linked = "linked",
        /// The channel has several listings with this seller SKU.
        Conflict = "conflict",
        /// A product could not be read; the others were.
        Error = "error",
    }
);

/// One difference. Values are the marketplace's words, shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: DifferenceKind,
    pub product_id: String,
    pub variant_id: Option<String>,
    pub listing: Option<i64>,
    pub field: Option<&'static str>,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A field that is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    pub field: &'static str,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Characters of a value that are kept.
const LONGEST_VALUE: usize = 300;

impl Difference {
    /// About a listing, without a field.
    pub(super) fn of(kind: DifferenceKind, listing: &listings::Model) -> Self {
        Self {
            kind,
            product_id: listing.product_id.clone(),
            variant_id: Some(listing.variant_id.clone()),
            listing: Some(listing.id),
            field: None,
            before: None,
            after: None,
        }
    }

    /// A listing that is new, with its title.
    pub(super) fn added(listing: &listings::Model) -> Self {
        Self {
            after: Some(shortened(&listing.title)),
            ..Self::of(DifferenceKind::Added, listing)
        }
    }

    /// A listing that is gone, with its title.
    pub(super) fn gone(listing: &listings::Model) -> Self {
        Self {
            before: Some(shortened(&listing.title)),
            ..Self::of(DifferenceKind::Gone, listing)
        }
    }

    /// A listing that has a SKU now: the code.
    pub(super) fn linked(listing: &listings::Model) -> Self {
        Self {
            field: Some("sku"),
            after: listing.seller_sku.as_deref().map(shortened),
            ..Self::of(DifferenceKind::Linked, listing)
        }
    }

    /// A listing that shares its seller SKU: the code, and the product that has it too.
    pub(super) fn conflict(listing: &listings::Model, other: &listings::Model) -> Self {
        Self {
            field: Some("seller_sku"),
            before: Some(format!("{}/{}", other.product_id, other.variant_id)),
            after: listing.seller_sku.as_deref().map(shortened),
            ..Self::of(DifferenceKind::Conflict, listing)
        }
    }

    /// A product that could not be read, and why.
    pub fn error(product: &str, reason: &str) -> Self {
        Self {
            kind: DifferenceKind::Error,
            product_id: product.to_owned(),
            variant_id: None,
            listing: None,
            field: None,
            before: None,
            after: Some(shortened(reason)),
        }
    }

    pub(super) fn field(listing: &listings::Model, change: FieldChange) -> Self {
        Self {
            field: Some(change.field),
            before: change.before,
            after: change.after,
            ..Self::of(DifferenceKind::Changed, listing)
        }
    }
}

impl Fetched {
    /// The fields in which a listing is another than it was read.
    pub(super) fn differs_from(&self, listing: &listings::Model) -> Vec<FieldChange> {
        let text = |value: &Option<String>| value.as_deref().map(shortened);
        let number = |value: Option<i64>| value.map(|n| n.to_string());
        let fields = [
            (
                "seller_sku",
                text(&listing.seller_sku),
                text(&self.seller_sku),
            ),
            (
                "title",
                Some(shortened(&listing.title)),
                Some(shortened(&self.title)),
            ),
            (
                "state",
                Some(listing.state.clone()),
                Some(super::diff::state_name(self.state).to_owned()),
            ),
            (
                "price",
                number(listing.price_minor),
                number(self.price_minor),
            ),
            ("currency", listing.currency.clone(), self.currency.clone()),
            ("quantity", number(listing.quantity), number(self.quantity)),
            ("reserved", number(listing.reserved), number(self.reserved)),
            ("push_ref", text(&listing.push_ref), text(&self.push_ref)),
        ];
        fields
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .map(|(field, before, after)| FieldChange {
                field,
                before,
                after,
            })
            .collect()
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_VALUE).collect()
}
