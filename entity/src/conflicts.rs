//! What must not happen by itself, until a person has decided it. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "conflicts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// One of `sales::ConflictKind`.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// What it is about, such as `order:7`: of one kind and subject one is open at most.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    pub channel_id: Option<i64>,
    pub order_id: Option<i64>,
    pub sku_id: Option<i64>,
    /// In words.
    #[sea_orm(column_type = "Text")]
    pub detail: String,
    /// The same for machines, as JSON: while it is the same it is the same conflict, decided or not.
    #[sea_orm(column_type = "Text")]
    pub facts: String,
    /// `open`, `resolved` or `gone`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// Who has taken it on.
    #[sea_orm(column_type = "Text", nullable)]
    pub owner: Option<String>,
    pub raised_at: i64,
    pub ended_at: Option<i64>,
    /// What was decided, by whom, and why.
    #[sea_orm(column_type = "Text", nullable)]
    pub choice: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub decided_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub why: Option<String>,
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
