//! Asking a marketplace everything that shows whether a channel works. Changes nothing there.

use super::{Lane, Sync, SyncError};
use crate::channels::{self, Channel};
use crate::domain::{ChannelId, Timestamp, Window};
use crate::marketplaces::{
    Access, MarketplaceError, OrderQuery, ProductQuery, ProductScope, ShopIdentity, Subscribed,
};
use std::time::Duration;

/// What is asked for when only the right to ask counts: as little as can be.
const GLANCE: Duration = Duration::from_secs(60);

/// What a marketplace answered about one connection.
#[derive(Debug)]
pub struct Examination {
    /// The shops that the credentials open.
    pub shops: Result<Vec<ShopIdentity>, SyncError>,
    /// The rest was not asked when not even that was answered.
    pub answers: Option<Answers>,
    pub clocks: Option<Clocks>,
}

#[derive(Debug)]
pub struct Answers {
    /// Whether orders may be read; `None` where the shop has no API for them.
    pub orders: Option<Result<(), MarketplaceError>>,
    /// Whether products may be read; `None` where the shop has no API for them.
    pub products: Option<Result<(), MarketplaceError>>,
    /// `None` inside where the marketplace does not tell.
    pub subscriptions: Result<Option<Vec<Subscribed>>, MarketplaceError>,
}

/// What two clocks showed at about the same time; theirs to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    pub theirs: Timestamp,
    pub ours: Timestamp,
}

impl Clocks {
    /// How far ours is ahead, and how far it is behind; one of them is zero. A second is nobody's fault.
    pub fn ahead_and_behind(self) -> (Duration, Duration) {
        const GRAIN: Duration = Duration::from_secs(1);
        let ahead = self.ours.since(self.theirs).saturating_sub(GRAIN);
        (ahead, self.theirs.since(self.ours))
    }
}

impl Sync {
    /// Asks a connected shop who it is, whether it lets us read, and how our webhooks stand there.
    ///
    /// # Errors
    /// When the channel is unknown or has no credentials. What the marketplace refuses is in the answer.
    pub async fn examine(&self, channel: ChannelId) -> Result<Examination, SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        let shops = connection.marketplace.shops(&access).await;
        let clocks = access.http.told_at().map(|theirs| Clocks {
            theirs,
            ours: self.shared.clock.now(),
        });
        let (shops, answers) = match shops {
            Ok(shops) => (Ok(shops), Some(self.ask(&connection, &access).await)),
            Err(error) => (
                Err(self.trouble(&connection, access.version, error).await),
                None,
            ),
        };
        Ok(Examination {
            shops,
            answers,
            clocks,
        })
    }

    async fn ask(&self, connection: &Channel, access: &Access) -> Answers {
        let marketplace = connection.marketplace;
        let now = self.shared.clock.now();
        let window = Window {
            from: now - GLANCE,
            to: now,
        };
        let orders = OrderQuery::updated(window);
        let scope = if marketplace.limits().updated_filter {
            ProductScope::Updated(window)
        } else {
            ProductScope::Active
        };
        let products = ProductQuery { scope, page: None };
        let address = self.webhook_url(connection);
        let abilities = marketplace.abilities(access);
        let mut answers = (None, None);
        if abilities.orders {
            answers.0 = Some(marketplace.orders(access, &orders).await.map(drop));
        }
        if abilities.products {
            answers.1 = Some(marketplace.products(access, &products).await.map(drop));
        }
        Answers {
            orders: answers.0,
            products: answers.1,
            subscriptions: marketplace.subscriptions(access, &address).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_more_than_the_grain_of_the_other() {
        let at = Timestamp::from_secs;
        let apart = |ours, theirs| {
            let clocks = Clocks {
                ours: at(ours),
                theirs: at(theirs),
            };
            let (ahead, behind) = clocks.ahead_and_behind();
            (ahead.as_secs(), behind.as_secs())
        };

        assert_eq!(apart(100, 100), (0, 0));
        assert_eq!(apart(101, 100), (0, 0));
        assert_eq!(apart(190, 100), (89, 0));
        assert_eq!(apart(100, 190), (0, 90));
    }
}
