//! The database schema, step by step: expand first, contract later.
//!
//! A step that has been released is never edited; a new one is added to the list. Both databases run the
//! same steps, and `down` takes each one back.

use sea_orm_migration::prelude::*;

mod m20261123_000001_shops;
mod m20261123_000002_inbox;
mod m20261123_000003_books;
mod m20261123_000004_work;
mod m20261124_000005_consents;
mod m20261124_000006_upkeep;
mod m20261124_000007_told;
mod m20261124_000008_scans;
mod m20261124_000009_linking;
mod m20261124_000010_completeness;
mod m20261124_000011_schedules;
mod m20261124_000012_silence;
mod m20261124_000013_returns;
mod m20261124_000014_settlements;
mod m20261124_000016_outbox;
mod m20261124_000017_numbers;
mod m20261125_000015_stock_rules;
mod m20261126_000018_trace;
mod m20261126_000019_replays;
mod m20261126_000020_issues;
mod m20261126_000021_access;
mod table;

pub use sea_orm_migration::MigratorTrait;

#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_shops::Migration),
            Box::new(m20261123_000002_inbox::Migration),
            Box::new(m20261123_000003_books::Migration),
            Box::new(m20261123_000004_work::Migration),
            Box::new(m20261124_000005_consents::Migration),
            Box::new(m20261124_000006_upkeep::Migration),
            Box::new(m20261124_000007_told::Migration),
            Box::new(m20261124_000008_scans::Migration),
            Box::new(m20261124_000009_linking::Migration),
            Box::new(m20261124_000010_completeness::Migration),
            Box::new(m20261124_000011_schedules::Migration),
            Box::new(m20261124_000012_silence::Migration),
            Box::new(m20261124_000013_returns::Migration),
            Box::new(m20261124_000014_settlements::Migration),
            Box::new(m20261125_000015_stock_rules::Migration),
            Box::new(m20261124_000016_outbox::Migration),
            Box::new(m20261124_000017_numbers::Migration),
            Box::new(m20261126_000018_trace::Migration),
            Box::new(m20261126_000019_replays::Migration),
            Box::new(m20261126_000020_issues::Migration),
            Box::new(m20261126_000021_access::Migration),
        ]
    }
}
