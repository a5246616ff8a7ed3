//! Refused requests, as many as there is room for. Written by `inbox`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(column_type = "Text")]
    pub marketplace: String,
    /// Whom it claims to be for; nobody knows whether it is.
    pub channel_id: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    /// Whole; of rows that are older than the column `state` at most the first 4 KiB.
    pub body: Vec<u8>,
    pub body_bytes: i64,
    pub received_at: i64,
    /// The last part of the path that it came to, where that is a channel's own.
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    /// `held`, `released` or `discarded`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// What it was stored as when it was released.
    pub delivery_id: Option<i64>,
    pub ended_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub by_name: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub why: Option<String>,
    /// When the buyer's data was taken out of the body.
    pub erased_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
