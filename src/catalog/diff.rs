//! What differs between the listings we hold and the products just read. Pure.

use super::FieldChange;
use crate::domain::{Product, ProductState, Timestamp, Variant};
use entity::listings;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// One variant as read, in the shape of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub product_id: String,
    pub variant_id: String,
    pub seller_sku: Option<String>,
    pub title: String,
    pub state: ProductState,
    pub price_minor: Option<i64>,
    pub currency: Option<String>,
    pub quantity: Option<i64>,
    /// Units that campaigns hold; none when there are none.
    pub reserved: Option<i64>,
    pub push_ref: Option<String>,
    pub remote_version: i64,
    pub content_hash: String,
}

/// What a read product means for one listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added(Fetched),
    /// The listing, what it becomes, and the fields that differ.
    Changed(Box<listings::Model>, Fetched, Vec<FieldChange>),
    Unchanged(i64),
    /// Its product was read whole and no longer has it.
    Gone(Box<listings::Model>),
}

/// Compares products that were read whole with the listings held for them.
///
/// A list that moves while it is read may show a product twice: the newest reading counts, the later of two
/// that are equally new.
pub fn between(held: Vec<listings::Model>, products: &[Product]) -> Vec<Change> {
    let mut by_variant: HashMap<(String, String), listings::Model> = held
        .into_iter()
        .map(|listing| {
            (
                (listing.product_id.clone(), listing.variant_id.clone()),
                listing,
            )
        })
        .collect();
    let mut changes = Vec::new();
    let mut compared = HashSet::new();
    for product in newest(products) {
        for variant in &product.variants {
            let fetched = Fetched::of(product, variant);
            let key = (fetched.product_id.clone(), fetched.variant_id.clone());
            if !compared.insert(key.clone()) {
                continue;
            }
            changes.push(match by_variant.remove(&key) {
                None if fetched.state == ProductState::Gone => continue,
                None => Change::Added(fetched),
                Some(listing) if listing.content_hash == fetched.content_hash => {
                    Change::Unchanged(listing.id)
                }
                // A reading that is older than what we hold says nothing new.
                Some(listing) if listing.remote_version > fetched.remote_version => {
                    Change::Unchanged(listing.id)
                }
                Some(listing) => {
                    let fields = fetched.differs_from(&listing);
                    Change::Changed(Box::new(listing), fetched, fields)
                }
            });
        }
    }
    let left = by_variant
        .into_values()
        .filter(|listing| listing.state != "gone");
    changes.extend(left.map(|listing| Change::Gone(Box::new(listing))));
    changes
}

/// Each product once.
fn newest(products: &[Product]) -> impl Iterator<Item = &Product> {
    let mut best: HashMap<&str, (Timestamp, usize)> = HashMap::new();
    for (place, product) in products.iter().enumerate() {
        let this = (product.version, place);
        let known = best.entry(product.remote_id.as_str()).or_insert(this);
        *known = (*known).max(this);
    }
    let is_best = move |(place, product): &(usize, &Product)| {
        best.get(product.remote_id.as_str()) == Some(&(product.version, *place))
    };
    products.iter().enumerate().filter(is_best).map(|(_, p)| p)
}

impl Fetched {
    pub fn of(product: &Product, variant: &Variant) -> Self {
        let title = if variant.title.is_empty() || variant.title == product.title {
            product.title.clone()
        } else {
            format!("{} - {}", product.title, variant.title)
        };
        // PostgreSQL stores no zero bytes: a product that has one must not fail its page.
        let plain = |text: &str| text.replace('\0', "");
        let mut fetched = Self {
            product_id: product.remote_id.to_string(),
            variant_id: variant.remote_id.to_string(),
            seller_sku: variant.seller_sku.as_deref().map(plain),
            title: plain(&title),
            state: product.state.max(variant.state),
            price_minor: variant.price.map(|price| price.minor),
            currency: variant.price.map(|price| price.currency.code().to_owned()),
            quantity: variant.quantity,
            reserved: variant.reserved.filter(|units| *units > 0),
            push_ref: variant.push_ref.clone(),
            remote_version: product.version.micros(),
            content_hash: String::new(),
        };
        fetched.content_hash = fetched.hash();
        fetched
    }

