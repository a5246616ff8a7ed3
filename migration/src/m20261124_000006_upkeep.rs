//! Which key signed a delivery, how webhook subscriptions stand, and the schedule that checks them.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Channels of the marketplaces there were before this step get the schedule that new ones begin with.
const SCHEDULE: &str = "insert into schedules \
    (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
    select merchant_id, id, 'subscription_check', (id % 60) || ' 3,15 * * *', true, updated_at, updated_at \
    from channels where parent_id is null \
    and marketplace in ('tiktok_shop', 'shopee', 'shopify', 'woocommerce')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key_index = ColumnDef::new("key_index");
        key_index.big_integer().not_null().default(0);
        let mut alter = deliveries();
        manager
            .alter_table(alter.add_column(&mut key_index).take())
            .await?;
        table().create(manager).await?;
        manager
            .get_connection()
            .execute_unprepared(SCHEDULE)
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forget = "delete from schedules where task = 'subscription_check'";
        manager.get_connection().execute_unprepared(forget).await?;
        table().drop(manager).await?;
        let mut alter = deliveries();
        manager
            .alter_table(alter.drop_column("key_index").take())
            .await
    }
}

fn deliveries() -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table("deliveries").take()
}

fn table() -> Table {
    Table::new(
        "subscriptions",
        vec![
            int("merchant_id"),
            int("channel_id"),
            text("topic"),
            text("state"),
            int("since"),
            int("checked_at"),
            int("mended_at").null(),
        ],
    )
    .unique(&["channel_id", "topic"])
}
