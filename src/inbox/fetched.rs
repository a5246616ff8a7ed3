//! Webhooks that never reached us and that we fetched: stored as if they had just come.
//!
//! Promises: the same verdicts, events and follow-up jobs as for received ones, and the same delivery keys, so
//! that one which did reach us after all is a duplicate. When it returns, all of them are on disk.

use super::{
    commit::{Receipt, StoreError, Stored, store_all},
    receive::make_receipt,
};
use crate::channels::{self, ChannelError, Known};
use crate::domain::{RemoteId, Timestamp};
use crate::marketplaces::{Marketplace, RawDelivery};
use crate::queue::Queue;
use bytes::Bytes;
use std::collections::HashMap;

/// Stands among a delivery's headers, so that people can see which way it came.
pub(super) const CAME_BY: (&str, &str) = ("x-marketsink-came-by", "fetched as missed");

/// What was done with fetched webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Stored for the first time.
    pub new: u64,
    /// Had reached us after all.
    pub known: u64,
}

/// Stores these bodies, which the marketplace gave us when we asked, and enqueues what follows from them.
/// They need no signature: the answer to a call of ours is believed.
///
/// # Errors
/// When one of them is not on disk; the marketplace must go on keeping them. Repeatable.
pub async fn keep_fetched(
    queue: &Queue,
    marketplace: &'static dyn Marketplace,
    bodies: Vec<Bytes>,
    now: Timestamp,
) -> Result<Kept, ChannelError> {
    let mut channels_of = HashMap::new();
    let mut receipts: Vec<Receipt> = Vec::with_capacity(bodies.len());
    for body in bodies {
        let headers = vec![(CAME_BY.0.to_owned(), CAME_BY.1.to_owned())];
        let raw = RawDelivery::new(headers, body).at(now);
        let shop = marketplace.claimed_channel(&raw);
        let known = match known_channel(queue, marketplace, shop, &mut channels_of).await? {
            Whose::Of(known) => Some(known),
            Whose::Nobody => None,
            // The merchant does not want to hear of it.
            Whose::Removed => continue,
        };
        let delivery = raw.fetched_by_us();
        receipts.push(make_receipt(marketplace, &delivery, known.as_ref(), now));
    }
    let mut kept = Kept::default();
    for stored in store_all(queue, &receipts).await {
        match stored.map_err(not_stored)? {
            Stored::New => kept.new += 1,
            Stored::Duplicate => kept.known += 1,
        }
    }
    queue.wake();
    Ok(kept)
}

fn not_stored(error: StoreError) -> ChannelError {
    ChannelError::Db(sea_orm::DbErr::Custom(error.to_string()))
}

/// Whom a webhook is for.
#[derive(Clone)]
enum Whose {
    Of(Known),
    /// A shop that was never connected, or none at all.
    Nobody,
    /// A shop that the merchant has removed.
    Removed,
}

/// The channel of a shop, asked for once.
async fn known_channel(
    queue: &Queue,
    marketplace: &'static dyn Marketplace,
    shop: Option<RemoteId>,
    known: &mut HashMap<RemoteId, Whose>,
) -> Result<Whose, ChannelError> {
    let Some(shop) = shop else {
        return Ok(Whose::Nobody);
    };
    if let Some(channel) = known.get(&shop) {
        return Ok(channel.clone());
    }
    let read = queue.db().read();
    let (slug, id) = (marketplace.slug(), shop.as_str());
    let channel = match channels::known_shop(read, slug, id).await? {
        Some(known) => Whose::Of(known),
        None if channels::is_removed(read, slug, id).await? => Whose::Removed,
        None => Whose::Nobody,
    };
    known.insert(shop, channel.clone());
    Ok(channel)
}
