//! Looking a file through, and taking it, in steps.

use super::{
    Column, Fault, ImportError, ImportKind, ImportOptions, Outcome, STEP,
    counts::Counts,
    invoices::Invoices,
    rows::{Row, Rows},
    skus::Skus,
    store,
};
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, Timestamp};
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    path::Path,
};

/// What is said of every file of invoices.
const NOT_KEPT: &str = "not kept: salesperson, customer and their addresses, due date, tax type, note, payment method; \
    a payment below the total leaves the invoice unpaid";

/// What a kind of file does with its rows.
pub(super) trait Kind {
    /// One thing of the file: a SKU, a count, an invoice with all of its lines.
    type Item: Send + Sync;

    fn columns(&self) -> &'static [Column];

    /// Reads a row by itself.
    fn read(&self, row: &Row<'_>) -> Result<Self::Item, Vec<Fault>>;

    /// What may be in a file once.
    fn key(&self, item: &Self::Item) -> String;

    /// Adds a row of the same key that follows at once. `Err`: a thing has one row.
    fn join(&self, item: &mut Self::Item, next: Self::Item) -> Result<(), String>;

    /// Compares things with the books and writes nothing.
    async fn compare(
        &self,
        db: &Db,
        items: &[Placed<Self::Item>],
    ) -> Result<Vec<Verdict>, ImportError>;

    /// Takes things into the books; those that are there already are left alone.
    async fn write(
        &self,
        tx: &Tx,
        items: &[Placed<Self::Item>],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, ImportError>;
}

/// A thing of the file, and the lines that it stands in.
#[derive(Debug)]
pub(super) struct Placed<T> {
    pub item: T,
    pub row: u64,
    pub n_rows: u64,
}

/// What becomes of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Added,
    Changed,
    Unchanged,
    Wrong(Fault),
}

/// Who imports what.
#[derive(Debug)]
pub struct Import<'a> {
    pub merchant: MerchantId,
    pub kind: ImportKind,
    pub path: &'a Path,
    pub options: &'a ImportOptions,
}

/// Looks a file through. Writes nothing.
///
/// # Errors
/// When the file as a whole cannot be read, or the database fails.
pub async fn examine(db: &Db, import: &Import<'_>, now: Timestamp) -> Result<Outcome, ImportError> {
    let hash = hash(import.path)?;
    let known = store::done(db, import.merchant, import.kind, &hash).await?;
    let mut outcome = match import.kind {
        ImportKind::Skus => look(db, import, &Skus::open(db, import).await?).await?,
        ImportKind::Counts => look(db, import, &Counts::open(db, import).await?).await?,
        ImportKind::Invoices => look(db, import, &Invoices::open(db, import, now).await?).await?,
    };
    outcome.taken_before = known;
    outcome.faults.sort_by_key(|fault| fault.row);
    if import.kind == ImportKind::Invoices {
        outcome.notes.push(NOT_KEPT.to_owned());
    }
    Ok(outcome)
}

/// Takes a file into the books, unless any row is wrong or it was taken before.
///
/// # Errors
/// When the file as a whole cannot be read, or the database fails; then some steps may be done, and the same call goes
/// on behind them.
pub async fn take(db: &Db, import: &Import<'_>, now: Timestamp) -> Result<Outcome, ImportError> {
    let mut outcome = examine(db, import, now).await?;
    let is_known = outcome.taken_before.is_some() && !import.options.again;
    if outcome.n_faults > 0 || is_known {
        return Ok(outcome);
    }
    let hash = hash(import.path)?;
    let begun = store::begin(db, import, &hash, outcome.rows, now).await?;
    let id = begun.id;
    let done = match import.kind {
        ImportKind::Skus => apply(db, import, &Skus::open(db, import).await?, begun, now).await?,
        ImportKind::Counts => {
            apply(db, import, &Counts::open(db, import).await?, begun, now).await?
        }
        ImportKind::Invoices => {
            let kind = Invoices::open(db, import, now).await?;
            apply(db, import, &kind, begun, now).await?
        }
    };
    outcome.import = Some(id);
    (outcome.added, outcome.changed, outcome.unchanged) = done;
    Ok(outcome)
}

