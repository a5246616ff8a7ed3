//! A meter for tests and benchmarks: how many statements and write transactions something takes.
//!
//! Counts tell more than times on a busy machine, and they stay the same from run to run. A [`super::Db`]
//! without a meter asks for nothing. `BEGIN` and `COMMIT` are not statements here.

use sea_orm::Statement;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Counts what goes to the database; clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
    transactions: AtomicU64,
    keeps: AtomicBool,
    kept: Mutex<Vec<Statement>>,
}

/// What a [`Meter`] has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Statements that begin with `select`.
    pub reads: u64,
    /// All other statements.
    pub writes: u64,
    /// Write transactions begun, each with one commit unless it failed.
    pub transactions: u64,
}

impl Meter {
    pub fn read(&self) -> Reading {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            reads: read(&self.0.reads),
            writes: read(&self.0.writes),
            transactions: read(&self.0.transactions),
        }
    }

    /// Keeps statements from now on, until they are taken: to ask the database for their plans.
    pub fn keep_statements(&self) {
        self.0.keeps.store(true, Ordering::Relaxed);
    }

    /// The statements since [`Meter::keep_statements`], in order; no more are kept.
    pub fn take_statements(&self) -> Vec<Statement> {
        self.0.keeps.store(false, Ordering::Relaxed);
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept)
    }

    pub(super) fn count_statement(&self, statement: &Statement) {
        if self.0.keeps.load(Ordering::Relaxed) {
            let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(statement.clone());
        }
        let verb = statement.sql.trim_start().get(..6).unwrap_or_default();
        let counter = if verb.eq_ignore_ascii_case("select") {
            &self.0.reads
        } else {
            &self.0.writes
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_transaction(&self) {
        self.0.transactions.fetch_add(1, Ordering::Relaxed);
    }
}

impl Reading {
    /// What was counted since an `earlier` reading of the same meter.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            reads: self.reads - earlier.reads,
            writes: self.writes - earlier.writes,
            transactions: self.transactions - earlier.transactions,
        }
    }

    pub fn statements(self) -> u64 {
        self.reads + self.writes
    }
}
