//! Whether a shop was told its current webhook secret, and the schedule that asks after locked channels.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Nobody wrote it down before this step: it is taken that shops were told.
const TOLD: &str = "update webhook_secrets set told_at = created_at";

/// Channels that can be asked get the schedule that new ones begin with.
const SCHEDULE: &str = "insert into schedules \
    (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
    select merchant_id, id, 'authorization_check', (id % 60) || ' * * * *', true, updated_at, updated_at \
    from channels where parent_id is null \
    and (marketplace <> 'standard_webhooks' or base_url is not null)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut told_at = ColumnDef::new("told_at");
        told_at.big_integer().null();
        let mut alter = webhook_secrets();
        manager
            .alter_table(alter.add_column(&mut told_at).take())
            .await?;
        let db = manager.get_connection();
        db.execute_unprepared(TOLD).await?;
        db.execute_unprepared(SCHEDULE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forget = "delete from schedules where task = 'authorization_check'";
        manager.get_connection().execute_unprepared(forget).await?;
        let mut alter = webhook_secrets();
        manager
            .alter_table(alter.drop_column("told_at").take())
            .await
    }
}

fn webhook_secrets() -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table("webhook_secrets").take()
}
