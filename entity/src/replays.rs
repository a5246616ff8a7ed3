//! Deliveries or jobs that a person had taken up again. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "replays")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// `deliveries` or `jobs`.
    #[sea_orm(column_type = "Text")]
    pub source_kind: String,
    /// JSON: which of them.
    #[sea_orm(column_type = "Text")]
    pub selection: String,
    #[sea_orm(column_type = "Text")]
    pub by_name: String,
    #[sea_orm(column_type = "Text")]
    pub why: String,
    /// `planned`, `running`, `done` or `cancelled`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// How many were selected when it was asked for.
    pub matched: i64,
    /// How many of them are taken up at most.
    pub most: i64,
    pub per_minute: i64,
    /// The newest that was selected: what comes later is no part of it.
    pub up_to: i64,
    /// The last that was taken up.
    pub position: i64,
    pub taken: i64,
    /// The minute in which some were taken up last, since 1970, and how many in it.
    pub minute: i64,
    pub minute_taken: i64,
    /// Why it ended, where it did not end by itself.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    /// When the last was taken up.
    pub taken_at: Option<i64>,
    pub finished_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one merchant: the only way to begin a query that answers a person.
    pub fn of_merchant(merchant_id: i64) -> Select<Self> {
        Self::find().filter(Column::MerchantId.eq(merchant_id))
    }
}
