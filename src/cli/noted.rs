//! What replays, jobs and the quarantine write to the audit trail, in the transaction in which it is done.

use super::context::{Context, Session};
use crate::accounts::{
    Actor,
    audit::{self, Entry},
};
use crate::db::Tx;
use sea_orm::DbErr;
use serde_json::Value;

/// Writes down what the command does to `subject`, such as `("replay", "7")`.
///
/// # Errors
/// When the database fails.
pub async fn note(
    (context, session): (&Context, &Session),
    tx: &Tx,
    action: &'static str,
    (subject_kind, subject): (&str, &str),
    after: Value,
) -> Result<(), DbErr> {
    let actor = Actor::command(context.by());
    let entry = Entry {
        merchant: Some(session.merchant),
        actor: &actor,
        action,
        subject_kind,
        subject,
        before: None,
        after: Some(after),
        why: context.why(),
    };
    audit::record(tx, &entry, session.now()).await
}
