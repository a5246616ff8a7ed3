//! Finding what commands name: SKUs, outlets, channels.

use super::unknown;
use crate::accounts;
use crate::catalog;
use crate::channels;
use crate::cli::context::Session;
use crate::domain::{OutletId, SkuId};
use anyhow::anyhow;
use std::collections::HashMap;

/// # Errors
/// When the merchant has no such SKU.
pub async fn sku_named(session: &Session, code: &str) -> anyhow::Result<SkuId> {
    let found = catalog::find_sku(session.app.db.read(), session.merchant, code).await?;
    found.ok_or_else(|| unknown(code))
}

/// # Errors
/// When the merchant has no such outlet.
pub async fn outlet_named(session: &Session, name: &str) -> anyhow::Result<OutletId> {
    let outlets = accounts::outlets(&session.app.db, session.merchant).await?;
    let found = outlets.iter().find(|outlet| outlet.name == name);
    found.map(|outlet| OutletId(outlet.id)).ok_or_else(|| {
        let names: Vec<&str> = outlets.iter().map(|outlet| outlet.name.as_str()).collect();
        anyhow!(
            "no outlet is called `{name}`; there are {}, and `marketsink outlets open` opens another",
            names.join(", ")
        )
    })
}

pub async fn outlet_names(session: &Session) -> anyhow::Result<HashMap<OutletId, String>> {
    let outlets = accounts::outlets(&session.app.db, session.merchant).await?;
    Ok(outlets
        .into_iter()
        .map(|outlet| (OutletId(outlet.id), outlet.name))
        .collect())
}

/// Channels by number, removed ones included.
pub async fn channel_names(session: &Session) -> anyhow::Result<HashMap<i64, String>> {
    let all = channels::list(&session.app.db, session.merchant, true).await?;
    Ok(all
        .into_iter()
        .map(|channel| (channel.id.0, channel.name))
        .collect())
}
