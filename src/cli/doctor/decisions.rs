//! Checks of what waits for a person: conflicts, and goods that were sold twice.

use crate::cli::finding::Finding;
use crate::db::Db;
use crate::domain::{MerchantId, Timestamp};
use crate::issues::{self, Filter};
use crate::sales::{self, Asked};
use crate::stock;
use sea_orm::DbErr;

/// More are not counted one by one.
const MOST: u64 = 1_000;
/// Issues that are told; the others are in the list.
const MOST_ISSUES: u64 = 50;

/// The issues that are open, one line each.
///
/// # Errors
/// When the database cannot be asked.
pub async fn issues(db: &Db, merchant: MerchantId) -> Result<Vec<Finding>, DbErr> {
    let open = issues::issues(db, merchant, &Filter::default(), MOST_ISSUES).await?;
    let finding = |issue: issues::Issue| {
        Finding::warn(
            format!("issue {} ({})", issue.id, issue.cause),
            issue.found,
            issue.to_do,
        )
    };
    Ok(open.into_iter().map(finding).collect())
}

/// What is open, with the age of the oldest.
///
/// # Errors
/// When the database cannot be asked.
pub async fn waiting(db: &Db, merchant: MerchantId) -> Result<Vec<Finding>, DbErr> {
    let conflicts = sales::list_conflicts(db.read(), merchant, &Asked::default(), MOST).await?;
    let oversold = stock::oversells(db.read(), merchant, false, MOST).await?;
    let mut findings = Vec::new();
    if let Some(oldest) = conflicts.first() {
        let since = Timestamp::from_micros(oldest.raised_at);
        findings.push(Finding::warn(
            "conflicts",
            format!(
                "{} wait for a decision, the oldest since {since}",
                conflicts.len()
            ),
            "marketsink conflicts list",
        ));
    }
    if let Some(oldest) = oversold.last() {
        findings.push(Finding::warn(
            "oversold",
            format!(
                "of {} SKUs more was sold than there is, of the first since {}",
                oversold.len(),
                oldest.since
            ),
            "marketsink stock oversold tells of which and by which order; count again, or cancel",
        ));
    }
    Ok(findings)
}
