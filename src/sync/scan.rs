//! Walking over a channel's listings, page by page, with a checkpoint after each.
//!
//! 1. Open a scan row, or resume the one that was running: its window's end was fixed when it began.
//! 2. Each page: read it; then in one transaction write what differs, what was seen, and where to go on.
//! 3. A list longer than the API lets anyone read is walked in windows of update time, cut in two as often
//!    as needed. What changes meanwhile leaves the windows that are still to come: one more is walked for that.
//! 4. At the end: a full scan marks gone what no page showed; the cursor moves to where the window ended.

use super::{
    Lane, Stream, Sync, SyncError,
    cursors::{self, advance},
    linking::revive_waiting,
    position::Position,
};
use crate::catalog::{self, Applied};
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{
    ChannelId, EventKind, Product, RemoteId, ScanId, ScanKind, ScanMethod, Source, Timestamp,
    Window,
};
use crate::inbox;
use crate::marketplaces::{Access, Limits, MarketplaceError, Page, ProductQuery, ProductScope};
use entity::{scan_pages, scans};
use roaring::RoaringTreemap;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder,
};

/// A scan that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRequest {
    pub channel: ChannelId,
    pub kind: ScanKind,
    pub method: ScanMethod,
    pub source: Source,
    /// The product of a single scan.
    pub product: Option<RemoteId>,
}

/// How a kind of scan is walked on this API.
struct Walk {
    /// The API lacks the filter: more is walked than was asked for.
    emulated: bool,
    /// Every listing is walked: absence may be concluded.
    complete: bool,
    start: Position,
}

impl Sync {
    /// Runs a scan to its end, or goes on with the one that was interrupted. Returns its id.
    ///
    /// # Errors
    /// When a page cannot be read. What was written stays, and the next run goes on from there.
    pub async fn run_scan(&self, request: &ScanRequest) -> Result<ScanId, SyncError> {
        let connection = self.connection(request.channel).await?;
        let lane = match request.method {
            ScanMethod::Sync => Lane::Urgent,
            ScanMethod::Async => Lane::Scan,
        };
        let access = self.access(&connection, lane).await?;
        if let (ScanKind::Single, Some(product)) = (request.kind, &request.product) {
            return self
                .scan_single(&connection, &access, request, product)
                .await;
        }
        if !connection.marketplace.abilities(&access).products {
            return Err(self.catalogue_untold(&connection).await?);
        }
        let mut row = self.open_scan(&connection, request).await?;
        let walk = walk_of(&connection, &row, request.kind);
        let saved = row.page_token.as_deref().and_then(Position::from_text);
        let mut position = saved.unwrap_or_else(|| walk.start.clone());
        loop {
            let query = ProductQuery {
                scope: scope(request.kind, &position, connection.marketplace.limits()),
                page: position.page.clone(),
            };
            let page = match connection.marketplace.products(&access, &query).await {
                Ok(page) if !exceeds(&page, connection.marketplace.limits()) => page,
                Ok(_) | Err(MarketplaceError::TooManyResults { .. }) => {
                    position = cut(&connection, &row, position)?;
                    continue;
                }
                Err(error) => {
                    return Err(self
                        .scan_failed(&connection, access.version, row, error)
                        .await);
                }
            };
            let rest = |walked: &Position| walked.for_the_rest(self.shared.clock.now());
            let next = position.clone().after(page.next.clone());
            // Only a walk over everything concludes anything from what it did not see.
            let next = next.or_else(|| rest(&position).filter(|_| walk.complete));
            row = self
                .write_page(&connection, row, &walk, &page, next.as_ref(), &access)
                .await?;
            match next {
                Some(next) => position = next,
                None => return self.close_scan(&connection, row, &walk, request.kind).await,
            }
        }
    }

