//! Writing what differs, and only that.

use super::{
    Change, Difference, Fetched, FieldChange, LinkBy, diff, links,
    skus::{self, SkuIndex},
};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Product, RemoteId, Timestamp};
use entity::listings;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, sea_query::Expr,
};
use std::collections::HashSet;

/// Rows per statement: 22 values each, and SQLite binds 32,766 at most.
const ROWS: usize = 1_000;

const GONE: &str = diff::state_name(crate::domain::ProductState::Gone);

/// What one page of products changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Ids of every listing that was read, changed or not.
    pub seen: Vec<i64>,
    pub added: u64,
    pub changed: u64,
    pub gone: u64,
    /// Listings that now have a SKU and had none.
    pub linked: u64,
    /// What differed, in the order in which it was found.
    pub differences: Vec<Difference>,
    /// Seller SKUs that listings have now and had not before.
    pub codes: Vec<String>,
}

impl Applied {
    /// Takes over what another page changed.
    pub fn merge(&mut self, other: Self) {
        self.seen.extend(other.seen);
        self.added += other.added;
        self.changed += other.changed;
        self.gone += other.gone;
        self.linked += other.linked;
        self.differences.extend(other.differences);
        self.codes.extend(other.codes);
    }

    fn note_gone(&mut self, listing: &listings::Model) {
        self.gone += 1;
        self.differences.push(Difference::gone(listing));
    }

    fn note_added(&mut self, row: &listings::Model) {
        self.added += 1;
        self.seen.push(row.id);
        self.differences.push(Difference::added(row));
        self.note_code(row);
        if row.sku_id.is_some() {
            self.note_linked(row);
        }
    }

    fn note_changed(
        &mut self,
        before: &listings::Model,
        fields: Vec<FieldChange>,
        row: &listings::Model,
    ) {
        self.seen.push(row.id);
        if row.state == GONE {
            self.note_gone(before);
            return;
        }
        self.changed += 1;
        if before.seller_sku != row.seller_sku || before.state == GONE {
            self.note_code(row);
        }
        let of_field = |change| Difference::field(row, change);
        self.differences.extend(fields.into_iter().map(of_field));
        if before.sku_id.is_none() && row.sku_id.is_some() {
            self.note_linked(row);
        }
    }

    fn note_linked(&mut self, row: &listings::Model) {
        self.linked += 1;
        self.differences.push(Difference::linked(row));
    }

    fn note_code(&mut self, row: &listings::Model) {
        self.codes.extend(row.seller_sku.clone());
    }
}

/// Compares products that were read whole with what we hold, and writes what differs.
///
/// Costs one query when nothing differs; new listings are inserted together.
pub async fn apply_products(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    products: &[Product],
    now: Timestamp,
) -> Result<Applied, DbErr> {
    let mut applied = Applied::default();
    if products.is_empty() {
        return Ok(applied);
    }
    let ids: HashSet<&str> = products.iter().map(|p| p.remote_id.as_str()).collect();
    let held = listings::Entity::of_channel(channel.0)
        .filter(listings::Column::ProductId.is_in(ids))
        .all(tx)
        .await?;
    let changes = diff::between(held, products);
    let codes = changes.iter().filter_map(|change| match change {
        Change::Added(fetched) | Change::Changed(_, fetched, _) => fetched.seller_sku.as_deref(),
        _ => None,
    });
    let skus = skus::index(tx, merchant, codes).await?;
    let mut new = Vec::new();
    for change in changes {
        match change {
            Change::Unchanged(id) => applied.seen.push(id),
            Change::Added(fetched) => new.push(added(merchant, channel, fetched, &skus, now)),
            Change::Changed(listing, fetched, fields) => {
                let before = listing.clone();
                let row = changed(*listing, fetched, &skus, now).update(tx).await?;
                applied.note_changed(&before, fields, &row);
            }
            Change::Gone(listing) => {
                set_gone(tx, &[listing.id], now).await?;
                applied.note_gone(&listing);
            }
        }
    }
    for chunk in new.chunks(ROWS) {
        let insert = listings::Entity::insert_many(chunk.iter().cloned());
        for row in insert.exec_with_returning(tx).await? {
            applied.note_added(&row);
        }
    }
    Ok(applied)
}

