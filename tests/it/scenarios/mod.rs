//! Days in a merchant's life, through the real HTTP surface, on both databases; each ends in one snapshot.

mod books;
mod changes;
mod completeness;
mod crash;
mod custom_store;
mod days;
mod dealpos;
mod drift;
mod hands;
mod issues;
mod linking;
mod lost;
mod opening;
mod products;
mod refusals;
mod repeats;
mod replayed;
mod restless;
mod returns;
mod scan_absence;
mod scan_cost;
mod scan_results;
mod scan_shifts;
mod scans;
mod settlements;
mod shopify;
mod silence;
mod skus;
mod stock;
mod telling;
mod tokens;
mod told;
mod upkeep;
mod weather;
mod world;

use world::{World, elsewhere};
