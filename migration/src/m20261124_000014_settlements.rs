//! What marketplaces paid out for orders, and what of a payment was written off as their fee.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Channels that can be asked get the schedule that new ones begin with.
const SCHEDULE: &str = "insert into schedules (merchant_id, channel_id, task, expression, enabled, overlap, \
    catch_up, jitter_secs, last_fire_at, created_at) \
    select merchant_id, id, 'settlements', (id % 60) || ' 6 * * *', true, 'queue_one', \
    'one', 900, updated_at, updated_at \
    from channels where parent_id is null and (marketplace = 'shopee' \
    or (marketplace = 'standard_webhooks' and base_url is not null))";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for mut column in columns() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            manager
                .alter_table(alter.table("orders").add_column(&mut column).take())
                .await?;
        }
        table().create(manager).await?;
        let db = manager.get_connection();
        db.execute_unprepared(SCHEDULE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(
            "delete from schedule_fires where schedule_id in \
             (select id from schedules where task = 'settlements')",
        )
        .await?;
        db.execute_unprepared("delete from schedules where task = 'settlements'")
            .await?;
        table().drop(manager).await?;
        for column in columns().into_iter().rev() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let name = column.get_column_name();
            manager
                .alter_table(alter.table("orders").drop_column(name).take())
                .await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    let mut fee = ColumnDef::new("fee_minor");
    vec![
        fee.big_integer().not_null().default(0).take(),
        ColumnDef::new("fee_reason").text().take(),
    ]
}

fn table() -> Table {
    Table::new(
        "settlements",
        vec![
            int("merchant_id").references("merchants"),
            int("channel_id").references("channels"),
            int("order_id").references("orders"),
            text("currency"),
            int("gross_minor"),
            int("fee_minor"),
            int("net_minor"),
            text("fees"),
            text("source"),
            int("settled_at").null(),
            int("read_at"),
        ],
    )
    .unique(&["order_id"])
    .index(&["merchant_id", "channel_id"])
}
