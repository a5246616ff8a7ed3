//! Walking over a channel's listings, page by page, with a checkpoint after each.
//!
//! 1. Open a scan row, or go on with the one that was asked for, interrupted or given up.
//! 2. Each page: read it; then in one transaction write what differs, what was seen, and where to go on. Whoever
//!    pauses or cancels changes the row's state, and the walk sees it with its next page.
//! 3. A list longer than the API lets anyone read is walked in windows of update time, cut in two as often
//!    as needed. What changes meanwhile leaves the windows that are still to come: one more is walked for that.
//! 4. At the end: a full scan concludes what is gone (see `absence`); the cursor moves to where the window ended.
//!
//! A page in which nothing differs costs one query and one write, the checkpoint; every 64th costs one more.

mod absence;
mod close;
mod control;
mod open;
mod page;
mod plan;
mod progress;
mod results;
mod single;
mod walk;
mod wish;

pub use control::{ControlError, Requested};
pub use plan::{Plan, Range};
pub use progress::Progress;
pub use results::{MOST_CHANGES, notices, read_notices, scan_changes};
pub use wish::{ScanWish, Subject, WishError};

use super::{Lane, Sync, SyncError, pace::Hold, position::Position};
use crate::channels::Channel;
use crate::domain::{
    ChannelId, EventKind, RemoteId, ScanId, ScanKind, ScanMethod, ScanState, Source, Timestamp,
};
use crate::inbox;
use crate::marketplaces::{Access, MarketplaceError, ProductQuery};
use entity::scans;
use open::Opened;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use std::sync::Arc;
use walk::Walk;

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

/// A scan on its way.
struct Run<'a> {
    sync: &'a Sync,
    connection: &'a Channel,
    access: Access,
    kind: ScanKind,
    walk: Walk,
    row: scans::Model,
    /// What the row had counted when this run began, and when that was.
    begun: Begun,
    /// Of a scan that somebody waits for.
    hold: Option<Hold>,
}

#[derive(Clone, Copy)]
struct Begun {
    at: Timestamp,
    calls: i64,
    spent_ms: i64,
}