    /// Of everything a person could see differ. The version is left out: marketplaces move it without
    /// a change.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let fields = [
            self.seller_sku.clone(),
            Some(self.title.clone()),
            Some(state_name(self.state).to_owned()),
            self.price_minor.map(|n| n.to_string()),
            self.currency.clone(),
            self.quantity.map(|n| n.to_string()),
            self.push_ref.clone(),
        ];
        for field in fields {
            match field {
                // Lengths keep "ab" + "c" apart from "a" + "bc".
                Some(text) => {
                    hash.update((text.len() as u64 + 1).to_le_bytes());
                    hash.update(text.as_bytes());
                }
                None => hash.update(0_u64.to_le_bytes()),
            }
        }
        // Left out where there are none: listings that were read before campaigns were keep their hash.
        if let Some(units) = self.reserved {
            hash.update(b"reserved");
            hash.update(units.to_le_bytes());
        }
        hex::encode(&hash.finalize()[..16])
    }
}

/// The name in the table; never renamed.
pub(super) const fn state_name(state: ProductState) -> &'static str {
    match state {
        ProductState::Active => "active",
        ProductState::Inactive => "inactive",
        ProductState::Gone => "gone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn product(title: &str, skus: &[&str]) -> Product {
        let variant = |sku: &&str| Variant {
            remote_id: (*sku).into(),
            title: (*sku).to_owned(),
            state: ProductState::Active,
            seller_sku: Some((*sku).to_owned()),
            price: None,
            quantity: Some(3),
            reserved: None,
            push_ref: None,
        };
        Product {
            remote_id: "1".into(),
            title: title.to_owned(),
            state: ProductState::Active,
            version: Timestamp::from_secs(10),
            variants: skus.iter().map(variant).collect(),
        }
    }

    fn held(product: &Product) -> Vec<listings::Model> {
        let row = |(index, variant): (usize, &Variant)| {
            let fetched = Fetched::of(product, variant);
            listings::Model {
                id: index as i64 + 1,
                merchant_id: 1,
                channel_id: 1,
                product_id: fetched.product_id,
                variant_id: fetched.variant_id,
                sku_id: None,
                seller_sku: fetched.seller_sku,
                title: fetched.title,
                state: state_name(fetched.state).to_owned(),
                price_minor: fetched.price_minor,
                currency: fetched.currency,
                quantity: fetched.quantity,
                push_ref: fetched.push_ref,
                content_hash: fetched.content_hash,
                remote_version: fetched.remote_version,
                reserved: fetched.reserved,
                push_read_at: None,
                pushed_quantity: None,
                pushed_at: None,
                link_by: "auto".to_owned(),
                unlinked_by_hand: false,
                link_at: None,
                shown_at: None,
                quantity_read_at: None,
                price_read_at: None,
                created_at: 0,
                updated_at: 0,
            }
        };
        product.variants.iter().enumerate().map(row).collect()
    }

    #[test]
    fn an_unchanged_product_changes_nothing() {
        let tee = product("Tee", &["S", "M"]);

        let changes = between(held(&tee), std::slice::from_ref(&tee));

        assert_eq!(changes, [Change::Unchanged(1), Change::Unchanged(2)]);
    }

    #[test]
    fn the_fields_that_differ_are_named() {
        let mut edited = product("Tee", &["S"]);
        edited.variants[0].quantity = Some(2);
        edited.variants[0].seller_sku = None;

        let changes = between(held(&product("Tee", &["S"])), &[edited]);

        let [Change::Changed(_, _, fields)] = &changes[..] else {
            panic!("{changes:?}");
        };
        let told: Vec<_> = fields
            .iter()
            .map(|f| (f.field, f.before.as_deref(), f.after.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("seller_sku", Some("S"), None),
                ("quantity", Some("3"), Some("2")),
            ]
        );
    }

    #[test]
    fn a_variant_that_its_product_no_longer_has_is_gone_and_a_new_one_is_added() {
        let changes = between(held(&product("Tee", &["S"])), &[product("Tee", &["M"])]);

        assert!(
            matches!(&changes[..], [Change::Added(added), Change::Gone(gone)]
            if added.variant_id == "M" && gone.id == 1)
        );
    }

    #[test]
    fn a_product_that_is_listed_twice_counts_once_as_its_newest_reading() {
        let old = product("Tee", &["S"]);
        let mut new = product("Tee, new", &["S", "S"]);
        new.version = Timestamp::from_secs(11);

        for page in [[new.clone(), old.clone()], [old.clone(), new.clone()]] {
            let added = between(vec![], &page);
            let changed = between(held(&old), &page);

            assert!(matches!(&added[..], [Change::Added(one)] if one.title == "Tee, new - S"));
            assert!(
                matches!(&changed[..], [Change::Changed(_, one, _)] if one.title == "Tee, new - S")
            );
        }
    }

    #[test]
    fn an_older_reading_does_not_undo_a_newer_one() {
        let mut stale = product("Old name", &["S"]);
        stale.version = Timestamp::from_secs(9);

        let changes = between(held(&product("New name", &["S"])), &[stale]);

        assert_eq!(changes, [Change::Unchanged(1)]);
    }
}
