//! How invoice numbers look: of a merchant, and of single outlets. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "number_settings")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// None: of every outlet that has no format of its own.
    pub outlet_id: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub format: Option<String>,
    /// What `{outlet}` stands for; none: made of the outlet's name.
    #[sea_orm(column_type = "Text", nullable)]
    pub code: Option<String>,
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
