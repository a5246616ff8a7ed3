//! Who linked a listing, what campaigns hold of it, the price of a SKU, and indexes for the merchant's views.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Written out: both databases take them, and the condition of a partial index must not be a bound value.
const INDEXES: &[(&str, &str)] = &[
    ("ix_skus_folded", "skus (merchant_id, folded_code)"),
    (
        "ix_skus_unfolded",
        "skus (merchant_id, id) where folded_code is null",
    ),
    (
        "ix_listings_unlinked",
        "listings (merchant_id, id) where sku_id is null and state <> 'gone'",
    ),
    (
        "ix_listings_channel_unlinked",
        "listings (channel_id, id) where sku_id is null and state <> 'gone'",
    ),
    (
        "ix_listings_linked",
        "listings (merchant_id, sku_id, channel_id) where sku_id is not null and state <> 'gone'",
    ),
    (
        "ix_listings_channel_linked",
        "listings (channel_id, sku_id) where sku_id is not null and state <> 'gone'",
    ),
    (
        "ix_listings_channel_state",
        "listings (channel_id, state, sku_id)",
    ),
    (
        "ix_order_lines_waiting",
        "order_lines (merchant_id, product_id, variant_id) where sku_id is null",
    ),
    (
        "ix_order_lines_waiting_code",
        "order_lines (merchant_id, seller_sku) where sku_id is null",
    ),
    ("ix_movements_newest", "movements (sku_id, outlet_id, id)"),
    ("ix_stock_pushes_newest", "stock_pushes (listing_id, id)"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let mut alter = Table::alter();
            let mut column = column;
            manager
                .alter_table(alter.table(table).add_column(&mut column).take())
                .await?;
        }
        for (name, on) in INDEXES {
            let create = format!("create index {name} on {on}");
            manager.get_connection().execute_unprepared(&create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in INDEXES.iter().rev() {
            let drop = format!("drop index {name}");
            manager.get_connection().execute_unprepared(&drop).await?;
        }
        for (table, column) in columns().into_iter().rev() {
            let mut alter = Table::alter();
            let name = column.get_column_name();
            manager
                .alter_table(alter.table(table).drop_column(name).take())
                .await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let int = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    let text = |name: &'static str| ColumnDef::new(name).text().null().take();
    let by = |name: &'static str| {
        ColumnDef::new(name)
            .text()
            .not_null()
            .default("auto")
            .take()
    };
    let flag = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.boolean().not_null().default(false).take()
    };
    vec![
        ("listings", by("link_by")),
        ("listings", flag("unlinked_by_hand")),
        ("listings", int("link_at")),
        ("listings", int("reserved")),
        ("listings", int("shown_at")),
        ("listings", int("quantity_read_at")),
        ("listings", int("price_read_at")),
        ("skus", text("folded_code")),
        ("skus", int("price_minor")),
        ("skus", text("currency")),
        ("skus", int("price_at")),
    ]
}
