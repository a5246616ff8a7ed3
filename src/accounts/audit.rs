//! The audit trail: who changed what, from what to what, and why. Written in the transaction of the change.
//!
//! 1. Each merchant has a chain of entries, counted without gaps; changes that concern no single merchant have one
//!    of their own. An entry's hash covers the whole row and the hash of the entry before.
//! 2. The chain's head is locked while an entry is added, so any number of processes make one chain.
//! 3. The database refuses to change or remove entries. Who gets around that is found by [`check`]: a changed,
//!    removed, added or moved row breaks the chain, and a cut end does not fit the head. Who forges the head too is
//!    found with a hash that was kept elsewhere.
//!
//! Secrets and buyers' data never enter: values are cleaned by their names on the way in.

use super::Actor;
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, Timestamp, personal};
use entity::{audit, audit_heads};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The chain of what concerns no single merchant.
const NOBODY: i64 = 0;
/// What the first entry of a chain follows.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Entries that are read at a time.
const PAGE: u64 = 1_000;

/// What was changed. Values are JSON with speaking names; what did not exist before, or does not after, is `None`.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// None when it concerns no single merchant.
    pub merchant: Option<MerchantId>,
    pub actor: &'a Actor,
    /// What was done, such as `channel.settings_changed`; never renamed.
    pub action: &'static str,
    /// What kind of thing it was done to, such as `channel`.
    pub subject_kind: &'a str,
    /// Which one: its number, code or name.
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub why: Option<&'a str>,
}

/// Adds an entry to its chain. In the transaction of the change: neither is there without the other.
///
/// # Errors
/// When the database fails.
pub async fn record(tx: &Tx, entry: &Entry<'_>, now: Timestamp) -> Result<(), DbErr> {
    let merchant = chain_of(entry.merchant);
    let head = lock_head(tx, merchant).await?;
    let mut row = audit::Model {
        id: 0,
        merchant_id: merchant,
        seq: head.seq + 1,
        at: now.micros(),
        actor: entry.actor.name.clone(),
        actor_kind: entry.actor.kind.as_str().to_owned(),
        role: entry.actor.role.as_str().to_owned(),
        action: entry.action.to_owned(),
        subject_kind: entry.subject_kind.to_owned(),
        subject: entry.subject.to_owned(),
        before: cleaned(entry.before.clone()),
        after: cleaned(entry.after.clone()),
        why: entry.why.map(str::to_owned),
        prev_hash: head.hash,
        hash: String::new(),
    };
    row.hash = hash_of(&row);
    let (seq, hash) = (row.seq, row.hash.clone());
    let mut active = audit::ActiveModel::from(row).reset_all();
    active.id = NotSet;
    active.insert(tx).await?;
    audit_heads::Entity::update_many()
        .col_expr(audit_heads::Column::Seq, Expr::value(seq))
        .col_expr(audit_heads::Column::Hash, Expr::value(hash))
        .filter(audit_heads::Column::MerchantId.eq(merchant))
        .exec(tx)
        .await?;
    Ok(())
}

fn chain_of(merchant: Option<MerchantId>) -> i64 {
    merchant.map_or(NOBODY, |merchant| merchant.0)
}

fn cleaned(value: Option<Value>) -> Option<String> {
    value.map(|value| personal::cleaned(value).to_string())
}

