//! The end of a walk: what was not shown, the cursor, and the word to whoever asked.

use super::{
    Run,
    absence::{self, LATER_LOOK, ONE_BY_ONE, SECOND_LOOK, Verdict},
    page::{forget_seen, seen_by},
    results::{self, MOST_CHANGES, NOTED_CONFLICTS},
};
use crate::catalog::{self, Difference};
use crate::db::Tx;
use crate::domain::{
    EventKind, Product, RemoteId, ScanId, ScanKind, ScanMethod, ScanState, Source, Timestamp, Work,
};
use crate::inbox;
use crate::marketplaces::{MarketplaceError, Page};
use crate::queue::{self, NewJob};
use crate::sync::{Stream, SyncError, cursors::advance, position::Position};
use entity::scans;
use roaring::RoaringTreemap;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder,
};
use std::time::Duration;

/// Products per question where they are asked for by their ids.
const CHUNK: usize = 50;

impl Run<'_> {
    /// Everything was walked: concludes, and ends the scan.
    pub(super) async fn conclude(&mut self) -> Result<ScanId, SyncError> {
        // With a product that does not even tell its id, absence is not known.
        if !self.walk.complete || self.row.blind {
            return self.close(None).await;
        }
        let channel = self.connection.id;
        let read = self.sync.db().read();
        let seen = seen_by(read, &self.row).await?;
        let begun_at = self.window_end();
        let unseen = catalog::unseen(read, channel, &seen, begun_at, ONE_BY_ONE).await?;
        let before = self.full_scan_before().await?;
        match absence::judge(&self.row, &unseen, before.as_ref()) {
            Verdict::Doubt(reason) => {
                let is_second = before.is_some_and(|b| b.state == ScanState::Suspicious.as_str());
                let wait = if is_second { LATER_LOOK } else { SECOND_LOOK };
                self.hold_back(&reason, wait).await
            }
            Verdict::Gone => self.close(Some(seen)).await,
            Verdict::Ask => {
                let products: Vec<RemoteId> = unseen.products.into_iter().collect();
                if !self.ask_for(&products).await? {
                    return Ok(ScanId(self.row.id));
                }
                let seen = seen_by(self.sync.db().read(), &self.row).await?;
                self.close(Some(seen)).await
            }
        }
    }

    async fn full_scan_before(&self) -> Result<Option<scans::Model>, DbErr> {
        let ended = [ScanState::Done, ScanState::Suspicious].map(ScanState::as_str);
        scans::Entity::of_channel(self.connection.id.0)
            .filter(scans::Column::Kind.eq(ScanKind::Full.as_str()))
            .filter(scans::Column::State.is_in(ended))
            .filter(scans::Column::Id.lt(self.row.id))
            .order_by_desc(scans::Column::Id)
            .one(self.sync.db().read())
            .await
    }

    /// Asks for products that no page showed: a list that shifts while it is read may have lost them. False when
    /// somebody stopped the scan meanwhile.
    async fn ask_for(&mut self, products: &[RemoteId]) -> Result<bool, SyncError> {
        for some in products.chunks(CHUNK) {
            let page = self.found_of(some).await?;
            self.write_page(&page, &Position::walked()).await?;
            if self.is_stopped().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn found_of(&self, products: &[RemoteId]) -> Result<Page<Product>, SyncError> {
        let marketplace = self.connection.marketplace;
        let mut page = Page {
            items: Vec::new(),
            next: None,
            total: None,
            unreadable: Vec::new(),
        };
        match marketplace.products_by_id(&self.access, products).await {
            Ok(items) => page.items = items,
            Err(error) if is_of_one(&error) => {
                for id in products {
                    let one = std::slice::from_ref(id);
                    match marketplace.products_by_id(&self.access, one).await {
                        Ok(items) => page.items.extend(items),
                        Err(MarketplaceError::NotFound { .. }) => {}
                        Err(error) if is_of_one(&error) => {
                            page.unreadable.push((id.clone(), error.to_string()));
                        }
                        Err(error) => return Err(self.failed(error).await),
                    }
                }
            }
            Err(error) => return Err(self.failed(error).await),
        }
        Ok(page)
    }

    /// `seen`: what is not in it is gone; none concludes nothing.
    async fn close(&mut self, seen: Option<RoaringTreemap>) -> Result<ScanId, SyncError> {
        let now = self.sync.shared.clock.now();
        let begun_at = self.window_end();
        let owner = (self.connection.merchant, self.connection.id);
        let tx = self.sync.db().write_tx().await?;
        if !self.is_open(&tx).await? {
            tx.rollback().await?;
            return Ok(ScanId(self.row.id));
        }
        let (mut gone, mut found) = (0, Vec::new());
        if let Some(seen) = seen {
            let most = (MOST_CHANGES as usize, now);
            (gone, found) = catalog::mark_unseen_gone(&tx, owner.1, &seen, begun_at, most).await?;
        }
        let left_out = gone as i64 - found.len() as i64;
        let mut conflicts = self.row.conflicts;
        if self.walk.complete {
            let (n_conflicts, codes) =
                catalog::count_conflicts(&tx, owner.1, NOTED_CONFLICTS).await?;
            conflicts = n_conflicts as i64;
            found.extend(catalog::conflicts_of(&tx, owner, &codes).await?);
        }
        if self.kind != ScanKind::Active {
            advance(&tx, (owner.1, owner.0), Stream::Products, begun_at, now).await?;
            let kind = EventKind::CatalogueChanged;
            inbox::mark_handled(&tx, owner.1, kind, None, begun_at, now).await?;
        }
        let mut row = self.ending(&tx, ScanState::Done, &found, now).await?;
        row.gone = Set(self.row.gone + gone as i64);
        row.conflicts = Set(conflicts);
        row.differences = Set(self.row.differences + found.len() as i64 + left_out);
        row.error = Set(None);
        let row = row.update(&tx).await?;
        if row.method == ScanMethod::Async.as_str() && row.source == Source::Manual.as_str() {
            results::notice(&tx, &row, "info", &results::summary(&row), now).await?;
        }
        tx.commit().await?;
        tracing::info!(
            channel.id = self.connection.id.0,
            scan.id = row.id,
            scan.kind = row.kind,
            listings = row.listings,
            added = row.added,
            changed = row.changed,
            gone = row.gone,
            "scan done"
        );
        self.row = row;
        Ok(ScanId(self.row.id))
    }

    /// Nothing is gone yet, the cursor stays, and another scan looks again.
    async fn hold_back(&mut self, reason: &str, wait: Duration) -> Result<ScanId, SyncError> {
        let now = self.sync.shared.clock.now();
        let tx = self.sync.db().write_tx().await?;
        if !self.is_open(&tx).await? {
            tx.rollback().await?;
            return Ok(ScanId(self.row.id));
        }
        let again_at = now + wait;
        let mut row = self.ending(&tx, ScanState::Suspicious, &[], now).await?;
        row.error = Set(Some(format!(
            "{reason}; nothing was taken for gone, and the shop is looked at again at {again_at}"
        )));
        let row = row.update(&tx).await?;
        let look = NewJob {
            merchant: self.connection.merchant,
            channel: self.connection.id,
            work: Work::RunScan {
                scan: ScanKind::Full,
                method: ScanMethod::Async,
            },
            source: Source::Scan,
            run_at: Some(again_at),
        };
        queue::enqueue(&tx, &[look], now).await?;
        results::notice(&tx, &row, "warn", &results::summary(&row), now).await?;
        tx.commit().await?;
        tracing::warn!(
            channel.id = self.connection.id.0,
            scan.id = row.id,
            reason,
            "a full scan is not believed; the shop is looked at again"
        );
        self.row = row;
        Ok(ScanId(self.row.id))
    }

    /// Whether the scan is still ours to end: somebody may have paused or cancelled it since its last page.
    async fn is_open(&self, tx: &Tx) -> Result<bool, DbErr> {
        let row = scans::Entity::find_by_id(self.row.id).one(tx).await?;
        let state = row.and_then(|row| ScanState::parse(&row.state));
        Ok(matches!(
            state,
            Some(ScanState::Running | ScanState::Waiting)
        ))
    }

    async fn ending(
        &self,
        tx: &Tx,
        state: ScanState,
        found: &[Difference],
        now: Timestamp,
    ) -> Result<scans::ActiveModel, DbErr> {
        results::write_differences(tx, &self.row, found).await?;
        forget_seen(tx, self.row.id).await?;
        let mut row = self.row.clone().into_active_model();
        row.state = Set(state.as_str().to_owned());
        row.page_token = Set(None);
        row.seen = Set(None);
        row.finished_at = Set(Some(now.micros()));
        row.api_calls = Set(self.calls());
        row.spent_ms = Set(self.spent_ms());
        Ok(row)
    }
}

/// The error may be about one product of many.
fn is_of_one(error: &MarketplaceError) -> bool {
    matches!(
        error,
        MarketplaceError::Refused { .. }
            | MarketplaceError::NotFound { .. }
            | MarketplaceError::Unreadable { .. }
    )
}
