//! One product: a scan of one question.

use super::{ScanRequest, open::Opened, results};
use crate::catalog::{self, Applied, Difference};
use crate::channels::Channel;
use crate::domain::{RemoteId, ScanId, ScanState};
use crate::marketplaces::Access;
use crate::sync::{Sync, SyncError};
use entity::scans;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

impl Sync {
    pub(super) async fn scan_single(
        &self,
        connection: &Channel,
        access: &Access,
        request: &ScanRequest,
        product: &RemoteId,
    ) -> Result<ScanId, SyncError> {
        let row = match self.open_scan(connection, request).await? {
            Opened::Walk { row, .. } => *row,
            Opened::Rests(id) => return Ok(id),
        };
        let begun_at = self.shared.clock.now();
        let read = self.reread(connection, access, product).await;
        let calls = row.api_calls + access.http.calls() as i64;
        let spent = self.shared.clock.now().since(begun_at).as_millis() as i64;
        let mut ending = row.clone().into_active_model();
        ending.api_calls = Set(calls);
        ending.spent_ms = Set(row.spent_ms + spent);
        match read {
            Ok(applied) => {
                self.close_single(connection, (row, ending), applied, product)
                    .await
            }
            Err(error) => {
                // The scan stays running until its last try.
                ending.error = Set(Some(error.to_string()));
                let tx = self.db().write_tx().await?;
                ending.update(&tx).await?;
                tx.commit().await?;
                Err(error)
            }
        }
    }

    async fn close_single(
        &self,
        connection: &Channel,
        (row, mut ending): (scans::Model, scans::ActiveModel),
        mut applied: Applied,
        product: &RemoteId,
    ) -> Result<ScanId, SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let owner = (connection.merchant, connection.id);
        let conflicts = catalog::conflicts_of(&tx, owner, &applied.codes).await?;
        ending.conflicts = Set(conflicts.len() as i64);
        applied.differences.extend(conflicts);
        let is_unknown = applied.seen.is_empty() && applied.gone == 0;
        if is_unknown {
            let unknown = "the marketplace does not know this product, and neither do we";
            let unknown = Difference::error(product.as_str(), unknown);
            applied.differences.push(unknown);
        }
        results::write_differences(&tx, &row, &applied.differences).await?;
        ending.state = Set(ScanState::Done.as_str().to_owned());
        ending.pages = Set(1);
        ending.products = Set(i64::from(!applied.seen.is_empty()));
        ending.expected = Set(Some(1));
        ending.listings = Set(applied.seen.len() as i64);
        ending.added = Set(applied.added as i64);
        ending.changed = Set(applied.changed as i64);
        ending.gone = Set(applied.gone as i64);
        ending.linked = Set(applied.linked as i64);
        ending.errors = Set(i64::from(is_unknown));
        ending.differences = Set(applied.differences.len() as i64);
        ending.error = Set(None);
        ending.last_page_at = Set(Some(now.micros()));
        ending.finished_at = Set(Some(now.micros()));
        let row = ending.update(&tx).await?;
        tx.commit().await?;
        Ok(ScanId(row.id))
    }
}