async fn lock_head(tx: &Tx, merchant: i64) -> Result<audit_heads::Model, DbErr> {
    let first = audit_heads::ActiveModel {
        merchant_id: Set(merchant),
        seq: Set(0),
        hash: Set(BEGINNING.to_owned()),
    };
    audit_heads::Entity::insert(first)
        .on_conflict(
            OnConflict::column(audit_heads::Column::MerchantId)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    let head = audit_heads::Entity::find_by_id(merchant)
        .lock_exclusive()
        .one(tx)
        .await?;
    head.ok_or_else(|| DbErr::RecordNotFound(format!("audit head of merchant {merchant}")))
}

/// Over everything that the row says, in an order that never changes.
fn hash_of(row: &audit::Model) -> String {
    let said = json!([
        row.prev_hash,
        row.merchant_id,
        row.seq,
        row.at,
        row.actor,
        row.actor_kind,
        row.role,
        row.action,
        row.subject_kind,
        row.subject,
        row.before,
        row.after,
        row.why,
    ]);
    hex::encode(Sha256::digest(said.to_string().as_bytes()))
}

/// How a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Break {
    /// The row does not say any more what was hashed.
    Changed { seq: i64 },
    /// Rows between are gone.
    Missing { from: i64, to: i64 },
    /// The row does not follow the one before: one of them was put there, or moved.
    Unlinked { seq: i64 },
    /// The head knows of entries that are not there.
    CutOff { last: i64, head: i64 },
    /// The head does not fit the last entry.
    ForgedHead { seq: i64 },
    /// No entry has the hash that was kept elsewhere.
    UnknownHash { hash: String },
}

impl Break {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Changed { seq } => format!("entry {seq} was changed after it was written"),
            Self::Missing { from, to } if from == to => format!("entry {from} was removed"),
            Self::Missing { from, to } => format!("the entries {from} to {to} were removed"),
            Self::Unlinked { seq } => {
                format!("entry {seq} does not follow the one before: it was put there, or moved")
            }
            Self::CutOff { last, head } => {
                format!("the end was cut off: the last entry is {last}, and {head} were written")
            }
            Self::ForgedHead { seq } => {
                format!("the newest hash is not that of entry {seq}: one of them was changed")
            }
            Self::UnknownHash { hash } => {
                format!("no entry has the hash {hash}: what was written up to it was rewritten")
            }
        }
    }
}

/// The newest entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    pub seq: i64,
    pub hash: String,
}

/// What [`check`] found: nothing broken is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub entries: u64,
    pub head: Option<Head>,
    pub breaks: Vec<Break>,
}

/// The newest entry of the merchant's chain, for keeping elsewhere; `None` while there is none.
///
/// # Errors
/// When the database fails.
pub async fn head(db: &Db, merchant: Option<MerchantId>) -> Result<Option<Head>, DbErr> {
    let row = audit_heads::Entity::find_by_id(chain_of(merchant))
        .one(db.read())
        .await?;
    Ok(row.map(|row| Head {
        seq: row.seq,
        hash: row.hash,
    }))
}

/// Reads the whole chain and says where it is broken; `kept` is a hash that was kept elsewhere.
///
/// # Errors
/// When the database fails.
pub async fn check(
    db: &Db,
    merchant: Option<MerchantId>,
    kept: Option<&str>,
) -> Result<Checked, DbErr> {
    // First, so that entries that come meanwhile are not taken for forged.
    let head = head(db, merchant).await?;
    let mut chain = Chain::new(kept);
    loop {
        let page = page_after(db.read(), chain_of(merchant), chain.seq, head.as_ref()).await?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for row in &page {
            chain.add(row);
        }
        if is_last {
            break;
        }
    }
    Ok(chain.end(head))
}

async fn page_after<C: ConnectionTrait>(
    db: &C,
    merchant: i64,
    after: i64,
    head: Option<&Head>,
) -> Result<Vec<audit::Model>, DbErr> {
    let upto = head.map_or(i64::MAX, |head| head.seq);
    audit::Entity::of_merchant(merchant)
        .filter(audit::Column::Seq.gt(after))
        .filter(audit::Column::Seq.lte(upto))
        .order_by_asc(audit::Column::Seq)
        .limit(PAGE)
        .all(db)
        .await
}

/// A chain as it is read, entry by entry.
#[derive(Debug)]
struct Chain {
    seq: i64,
    hash: String,
    entries: u64,
    /// Still to be met.
    kept: Option<String>,
    breaks: Vec<Break>,
}

