//! What a schedule does when its last run is not over, when nothing ran for a while, and how far it is spread.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Scans read everything since the last one: those that are there get what new ones begin with. Their times stay
/// as they are, to the second.
const SCANS_SKIP: &str = "update schedules set overlap = 'skip' \
    where task in ('full_scan', 'active_scan', 'updated_scan')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            let mut alter = alter(table);
            manager
                .alter_table(alter.add_column(&mut column).take())
                .await?;
        }
        let db = manager.get_connection();
        db.execute_unprepared(SCANS_SKIP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let mut alter = alter(table);
            let name = column.get_column_name();
            manager.alter_table(alter.drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let text = |name: &'static str, default: &'static str| {
        ColumnDef::new(name)
            .text()
            .not_null()
            .default(default)
            .take()
    };
    let mut jitter_secs = ColumnDef::new("jitter_secs");
    jitter_secs.big_integer().not_null().default(0);
    let mut paused_at = ColumnDef::new("paused_at");
    paused_at.big_integer().null();
    vec![
        ("schedules", text("overlap", "queue_one")),
        ("schedules", text("catch_up", "one")),
        ("schedules", jitter_secs),
        ("schedules", paused_at),
        ("schedule_fires", text("outcome", "run")),
    ]
}

fn alter(table: &'static str) -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table(table).take()
}
