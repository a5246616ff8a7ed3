//! Returns, refunds and exchanges of orders, as they were last told. Written by `sales`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "returns")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub order_id: i64,
    /// Unique within the order.
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    #[sea_orm(column_type = "Text")]
    pub remote_status: String,
    /// `requested`, `accepted`, `refunded` or `closed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// The remote version that is booked: the return's own, not the order's.
    pub version: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    /// What the marketplace says went back to the buyer; none: it does not say.
    pub refund_minor: Option<i64>,
    /// What of it is credited on the invoice: all claims together never exceed the invoice.
    pub credited_minor: i64,
    /// Units whose goods wait for somebody to say what becomes of them.
    pub undecided: i64,
    /// Counts what was applied to the books.
    pub revision: i64,
    /// What found it first.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub first_seen_at: i64,
    pub recorded_at: i64,
    /// The marketplace took it back altogether: nothing of it is booked any more.
    pub deleted_at: Option<i64>,
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
