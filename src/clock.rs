//! The one place that reads the time.
//!
//! Everything below the edges takes `now` as a parameter; the edges (web, worker, cli, sandbox) hold a
//! [`Clock`]. A test holds one that stands still until it is told to move.

use crate::domain::Timestamp;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// Tells the time; cheap to clone, clones share the hands.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    hands: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { hands: None }
    }

    /// A clock that shows `start` until [`Clock::advance`] moves it.
    pub fn standing(start: Timestamp) -> Self {
        Self {
            hands: Some(Arc::new(AtomicI64::new(start.micros()))),
        }
    }

    pub fn now(&self) -> Timestamp {
        match &self.hands {
            None => chrono::Utc::now().into(),
            Some(hands) => Timestamp::from_micros(hands.load(Ordering::SeqCst)),
        }
    }

    /// Moves a standing clock forward; a system clock moves by itself and ignores this.
    pub fn advance(&self, span: Duration) {
        if let Some(hands) = &self.hands {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            hands.fetch_add(micros, Ordering::SeqCst);
        }
    }
}
