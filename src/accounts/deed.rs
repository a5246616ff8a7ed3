//! What somebody did, on its way into the audit trail.

use super::{
    Actor,
    audit::{self, Entry},
};
use crate::db::Tx;
use crate::domain::{MerchantId, Timestamp};
use sea_orm::DbErr;
use serde::Serialize;
use serde_json::Value;

/// Who acts, and why, as far as they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    pub actor: Actor,
    pub why: Option<String>,
}

/// What was done to what, and from what to what.
#[derive(Debug, Clone)]
pub struct Deed {
    action: &'static str,
    subject_kind: &'static str,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Deed {
    /// `action` is chosen by hand and never renamed, such as `channel.settings_changed`.
    pub fn new(action: &'static str, subject_kind: &'static str, subject: impl ToString) -> Self {
        Self {
            action,
            subject_kind,
            subject: subject.to_string(),
            before: None,
            after: None,
        }
    }

    /// How it was before.
    #[must_use]
    pub fn from(mut self, before: impl Serialize) -> Self {
        self.before = serde_json::to_value(before).ok();
        self
    }

    /// How it is now.
    #[must_use]
    pub fn to(mut self, after: impl Serialize) -> Self {
        self.after = serde_json::to_value(after).ok();
        self
    }
}

impl Acting {
    pub fn new(actor: Actor) -> Self {
        Self { actor, why: None }
    }

    /// Writes it to the audit trail, in the transaction of the change; `None` when it concerns no single merchant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(
        &self,
        tx: &Tx,
        merchant: Option<MerchantId>,
        deed: Deed,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        let entry = Entry {
            merchant,
            actor: &self.actor,
            action: deed.action,
            subject_kind: deed.subject_kind,
            subject: &deed.subject,
            before: deed.before,
            after: deed.after,
            why: self.why.as_deref(),
        };
        audit::record(tx, &entry, now).await
    }
}
