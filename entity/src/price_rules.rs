//! How the price of a SKU becomes the price on a channel. Written by `prices`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "price_rules")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// 0: every channel.
    pub channel_id: i64,
    /// 0: every SKU.
    pub sku_id: i64,
    /// This price, whatever the SKU's.
    pub fixed_minor: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    /// Hundredths of a percent on top; negative: off.
    pub adjust_bp: Option<i64>,
    pub round_to_minor: Option<i64>,
    /// `up`, `down` or `nearest`.
    #[sea_orm(column_type = "Text", nullable)]
    pub round_how: Option<String>,
    /// Taken off after rounding, for prices such as 9.99.
    pub ending_minor: Option<i64>,
    pub updated_at: i64,
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
