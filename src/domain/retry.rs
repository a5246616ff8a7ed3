//! When to try again.

use std::time::Duration;

/// What a failure means for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again cannot help: a person has to act.
    Never,
    /// Try again after the backoff of this attempt.
    Backoff,
    /// Not a failure: the other side named a time. Costs no attempt.
    After(Duration),
}

/// First wait of a failed job.
const FIRST: Duration = Duration::from_secs(2);
/// Longest wait of a failed job.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The wait after failed attempt number `attempt` (1 is the first).
///
/// Doubles from 2 s up to an hour, less up to a quarter of itself: `jitter` in `0..=255` says how
/// much, so that jobs which failed together do not come back together. Attempts 1 to 12 wait
/// 2 s, 4 s, 8 s ... 34 min, 1 h at most.
pub fn backoff(attempt: u32, jitter: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32 << attempt.saturating_sub(1).min(20));
    let capped = doubled.min(LONGEST);
    capped.saturating_sub(capped.mul_f64(f64::from(jitter) / 255.0 / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let waits: Vec<u64> = (1..=13).map(|n| backoff(n, 0).as_secs()).collect();

        assert_eq!(
            waits,
            [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
        );
    }

    proptest! {
        #[test]
        fn a_wait_is_never_zero_nor_longer_than_an_hour(attempt in 0..u32::MAX, jitter: u8) {
            let wait = backoff(attempt, jitter);

            prop_assert!(wait >= Duration::from_millis(1_500) && wait <= LONGEST);
        }
    }
}