impl Sync {
    /// Runs a scan to its end, or goes on with the one that was interrupted. Returns its id. A scan that was
    /// paused or cancelled meanwhile ends well, where it is.
    ///
    /// # Errors
    /// When a page cannot be read. What was written stays, and the next run goes on from there.
    pub async fn run_scan(&self, request: &ScanRequest) -> Result<ScanId, SyncError> {
        let connection = self.connection(request.channel).await?;
        let lane = match request.method {
            ScanMethod::Sync => Lane::First,
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
        let (row, is_resumed) = match self.open_scan(&connection, request).await? {
            Opened::Walk { row, is_resumed } => (*row, is_resumed),
            Opened::Rests(id) => return Ok(id),
        };
        let walk = walk_of(&connection, &row, request.kind);
        if let (Some(why), false) = (walk.emulated, row.emulated) {
            tracing::info!(channel.id = connection.id.0, scan.id = row.id, "{why}");
        }
        let mut run = Run {
            sync: self,
            connection: &connection,
            access,
            kind: request.kind,
            walk,
            begun: Begun {
                at: self.shared.clock.now(),
                calls: row.api_calls,
                spent_ms: row.spent_ms,
            },
            row,
            hold: None,
        };
        run.follow_method();
        run.go(is_resumed).await
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
}

impl Run<'_> {
    async fn go(&mut self, is_resumed: bool) -> Result<ScanId, SyncError> {
        let limits = self.connection.marketplace.limits();
        let saved = self.row.page_token.as_deref();
        let saved = saved.and_then(Position::from_text);
        // Their page tokens may have died since; then the walk begins anew, once.
        let mut may_begin_anew = is_resumed;
        let mut position = saved.unwrap_or_else(|| self.walk.start.clone());
        while !position.is_walked {
            let query = ProductQuery {
                scope: walk::scope(self.kind, &position, limits),
                page: position.page.clone(),
            };
            let marketplace = self.connection.marketplace;
            let page = match marketplace.products(&self.access, &query).await {
                Ok(page) if !walk::exceeds(&page, limits) => page,
                Ok(_) | Err(MarketplaceError::TooManyResults { .. }) => {
                    position = self.cut(position)?;
                    continue;
                }
                Err(error) if may_begin_anew && is_of_token(&error) && position.page.is_some() => {
                    may_begin_anew = false;
                    position = self.walk.start.clone();
                    self.count_anew();
                    continue;
                }
                Err(error) => return Err(self.failed(error).await),
            };
            may_begin_anew = false;
            let rest = |walked: &Position| walked.for_the_rest(self.sync.shared.clock.now());
            let next = position.clone().after(page.next.clone());
            // Only a walk over everything concludes anything from what it did not see.
            let next = next.or_else(|| rest(&position).filter(|_| self.walk.complete));
            position = next.unwrap_or_else(Position::walked);
            self.write_page(&page, &position).await?;
            if self.is_stopped().await? {
                return Ok(ScanId(self.row.id));
            }
            self.follow_method();
        }
        self.conclude().await
    }

    fn window_end(&self) -> Timestamp {
        Timestamp::from_micros(self.row.window_to)
    }

    /// Cuts the present window in two. What a whole walk has read until then is read again.
    fn cut(&mut self, position: Position) -> Result<Position, SyncError> {
        let was_whole = position.window().is_none();
        let limits = self.connection.marketplace.limits();
        let cut = walk::cut(position, self.window_end(), limits);
        if was_whole {
            self.count_anew();
        }
        cut.ok_or(SyncError::Marketplace {
            channel: self.connection.id,
            error: MarketplaceError::TooManyResults {
                marketplace: self.connection.marketplace.name(),
            },
        })
    }

    fn count_anew(&mut self) {
        self.row.products = 0;
        self.row.listings = 0;
        self.row.recent = None;
    }

    /// Somebody who joined may wait for a scan that nobody waited for.
    fn follow_method(&mut self) {
        let is_waited_for = self.row.method == ScanMethod::Sync.as_str();
        if is_waited_for && self.hold.is_none() {
            let pace = self.sync.pace(self.connection, Lane::First);
            self.hold = Some(Hold::new(Arc::clone(&pace.bucket)));
            self.access.pace = Arc::new(pace);
        }
    }

    /// Whether somebody has paused or cancelled the scan since its page before.
    async fn is_stopped(&self) -> Result<bool, SyncError> {
        match ScanState::parse(&self.row.state) {
            Some(ScanState::Running | ScanState::Waiting) => Ok(false),
            Some(ScanState::Paused) => Ok(true),
            _ => {
                let tx = self.sync.db().write_tx().await?;
                page::forget_seen(&tx, self.row.id).await?;
                tx.commit().await?;
                Ok(true)
            }
        }
    }

    /// Notes the failure; the scan stays running, and is resumed by the next try.
    async fn failed(&self, error: MarketplaceError) -> SyncError {
        let is_failure = !matches!(error, MarketplaceError::NotReady { .. });
        let error = self
            .sync
            .trouble(self.connection, self.access.version, error)
            .await;
        let noted = async {
            let mut row = self.row.clone().into_active_model();
            row.error = Set(is_failure.then(|| error.to_string()));
            row.api_calls = Set(self.calls());
            row.spent_ms = Set(self.spent_ms());
            let tx = self.sync.db().write_tx().await?;
            row.update(&tx).await?;
            tx.commit().await
        };
        match noted.await {
            Ok(()) => error,
            Err(failed) => failed.into(),
        }
    }

    fn calls(&self) -> i64 {
        self.begun.calls + self.access.http.calls() as i64
    }

    fn spent_ms(&self) -> i64 {
        let spent = self.sync.shared.clock.now().since(self.begun.at);
        self.begun.spent_ms + spent.as_millis() as i64
    }
}

fn walk_of(connection: &Channel, row: &scans::Model, kind: ScanKind) -> Walk {
    let since = row.window_from.map(Timestamp::from_micros);
    let to = Timestamp::from_micros(row.window_to);
    Walk::of(kind, since, to, connection.marketplace.limits())
}

/// Errors by which an API says that it does not know a page token any more.
fn is_of_token(error: &MarketplaceError) -> bool {
    matches!(
        error,
        MarketplaceError::Refused { .. }
            | MarketplaceError::NotFound { .. }
            | MarketplaceError::Unreadable { .. }
    )
}
