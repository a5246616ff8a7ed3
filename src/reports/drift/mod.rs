//! Drift: our level and price beside what a channel shows, and why they differ.
//!
//! A difference is classed by what is known of it, the surest first:
//!
//! | class | what is known |
//! |---|---|
//! | unlinked | the listing has no SKU, so nothing of ours stands beside it |
//! | failed push | the channel did not take what it was told last |
//! | in flight | a push waits or runs, or the channel took the level (or sold a unit) after it was last read |
//! | promotion-reserved | a campaign holds as many units as are missing |
//! | edited at the marketplace | after our last push another value was read there |
//! | unknown | none of these; the reason says what was looked at |
//!
//! What a channel shows was true when it was read. Readings that find nothing new write nothing, so a listing counts
//! as read when a scan that covers it began, or when something new of it was read, whichever is later.

mod classify;
mod facts;
mod select;
mod timeline;

pub use timeline::Entry;

use crate::channels::{self, Channel, ChannelError};
use crate::db::Db;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Timestamp, job::named};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use thiserror::Error;

/// Differences looked at together.
const PAGE: u64 = 200;
/// Pages looked at for one answer when only one class is wanted.
const MOST_PAGES: usize = 20;

named!(
    /// Why a channel shows something else than we hold.
    DriftClass {
        InFlight = "in_flight",
        PromotionReserved = "promotion_reserved",
        Edited = "edited_at_marketplace",
        FailedPush = "failed_push",
        Unlinked = "unlinked",
        Unknown = "unknown",
    }
);

named!(
    /// What differs.
    Of {
        Stock = "stock",
        Price = "price",
        /// Nothing can be compared: the listing has no SKU.
        Link = "link",
    }
);

/// Which differences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftQuery {
    pub channel: Option<ChannelId>,
    pub class: Option<DriftClass>,
    /// Part of a title or a seller SKU.
    pub search: Option<String>,
    /// Where the page before ended, as its `next` says.
    pub after: Option<String>,
    /// Differences: 1 to 1,000.
    pub limit: usize,
}

/// One difference, with what explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub listing: ListingId,
    pub channel: ChannelId,
    pub title: String,
    pub seller_sku: Option<String>,
    pub sku: Option<SkuId>,
    pub code: Option<String>,
    pub of: Of,
    /// What the books say: units, or minor units of `currency`.
    pub ours: Option<i64>,
    /// What the channel showed when it was last read.
    pub shown: Option<i64>,
    pub currency: Option<String>,
    pub class: DriftClass,
    pub why: String,
    /// When what it shows was last known to be true.
    pub read_at: Timestamp,
    /// Newest first.
    pub timeline: Vec<Entry>,
}

/// How much there is to look at on the channels asked for, whatever its class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DriftTotals {
    /// Listings with a SKU, and not gone: what is compared.
    pub compared: u64,
    pub stock: u64,
    pub price: u64,
    pub unlinked: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftPage {
    pub totals: DriftTotals,
    /// Differences on this page, by class.
    pub classes: BTreeMap<&'static str, u64>,
    pub rows: Vec<Difference>,
    pub next: Option<String>,
}

#[derive(Debug, Error)]
pub enum DriftError {
    #[error("`{0}` is not where a page of drift ended; take `next` of the page before")]
    NotAPlace(String),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// A page of differences, channel by channel, each by listing. Thirteen queries at most for every 200 of them, and four
/// for each channel's rules and totals.
pub async fn drift(
    db: &Db,
    merchant: MerchantId,
    query: &DriftQuery,
    now: Timestamp,
) -> Result<DriftPage, DriftError> {
    let connections = connections(db, merchant, query.channel).await?;
    let (mut channel_at, mut after) = place(query)?;
    let limit = query.limit.clamp(1, 1_000);
    let mut page = DriftPage {
        totals: DriftTotals::default(),
        classes: BTreeMap::new(),
        rows: Vec::new(),
        next: None,
    };
    let mut all = Vec::new();
    for connection in &connections {
        let ours = select::Ours::of(db, connection, now).await?;
        page.totals.add(select::totals(db, &ours).await?);
        all.push(ours);
    }
    let mut pages_left = MOST_PAGES;
    for ours in all {
        let connection = ours.connection;
        if connection.id < channel_at {
            continue;
        }
        if connection.id > channel_at {
            (channel_at, after) = (connection.id, ListingId(0));
        }
        loop {
            if page.rows.len() >= limit || pages_left == 0 {
                page.next = Some(format!("{channel_at}:{after}"));
                return Ok(page.counted());
            }
            pages_left -= 1;
            let room = (limit - page.rows.len()) as u64;
            let size = if query.class.is_some() {
                PAGE
            } else {
                room.min(PAGE)
            };
            let found = select::page(db, &ours, query, after, size).await?;
            let is_last = (found.len() as u64) < size;
            for of_listing in facts::explained(db, connection, &found, now).await? {
                after = of_listing.listing;
                let wanted = of_listing.differences.into_iter();
                page.rows.extend(
                    wanted.filter(|one| query.class.is_none_or(|class| class == one.class)),
                );
                if page.rows.len() >= limit {
                    break;
                }
            }
            if page.rows.len() < limit && is_last {
                break;
            }
        }
    }
    Ok(page.counted())
}

async fn connections(
    db: &Db,
    merchant: MerchantId,
    wanted: Option<ChannelId>,
) -> Result<Vec<Channel>, DriftError> {
    let all = channels::list(db, merchant, false).await?;
    let wanted = wanted.map(|id| {
        let known = all.iter().find(|channel| channel.id == id);
        known.map_or(id, Channel::connection)
    });
    let is_asked_for =
        |channel: &Channel| channel.parent.is_none() && wanted.is_none_or(|id| id == channel.id);
    Ok(all.into_iter().filter(is_asked_for).collect())
}

fn place(query: &DriftQuery) -> Result<(ChannelId, ListingId), DriftError> {
    let Some(text) = &query.after else {
        return Ok((ChannelId(0), ListingId(0)));
    };
    text.split_once(':')
        .and_then(|(channel, listing)| {
            let channel = ChannelId(channel.parse().ok()?);
            Some((channel, ListingId(listing.parse().ok()?)))
        })
        .ok_or_else(|| DriftError::NotAPlace(text.clone()))
}

impl DriftPage {
    fn counted(mut self) -> Self {
        for row in &self.rows {
            *self.classes.entry(row.class.as_str()).or_default() += 1;
        }
        self
    }
}

impl DriftTotals {
    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.stock += other.stock;
        self.price += other.price;
        self.unlinked += other.unlinked;
    }
}
