//! Renewals that are under way in this process. New tokens exist nowhere else until they are stored: the
//! program must not end, and close the database, in between.

use super::{STORING, Sync};
use std::time::Duration;
use tokio::sync::watch;

/// Beyond what a renewal may take by its own measure.
const MARGIN: Duration = Duration::from_secs(5);

/// Counts renewals; clones share the count.
#[derive(Debug, Clone)]
pub(super) struct Renewals(watch::Sender<usize>);

impl Default for Renewals {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// One renewal, for as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(Renewals);

impl Renewals {
    pub fn begin(&self) -> UnderWay {
        self.0.send_modify(|n| *n += 1);
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|n| *n = n.saturating_sub(1));
    }
}

impl Sync {
    /// How long a marketplace is waited for when it is asked for new tokens.
    pub(super) fn patience(&self) -> Duration {
        2 * self.shared.options.timeout
    }

    /// Returns when no renewal or consent is under way, at the latest when the longest one must have ended. To be
    /// awaited after the last work has begun, before the database is closed.
    pub async fn renewals_ended(&self) {
        let mut count = self.shared.renewals.0.subscribe();
        let ended = count.wait_for(|n| *n == 0);
        let longest = self.patience() + STORING + MARGIN;
        if tokio::time::timeout(longest, ended).await.is_err() {
            tracing::error!("a renewal of tokens did not end; they may be lost with this process");
        }
    }
}
