//! Rows of every table that has a rule.

use marketsink::upkeep::Kept;

/// Statements that insert into one table: `{at}` is the age, `{n}` tells rows apart.
pub struct Rows {
    pub kept: Kept,
    pub tables: &'static [&'static str],
    pub insert: &'static [&'static str],
    /// What cannot go while it is the only one of its kind: rows of the second insertion stay.
    pub newest_stays: bool,
}

const SCAN: &str = "insert into scans (merchant_id, channel_id, kind, method, source, state, window_to, pages, listings, \
    added, changed, gone, linked, errors, api_calls, emulated, started_at, finished_at) values \
    ({m}, {c}, 'full', 'async', 'schedule', 'done', {at}, 1, 1, 0, 0, 0, 0, 0, 1, false, {at}, {at})";
const SCAN_PAGE: &str = "insert into scan_pages (merchant_id, scan_id, page, seen) select {m}, max(id), 1, 'x' from scans";
const SCAN_CHANGE: &str = "insert into scan_changes (merchant_id, channel_id, scan_id, seq, kind, product_id) \
    select {m}, {c}, max(id), 1, 'added', 'p' from scans";
const HAPPENING: &str = "insert into happenings (merchant_id, kind, subject, payload, created_at) \
    values ({m}, 'sale.recorded', 'order:1', '{}', {at})";

pub const ROWS: &[Rows] = &[
    Rows {
        kept: Kept::Quarantine,
        tables: &["quarantine"],
        insert: &[
            "insert into quarantine (marketplace, channel_id, reason, headers, body, body_bytes, received_at) \
            values ('woocommerce', {c}, 'bad_signature', '[]', 'x', 1, {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Attempts,
        tables: &["job_attempts"],
        insert: &[
            "insert into job_attempts (merchant_id, job_id, number, worker, started_at, finished_at, outcome) \
            values ({m}, 7, {n}, 'w', {at}, {at}, 'snoozed')",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::Scans,
        tables: &["scans", "scan_pages", "scan_changes"],
        insert: &[SCAN, SCAN_PAGE, SCAN_CHANGE],
        newest_stays: true,
    },
    Rows {
        kept: Kept::Downloads,
        tables: &["downloads"],
        insert: &[
            "insert into downloads (merchant_id, channel_id, source, state, pages, seen, missing, outdated, \
            api_calls, started_at, finished_at) values ({m}, {c}, 'schedule', 'done', 1, 1, 0, 0, 1, {at}, {at})",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::StockPushes,
        tables: &["stock_pushes"],
        insert: &[
            "insert into stock_pushes (merchant_id, channel_id, listing_id, sku_id, quantity, source, state, \
            read_at, finished_at) values ({m}, {c}, {l}, 1, 4, 'manual', 'pushed', {at}, {at} + {n})",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::PricePushes,
        tables: &["price_pushes"],
        insert: &[
            "insert into price_pushes (merchant_id, channel_id, listing_id, sku_id, price_minor, currency, source, \
            state, attempt, finished_at) values ({m}, {c}, {l}, 1, 4, 'IDR', 'manual', 'pushed', 1, {at})",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::StockCompares,
        tables: &["stock_compares"],
        insert: &[
            "insert into stock_compares (merchant_id, channel_id, last_listing, listings, differed, healed, \
            compared_at) values ({m}, {c}, 0, 1, 0, 0, {at})",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::StockDrifts,
        tables: &["stock_drifts"],
        insert: &[
            "insert into stock_drifts (merchant_id, channel_id, listing_id, sku_id, wanted, shown, outcome, \
            found_at) values ({m}, {c}, {l}, 1, 4, 7, 'told_again', {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Happenings,
        tables: &["happenings"],
        insert: &[HAPPENING],
        newest_stays: false,
    },
    Rows {
        kept: Kept::EndpointDeliveries,
        tables: &["happenings", "endpoint_deliveries"],
        insert: &[
            HAPPENING,
            "insert into endpoint_deliveries (merchant_id, endpoint_id, happening_id, state, attempts, next_at, \
             created_at, finished_at) select {m}, (select max(id) from endpoints), max(id), 'delivered', 1, {at}, {at}, {at} \
             from happenings",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Notices,
        tables: &["notices"],
        insert: &[
            "insert into notices (merchant_id, channel_id, level, text, created_at) \
            values ({m}, {c}, 'info', 'x', {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Alarms,
        tables: &["alarms"],
        insert: &[
            "insert into alarms (merchant_id, channel_id, kind, since, expected_milli, seen, found, raised_at, \
            closed_at) values ({m}, {c}, 'silence', {at}, 1, 0, 'x', {at}, {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Silences,
        tables: &["silences"],
        insert: &[
            "insert into silences (merchant_id, channel_id, since, noticed_at, expected_milli, seen, state, \
            missed_orders, missed_changes, missed_products, ended_at) values ({m}, {c}, {at}, {at}, 1, 0, \
            'nothing_missed', 0, 0, 0, {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Completeness,
        tables: &["completeness", "completeness_orders"],
        insert: &[
            "insert into completeness (merchant_id, channel_id, day, window_from, window_to, source, state, emulated, \
             listed, explained, noted, theirs, theirs_value, ours, ours_value, matched, missing, wrong_status, \
             different_total, only_in_books, unreadable, api_calls, looked_at) values ({m}, {c}, '2026-11-22', 0, {at}, \
             'schedule', 'complete', false, 2, 0, 0, 2, '[]', 2, '[]', 2, 0, 0, 0, 0, 0, 1, {at})",
            "insert into completeness_orders (merchant_id, channel_id, completeness_id, remote_id, number, kind, reason, \
             found_at) select {m}, {c}, max(id), '1', '1', 'noted', 'x', {at} from completeness",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::Misses,
        tables: &["webhook_misses"],
        insert: &[
            "insert into webhook_misses (channel_id, day, merchant_id, orders, missed, computed_at) \
            values ({c}, 'day-{n}', {m}, 1, 0, {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Consents,
        tables: &["consents"],
        insert: &[
            "insert into consents (merchant_id, outlet_id, marketplace, state_hash, created_at, expires_at) \
            values ({m}, {o}, 'shopee', 'hash-{n}', {at}, {at})",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Fires,
        tables: &["schedule_fires"],
        insert: &[
            "insert into schedule_fires (merchant_id, schedule_id, fire_at, missed, fired_at) \
            select {m}, max(id), {at} + {n}, 0, {at} from schedules",
        ],
        newest_stays: true,
    },
    Rows {
        kept: Kept::Issues,
        tables: &["issues"],
        insert: &[
            "insert into issues (merchant_id, cause, subject, key, state, found, to_do, first_at, last_at, count, \
            orders, sample, blocked, episode, opened_at, looked_at, closed_at, revived) values ({m}, 'drift', '', '0:drift:', \
            'closed', 'x', 'x', {at}, {at}, 1, 0, '[]', 0, 1, {at}, {at}, {at}, 0)",
        ],
        newest_stays: false,
    },
    Rows {
        kept: Kept::Imports,
        tables: &["imports"],
        insert: &[
            "insert into imports (merchant_id, kind, file_name, file_hash, options, state, rows, done_rows, added, \
            changed, unchanged, by_name, started_at, finished_at) values ({m}, 'skus', 'a.csv', 'h{n}', '{}', 'done', 1, 1, \
            1, 0, 0, 'ani', {at}, {at})",
        ],
        newest_stays: false,
    },
];
