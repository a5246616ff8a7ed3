//! Reading orders and products from the stored deliveries that carry them whole, for shops that cannot be asked.
//!
//! 1. `inbox` gives the deliveries that tell of the order or product, newest version first.
//! 2. The newest that carries it whole is the reading: what arrived later and is older changes nothing.
//! 3. A delivery that tells of something newer without carrying it is an error: there is nobody to ask.

use super::{Sync, SyncError};
use crate::channels::Channel;
use crate::domain::{EventKind, Order, Product, RemoteId, Timestamp};
use crate::inbox::{self, Telling};
use crate::marketplaces::{Carried, MarketplaceError};

/// What one delivery tells of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told<T> {
    /// Rises with arrival.
    event: i64,
    /// The version that it names.
    version: Option<Timestamp>,
    /// Version and content, where it carries them.
    whole: Option<(Timestamp, T)>,
}

/// Why there is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Nothing was told of it.
    Untold,
    /// The newest was told without what it is.
    Thin,
}

/// The newest reading, if none of those told is newer.
fn newest<T>(told: Vec<Told<T>>) -> Result<T, Missing> {
    let mut thin = Vec::new();
    let mut best: Option<(Timestamp, i64, T)> = None;
    for Told {
        event,
        version,
        whole,
    } in told
    {
        match whole {
            None => thin.push((event, version)),
            Some((at, content)) => {
                if best
                    .as_ref()
                    .is_none_or(|best| (at, event) > (best.0, best.1))
                {
                    best = Some((at, event, content));
                }
            }
        }
    }
    let Some((at, arrived, content)) = best else {
        return Err(if thin.is_empty() {
            Missing::Untold
        } else {
            Missing::Thin
        });
    };
    // One that names no version is taken to be as new as it came.
    let is_newer = |(event, version): &(i64, Option<Timestamp>)| match version {
        Some(version) => *version > at,
        None => *event > arrived,
    };
    if thin.iter().any(is_newer) {
        return Err(Missing::Thin);
    }
    Ok(content)
}

impl Sync {
    /// An order as the newest delivery carries it.
    pub(super) async fn carried_order(
        &self,
        connection: &Channel,
        id: &RemoteId,
    ) -> Result<Result<Order, MarketplaceError>, SyncError> {
        let tellings = self
            .tellings(connection, EventKind::OrderChanged, id)
            .await?;
        let told = told(connection, tellings, |carried| {
            let mut orders = carried.orders.into_iter();
            let order = orders.find(|order| order.remote_id == *id)?;
            Some((order.version, order))
        });
        Ok(newest(told).map_err(|why| refusal(connection, why, "order", id)))
    }

    /// A product as the newest delivery carries it.
    pub(super) async fn carried_product(
        &self,
        connection: &Channel,
        id: &RemoteId,
    ) -> Result<Result<Product, MarketplaceError>, SyncError> {
        let tellings = self
            .tellings(connection, EventKind::ProductChanged, id)
            .await?;
        let told = told(connection, tellings, |carried| {
            let mut products = carried.products.into_iter();
            let product = products.find(|product| product.remote_id == *id)?;
            Some((product.version, product))
        });
        Ok(newest(told).map_err(|why| refusal(connection, why, "product", id)))
    }

    /// Whether the shop has said that it takes back its consent, and nothing was made of that yet.
    pub(super) async fn has_said_farewell(&self, connection: &Channel) -> Result<bool, SyncError> {
        let kind = EventKind::AuthorizationChanged;
        let tellings = inbox::tellings(self.db().read(), connection.id, kind, None).await?;
        let mut pending = tellings.into_iter().filter(|telling| telling.is_pending);
        Ok(pending.any(|telling| {
            let delivery = telling.raw.believed_before();
            connection.marketplace.carried(&delivery).is_farewell
        }))
    }

    async fn tellings(
        &self,
        connection: &Channel,
        kind: EventKind,
        id: &RemoteId,
    ) -> Result<Vec<Telling>, SyncError> {
        Ok(inbox::tellings(self.db().read(), connection.id, kind, Some(id)).await?)
    }

    /// There is nothing to do, because the shop cannot be asked: not a failure, but said.
    pub(super) fn nothing_to_ask(connection: &Channel, what: &'static str) -> SyncError {
        let error = SyncError::NothingToAsk {
            channel: connection.id,
            what,
        };
        tracing::info!(channel.id = connection.id.0, "{error}");
        error
    }
}

fn told<T>(
    connection: &Channel,
    tellings: Vec<Telling>,
    whole: impl Fn(Carried) -> Option<(Timestamp, T)>,
) -> Vec<Told<T>> {
    let read = |telling: Telling| {
        let delivery = telling.raw.believed_before();
        Told {
            event: telling.event,
            version: telling.version,
            whole: whole(connection.marketplace.carried(&delivery)),
        }
    };
    tellings.into_iter().map(read).collect()
}

fn refusal(connection: &Channel, why: Missing, what: &str, id: &RemoteId) -> MarketplaceError {
    let (code, message) = match why {
        Missing::Untold => (
            "not_told",
            format!(
                "no webhook has carried {what} {id}, and the store has no API that could be asked for it"
            ),
        ),
        Missing::Thin => (
            "thin_webhook",
            format!(
                "the newest webhook about {what} {id} names only its id, and the store has no API that could be \
                 asked for the rest; the store must send the whole {what}"
            ),
        ),
    };
    MarketplaceError::Refused {
        marketplace: connection.marketplace.name(),
        code: code.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(event: i64, version: i64) -> Told<i64> {
        let version = Timestamp::from_secs(version);
        Told {
            event,
            version: Some(version),
            whole: Some((version, event)),
        }
    }

    fn thin(event: i64, version: Option<i64>) -> Told<i64> {
        Told {
            event,
            version: version.map(Timestamp::from_secs),
            whole: None,
        }
    }

    #[test]
    fn the_newest_version_wins_whatever_came_last() {
        assert_eq!(
            newest(vec![whole(1, 50), whole(2, 70), whole(3, 60)]),
            Ok(2)
        );
        assert_eq!(newest(vec![whole(4, 70), whole(2, 70)]), Ok(4));
    }

    #[test]
    fn a_thin_telling_of_something_newer_is_an_error_and_of_something_older_is_not() {
        assert_eq!(newest(vec![whole(1, 50), thin(2, Some(50))]), Ok(1));
        assert_eq!(newest(vec![whole(2, 50), thin(1, None)]), Ok(2));
        assert_eq!(
            newest(vec![whole(1, 50), thin(2, Some(51))]),
            Err(Missing::Thin)
        );
        assert_eq!(
            newest(vec![whole(1, 50), thin(2, None)]),
            Err(Missing::Thin)
        );
    }

    #[test]
    fn nothing_told_and_only_told_in_part_are_told_apart() {
        assert_eq!(newest::<i64>(vec![]), Err(Missing::Untold));
        assert_eq!(newest(vec![thin(1, None)]), Err(Missing::Thin));
    }
}
