//! One file per table, with the finders that keep tenants apart.
//!
//! Rows are plain data; the module named in each file's first line is the only one that writes the table
//! (`tests/it/architecture.rs` keeps that). Times are microseconds since 1970 in UTC, money is whole minor units.

pub mod alarms;
pub mod channels;
pub mod completeness;
pub mod completeness_orders;
pub mod conflicts;
pub mod consents;
pub mod credentials;
pub mod cursors;
pub mod deliveries;
pub mod delivery_rhythm;
pub mod delivery_watches;
pub mod downloads;
pub mod events;
pub mod job_attempts;
pub mod jobs;
pub mod levels;
pub mod listings;
pub mod merchants;
pub mod movements;
pub mod notices;
pub mod order_lines;
pub mod order_steps;
pub mod orders;
pub mod outlets;
pub mod quarantine;
pub mod return_lines;
pub mod returns;
pub mod scan_changes;
pub mod scan_pages;
pub mod scans;
pub mod schedule_fires;
pub mod schedules;
pub mod settlements;
pub mod silences;
pub mod skus;
pub mod stock_pushes;
pub mod subscriptions;
pub mod webhook_misses;
pub mod webhook_secrets;
