//! What a bundle is made of. Written by `catalog`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "bundle_parts")]
pub struct Model {
    /// The SKU that is sold.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bundle_id: i64,
    /// The SKU that is counted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    pub merchant_id: i64,
    /// Of the component in one bundle.
    pub units: i64,
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
