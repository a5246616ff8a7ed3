//! Files that were imported. Written by `imports`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "imports")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// `skus`, `invoices` or `counts`.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub file_name: String,
    /// SHA-256 of the file's bytes.
    #[sea_orm(column_type = "Text")]
    pub file_hash: String,
    /// JSON of what was asked for with the file.
    #[sea_orm(column_type = "Text")]
    pub options: String,
    /// `running` (begun, and to be gone on with) or `done`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// Rows of the file, the heading not counted.
    pub rows: i64,
    /// Rows that are in the books, or were there before.
    pub done_rows: i64,
    pub added: i64,
    pub changed: i64,
    pub unchanged: i64,
    #[sea_orm(column_type = "Text")]
    pub by_name: String,
    pub started_at: i64,
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
