//! How far before its cursor a download of orders begins: tuned to how late a channel's webhooks come.
//!
//! A marketplace whose webhooks come late shows its changes late, too: what such a channel had not listed yet
//! when it was last walked is behind the cursor. So the window reaches back as far as 99 of 100 of its events of
//! the last two weeks were late, never less than the marketplace's own [`Limits::lookback`], never more than
//! [`LONGEST`].
//!
//! [`Limits::lookback`]: crate::marketplaces::Limits

use super::{Sync, SyncError};
use crate::channels::Channel;
use crate::domain::ChannelId;
use crate::inbox;
use std::time::Duration;

/// Longest lookback.
pub const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// How far back events are looked at.
const MEASURED: Duration = Duration::from_secs(14 * 86_400);
/// Newest events that are looked at.
const MOST: u64 = 10_000;
/// With fewer events nothing is said of one in a hundred.
const FEWEST: usize = 20;

/// How far before the cursor a download begins, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookback {
    pub span: Duration,
    /// How late 99 of 100 events were at most; `None` where too few were measured.
    pub lateness: Option<Duration>,
    /// Events that were measured.
    pub n_events: usize,
}

impl Lookback {
    /// Pure: from the least that the marketplace needs, and how late events came.
    pub fn of(least: Duration, mut late: Vec<Duration>) -> Self {
        let n_events = late.len();
        late.sort_unstable();
        // The smallest that 99 of 100 do not exceed.
        let at = (n_events * 99).div_ceil(100).saturating_sub(1);
        let lateness = late.get(at).copied().filter(|_| n_events >= FEWEST);
        let span = lateness.unwrap_or(least).max(least).min(LONGEST.max(least));
        Self {
            span,
            lateness,
            n_events,
        }
    }
}

impl Sync {
    /// The lookback of a channel's order downloads, now.
    ///
    /// # Errors
    /// When the channel is unknown or the database fails.
    pub async fn lookback_of(&self, channel: ChannelId) -> Result<Lookback, SyncError> {
        let connection = crate::channels::connection_of(self.db().read(), channel).await?;
        self.lookback(&connection).await
    }

    pub(super) async fn lookback(&self, connection: &Channel) -> Result<Lookback, SyncError> {
        let since = self.shared.clock.now() - MEASURED;
        let late = inbox::lateness(self.db().read(), connection.id, since, MOST).await?;
        Ok(Lookback::of(connection.marketplace.limits().lookback, late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn of(late: &[(usize, Duration)]) -> Lookback {
        let late = late.iter().flat_map(|(n, late)| vec![*late; *n]);
        Lookback::of(30 * MINUTE, late.collect())
    }

    #[test]
    fn it_reaches_as_far_as_99_of_100_events_were_late_within_its_limits() {
        assert_eq!(of(&[(100, MINUTE)]).span, 30 * MINUTE, "the least");
        let one = of(&[(99, MINUTE), (1, 200 * MINUTE)]);
        assert_eq!((one.span, one.lateness), (30 * MINUTE, Some(MINUTE)));
        let two = of(&[(98, MINUTE), (2, 200 * MINUTE)]);
        assert_eq!(two.span, 200 * MINUTE);
        assert_eq!(of(&[(100, 2_000 * MINUTE)]).span, LONGEST);
    }

    #[test]
    fn few_events_tell_nothing() {
        let few = of(&[(19, 200 * MINUTE)]);

        assert_eq!(
            (few.span, few.lateness, few.n_events),
            (30 * MINUTE, None, 19)
        );
        assert_eq!(of(&[]).span, 30 * MINUTE);
    }
}