impl Chain {
    fn new(kept: Option<&str>) -> Self {
        Self {
            seq: 0,
            hash: BEGINNING.to_owned(),
            entries: 0,
            kept: kept.map(|hash| hash.trim().to_ascii_lowercase()),
            breaks: Vec::new(),
        }
    }

    fn add(&mut self, row: &audit::Model) {
        if row.seq > self.seq + 1 {
            let (from, to) = (self.seq + 1, row.seq - 1);
            self.breaks.push(Break::Missing { from, to });
        } else if row.prev_hash != self.hash {
            self.breaks.push(Break::Unlinked { seq: row.seq });
        }
        if hash_of(row) != row.hash {
            self.breaks.push(Break::Changed { seq: row.seq });
        }
        if self.kept.as_ref() == Some(&row.hash) {
            self.kept = None;
        }
        self.seq = row.seq;
        self.hash.clone_from(&row.hash);
        self.entries += 1;
    }

    fn end(mut self, head: Option<Head>) -> Checked {
        let (seq, hash) = match &head {
            Some(head) => (head.seq, head.hash.clone()),
            None => (0, BEGINNING.to_owned()),
        };
        if head.is_none() && self.entries > 0 {
            self.breaks.push(Break::ForgedHead { seq: self.seq });
        } else if self.seq < seq {
            self.breaks.push(Break::CutOff {
                last: self.seq,
                head: seq,
            });
        } else if self.hash != hash {
            self.breaks.push(Break::ForgedHead { seq: self.seq });
        }
        if let Some(hash) = self.kept {
            self.breaks.push(Break::UnknownHash { hash });
        }
        Checked {
            entries: self.entries,
            head,
            breaks: self.breaks,
        }
    }
}

/// Which entries are asked for; nothing set: all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Kind of thing, such as `channel`; or one of them, such as `channel 3` or just its name.
    pub subject: Option<String>,
    /// A whole action, or its first word, such as `channel`.
    pub action: Option<String>,
    pub by: Option<String>,
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// Only entries older than this one, by its number in the chain: the next page.
    pub before: Option<i64>,
}

impl AuditFilter {
    fn condition(&self) -> Condition {
        use audit::Column as C;
        let subject = self.subject.as_deref().map(|subject| {
            let whole = C::Subject.eq(subject).or(C::SubjectKind.eq(subject));
            match subject.split_once(' ') {
                Some((kind, name)) => whole.or(C::SubjectKind.eq(kind).and(C::Subject.eq(name))),
                None => whole,
            }
        });
        let action = self.action.as_deref().map(|action| {
            C::Action
                .eq(action)
                .or(C::Action.starts_with(format!("{action}.")))
        });
        Condition::all()
            .add_option(subject)
            .add_option(action)
            .add_option(self.by.as_deref().map(|by| C::Actor.eq(by)))
            .add_option(self.from.map(|from| C::At.gte(from.micros())))
            .add_option(self.to.map(|to| C::At.lt(to.micros())))
            .add_option(self.before.map(|seq| C::Seq.lt(seq)))
    }
}

/// Entries of the merchant's chain, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    db: &Db,
    merchant: Option<MerchantId>,
    filter: &AuditFilter,
    limit: u64,
) -> Result<Vec<audit::Model>, DbErr> {
    audit::Entity::of_merchant(chain_of(merchant))
        .filter(filter.condition())
        .order_by_desc(audit::Column::Seq)
        .limit(limit)
        .all(db.read())
        .await
}

/// One entry, by its number in the merchant's chain.
///
/// # Errors
/// When the database fails.
pub async fn entry(
    db: &Db,
    merchant: Option<MerchantId>,
    seq: i64,
) -> Result<Option<audit::Model>, DbErr> {
    audit::Entity::of_merchant(chain_of(merchant))
        .filter(audit::Column::Seq.eq(seq))
        .one(db.read())
        .await
}
