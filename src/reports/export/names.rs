//! What ids are called: an export that is read by people needs codes and numbers.

use super::{ExportCell, plain};
use crate::db::Db;
use crate::domain::MerchantId;
use entity::{channels, orders, outlets, skus};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QuerySelect};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

type Row = Map<String, Value>;

/// The names that a page of rows needs.
#[derive(Debug, Default)]
pub(super) struct Names {
    skus: HashMap<i64, String>,
    orders: HashMap<i64, String>,
    channels: HashMap<i64, String>,
    outlets: HashMap<i64, String>,
}

impl Names {
    pub(super) async fn read(
        db: &Db,
        merchant: MerchantId,
        columns: &[&str],
        rows: &[Row],
    ) -> Result<Self, DbErr> {
        let read = db.read();
        let mut names = Self::default();
        if columns.contains(&"sku") {
            let rows: Vec<(i64, String)> = skus::Entity::of_merchant(merchant.0)
                .select_only()
                .columns([skus::Column::Id, skus::Column::Code])
                .filter(skus::Column::Id.is_in(ids(rows, "sku_id")))
                .into_tuple()
                .all(read)
                .await?;
            names.skus.extend(rows);
        }
        if columns.contains(&"order") {
            let rows: Vec<(i64, String)> = orders::Entity::of_merchant(merchant.0)
                .select_only()
                .columns([orders::Column::Id, orders::Column::Number])
                .filter(orders::Column::Id.is_in(ids(rows, "order_id")))
                .into_tuple()
                .all(read)
                .await?;
            names.orders.extend(rows);
        }
        if columns.contains(&"channel") {
            let rows = channels::Entity::of_merchant(merchant.0).all(read).await?;
            names.channels = rows.into_iter().map(|row| (row.id, row.name)).collect();
        }
        if columns.contains(&"outlet") {
            let rows = outlets::Entity::of_merchant(merchant.0).all(read).await?;
            names.outlets = rows.into_iter().map(|row| (row.id, row.name)).collect();
        }
        Ok(names)
    }

    pub(super) fn cell(&self, column: &str, row: &Row) -> ExportCell {
        let named = |names: &HashMap<i64, String>, id: &str| {
            let id = row.get(id).and_then(Value::as_i64);
            let name = id.and_then(|id| names.get(&id));
            name.map_or(ExportCell::Nothing, |name| ExportCell::Text(name.clone()))
        };
        match column {
            "sku" => named(&self.skus, "sku_id"),
            "order" => named(&self.orders, "order_id"),
            "channel" => named(&self.channels, "channel_id"),
            "outlet" => named(&self.outlets, "outlet_id"),
            _ => plain(column, row.get(column)),
        }
    }
}

fn ids(rows: &[Row], column: &str) -> BTreeSet<i64> {
    let ids = rows.iter().filter_map(|row| row.get(column)?.as_i64());
    ids.collect()
}
