//! Telling a channel how many units of its listings are available, as of now.

use super::{Lane, Sync, SyncError};
use crate::catalog;
use crate::channels::{self, Channel};
use crate::domain::{ChannelId, ListingId, SkuId, Source, Timestamp, Work};
use crate::marketplaces::{Access, MarketplaceError, PushOutcome, StockLevel};
use crate::queue::{Claimed, Outcome};
use crate::stock::{self, PushResult};

/// A listing and what to tell about it.
struct Due {
    /// Index of its job.
    job: usize,
    listing: ListingId,
    sku: SkuId,
    level: StockLevel,
    because: String,
}

impl Sync {
    /// Pushes the listings of these jobs, all of one channel, in as few calls as the API allows.
    /// One outcome per job, in order.
    ///
    /// 1. In one transaction note that the push begins and read the levels.
    /// 2. Call the API.
    /// 3. In one transaction write what it answered, per listing.
    pub async fn push_stock(&self, channel: ChannelId, jobs: &[Claimed]) -> Vec<Outcome> {
        match self.try_push(channel, jobs).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let now = self.shared.clock.now();
                jobs.iter().map(|_| error.outcome(now)).collect()
            }
        }
    }

    async fn try_push(
        &self,
        channel: ChannelId,
        jobs: &[Claimed],
    ) -> Result<Vec<Outcome>, SyncError> {
        let connection = self.connection(channel).await?;
        if !connection.settings.push_stock {
            return Ok(jobs.iter().map(|_| Outcome::Done).collect());
        }
        let access = self.access(&connection, Lane::Urgent).await?;
        if !connection.marketplace.abilities(&access).stock {
            tracing::debug!(
                channel.id = connection.id.0,
                "the shop takes no quantities; there is nothing to push"
            );
            return Ok(jobs.iter().map(|_| Outcome::Done).collect());
        }
        let read_at = self.shared.clock.now();
        let due = self.due(&connection, jobs, read_at).await?;
        let mut outcomes: Vec<Outcome> = jobs.iter().map(|_| Outcome::Done).collect();
        for batch in due.chunks(connection.marketplace.limits().stock_batch.max(1) as usize) {
            let levels: Vec<StockLevel> = batch.iter().map(|due| due.level.clone()).collect();
            let answers = match connection.marketplace.set_stock(&access, &levels).await {
                Ok(answers) => answers,
                Err(error) => {
                    let error = self.push_trouble(&connection, &access, error).await;
                    for due in batch {
                        outcomes[due.job] = error.outcome(self.shared.clock.now());
                    }
                    continue;
                }
            };
            self.write_answers(&connection, jobs, batch, &answers, read_at)
                .await?;
            for (due, answer) in batch.iter().zip(answers) {
                if let Err(error) = answer {
                    outcomes[due.job] = SyncError::Marketplace {
                        channel: connection.id,
                        error,
                    }
                    .outcome(self.shared.clock.now());
                }
            }
        }
        Ok(outcomes)
    }

    /// Who may read may not always write. A push that is not let in locks the channel, with its orders, only when
    /// the shop lets us in no more for anything.
    pub(super) async fn push_trouble(
        &self,
        connection: &Channel,
        access: &Access,
        error: MarketplaceError,
    ) -> SyncError {
        if matches!(error, MarketplaceError::Unauthorized { .. })
            && let Err(refused) = connection.marketplace.shops(access).await
        {
            return self.trouble(connection, access.version, refused).await;
        }
        self.mild_trouble(connection, access.version, error).await
    }

    async fn due(
        &self,
        connection: &Channel,
        jobs: &[Claimed],
        read_at: Timestamp,
    ) -> Result<Vec<Due>, SyncError> {
        let tx = self.db().write_tx().await?;
        let mut linked = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let Work::PushStock { listing } = job.work else {
                continue;
            };
            let row = catalog::listing(&tx, listing).await?;
            // A listing that was unlinked or disappeared has nothing to be told any more.
            let row = row.filter(|row| row.state != "gone" && row.channel_id == connection.id.0);
            if let Some((row, sku)) = row.and_then(|row| row.sku_id.map(|sku| (row, SkuId(sku)))) {
                linked.push((index, listing, row, sku));
            }
        }
        let listings: Vec<ListingId> = linked.iter().map(|(_, listing, ..)| *listing).collect();
        catalog::note_push_begun(&tx, &listings, read_at).await?;
        // As it is set now: a rule or an outlet may have changed since the job was taken.
        let channel = channels::load(&tx, connection.id).await?;
        let skus: Vec<SkuId> = linked.iter().map(|(.., sku)| *sku).collect();
        let told = stock::pushable(&tx, &channel, &skus, read_at).await?;
        tx.commit().await?;
        let due = |(job, listing, row, sku): (usize, ListingId, entity::listings::Model, SkuId)| {
            let told = told.get(&sku)?;
            Some(Due {
                job,
                listing,
                sku,
                because: told.because(&channel),
                level: StockLevel {
                    quantity: told.quantity,
                    product_id: row.product_id.into(),
                    variant_id: row.variant_id.into(),
                    push_ref: row.push_ref,
                },
            })
        };
        Ok(linked.into_iter().filter_map(due).collect())
    }

    async fn write_answers(
        &self,
        connection: &Channel,
        jobs: &[Claimed],
        batch: &[Due],
        answers: &[PushOutcome],
        read_at: Timestamp,
    ) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        for (due, answer) in batch.iter().zip(answers) {
            if answer.is_ok() {
                catalog::note_pushed(&tx, due.listing, due.level.quantity, now).await?;
            }
            let result = PushResult {
                merchant: connection.merchant,
                channel: connection.id,
                listing: due.listing,
                sku: due.sku,
                quantity: due.level.quantity,
                source: jobs.get(due.job).map_or(Source::Sale, |job| job.source),
                read_at,
                refusal: answer.as_ref().err().map(MarketplaceError::to_string),
                cause: answer.as_ref().err().map(MarketplaceError::cause),
                because: due.because.clone(),
                attempt: jobs.get(due.job).map_or(1, |job| job.attempt),
            };
            stock::record_push(&tx, &result, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
