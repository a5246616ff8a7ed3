//! What the merchant sells and counts. Written by `catalog`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "skus")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    #[sea_orm(column_type = "Text")]
    pub code: String,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The code without what people cannot tell apart; none: not worked out yet.
    #[sea_orm(column_type = "Text", nullable)]
    pub folded_code: Option<String>,
    /// What the merchant asks for one unit, in minor units of `currency`.
    pub price_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    /// When the price was set.
    pub price_at: Option<i64>,
    /// What one unit cost the merchant, in minor units of `cost_currency`.
    pub cost_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub cost_currency: Option<String>,
    /// When the cost was set.
    pub cost_at: Option<i64>,
    pub created_at: i64,
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