fn added(
    merchant: MerchantId,
    channel: ChannelId,
    fetched: Fetched,
    skus: &SkuIndex,
    now: Timestamp,
) -> listings::ActiveModel {
    listings::ActiveModel {
        merchant_id: Set(merchant.0),
        channel_id: Set(channel.0),
        product_id: Set(fetched.product_id),
        variant_id: Set(fetched.variant_id),
        sku_id: Set(skus.id_of(fetched.seller_sku.as_deref())),
        seller_sku: Set(fetched.seller_sku),
        title: Set(fetched.title),
        state: Set(diff::state_name(fetched.state).to_owned()),
        price_minor: Set(fetched.price_minor),
        currency: Set(fetched.currency),
        quantity: Set(fetched.quantity),
        reserved: Set(fetched.reserved),
        shown_at: Set(Some(now.micros())),
        link_by: Set(LinkBy::Auto.as_str().to_owned()),
        unlinked_by_hand: Set(false),
        push_ref: Set(fetched.push_ref),
        content_hash: Set(fetched.content_hash),
        remote_version: Set(fetched.remote_version),
        created_at: Set(now.micros()),
        updated_at: Set(now.micros()),
        ..Default::default()
    }
}

fn changed(
    listing: listings::Model,
    fetched: Fetched,
    skus: &SkuIndex,
    now: Timestamp,
) -> listings::ActiveModel {
    // The link follows the seller SKU when that changes; what a person decided stays.
    let is_same = fetched.seller_sku == listing.seller_sku && listing.sku_id.is_some();
    let sku_id = if is_same || links::is_by_hand(&listing) {
        listing.sku_id
    } else {
        skus.id_of(fetched.seller_sku.as_deref())
    };
    let quantity_differs = fetched.quantity != listing.quantity;
    let price_differs =
        fetched.price_minor != listing.price_minor || fetched.currency != listing.currency;
    let mut row = listing.into_active_model();
    if quantity_differs {
        row.quantity_read_at = Set(Some(now.micros()));
    }
    if price_differs {
        row.price_read_at = Set(Some(now.micros()));
    }
    row.sku_id = Set(sku_id);
    row.seller_sku = Set(fetched.seller_sku);
    row.title = Set(fetched.title);
    row.state = Set(diff::state_name(fetched.state).to_owned());
    row.price_minor = Set(fetched.price_minor);
    row.currency = Set(fetched.currency);
    row.quantity = Set(fetched.quantity);
    row.reserved = Set(fetched.reserved);
    row.shown_at = Set(Some(now.micros()));
    row.push_ref = Set(fetched.push_ref);
    row.content_hash = Set(fetched.content_hash);
    row.remote_version = Set(fetched.remote_version);
    row.updated_at = Set(now.micros());
    row
}

/// Marks the listings of products that the marketplace no longer knows.
///
/// An id that is not a known product changes nothing: WooCommerce announces deleted coupons and pages as
/// deleted products.
pub async fn apply_gone(
    tx: &Tx,
    channel: ChannelId,
    products: &[RemoteId],
    now: Timestamp,
) -> Result<Applied, DbErr> {
    let held = listings::Entity::of_channel(channel.0)
        .filter(listings::Column::ProductId.is_in(products.iter().map(RemoteId::as_str)))
        .filter(listings::Column::State.ne(GONE))
        .all(tx)
        .await?;
    let ids: Vec<i64> = held.iter().map(|listing| listing.id).collect();
    set_gone(tx, &ids, now).await?;
    let mut applied = Applied::default();
    for listing in &held {
        applied.note_gone(listing);
    }
    Ok(applied)
}

pub(super) async fn set_gone(tx: &Tx, ids: &[i64], now: Timestamp) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    listings::Entity::update_many()
        .col_expr(listings::Column::State, Expr::value(GONE))
        // No reading has this hash: should the listing come back, it is written again.
        .col_expr(listings::Column::ContentHash, Expr::value(""))
        .col_expr(listings::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(listings::Column::Id.is_in(ids.iter().copied()))
        .exec(tx)
        .await?;
    Ok(())
}
