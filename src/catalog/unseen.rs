//! What a walk over everything did not see: counted first, and believed gone only when its caller says so.

use super::{Difference, apply::set_gone};
use crate::db::Tx;
use crate::domain::{ChannelId, RemoteId, Timestamp};
use entity::listings;
use roaring::RoaringTreemap;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::collections::BTreeSet;

/// Listings looked at together.
const SWEEP: u64 = 1_000;

/// How much of what we knew before a walk was not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Listings that were known before it began, and not gone.
    pub known: u64,
    /// Those of them that it did not see.
    pub listings: u64,
    /// Their products; no more than were asked for, and one.
    pub products: BTreeSet<RemoteId>,
}

/// Counts what was not seen, and names up to `most` products, and one more where there are more.
///
/// What was written after `begun_at` counts as seen: somebody else has read it since.
pub async fn unseen<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    seen: &RoaringTreemap,
    begun_at: Timestamp,
    most: usize,
) -> Result<Unseen, DbErr> {
    let mut found = Unseen::default();
    let mut after = 0;
    loop {
        let page = sweep(db, channel, begun_at, after).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = last.id;
        found.known += page.len() as u64;
        for listing in page.iter().filter(|row| is_unseen(row, seen, begun_at)) {
            found.listings += 1;
            if found.products.len() <= most {
                found
                    .products
                    .insert(RemoteId::from(listing.product_id.as_str()));
            }
        }
    }
}

/// Marks listings gone that no page showed and that we knew before the walk began. Returns how many, and up to
/// `most` of them.
pub async fn mark_unseen_gone(
    tx: &Tx,
    channel: ChannelId,
    seen: &RoaringTreemap,
    begun_at: Timestamp,
    (most, now): (usize, Timestamp),
) -> Result<(u64, Vec<Difference>), DbErr> {
    let (mut after, mut gone, mut told) = (0, 0, Vec::new());
    loop {
        let page = sweep(tx, channel, begun_at, after).await?;
        let Some(last) = page.last() else {
            return Ok((gone, told));
        };
        after = last.id;
        let unseen = page.iter().filter(|row| is_unseen(row, seen, begun_at));
        let unseen: Vec<_> = unseen.collect();
        gone += unseen.len() as u64;
        let room = most.saturating_sub(told.len());
        told.extend(unseen.iter().take(room).map(|row| Difference::gone(row)));
        let ids: Vec<i64> = unseen.iter().map(|row| row.id).collect();
        set_gone(tx, &ids, now).await?;
    }
}

/// Ids of the listings of these products.
pub async fn ids_of_products<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    products: &[RemoteId],
) -> Result<Vec<i64>, DbErr> {
    listings::Entity::of_channel(channel.0)
        .select_only()
        .column(listings::Column::Id)
        .filter(listings::Column::ProductId.is_in(products.iter().map(RemoteId::as_str)))
        .order_by_asc(listings::Column::Id)
        .into_tuple()
        .all(db)
        .await
}

fn is_unseen(row: &listings::Model, seen: &RoaringTreemap, begun_at: Timestamp) -> bool {
    row.updated_at < begun_at.micros() && !seen.contains(row.id.cast_unsigned())
}

async fn sweep<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    begun_at: Timestamp,
    after: i64,
) -> Result<Vec<listings::Model>, DbErr> {
    listings::Entity::of_channel(channel.0)
        .filter(listings::Column::Id.gt(after))
        .filter(listings::Column::State.ne("gone"))
        .filter(listings::Column::CreatedAt.lt(begun_at.micros()))
        .order_by_asc(listings::Column::Id)
        .limit(SWEEP)
        .all(db)
        .await
}
