//! Reading one product back and applying it.

use super::{Lane, Sync, SyncError, linking::revive_waiting};
use crate::catalog::{self, Applied};
use crate::channels::Channel;
use crate::domain::{ChannelId, EventKind, RemoteId};
use crate::inbox;
use crate::marketplaces::Access;

impl Sync {
    /// Reads one product as it is now and applies what differs. A product that the marketplace no longer
    /// knows is gone.
    ///
    /// # Errors
    /// When it cannot be read; nothing is written then.
    pub async fn rescan_product(
        &self,
        channel: ChannelId,
        product: &RemoteId,
    ) -> Result<Applied, SyncError> {
        let connection = self.connection(channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        self.reread(&connection, &access, product).await
    }

    /// The same with an access that is there already.
    pub(super) async fn reread(
        &self,
        connection: &Channel,
        access: &Access,
        product: &RemoteId,
    ) -> Result<Applied, SyncError> {
        let read_at = self.shared.clock.now();
        let asked = std::slice::from_ref(product);
        let found = if connection.marketplace.abilities(access).products {
            connection.marketplace.products_by_id(access, asked).await
        } else {
            let carried = self.carried_product(connection, product).await?;
            carried.map(|product| vec![product])
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => return Err(self.trouble(connection, access.version, error).await),
        };
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let mut applied =
            catalog::apply_products(&tx, connection.merchant, connection.id, &found, now).await?;
        if applied.linked > 0 {
            let products = found.iter().map(|product| &product.remote_id);
            revive_waiting(&tx, connection, products, now).await?;
        }
        if found.is_empty() {
            applied.merge(catalog::apply_gone(&tx, connection.id, asked, now).await?);
        }
        let kind = EventKind::ProductChanged;
        inbox::mark_handled(&tx, connection.id, kind, Some(product), read_at, now).await?;
        tx.commit().await?;
        Ok(applied)
    }
}
