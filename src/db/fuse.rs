//! A fuse for tests: after so many write transactions the database takes no more, as if the process were dead.
//!
//! What was committed before stays, what comes after never happens: that is a crash between two commits,
//! without a second process. A [`super::Db`] without a fuse asks for nothing.

use sea_orm::DbErr;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Cuts off writing; clones share the count. A new one never blows.
#[derive(Debug, Clone)]
pub struct Fuse(Arc<AtomicI64>);

impl Default for Fuse {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl Fuse {
    /// Lets `n_transactions` more write transactions begin, and none after them.
    pub fn blow_after(&self, n_transactions: i64) {
        self.0.store(n_transactions, Ordering::SeqCst);
    }

    /// Lets every transaction begin again.
    pub fn mend(&self) {
        self.blow_after(i64::MAX);
    }

    /// Whether a transaction has been refused.
    pub fn has_blown(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }

    /// Counts one transaction.
    pub(super) fn burn(&self) -> Result<(), DbErr> {
        let left = self.0.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            return Ok(());
        }
        Err(DbErr::Custom("the fuse has blown".to_owned()))
    }
}
