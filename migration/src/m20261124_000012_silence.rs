//! How many deliveries a channel usually gets, silences, alarms, and how many orders no webhook named.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Channels that can be asked get the schedule that new ones begin with.
const SCHEDULE: &str = "insert into schedules (merchant_id, channel_id, task, expression, enabled, overlap, \
    catch_up, jitter_secs, last_fire_at, created_at) \
    select merchant_id, id, 'silence_check', (id % 15) || '-59/15 * * * *', true, 'queue_one', \
    'one', 0, updated_at, updated_at \
    from channels where parent_id is null \
    and (marketplace <> 'standard_webhooks' or base_url is not null)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            table.create(manager).await?;
        }
        let db = manager.get_connection();
        db.execute_unprepared(SCHEDULE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(
            "delete from schedule_fires where schedule_id in \
             (select id from schedules where task = 'silence_check')",
        )
        .await?;
        db.execute_unprepared("delete from schedules where task = 'silence_check'")
            .await?;
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        Ok(())
    }
}

fn tables() -> Vec<Table> {
    vec![
        Table::keyed(
            "delivery_watches",
            &["channel_id"],
            vec![
                int("channel_id").references("channels"),
                int("merchant_id"),
                int("learned_from"),
                int("learned_to"),
            ],
        ),
        Table::keyed(
            "delivery_rhythm",
            &["channel_id", "hour_of_week"],
            vec![
                int("channel_id").references("channels"),
                int("hour_of_week"),
                int("merchant_id"),
                int("quarters"),
                int("deliveries_milli"),
            ],
        ),
        Table::new(
            "silences",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                int("since"),
                int("noticed_at"),
                int("expected_milli"),
                int("seen"),
                text("state"),
                int("checked_at").null(),
                int("missed_orders"),
                int("missed_changes"),
                int("missed_products"),
                int("ended_at").null(),
            ],
        )
        .index(&["channel_id", "ended_at"])
        .unique_where("open", &["channel_id"], "ended_at is null"),
        Table::new(
            "alarms",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("kind"),
                int("since"),
                int("expected_milli"),
                int("seen"),
                text("found"),
                int("raised_at"),
                int("closed_at").null(),
            ],
        )
        .index(&["merchant_id", "raised_at"])
        .unique_where("open", &["channel_id", "kind"], "closed_at is null"),
        Table::keyed(
            "webhook_misses",
            &["channel_id", "day"],
            vec![
                int("channel_id").references("channels"),
                text("day"),
                int("merchant_id"),
                int("orders"),
                int("missed"),
                int("computed_at"),
            ],
        ),
    ]
}
