//! What an endpoint is to be told, or was, and how it went. Written by `outbox`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "endpoint_deliveries")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub endpoint_id: i64,
    pub happening_id: i64,
    /// `waiting`, `delivered`, `failed` or `dropped`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub attempts: i64,
    pub next_at: i64,
    /// The last HTTP status.
    pub status: Option<i64>,
    /// What the endpoint said, or why it could not.
    #[sea_orm(column_type = "Text", nullable)]
    pub answer: Option<String>,
    pub created_at: i64,
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
