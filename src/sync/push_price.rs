//! Telling a channel what its listings cost, as of now.

use super::{Lane, Sync, SyncError};
use crate::catalog;
use crate::channels::Channel;
use crate::domain::{ChannelId, Currency, ListingId, Money, SkuId, Work};
use crate::marketplaces::{MarketplaceError, PriceChange, PushOutcome};
use crate::prices::{self, PricePush, PriceRules};
use crate::queue::{Claimed, Outcome};
use entity::{listings, skus};
use std::collections::HashMap;

/// A listing and its price.
struct Due {
    /// Index of its job.
    job: usize,
    listing: listings::Model,
    sku: SkuId,
    price: Money,
}

impl Sync {
    /// Pushes the prices of the listings of these jobs, all of one channel, in as few calls as the API allows.
    /// One outcome per job, in order.
    pub async fn push_prices(&self, channel: ChannelId, jobs: &[Claimed]) -> Vec<Outcome> {
        match self.try_push_prices(channel, jobs).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let now = self.shared.clock.now();
                jobs.iter().map(|_| error.outcome(now)).collect()
            }
        }
    }

    async fn try_push_prices(
        &self,
        channel: ChannelId,
        jobs: &[Claimed],
    ) -> Result<Vec<Outcome>, SyncError> {
        let connection = self.connection(channel).await?;
        let mut outcomes: Vec<Outcome> = jobs.iter().map(|_| Outcome::Done).collect();
        if !connection.settings.push_prices {
            return Ok(outcomes);
        }
        let access = self.access(&connection, Lane::Urgent).await?;
        if !connection.marketplace.abilities(&access).prices {
            return Ok(outcomes);
        }
        let (due, foreign) = self.due_prices(&connection, jobs).await?;
        let refused: Vec<PushOutcome> = foreign
            .iter()
            .map(|due| Err(other_currency(&connection, due)))
            .collect();
        // Nothing that is tried again would change it: a person sets another price.
        self.write_prices(&connection, jobs, &foreign, &refused)
            .await?;
        for batch in due.chunks(connection.marketplace.limits().stock_batch.max(1) as usize) {
            let changes: Vec<PriceChange> = batch.iter().map(change).collect();
            let answers = match connection.marketplace.set_price(&access, &changes).await {
                Ok(answers) => answers,
                Err(error) => {
                    let error = self.push_trouble(&connection, &access, error).await;
                    for due in batch {
                        outcomes[due.job] = error.outcome(self.shared.clock.now());
                    }
                    continue;
                }
            };
            self.write_prices(&connection, jobs, batch, &answers)
                .await?;
            for (due, answer) in batch.iter().zip(answers) {
                if let Err(error) = answer {
                    let channel = connection.id;
                    let error = SyncError::Marketplace { channel, error };
                    outcomes[due.job] = error.outcome(self.shared.clock.now());
                }
            }
        }
        Ok(outcomes)
    }

    /// What is to be told, and what cannot be because the shop sells in another currency. Listings that show the
    /// price already, and were told no other one, are left out.
    async fn due_prices(
        &self,
        connection: &Channel,
        jobs: &[Claimed],
    ) -> Result<(Vec<Due>, Vec<Due>), SyncError> {
        let db = self.db().read();
        let of_job = |job: &Claimed| match job.work {
            Work::PushPrice { price_of } => Some(price_of),
            _ => None,
        };
        let ids: Vec<ListingId> = jobs.iter().filter_map(of_job).collect();
        let rows = catalog::listings_by_id(db, connection.merchant, &ids).await?;
        let is_there =
            |row: &listings::Model| row.state != "gone" && row.channel_id == connection.id.0;
        let mut rows: HashMap<i64, listings::Model> = rows
            .into_iter()
            .filter(is_there)
            .map(|row| (row.id, row))
            .collect();
        let known: Vec<SkuId> = rows
            .values()
            .filter_map(|row| row.sku_id.map(SkuId))
            .collect();
        let bases = catalog::skus_by_id(db, connection.merchant, &known).await?;
        let rules = PriceRules::of_merchant(db, connection.merchant).await?;
        let raw: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let last = prices::last_prices(db, &raw).await?;
        let (mut due, mut foreign) = (Vec::new(), Vec::new());
        for (job, claimed) in jobs.iter().enumerate() {
            let row = of_job(claimed).and_then(|id| rows.remove(&id.0));
            let Some((listing, sku)) = row.and_then(|row| row.sku_id.map(|sku| (row, SkuId(sku))))
            else {
                continue;
            };
            let base = bases.get(&sku).and_then(base_of);
            let Some((price, _)) = rules.price(sku, connection.id, base) else {
                continue;
            };
            let one = |listing| Due {
                job,
                listing,
                sku,
                price,
            };
            if let Some(currency) = &listing.currency
                && currency != price.currency.code()
            {
                foreign.push(one(listing));
                continue;
            }
            let told_same = last
                .get(&listing.id)
                .is_none_or(|push| push.state == "pushed" && push.price_minor == price.minor);
            if listing.price_minor != Some(price.minor) || !told_same {
                due.push(one(listing));
            }
        }
        Ok((due, foreign))
    }

    async fn write_prices(
        &self,
        connection: &Channel,
        jobs: &[Claimed],
        batch: &[Due],
        answers: &[PushOutcome],
    ) -> Result<(), SyncError> {
        if batch.is_empty() {
            return Ok(());
        }
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        for (due, answer) in batch.iter().zip(answers) {
            let job = &jobs[due.job];
            let push = PricePush {
                merchant: connection.merchant,
                channel: connection.id,
                listing: ListingId(due.listing.id),
                sku: due.sku,
                price: due.price,
                source: job.source,
                refusal: answer.as_ref().err().map(MarketplaceError::to_string),
                cause: answer.as_ref().err().map(MarketplaceError::cause),
                attempt: job.attempt,
            };
            prices::record_price(&tx, &push, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn change(due: &Due) -> PriceChange {
    PriceChange {
        product_id: due.listing.product_id.clone().into(),
        variant_id: due.listing.variant_id.clone().into(),
        price: due.price,
        push_ref: due.listing.push_ref.clone(),
    }
}

/// What the merchant asks for one unit of a SKU.
fn base_of(sku: &skus::Model) -> Option<Money> {
    let currency = Currency::from_code(sku.currency.as_deref()?).ok()?;
    let minor = sku.price_minor?;
    Some(Money { minor, currency })
}

fn other_currency(connection: &Channel, due: &Due) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: connection.marketplace.name(),
        code: "currency".to_owned(),
        message: format!(
            "the shop sells in {}, and the price is {}; give it a fixed price in the shop's currency",
            due.listing
                .currency
                .as_deref()
                .unwrap_or("another currency"),
            due.price
        ),
    }
}
