//! Returns that are told apart from their orders.
//!
//! Some marketplaces tell of returns in webhooks what the order's own answer leaves out. Those webhooks name no version
//! of the order, and are kept like all others: when the order is read, what they tell is booked in the same
//! transaction.

use super::{Sync, SyncError, download::fetch};
use crate::channels::Channel;
use crate::domain::{EventKind, Order, Return, Source, Timestamp, Window};
use crate::inbox;
use crate::marketplaces::Access;
use crate::queue;
use entity::downloads;

impl Sync {
    /// What stored deliveries tell of the order's returns, where the order itself tells nothing: one row for each.
    ///
    /// Costs a question per order, at marketplaces of which webhooks tell of returns.
    pub(super) async fn returns_told(
        &self,
        connection: &Channel,
        order: &Order,
    ) -> Result<Vec<Return>, SyncError> {
        let marketplace = connection.marketplace;
        if order.returns.is_some() || !marketplace.limits().tells_returns_apart {
            return Ok(Vec::new());
        }
        let kind = EventKind::OrderChanged;
        let deliveries =
            inbox::told_without_version(self.db().read(), connection.id, kind, &order.remote_id)
                .await?;
        let told = deliveries
            .into_iter()
            .flat_map(|raw| marketplace.returns_told(&raw.believed_before(), order));
        Ok(Return::newest(told.collect()))
    }

    /// Asks for the orders of which returns changed in a download's window and the list of orders does not say so.
    ///
    /// # Errors
    /// `NotConnected` when the marketplace cannot be asked.
    pub(super) async fn fetch_returned(
        &self,
        connection: &Channel,
        access: &Access,
        row: &downloads::Model,
    ) -> Result<(), SyncError> {
        let bounds = row.window_from.zip(row.window_to);
        let Some((from, to)) = bounds.filter(|_| row.by_time == "updated") else {
            return Ok(());
        };
        let window = Window {
            from: Timestamp::from_micros(from),
            to: Timestamp::from_micros(to),
        };
        let changed = connection.marketplace.returned(access, window).await;
        let changed = changed.map_err(SyncError::NotConnected)?;
        if changed.is_empty() {
            return Ok(());
        }
        let source = Source::parse(&row.source).unwrap_or(Source::Scan);
        let jobs = changed.into_iter();
        let jobs: Vec<_> = jobs.map(|order| fetch(connection, order, source)).collect();
        let tx = self.db().write_tx().await?;
        queue::enqueue(&tx, &jobs, self.shared.clock.now()).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(())
    }
}
