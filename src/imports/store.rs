//! The table `imports`: what was taken, by whom, how far.

use super::{ImportKind, take::Import};
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, Timestamp};
use entity::imports;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

/// The merchant's imports, newest first.
///
/// # Errors
/// When the database fails.
pub async fn imports(
    db: &Db,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<imports::Model>, DbErr> {
    imports::Entity::of_merchant(merchant.0)
        .order_by_desc(imports::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// # Errors
/// When the database fails.
pub async fn find_import(
    db: &Db,
    merchant: MerchantId,
    id: i64,
) -> Result<Option<imports::Model>, DbErr> {
    imports::Entity::of_merchant(merchant.0)
        .filter(imports::Column::Id.eq(id))
        .one(db.read())
        .await
}

/// Under which id a file was taken to its end, the last time.
pub(super) async fn done(
    db: &Db,
    merchant: MerchantId,
    kind: ImportKind,
    hash: &str,
) -> Result<Option<i64>, DbErr> {
    imports::Entity::of_merchant(merchant.0)
        .select_only()
        .column(imports::Column::Id)
        .filter(imports::Column::Kind.eq(kind.as_str()))
        .filter(imports::Column::FileHash.eq(hash))
        .filter(imports::Column::State.eq("done"))
        .order_by_desc(imports::Column::Id)
        .into_tuple()
        .one(db.read())
        .await
}

/// The row of an import that begins, or that was interrupted and goes on.
pub(super) async fn begin(
    db: &Db,
    import: &Import<'_>,
    hash: &str,
    rows: u64,
    now: Timestamp,
) -> Result<imports::Model, DbErr> {
    let options = import.options;
    let told = serde_json::json!({
        "currency": options.currency,
        "channel": options.channel,
        "has_left": options.has_left,
    })
    .to_string();
    let tx = db.write_tx().await?;
    let interrupted = imports::Entity::of_merchant(import.merchant.0)
        .filter(imports::Column::Kind.eq(import.kind.as_str()))
        .filter(imports::Column::FileHash.eq(hash))
        .filter(imports::Column::State.eq("running"))
        .filter(imports::Column::Options.eq(&told))
        .one(&tx)
        .await?;
    if let Some(row) = interrupted {
        return Ok(row);
    }
    let name = import.path.file_name().unwrap_or_default();
    let row = imports::ActiveModel {
        merchant_id: Set(import.merchant.0),
        kind: Set(import.kind.as_str().to_owned()),
        file_name: Set(name.to_string_lossy().chars().take(200).collect()),
        file_hash: Set(hash.to_owned()),
        options: Set(told),
        state: Set("running".to_owned()),
        rows: Set(rows.cast_signed()),
        done_rows: Set(0),
        added: Set(0),
        changed: Set(0),
        unchanged: Set(0),
        by_name: Set(options.by.clone()),
        started_at: Set(now.micros()),
        ..Default::default()
    };
    let row = row.insert(&tx).await?;
    tx.commit().await?;
    Ok(row)
}

/// The row as it is now, for this transaction alone.
pub(super) async fn lock(tx: &Tx, id: i64) -> Result<imports::Model, DbErr> {
    imports::Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("import {id}")))
}

/// Writes how far an import is.
pub(super) async fn note(tx: &Tx, row: &imports::Model) -> Result<(), DbErr> {
    let counts = row.clone();
    let mut row = row.clone().into_active_model();
    row.done_rows = Set(counts.done_rows);
    row.added = Set(counts.added);
    row.changed = Set(counts.changed);
    row.unchanged = Set(counts.unchanged);
    row.update(tx).await?;
    Ok(())
}

pub(super) async fn finish(tx: &Tx, row: &imports::Model, now: Timestamp) -> Result<(), DbErr> {
    let mut row = row.clone().into_active_model();
    row.state = Set("done".to_owned());
    row.finished_at = Set(Some(now.micros()));
    row.update(tx).await?;
    Ok(())
}
