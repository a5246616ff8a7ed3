//! What people do to stock by hand: adjust it, move it to another outlet, set it apart for a promotion.

use super::{Movement, MovementKind, ledger};
use crate::db::Tx;
use crate::domain::{MerchantId, OutletId, SkuId, Timestamp};
use entity::levels;
use sea_orm::{DbErr, EntityTrait, QuerySelect};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum DeedError {
    #[error("0 units move nothing; give a number")]
    Nothing,
    #[error("a transfer goes to another outlet")]
    SameOutlet,
    #[error("only {reserved} units are set apart there, so {wanted} cannot be freed")]
    NotReserved { reserved: i64, wanted: i64 },
    #[error("only {available} units are available there, so {wanted} cannot be {deed}")]
    TooFew {
        available: i64,
        wanted: i64,
        deed: &'static str,
    },
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// More units on hand, or fewer, for a reason.
///
/// # Errors
/// When nothing would move.
pub async fn adjust(
    tx: &Tx,
    merchant: MerchantId,
    at: (SkuId, OutletId),
    units: i64,
    reason: &str,
    now: Timestamp,
) -> Result<(), DeedError> {
    if units == 0 {
        return Err(DeedError::Nothing);
    }
    let kind = MovementKind::Adjust;
    let movement = by_hand(at, (kind, "adjust"), units, reason, now);
    ledger::write_deed(tx, merchant, movement, 0, now).await?;
    Ok(())
}

/// Moves units to another outlet: two movements that share their reference. Returns it.
///
/// # Errors
/// When fewer are available at the first outlet: what was sold there is not moved away.
pub async fn transfer(
    tx: &Tx,
    merchant: MerchantId,
    sku: SkuId,
    (from, to): (OutletId, OutletId),
    units: i64,
    note: &str,
    now: Timestamp,
) -> Result<String, DeedError> {
    if units <= 0 {
        return Err(DeedError::Nothing);
    }
    if from == to {
        return Err(DeedError::SameOutlet);
    }
    // Locked in the order in which levels are moved.
    let (first, second) = (from.min(to), from.max(to));
    let mut available = 0;
    for outlet in [first, second] {
        let level = locked(tx, (sku, outlet)).await?;
        if outlet == from {
            available = level.map_or(0, |level| level.on_hand - level.allocated - level.reserved);
        }
    }
    if available < units {
        return Err(DeedError::TooFew {
            available,
            wanted: units,
            deed: "moved",
        });
    }
    let reference = format!("transfer:{sku}:{from}:{to}:{}", now.micros());
    let line = |outlet: OutletId, delta: i64, end: &str| Movement {
        reference: format!("{reference}:{end}"),
        ..by_hand(
            (sku, outlet),
            (MovementKind::Transfer, ""),
            delta,
            note,
            now,
        )
    };
    for movement in [line(from, -units, "out"), line(to, units, "in")] {
        ledger::write_deed(tx, merchant, movement, 0, now).await?;
    }
    Ok(reference)
}

/// Sets units apart for a promotion, or frees them with a negative number.
///
/// # Errors
/// When more would be set apart than is available, or more freed than is set apart.
pub async fn reserve(
    tx: &Tx,
    merchant: MerchantId,
    at: (SkuId, OutletId),
    units: i64,
    note: &str,
    now: Timestamp,
) -> Result<(), DeedError> {
    if units == 0 {
        return Err(DeedError::Nothing);
    }
    let level = locked(tx, at).await?;
    let (available, reserved) = level.map_or((0, 0), |level| {
        (
            level.on_hand - level.allocated - level.reserved,
            level.reserved,
        )
    });
    if units > available.max(0) {
        return Err(DeedError::TooFew {
            available,
            wanted: units,
            deed: "set apart",
        });
    }
    if reserved + units < 0 {
        return Err(DeedError::NotReserved {
            reserved,
            wanted: -units,
        });
    }
    let movement = by_hand(at, (MovementKind::Reserve, "reserve"), 0, note, now);
    ledger::write_deed(tx, merchant, movement, units, now).await?;
    Ok(())
}

async fn locked(tx: &Tx, (sku, outlet): (SkuId, OutletId)) -> Result<Option<levels::Model>, DbErr> {
    levels::Entity::find_by_id((sku.0, outlet.0))
        .lock_exclusive()
        .one(tx)
        .await
}

fn by_hand(
    (sku, outlet): (SkuId, OutletId),
    (kind, name): (MovementKind, &str),
    units: i64,
    note: &str,
    now: Timestamp,
) -> Movement {
    Movement {
        sku,
        outlet,
        kind,
        on_hand_delta: units,
        allocated_delta: 0,
        order: None,
        order_line: None,
        reference: format!("{name}:{sku}:{outlet}:{}", now.micros()),
        note: Some(note.to_owned()),
    }
}
