//! Replays of deliveries and jobs, what became of refused requests, and downloads of orders by status.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Written out: both databases take them.
const INDEXES: &[(&str, &str)] = &[
    ("ix_quarantine_state", "quarantine (marketplace, state, id)"),
    (
        "ix_quarantine_channel",
        "quarantine (channel_id, state, id)",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            table.create(manager).await?;
        }
        for (table, mut column) in columns() {
            let mut alter = alter(table);
            manager
                .alter_table(alter.add_column(&mut column).take())
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
            let mut alter = alter(table);
            let name = column.get_column_name();
            manager.alter_table(alter.drop_column(name).take()).await?;
        }
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        Ok(())
    }
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "replays",
            vec![
                int("merchant_id").references("merchants"),
                text("source_kind"),
                text("selection"),
                text("by_name"),
                text("why"),
                text("state"),
                int("matched"),
                int("most"),
                int("per_minute"),
                int("up_to"),
                int("position"),
                int("taken"),
                int("minute"),
                int("minute_taken"),
                text("note").null(),
                int("created_at"),
                int("started_at").null(),
                int("taken_at").null(),
                int("finished_at").null(),
            ],
        )
        .index(&["merchant_id", "id"]),
        Table::new(
            "replay_items",
            vec![
                int("merchant_id"),
                int("replay_id").references("replays"),
                int("channel_id").null(),
                int("source_id"),
                text("subject").null(),
                text("works"),
                text("before").null(),
                text("outcome"),
                text("detail").null(),
                int("taken_at"),
                int("settled_at").null(),
            ],
        )
        .unique(&["replay_id", "source_id"])
        .index(&["channel_id", "subject"]),
    ]
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let int = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    let text = |name: &'static str| ColumnDef::new(name).text().null().take();
    let held = ColumnDef::new("state")
        .text()
        .not_null()
        .default("held")
        .take();
    vec![
        ("quarantine", text("address")),
        ("quarantine", held),
        ("quarantine", int("delivery_id")),
        ("quarantine", int("ended_at")),
        ("quarantine", text("by_name")),
        ("quarantine", text("why")),
        ("downloads", text("statuses")),
    ]
}

fn alter(table: &'static str) -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table(table).take()
}
