//! Checks of other programs that are told what happens.

use crate::cli::finding::Finding;
use crate::db::Db;
use crate::domain::MerchantId;
use crate::outbox::{self, Endpoint, EndpointState};
use sea_orm::DbErr;

/// Each endpoint: told, failing, or disabled.
///
/// # Errors
/// When the database cannot be asked.
pub async fn endpoints(db: &Db, merchant: MerchantId) -> Result<Vec<Finding>, DbErr> {
    let found = outbox::endpoints(db.read(), merchant, false).await?;
    Ok(found.iter().map(finding).collect())
}

fn finding(endpoint: &Endpoint) -> Finding {
    let id = endpoint.id;
    let check = format!("endpoint {id} ({})", endpoint.protocol);
    let reason = endpoint.state_reason.clone().unwrap_or_default();
    match (endpoint.state, endpoint.failing_since) {
        (EndpointState::Disabled, _) => Finding::fail(
            check,
            format!("disabled: {reason}"),
            format!("mend it, then marketsink endpoints resume {id}"),
        ),
        (EndpointState::Paused, _) => Finding::warn(
            check,
            "paused; what happens is kept for it",
            format!("marketsink endpoints resume {id}"),
        ),
        (_, Some(since)) => Finding::warn(
            check,
            format!("takes nothing since {since}"),
            format!("marketsink endpoints show {id}"),
        ),
        _ => Finding::ok(check, "is told"),
    }
}
