//! Invoice numbers in series, imported files, what SKUs cost, what lines cost before discounts, and indexes for reports.

use crate::table::{Expansion, Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Written out: both databases take them, and the condition of a partial index must not be a bound value.
const INDEXES: &[(&str, &str)] = &[
    ("ix_orders_placed", "orders (merchant_id, placed_at, id)"),
    (
        "ix_orders_invoice_number",
        "orders (merchant_id, invoice_number) where invoice_number is not null",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expansion().up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expansion().down(manager).await
    }
}

fn expansion() -> Expansion {
    Expansion {
        tables: tables(),
        columns: columns(),
        indexes: INDEXES,
    }
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "number_settings",
            vec![
                int("merchant_id").references("merchants"),
                int("outlet_id").null().references("outlets"),
                text("format").null(),
                text("code").null(),
                int("updated_at"),
            ],
        )
        .unique_where("outlet", &["outlet_id"], "outlet_id is not null")
        .unique_where("merchant", &["merchant_id"], "outlet_id is null"),
        Table::keyed(
            "number_series",
            &["merchant_id", "series"],
            vec![
                int("merchant_id").references("merchants"),
                text("series"),
                int("last"),
                int("updated_at"),
            ],
        ),
        Table::new(
            "imports",
            vec![
                int("merchant_id").references("merchants"),
                text("kind"),
                text("file_name"),
                text("file_hash"),
                text("options"),
                text("state"),
                int("rows"),
                int("done_rows"),
                int("added"),
                int("changed"),
                int("unchanged"),
                text("by_name"),
                int("started_at"),
                int("finished_at").null(),
            ],
        )
        .index(&["merchant_id", "file_hash"]),
    ]
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let int = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    let text = |name: &'static str| ColumnDef::new(name).text().null().take();
    vec![
        ("order_lines", int("gross_minor")),
        ("skus", int("cost_minor")),
        ("skus", text("cost_currency")),
        ("skus", int("cost_at")),
    ]
}
