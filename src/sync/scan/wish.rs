//! What a person asks for, as the scans that it takes: several channels at once, and one product by its SKU, its
//! listing, or the marketplace's id.

use super::ScanRequest;
use crate::catalog;
use crate::channels::{self, ChannelError};
use crate::domain::{ChannelId, ListingId, MerchantId, RemoteId, ScanKind, ScanMethod, Source};
use crate::sync::Sync;
use sea_orm::DbErr;
use thiserror::Error;

/// One product, as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The marketplace's id.
    Product(RemoteId),
    /// The code of a SKU; its products on each channel.
    Sku(String),
    /// Our id of a listing; its channel is known.
    Listing(ListingId),
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanWish {
    pub merchant: MerchantId,
    /// May be empty with a SKU, for all channels, and with a listing, for its own.
    pub channels: Vec<ChannelId>,
    /// None: full, or single with a subject.
    pub kind: Option<ScanKind>,
    pub method: ScanMethod,
    pub subject: Option<Subject>,
}

/// Why a wish makes no scan.
#[derive(Debug, Error)]
pub enum WishError {
    #[error("there is no channel {0}; `marketsink channel list` shows those there are")]
    UnknownChannel(ChannelId),
    #[error("say which channels; `marketsink channel list` shows those there are")]
    NoChannel,
    #[error("a single scan needs its product: the marketplace's id, a SKU or a listing")]
    NoSubject,
    #[error("a product is for a scan of the kind `single`, not `{0}`")]
    SubjectOf(ScanKind),
    #[error("there is no listing {0}")]
    UnknownListing(ListingId),
    #[error("no listing of these channels has the SKU `{0}`; a full scan finds new ones")]
    UnlistedSku(String),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl Sync {
    /// The scans that a wish takes: one per connection, or one per product and connection.
    ///
    /// # Errors
    /// When it names what there is not, or does not fit together.
    pub async fn scans_of(&self, wish: &ScanWish) -> Result<Vec<ScanRequest>, WishError> {
        let default = match wish.subject {
            Some(_) => ScanKind::Single,
            None => ScanKind::Full,
        };
        let kind = wish.kind.unwrap_or(default);
        match (kind, &wish.subject) {
            (ScanKind::Single, None) => return Err(WishError::NoSubject),
            (ScanKind::Single, Some(_)) | (_, None) => {}
            (kind, Some(_)) => return Err(WishError::SubjectOf(kind)),
        }
        let mut requests = Vec::new();
        for (channel, product) in self.places_of(wish).await? {
            let request = ScanRequest {
                channel,
                kind,
                method: wish.method,
                source: Source::Manual,
                product,
            };
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
        Ok(requests)
    }

    async fn places_of(
        &self,
        wish: &ScanWish,
    ) -> Result<Vec<(ChannelId, Option<RemoteId>)>, WishError> {
        let read = self.db().read();
        if let Some(Subject::Listing(listing)) = wish.subject {
            let found = catalog::product_of_listing(read, wish.merchant, listing).await?;
            let (channel, product) = found.ok_or(WishError::UnknownListing(listing))?;
            return Ok(vec![(channel, Some(product))]);
        }
        let connections = self.connections_of(wish).await?;
        let mut places = Vec::new();
        for channel in connections {
            match &wish.subject {
                None => places.push((channel, None)),
                Some(Subject::Product(product)) => places.push((channel, Some(product.clone()))),
                Some(Subject::Sku(code)) => {
                    let owner = (wish.merchant, channel);
                    let products = catalog::products_of_code(read, owner, code).await?;
                    places.extend(products.into_iter().map(|id| (channel, Some(id))));
                }
                Some(Subject::Listing(_)) => {}
            }
        }
        match &wish.subject {
            Some(Subject::Sku(code)) if places.is_empty() => {
                Err(WishError::UnlistedSku(code.clone()))
            }
            _ => Ok(places),
        }
    }

    /// The connections of the channels; platforms on one connection are scanned together.
    async fn connections_of(&self, wish: &ScanWish) -> Result<Vec<ChannelId>, WishError> {
        let all = channels::list(self.db(), wish.merchant, true).await?;
        let mut connections = Vec::new();
        let chosen: Vec<ChannelId> = match &wish.subject {
            Some(Subject::Sku(_)) if wish.channels.is_empty() => {
                let active = all.iter().filter(|channel| channel.is_active());
                active.map(|channel| channel.id).collect()
            }
            _ => wish.channels.clone(),
        };
        if chosen.is_empty() {
            return Err(WishError::NoChannel);
        }
        for id in chosen {
            let channel = all.iter().find(|channel| channel.id == id);
            let connection = channel.ok_or(WishError::UnknownChannel(id))?.connection();
            if !connections.contains(&connection) {
                connections.push(connection);
            }
        }
        Ok(connections)
    }
}
