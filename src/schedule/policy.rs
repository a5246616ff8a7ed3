//! What a schedule does when its last run is not over, when nothing ran for a while, and when a thousand others
//! have the same time. Pure.

use super::{Expression, Task};
use crate::domain::{ChannelId, job::named};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

named!(
    /// What a fire does while work of its kind waits or runs on the channel already.
    Overlap {
        /// Nothing; it is written down as skipped.
        Skip = "skip",
        /// One run waits for the end of the one that runs; more than one never waits.
        QueueOne = "queue_one",
    }
);

named!(
    /// What happens to fires that nobody served, because nothing ran.
    CatchUp {
        /// The latest of them runs, once, for all of them.
        One = "one",
        /// Each runs, the oldest first, one after the other; no more than the last [`MOST_CAUGHT_UP`].
        All = "all",
        /// None runs; the schedule goes on with its next time.
        None = "none",
    }
);

named!(
    /// What became of a fire.
    Outcome {
        /// Its work was enqueued.
        Run = "run",
        /// The run before it was not over.
        Skipped = "skipped",
        /// It was found too late, and the schedule does not catch up.
        Dropped = "dropped",
        /// A person asked for it; no time of the schedule.
        ByHand = "by_hand",
    }
);

/// Missed fires that [`CatchUp::All`] makes up for: the latest ones. The rest are counted as missed.
pub const MOST_CAUGHT_UP: usize = 24;
/// A fire that is found later than this was missed: no process was there to serve it.
pub const GRACE: Duration = Duration::from_secs(5 * 60);
/// The longest jitter that can be set.
pub const LONGEST_JITTER: Duration = Duration::from_secs(6 * 3_600);

/// What fires more often than this is not spread unless a person says so.
const SPREAD_FROM: Duration = Duration::from_secs(5 * 60);
/// The longest jitter that a schedule gets by itself.
const WIDEST: Duration = Duration::from_secs(15 * 60);

impl Overlap {
    /// Unless the merchant says otherwise: a scan reads everything since the last, so one that is not over needs
    /// no second behind it; what is cheap and must not be late waits.
    pub fn of(task: Task) -> Self {
        match task {
            Task::FullScan | Task::ActiveScan | Task::UpdatedScan => Self::Skip,
            _ => Self::QueueOne,
        }
    }
}

/// The jitter of a schedule unless the merchant says otherwise: a tenth of the time between two fires, a quarter
/// of an hour at most, and none for what fires more often than every five minutes.
pub fn usual_jitter(expression: &Expression) -> Duration {
    let interval = expression.usual_interval();
    if interval < SPREAD_FROM {
        return Duration::ZERO;
    }
    Duration::from_secs((interval / 10).min(WIDEST).as_secs())
}

/// How much later than its time a schedule fires: the same each time, different from channel to channel and from
/// task to task, less than `jitter`.
pub fn delay(channel: ChannelId, task: Task, jitter: Duration) -> Duration {
    let Some(seconds) = std::num::NonZeroU64::new(jitter.as_secs()) else {
        return Duration::ZERO;
    };
    let task = task.as_str().bytes().fold(0, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    Duration::from_secs(mixed(channel.0.cast_unsigned() ^ task.rotate_left(32)) % seconds)
}

/// Neighbouring numbers far apart (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
