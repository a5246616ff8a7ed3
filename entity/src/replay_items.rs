//! What became of each delivery or job of a replay. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "replay_items")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub replay_id: i64,
    pub channel_id: Option<i64>,
    /// The delivery or the job.
    pub source_id: i64,
    /// The order or product that it is about.
    #[sea_orm(column_type = "Text", nullable)]
    pub subject: Option<String>,
    /// JSON: kind and key of the jobs that do the work.
    #[sea_orm(column_type = "Text")]
    pub works: String,
    /// JSON: how the order was booked before; none where it is about no order, or was not in the books.
    #[sea_orm(column_type = "Text", nullable)]
    pub before: Option<String>,
    /// `waiting`, `changed`, `unchanged`, `done`, `failed`, or why there is nothing to do.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// What changed in the books, or why not.
    #[sea_orm(column_type = "Text", nullable)]
    pub detail: Option<String>,
    pub taken_at: i64,
    pub settled_at: Option<i64>,
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
