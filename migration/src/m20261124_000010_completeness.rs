//! What order downloads walk over, reports that a day's orders are all in the books, and their schedule.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Channels that can be asked get the schedule that new ones begin with.
const SCHEDULE: &str = "insert into schedules \
    (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
    select merchant_id, id, 'completeness', (id % 60) || ' 5 * * *', true, updated_at, updated_at \
    from channels where parent_id is null \
    and (marketplace <> 'standard_webhooks' or base_url is not null)";

/// Downloads of before this step say by themselves which numbers or window they had.
const NUMBERED: &str = "update downloads set kind = 'numbered' where numbers is not null";

const LATENESS: &str = "ix_events_channel_id_kind_created_at";
const PLACED: &str = "ix_orders_connection_id_placed_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut kind = ColumnDef::new("kind");
        kind.text().not_null().default("updated");
        let mut by = ColumnDef::new("by_time");
        by.text().not_null().default("updated");
        let mut emulated = ColumnDef::new("emulated");
        emulated.boolean().not_null().default(false);
        let mut lookback = ColumnDef::new("lookback_secs");
        lookback.big_integer().null();
        // One column a statement: SQLite takes no more.
        for mut column in [kind, by, emulated, lookback] {
            let mut alter = downloads();
            manager
                .alter_table(alter.add_column(&mut column).take())
                .await?;
        }
        for table in tables() {
            table.create(manager).await?;
        }
        let columns = ["channel_id", "kind", "created_at"];
        manager
            .create_index(index(LATENESS, "events", &columns))
            .await?;
        let columns = ["connection_id", "placed_at"];
        manager
            .create_index(index(PLACED, "orders", &columns))
            .await?;
        let db = manager.get_connection();
        db.execute_unprepared(NUMBERED).await?;
        db.execute_unprepared(SCHEDULE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forget = "delete from schedules where task = 'completeness'";
        manager.get_connection().execute_unprepared(forget).await?;
        for (name, table) in [(LATENESS, "events"), (PLACED, "orders")] {
            let mut drop = Index::drop();
            drop.name(name).table(table);
            manager.drop_index(drop).await?;
        }
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        for column in ["lookback_secs", "emulated", "by_time", "kind"] {
            let mut alter = downloads();
            manager
                .alter_table(alter.drop_column(column).take())
                .await?;
        }
        Ok(())
    }
}

fn downloads() -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table("downloads").take()
}

fn index(name: &str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut create = Index::create();
    create.name(name).table(table);
    for column in columns {
        create.col(*column);
    }
    create
}

fn tables() -> [Table; 2] {
    [
        Table::new(
            "completeness",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("day"),
                int("window_from"),
                int("window_to"),
                text("source"),
                text("state"),
                text("reason").null(),
                crate::table::flag("emulated"),
                int("listed"),
                int("explained"),
                int("noted"),
                int("theirs"),
                text("theirs_value"),
                int("ours"),
                text("ours_value"),
                int("matched"),
                int("missing"),
                int("wrong_status"),
                int("different_total"),
                int("only_in_books"),
                int("unreadable"),
                text("before_closing").null(),
                int("api_calls"),
                int("looked_at"),
                int("closed_at").null(),
            ],
        )
        .index(&["channel_id", "day"])
        .index(&["merchant_id", "day"]),
        Table::new(
            "completeness_orders",
            vec![
                int("merchant_id"),
                int("channel_id"),
                int("completeness_id").references("completeness"),
                text("remote_id"),
                text("number"),
                text("kind"),
                text("reason"),
                text("theirs_status").null(),
                text("ours_status").null(),
                int("theirs_minor").null(),
                text("theirs_currency").null(),
                int("ours_minor").null(),
                text("ours_currency").null(),
                int("found_at"),
                int("closed_at").null(),
            ],
        )
        .index(&["completeness_id"]),
    ]
}
