//! One test binary. Every test runs on SQLite; with `TEST_DATABASE_URL` set, those that touch the
//! database run on PostgreSQL too, each in a schema of its own.

mod accounts;
mod architecture;
mod books;
mod catalog;
mod cli;
mod connecting;
mod contract;
mod db;
mod guide;
mod lazada;
mod missed;
mod queue;
mod sales;
mod sandbox;
mod scans;
mod scenarios;
mod schedule;
mod secrets;
mod shopify;
mod stock;
mod support;
mod views;