async fn look<K: Kind>(db: &Db, import: &Import<'_>, kind: &K) -> Result<Outcome, ImportError> {
    let mut outcome = Outcome::default();
    let mut steps = Steps::open(import, kind)?;
    let mut met = HashSet::new();
    loop {
        let step = steps.next(&mut outcome)?;
        if step.is_empty() {
            return Ok(outcome);
        }
        for placed in &step {
            let mut hasher = DefaultHasher::new();
            kind.key(&placed.item).hash(&mut hasher);
            if !met.insert(hasher.finish()) {
                outcome.fault(Fault {
                    row: placed.row,
                    column: None,
                    value: kind.key(&placed.item).chars().take(40).collect(),
                    problem: "it stands in the file before; rows of one thing stand together, once"
                        .to_owned(),
                });
            }
        }
        for verdict in kind.compare(db, &step).await? {
            match verdict {
                Verdict::Added => outcome.added += 1,
                Verdict::Changed => outcome.changed += 1,
                Verdict::Unchanged => outcome.unchanged += 1,
                Verdict::Wrong(fault) => outcome.fault(fault),
            }
        }
    }
}

/// Added, changed, unchanged.
type Done = (u64, u64, u64);

async fn apply<K: Kind>(
    db: &Db,
    import: &Import<'_>,
    kind: &K,
    mut row: entity::imports::Model,
    now: Timestamp,
) -> Result<Done, ImportError> {
    let mut steps = Steps::open(import, kind)?;
    let mut rows_read = 0;
    loop {
        let step = steps.next(&mut Outcome::default())?;
        rows_read += step.iter().map(|placed| placed.n_rows).sum::<u64>();
        if step.is_empty() {
            let tx = db.write_tx().await?;
            store::finish(&tx, &row, now).await?;
            tx.commit().await?;
            let n = |count: i64| count.cast_unsigned();
            return Ok((n(row.added), n(row.changed), n(row.unchanged)));
        }
        // A process before this one has done it.
        if rows_read <= row.done_rows.cast_unsigned() {
            continue;
        }
        let tx = db.write_tx().await?;
        // Another process may be at the same file: who comes second sees how far the first is.
        row = store::lock(&tx, row.id).await?;
        if rows_read <= row.done_rows.cast_unsigned() {
            continue;
        }
        for verdict in kind.write(&tx, &step, now).await? {
            match verdict {
                Verdict::Added => row.added += 1,
                Verdict::Changed => row.changed += 1,
                Verdict::Unchanged | Verdict::Wrong(_) => row.unchanged += 1,
            }
        }
        row.done_rows = rows_read.cast_signed();
        store::note(&tx, &row).await?;
        tx.commit().await?;
    }
}

/// A file in steps.
struct Steps<'a, K: Kind> {
    kind: &'a K,
    rows: Rows,
    /// The thing that the next rows may belong to.
    open: Option<Placed<K::Item>>,
}

impl<'a, K: Kind> Steps<'a, K> {
    fn open(import: &Import<'_>, kind: &'a K) -> Result<Self, ImportError> {
        let rows = Rows::open(import.path, kind.columns(), import.options.mark)?;
        Ok(Self {
            kind,
            rows,
            open: None,
        })
    }

    /// The next things, as many as a step holds; empty at the end. Rows that are wrong are told and left out.
    fn next(&mut self, outcome: &mut Outcome) -> Result<Vec<Placed<K::Item>>, ImportError> {
        let mut step = Vec::new();
        let mut n_rows = 0;
        while n_rows < STEP {
            let Some(row) = self.rows.next()? else {
                step.extend(self.open.take());
                return Ok(step);
            };
            outcome.rows += 1;
            n_rows += 1;
            let row = match row {
                Ok(row) => row,
                Err(fault) => {
                    outcome.fault(fault);
                    continue;
                }
            };
            let line = row.line;
            match self.kind.read(&row) {
                Err(faults) => faults.into_iter().for_each(|fault| outcome.fault(fault)),
                Ok(item) => step.extend(self.follow(item, line, outcome)),
            }
        }
        // A step of nothing but wrong rows is not the end.
        if step.is_empty() {
            self.next(outcome)
        } else {
            Ok(step)
        }
    }

    /// Joins a row to the thing before it, or lets that go.
    fn follow(
        &mut self,
        item: K::Item,
        line: u64,
        outcome: &mut Outcome,
    ) -> Option<Placed<K::Item>> {
        if let Some(open) = &mut self.open
            && self.kind.key(&open.item) == self.kind.key(&item)
        {
            open.n_rows += 1;
            if let Err(problem) = self.kind.join(&mut open.item, item) {
                outcome.fault(Fault {
                    row: line,
                    column: None,
                    value: self.kind.key(&open.item).chars().take(40).collect(),
                    problem,
                });
            }
            return None;
        }
        let placed = Placed {
            item,
            row: line,
            n_rows: 1,
        };
        self.open.replace(placed)
    }
}

fn hash(path: &Path) -> Result<String, ImportError> {
    let unread = |error| ImportError::File(path.display().to_string(), error);
    let mut file = File::open(path).map_err(unread)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let n = file.read(&mut buffer).map_err(unread)?;
        if n == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}