    /// A shop that cannot be asked for its products tells of each one by itself: that something changed is then
    /// handled.
    async fn catalogue_untold(&self, connection: &Channel) -> Result<SyncError, SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let kind = EventKind::CatalogueChanged;
        inbox::mark_handled(&tx, connection.id, kind, None, now, now).await?;
        tx.commit().await?;
        Ok(Self::nothing_to_ask(connection, "its products"))
    }

    async fn open_scan(
        &self,
        connection: &Channel,
        request: &ScanRequest,
    ) -> Result<scans::Model, SyncError> {
        let running = scans::Entity::of_channel(connection.id.0)
            .filter(scans::Column::Kind.eq(request.kind.as_str()))
            .filter(scans::Column::State.eq("running"))
            .order_by_desc(scans::Column::Id)
            .one(self.db().read())
            .await?;
        if let Some(row) = running {
            return Ok(row);
        }
        let now = self.shared.clock.now();
        let cursor = cursors::cursor(self.db().read(), connection.id, Stream::Products).await?;
        let lookback = connection.marketplace.limits().lookback;
        let from = (request.kind == ScanKind::Updated)
            .then_some(cursor)
            .flatten()
            .map(|cursor| Window::since(cursor, lookback, now).from.micros());
        let row = scans::ActiveModel {
            merchant_id: Set(connection.merchant.0),
            channel_id: Set(connection.id.0),
            kind: Set(request.kind.as_str().to_owned()),
            method: Set(request.method.as_str().to_owned()),
            source: Set(request.source.as_str().to_owned()),
            state: Set("running".to_owned()),
            subject: Set(request.product.as_ref().map(ToString::to_string)),
            window_from: Set(from),
            window_to: Set(now.micros()),
            pages: Set(0),
            listings: Set(0),
            added: Set(0),
            changed: Set(0),
            gone: Set(0),
            linked: Set(0),
            errors: Set(0),
            api_calls: Set(0),
            emulated: Set(false),
            started_at: Set(now.micros()),
            ..Default::default()
        };
        let tx = self.db().write_tx().await?;
        let row = row.insert(&tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn write_page(
        &self,
        connection: &Channel,
        row: scans::Model,
        walk: &Walk,
        page: &Page<Product>,
        next: Option<&Position>,
        access: &Access,
    ) -> Result<scans::Model, SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let applied =
            catalog::apply_products(&tx, connection.merchant, connection.id, &page.items, now)
                .await?;
        if applied.linked > 0 {
            let products = page.items.iter().map(|product| &product.remote_id);
            revive_waiting(&tx, connection, products, now).await?;
        }
        if walk.complete {
            save_seen(&tx, &row, &applied).await?;
        }
        for (product, reason) in &page.unreadable {
            tracing::warn!(channel.id = connection.id.0, scan.id = row.id, %product, reason, "a product could not be read");
        }
        let row = count_page(row, page, &applied, walk, next, access.http.calls());
        let row = row.update(&tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn close_scan(
        &self,
        connection: &Channel,
        row: scans::Model,
        walk: &Walk,
        kind: ScanKind,
    ) -> Result<ScanId, SyncError> {
        let now = self.shared.clock.now();
        let begun_at = Timestamp::from_micros(row.window_to);
        let id = ScanId(row.id);
        let tx = self.db().write_tx().await?;
        let mut gone = row.gone;
        // With a product that could not be read, absence is not known.
        if walk.complete && row.errors == 0 {
            let seen = seen_by(&tx, row.id).await?;
            gone +=
                catalog::mark_unseen_gone(&tx, connection.id, &seen, begun_at, now).await? as i64;
        }
        scan_pages::Entity::delete_many()
            .filter(scan_pages::Column::ScanId.eq(row.id))
            .exec(&tx)
            .await?;
        if kind != ScanKind::Active {
            let owner = (connection.id, connection.merchant);
            advance(&tx, owner, Stream::Products, begun_at, now).await?;
            let kind = EventKind::CatalogueChanged;
            inbox::mark_handled(&tx, connection.id, kind, None, begun_at, now).await?;
        }
        let mut row = row.into_active_model();
        row.state = Set("done".to_owned());
        row.gone = Set(gone);
        row.page_token = Set(None);
        row.error = Set(None);
        row.finished_at = Set(Some(now.micros()));
        let row = row.update(&tx).await?;
        tx.commit().await?;
        tracing::info!(
            channel.id = connection.id.0,
            scan.id = row.id,
            scan.kind = row.kind,
            listings = row.listings,
            added = row.added,
            changed = row.changed,
            gone = row.gone,
            "scan done"
        );
        Ok(id)
    }

    /// Notes the failure; the scan stays running, and is resumed by the next try.
    async fn scan_failed(
        &self,
        connection: &Channel,
        version: i64,
        row: scans::Model,
        error: MarketplaceError,
    ) -> SyncError {
        let error = self.trouble(connection, version, error).await;
        let noted = async {
            let mut row = row.into_active_model();
            row.error = Set(Some(error.to_string()));
            let tx = self.db().write_tx().await?;
            row.update(&tx).await?;
            tx.commit().await
        };
        if let Err(failed) = noted.await {
            return failed.into();
        }
        error
    }

    async fn scan_single(
        &self,
        connection: &Channel,
        access: &Access,
        request: &ScanRequest,
        product: &RemoteId,
    ) -> Result<ScanId, SyncError> {
        let row = self.open_scan(connection, request).await?;
        let applied = match self.rescan_product(connection.id, product).await {
            Ok(applied) => applied,
            Err(error) => {
                self.fail_scan(row, &error).await?;
                return Err(error);
            }
        };
        let now = self.shared.clock.now();
        let id = ScanId(row.id);
        let page = Page {
            items: Vec::new(),
            next: None,
            total: Some(1),
            unreadable: Vec::new(),
        };
        let walk = Walk {
            emulated: false,
            complete: false,
            start: Position::whole(),
        };
        let mut row = count_page(
            row,
            &page,
            &applied,
            &walk,
            None,
            access.http.calls().max(1),
        );
        row.state = Set("done".to_owned());
        row.finished_at = Set(Some(now.micros()));
        let tx = self.db().write_tx().await?;
        row.update(&tx).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn fail_scan(&self, row: scans::Model, error: &SyncError) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let mut row = row.into_active_model();
        row.state = Set("failed".to_owned());
        row.error = Set(Some(error.to_string()));
        row.finished_at = Set(Some(now.micros()));
        let tx = self.db().write_tx().await?;
        row.update(&tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// How this kind of scan is walked on this API.
fn walk_of(connection: &Channel, row: &scans::Model, kind: ScanKind) -> Walk {
    let limits = connection.marketplace.limits();
    let to = Timestamp::from_micros(row.window_to);
    let window = row.window_from.map(|from| Window {
        from: Timestamp::from_micros(from),
        to,
    });
    let walk = match (kind, window) {
        (ScanKind::Updated, Some(window)) if limits.updated_filter => Walk {
            emulated: false,
            complete: false,
            start: Position::within(window),
        },
        // The first updated scan has no cursor yet: everything is new.
        (ScanKind::Updated, window) => Walk {
            emulated: window.is_some(),
            complete: false,
            start: Position::whole(),
        },
        (ScanKind::Active, _) => Walk {
            emulated: !limits.active_filter,
            complete: false,
            start: Position::whole(),
        },
        _ => Walk {
            emulated: false,
            complete: true,
            start: Position::whole(),
        },
    };
    if walk.emulated && !row.emulated {
        tracing::info!(
            channel.id = connection.id.0,
            scan.id = row.id,
            "the API has no filter for this kind of scan; every listing is walked and compared"
        );
    }
    walk
}

/// Cuts the present window in two; a walk without windows begins anew with one that holds everything.
fn cut(
    connection: &Channel,
    row: &scans::Model,
    position: Position,
) -> Result<Position, SyncError> {
    let everything = Window {
        from: Timestamp::EPOCH,
        to: Timestamp::from_micros(row.window_to),
    };
    let cut = match position.window() {
        None if connection.marketplace.limits().updated_filter => {
            Some(Position::within(everything))
        }
        _ => position.cut(),
    };
    cut.ok_or(SyncError::Marketplace {
        channel: connection.id,
        error: MarketplaceError::TooManyResults {
            marketplace: connection.marketplace.name(),
        },
    })
}

fn scope(kind: ScanKind, position: &Position, limits: &Limits) -> ProductScope {
    match position.window() {
        Some(window) => ProductScope::Updated(window),
        None if kind == ScanKind::Active && limits.active_filter => ProductScope::Active,
        None => ProductScope::Full,
    }
}

/// The list says from its first page that its end cannot be reached.
fn exceeds(page: &Page<Product>, limits: &Limits) -> bool {
    let cap = limits.product_result_cap;
    limits.updated_filter && cap.is_some_and(|cap| page.total.is_some_and(|total| total > cap))
}

fn count_page(
    row: scans::Model,
    page: &Page<Product>,
    applied: &Applied,
    walk: &Walk,
    next: Option<&Position>,
    calls: u64,
) -> scans::ActiveModel {
    let counts = row.clone();
    let mut row = row.into_active_model();
    row.pages = Set(counts.pages + 1);
    row.listings = Set(counts.listings + applied.seen.len() as i64);
    row.added = Set(counts.added + applied.added as i64);
    row.changed = Set(counts.changed + applied.changed as i64);
    row.gone = Set(counts.gone + applied.gone as i64);
    row.linked = Set(counts.linked + applied.linked as i64);
    row.errors = Set(counts.errors + page.unreadable.len() as i64);
    row.api_calls = Set(counts.api_calls.max(calls as i64));
    row.expected = Set(page.total.map(|total| total as i64).or(counts.expected));
    row.emulated = Set(walk.emulated);
    row.page_token = Set(next.map(Position::to_text));
    row
}

/// Saves which listings a page showed: one row a page, whatever the page held.
async fn save_seen(tx: &Tx, row: &scans::Model, applied: &Applied) -> Result<(), DbErr> {
    let seen: RoaringTreemap = applied.seen.iter().map(|id| id.cast_unsigned()).collect();
    let mut bytes = Vec::with_capacity(seen.serialized_size());
    seen.serialize_into(&mut bytes)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    let page = scan_pages::ActiveModel {
        merchant_id: Set(row.merchant_id),
        scan_id: Set(row.id),
        page: Set(row.pages),
        seen: Set(bytes),
        ..Default::default()
    };
    page.insert(tx).await?;
    Ok(())
}

async fn seen_by(tx: &Tx, scan: i64) -> Result<RoaringTreemap, DbErr> {
    let pages = scan_pages::Entity::find()
        .filter(scan_pages::Column::ScanId.eq(scan))
        .order_by_asc(scan_pages::Column::Page)
        .all(tx)
        .await?;
    let mut all = RoaringTreemap::new();
    for page in pages {
        let seen = RoaringTreemap::deserialize_from(page.seen.as_slice())
            .map_err(|error| DbErr::Custom(format!("page {}: {error}", page.page)))?;
        all |= seen;
    }
    Ok(all)
}
