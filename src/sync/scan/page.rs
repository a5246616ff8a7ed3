//! Writing one page of a scan: what differs, what was seen, and where to go on.

use super::{Run, progress::Recent, results};
use crate::catalog::{self, Applied, Difference};
use crate::db::Tx;
use crate::domain::{Product, RemoteId, Timestamp};
use crate::marketplaces::Page;
use crate::sync::{SyncError, linking::revive_waiting, position::Position};
use entity::{scan_pages, scans};
use roaring::RoaringTreemap;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder,
};

/// Pages whose listings are noted in the scan's own row; then they move to a row of `scan_pages`. So the
/// checkpoint is one write, and stays small whatever the catalogue's size.
const TAIL: i64 = 64;

impl Run<'_> {
    /// Writes a page in one transaction, and takes the row as it is then: whoever pauses or cancels has
    /// changed its state.
    pub(super) async fn write_page(
        &mut self,
        page: &Page<Product>,
        next: &Position,
    ) -> Result<(), SyncError> {
        let now = self.sync.shared.clock.now();
        let owner = (self.connection.merchant, self.connection.id);
        let tx = self.sync.db().write_tx().await?;
        let mut applied = catalog::apply_products(&tx, owner.0, owner.1, &page.items, now).await?;
        if applied.linked > 0 {
            let products = page.items.iter().map(|product| &product.remote_id);
            revive_waiting(&tx, self.connection, products, now).await?;
        }
        let mut conflicts = 0;
        // A full scan looks at all of them at its end.
        if !self.walk.complete {
            let found = catalog::conflicts_of(&tx, owner, &applied.codes).await?;
            conflicts = found.len() as i64;
            applied.differences.extend(found);
        }
        self.note_unreadable(&tx, page, &mut applied).await?;
        results::write_differences(&tx, &self.row, &applied.differences).await?;
        let mut row = self.counted(page, &applied, now);
        row.conflicts = Set(self.row.conflicts + conflicts);
        row.page_token = Set(Some(next.to_text()));
        if self.walk.complete {
            self.note_seen(&tx, &mut row, &applied).await?;
        }
        let row = row.update(&tx).await?;
        tx.commit().await?;
        self.row = row;
        Ok(())
    }

    /// A product that could not be read is an error of its own, and is not taken for gone.
    async fn note_unreadable(
        &self,
        tx: &Tx,
        page: &Page<Product>,
        applied: &mut Applied,
    ) -> Result<(), DbErr> {
        if page.unreadable.is_empty() {
            return Ok(());
        }
        let channel = self.connection.id;
        for (product, reason) in &page.unreadable {
            tracing::warn!(channel.id = channel.0, scan.id = self.row.id, %product, reason, "a product could not be read");
            let difference = Difference::error(product.as_str(), reason);
            applied.differences.push(difference);
        }
        if self.walk.complete {
            let products: Vec<RemoteId> =
                page.unreadable.iter().map(|(id, _)| id.clone()).collect();
            let there = catalog::ids_of_products(tx, channel, &products).await?;
            applied.seen.extend(there);
        }
        Ok(())
    }

    fn counted(
        &self,
        page: &Page<Product>,
        applied: &Applied,
        now: Timestamp,
    ) -> scans::ActiveModel {
        let counts = &self.row;
        let products = counts.products + page.items.len() as i64;
        let expected = page.total.map(|total| total as i64).max(counts.expected);
        let nameless = page.unreadable.iter().any(|(id, _)| is_nameless(id));
        let mut row = counts.clone().into_active_model();
        row.pages = Set(counts.pages + 1);
        row.products = Set(products);
        row.listings = Set(counts.listings + applied.seen.len() as i64);
        row.added = Set(counts.added + applied.added as i64);
        row.changed = Set(counts.changed + applied.changed as i64);
        row.gone = Set(counts.gone + applied.gone as i64);
        row.linked = Set(counts.linked + applied.linked as i64);
        row.errors = Set(counts.errors + page.unreadable.len() as i64);
        row.differences = Set(counts.differences + applied.differences.len() as i64);
        row.blind = Set(counts.blind || nameless);
        row.expected = Set(expected);
        row.emulated = Set(self.walk.emulated.is_some());
        row.error = Set(None);
        row.api_calls = Set(self.calls());
        row.spent_ms = Set(self.spent_ms());
        row.last_page_at = Set(Some(now.micros()));
        let recent = Recent::of(counts.recent.as_deref());
        row.recent = Set(Some(recent.and(now, products).to_text()));
        row
    }

    async fn note_seen(
        &self,
        tx: &Tx,
        row: &mut scans::ActiveModel,
        applied: &Applied,
    ) -> Result<(), DbErr> {
        let mut seen = read_seen(self.row.seen.as_deref())?;
        seen.extend(applied.seen.iter().map(|id| id.cast_unsigned()));
        let bytes = written(&mut seen)?;
        let number = self.row.pages + 1;
        if number % TAIL != 0 {
            row.seen = Set(Some(bytes));
            return Ok(());
        }
        row.seen = Set(None);
        let page = scan_pages::ActiveModel {
            merchant_id: Set(self.row.merchant_id),
            scan_id: Set(self.row.id),
            page: Set(number),
            seen: Set(bytes),
            ..Default::default()
        };
        scan_pages::Entity::insert(page)
            .exec_without_returning(tx)
            .await?;
        Ok(())
    }
}

/// A row that did not even tell its id.
fn is_nameless(product: &RemoteId) -> bool {
    matches!(product.as_str(), "" | "0")
}

fn written(seen: &mut RoaringTreemap) -> Result<Vec<u8>, DbErr> {
    seen.optimize();
    let mut bytes = Vec::with_capacity(seen.serialized_size());
    seen.serialize_into(&mut bytes)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(bytes)
}

fn read_seen(bytes: Option<&[u8]>) -> Result<RoaringTreemap, DbErr> {
    match bytes {
        Some(bytes) => RoaringTreemap::deserialize_from(bytes)
            .map_err(|error| DbErr::Custom(format!("what a scan saw: {error}"))),
        None => Ok(RoaringTreemap::new()),
    }
}

/// Every listing that any page of the scan showed.
pub(super) async fn seen_by<C: ConnectionTrait>(
    db: &C,
    row: &scans::Model,
) -> Result<RoaringTreemap, DbErr> {
    let mut all = read_seen(row.seen.as_deref())?;
    let pages = scan_pages::Entity::find()
        .filter(scan_pages::Column::ScanId.eq(row.id))
        .order_by_asc(scan_pages::Column::Page)
        .all(db)
        .await?;
    for page in pages {
        all |= read_seen(Some(&page.seen))?;
    }
    Ok(all)
}

pub(super) async fn forget_seen(tx: &Tx, scan: i64) -> Result<(), DbErr> {
    scan_pages::Entity::delete_many()
        .filter(scan_pages::Column::ScanId.eq(scan))
        .exec(tx)
        .await?;
    Ok(())
}
