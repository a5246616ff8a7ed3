//! # marketsink keeps a merchant's books and stock right across marketplaces
//!
//! The modules below are the map. They are in layers: **a module imports only modules above it in this
//! list**, and `tests/it/architecture.rs` keeps that.
//!
//! ## Flow A: a webhook becomes a sale
//!
//! 1. [`web`] takes raw bytes and headers under a size limit and hands them to [`inbox`].
//! 2. [`inbox`] asks the marketplace's adapter to verify and parse, and commits deliveries, events and
//!    follow-up jobs of all waiting requests in one transaction. *Then* each request gets its 2xx.
//! 3. [`worker`] claims the jobs; [`sync`] reads the orders back through the marketplace's API, because a
//!    webhook is a hint and the API is the truth.
//! 4. [`sales`] records each order in one transaction: document steps, stock movements, and a push job for
//!    every other channel that lists what was sold.
//! 5. [`sync`] reads the level *then*, and pushes it.
//! 6. What happened is in [`outbox`] since step 4, and [`sinks`] tells the programs that listen.
//!
//! ## Flow B: a schedule closes the gaps
//!
//! 1. [`schedule`] fires each schedule once, whatever the number of processes, and enqueues work.
//! 2. [`sync`] walks the catalogue or the order list page by page, each page one transaction that also
//!    saves where to go on; [`catalog`] writes only what differs.
//! 3. Orders that the books lack, or hold in an older version, go down the same road as in flow A.
//! 4. Only after the last page does the cursor move, and only a full scan may call a listing gone.
//!
//! ## Invariants
//!
//! 1. A 2xx means stored and on disk.
//! 2. One effect per business key, whatever arrives, how often, in which order, on however many processes.
//! 3. One owner module writes a table. Only [`sync`] calls a marketplace. No network inside a transaction.
//! 4. Work is enqueued in the transaction that makes it necessary; its arguments are ids.
//! 5. A job key is unique while waiting and serial while running. Leases are heartbeated and fenced.
//! 6. A cursor never passes the start of its scan, and moves only after the last page is written.
//! 7. Absence is believed only after a complete full scan.
//! 8. The sum of movements is the level. Nothing is deleted from the books: documents are voided.
//! 9. Every row has a tenant, and every query names it.
//! 10. Nothing switches itself off without saying so.
//! 11. No clock, randomness or sleep below the edges (web, worker, sync, sinks, app, cli, sandbox): `now` is a parameter.
//! 12. Secrets never reach logs, errors, exports or pages.

// Blank lines keep the order: it is the rule, and rustfmt would sort it. The remarks are no doc comments:
// with those, links in a module's own `//!` would be looked up here instead of in the module.

// Pure types and decisions: ids, money, orders, products, events, jobs, windows.
pub mod domain;

// The one place that reads the time.
pub mod clock;

// Settings from file and environment; unit, default and range on every field.
pub mod config;

// Tracing set-up, and the one table of field names.
pub mod telemetry;

// Connecting, durability, and the one way to write.
pub mod db;

// Speaks to the outside; knows no database. One folder per marketplace, five files each.
pub mod marketplaces;

// The job engine: enqueue in the caller's transaction, claim, lease, finish. Knows no orders.
pub mod queue;

// Merchants, their outlets and people: roles, tokens, and the audit trail of what they change.
pub mod accounts;

// Connected shops: settings, sealed credentials, webhook secrets.
pub mod channels;

// What happened in the books, written with it, for other programs; and who is told.
pub mod outbox;

// SKUs and listings: what differs between stored and fetched, and applying it.
pub mod catalog;

// The ledger and its levels, and telling other channels.
pub mod stock;

// What channels are told of prices: rules, history.
pub mod prices;

// Orders, documents, steps: what a change of an order means for the books.
pub mod sales;

// Files of SKUs, invoices and counts: looked through whole, then taken into the books.
pub mod imports;

// Deliveries and events: receive, group commit, take up again; the quarantine of what was refused; erasing buyers.
pub mod inbox;

// Cron: a pure tick, one fire per schedule and time.
pub mod schedule;

// The only caller of marketplace clients: orders, scans, downloads, replays, pushes, tokens.
pub mod sync;

// Telling other programs what happened in the books: signed webhooks, and tills with an API of their own.
pub mod sinks;

// Questions that only read: where an order is and why, the sync log, views, sales, exports.
pub mod reports;

// Failures with one cause: found, explained, closed by themselves, and what they blocked taken up again.
pub mod issues;

// What runs beside the work: old rows taken away, bodies packed.
pub mod upkeep;

// The loop, and the one `match` over every kind of work.
pub mod worker;

// HTTP: webhooks, the page at `/`, the API, and guides for integrators.
pub mod web;

// Simulated marketplaces with weather, for the demo, for tests, for integrators.
pub mod sandbox;

// Settings in, running app out; shared by `main` and the tests.
pub mod app;

// The commands.
pub mod cli;
