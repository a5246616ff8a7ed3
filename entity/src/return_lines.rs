//! Units of order lines that are returned, and what became of them. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "return_lines")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub return_id: i64,
    /// The order line's remote id.
    #[sea_orm(column_type = "Text")]
    pub line: String,
    /// Of several entries for one line: which.
    pub place: i64,
    pub quantity: i64,
    /// What the marketplace says of this line; none: it tells the sum alone.
    pub refund_minor: Option<i64>,
    /// What is credited on the invoice for this line.
    pub credited_minor: i64,
    /// `unknown`, `kept`, `coming` or `back`.
    #[sea_orm(column_type = "Text")]
    pub goods: String,
    /// Units that are on the shelf again.
    pub restocked: i64,
    /// Units that are at the outlet for what must be looked at.
    pub quarantined: i64,
    /// Units that came back and are worth nothing.
    pub written_off: i64,
    /// Units that wait for a decision.
    pub undecided: i64,
    /// `policy`, or who said so.
    #[sea_orm(column_type = "Text", nullable)]
    pub decided_by: Option<String>,
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
