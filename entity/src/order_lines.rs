//! Lines of orders. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "order_lines")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub order_id: i64,
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(column_type = "Text")]
    pub product_id: String,
    #[sea_orm(column_type = "Text")]
    pub variant_id: String,
    pub sku_id: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub seller_sku: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    pub quantity: i64,
    pub cancelled: i64,
    pub total_minor: i64,
    /// `missing_sku` or `unknown_sku`: the sale is booked, stock is not guessed.
    #[sea_orm(column_type = "Text", nullable)]
    pub flag: Option<String>,
    /// Units this line holds in the allocated column of its level.
    pub allocated: i64,
    /// Units this line has taken off the on-hand column.
    pub shipped: i64,
    /// Counts stock movements of this line.
    pub revision: i64,
    /// Units of which the marketplace says that they do not come back.
    pub off_shelf: i64,
    /// Units that were called off and that a person left out of stock.
    pub left_out: i64,
    /// Units that were called off and that a person put aside, to be looked at.
    pub set_aside: i64,
    /// Units of returns that are on the shelf again.
    pub restocked: i64,
    /// Units that are at the outlet for what must be looked at, those put aside included.
    pub quarantined: i64,
    /// What of the invoice's credits is this line's.
    pub refunded_minor: i64,
    /// What the whole line costs before the seller's discounts; none: not told.
    pub gross_minor: Option<i64>,
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
