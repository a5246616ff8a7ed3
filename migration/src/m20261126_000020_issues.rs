//! Why attempts failed, issues, how bodies are kept, and how far upkeep has come.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Written out: both databases take them, and the condition of a partial index must not be a bound value.
const INDEXES: &[(&str, &str)] = &[
    (
        "ix_deliveries_trouble",
        "deliveries (channel_id, verdict, id) \
         where verdict in ('unknown_topic', 'unreadable')",
    ),
    (
        "ix_jobs_troubled",
        "jobs (merchant_id, channel_id, cause) where cause is not null and state in ('available', 'dead')",
    ),
    (
        "ix_order_lines_unlinked",
        "order_lines (merchant_id, order_id) where sku_id is null",
    ),
    (
        "ix_quarantine_channel_received",
        "quarantine (channel_id, received_at)",
    ),
];

/// Columns of tables that there are: table, column.
const CAUSES: [(&str, &str); 4] = [
    ("jobs", "cause"),
    ("job_attempts", "cause"),
    ("stock_pushes", "cause"),
    ("price_pushes", "cause"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in CAUSES {
            add(manager, table, ColumnDef::new(column).text().null().take()).await?;
        }
        let mut revivals = ColumnDef::new("revivals");
        revivals.big_integer().not_null().default(0);
        add(manager, "jobs", revivals).await?;
        let mut encoding = ColumnDef::new("body_encoding");
        encoding.text().not_null().default("plain");
        add(manager, "deliveries", encoding).await?;
        for table in tables() {
            table.create(manager).await?;
        }
        let db = manager.get_connection();
        for (name, on) in INDEXES {
            let create = format!("create index {name} on {on}");
            db.execute_unprepared(&create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (name, _) in INDEXES {
            let drop = format!("drop index {name}");
            db.execute_unprepared(&drop).await?;
        }
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        remove(manager, "deliveries", "body_encoding").await?;
        remove(manager, "jobs", "revivals").await?;
        for (table, column) in CAUSES {
            remove(manager, table, column).await?;
        }
        Ok(())
    }
}

async fn add(
    manager: &SchemaManager<'_>,
    table: &'static str,
    mut column: ColumnDef,
) -> Result<(), DbErr> {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table(table).add_column(&mut column);
    manager.alter_table(alter).await
}

async fn remove(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table(table).drop_column(column);
    manager.alter_table(alter).await
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "issues",
            vec![
                int("merchant_id").references("merchants"),
                int("channel_id").null(),
                text("cause"),
                text("subject"),
                text("key"),
                text("state"),
                text("found"),
                text("to_do"),
                int("first_at"),
                int("last_at"),
                int("count"),
                int("orders"),
                text("sample"),
                int("blocked"),
                int("episode"),
                int("opened_at"),
                int("looked_at"),
                int("closed_at").null(),
                text("closed_why").null(),
                int("revived"),
                int("muted_at").null(),
                text("muted_by").null(),
                text("muted_why").null(),
            ],
        )
        .unique_where("open", &["merchant_id", "key"], "state = 'open'")
        .index(&["merchant_id", "key", "id"])
        .index(&["closed_at"]),
        Table::keyed(
            "upkeep",
            &["name"],
            vec![
                text("name"),
                int("position"),
                int("run_at").null(),
                int("last_count"),
                int("total"),
                text("holder").null(),
                int("held_until").null(),
            ],
        ),
    ]
}
