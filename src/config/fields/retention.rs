//! How long what is kept: days per table.

use super::{Field, kind::number};

pub(super) const RETENTION: &[Field] = &[
    Field {
        key: "retention.compress_after_hours",
        kind: number(0..=87_600, "hours", |s, v| {
            s.retention.compress_after_hours = v;
        }),
        default: Some("24"),
        doc: "Bodies of deliveries are compressed in the background when they are so old; 0: never.",
    },
    Field {
        key: "retention.deliveries_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.deliveries = v),
        default: Some("90"),
        doc: "Deliveries with their events; none goes within 30 days, or with something left to do.",
    },
    Field {
        key: "retention.delivery_bodies_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.delivery_bodies = v),
        default: Some("0"),
        doc: "Bodies of deliveries, while their rows stay; none goes within 30 days.",
    },
    Field {
        key: "retention.quarantine_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.quarantine = v),
        default: Some("30"),
        doc: "Refused requests.",
    },
    Field {
        key: "retention.job_attempts_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.job_attempts = v),
        default: Some("30"),
        doc: "Tries of jobs that go on; those of ended jobs go with them.",
    },
    Field {
        key: "retention.scans_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.scans = v),
        default: Some("90"),
        doc: "Scans with what they found.",
    },
    Field {
        key: "retention.scan_changes_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.scan_changes = v),
        default: Some("30"),
        doc: "What scans found.",
    },
    Field {
        key: "retention.scan_pages_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.scan_pages = v),
        default: Some("7"),
        doc: "What scans saw page by page.",
    },
    Field {
        key: "retention.downloads_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.downloads = v),
        default: Some("90"),
        doc: "Order downloads.",
    },
    Field {
        key: "retention.stock_pushes_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.stock_pushes = v),
        default: Some("90"),
        doc: "What channels were told of stock.",
    },
    Field {
        key: "retention.price_pushes_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.price_pushes = v),
        default: Some("90"),
        doc: "What channels were told of prices.",
    },
    Field {
        key: "retention.stock_compares_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.stock_compares = v),
        default: Some("90"),
        doc: "Walks that compared what channels show.",
    },
    Field {
        key: "retention.stock_drifts_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.stock_drifts = v),
        default: Some("90"),
        doc: "What those walks found.",
    },
    Field {
        key: "retention.endpoint_deliveries_days",
        kind: number(0..=36_500, "days", |s, v| {
            s.retention.endpoint_deliveries = v;
        }),
        default: Some("30"),
        doc: "How endpoints were told.",
    },
    Field {
        key: "retention.happenings_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.happenings = v),
        default: Some("90"),
        doc: "What happened in the books, for endpoints.",
    },
    Field {
        key: "retention.notices_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.notices = v),
        default: Some("90"),
        doc: "Notices.",
    },
    Field {
        key: "retention.alarms_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.alarms = v),
        default: Some("365"),
        doc: "Closed alarms.",
    },
    Field {
        key: "retention.silences_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.silences = v),
        default: Some("365"),
        doc: "Silences that ended.",
    },
    Field {
        key: "retention.completeness_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.completeness = v),
        default: Some("365"),
        doc: "Proofs of completeness with their orders.",
    },
    Field {
        key: "retention.webhook_misses_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.webhook_misses = v),
        default: Some("365"),
        doc: "Counts of missed webhooks.",
    },
    Field {
        key: "retention.consents_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.consents = v),
        default: Some("7"),
        doc: "Consents that were used or ran out.",
    },
    Field {
        key: "retention.schedule_fires_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.schedule_fires = v),
        default: Some("30"),
        doc: "Fires of schedules.",
    },
    Field {
        key: "retention.issues_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.issues = v),
        default: Some("180"),
        doc: "Closed issues.",
    },
    Field {
        key: "retention.imports_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.imports = v),
        default: Some("730"),
        doc: "The record of imports.",
    },
    Field {
        key: "retention.readings_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.readings = v),
        default: Some("90"),
        doc: "What marketplaces answered of orders; the newest of each order stays.",
    },
    Field {
        key: "retention.replays_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.replays = v),
        default: Some("365"),
        doc: "Replays that ended.",
    },
    Field {
        key: "retention.replay_items_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.replay_items = v),
        default: Some("180"),
        doc: "What replays took up, and what came of each.",
    },
    Field {
        key: "retention.unread_deliveries_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.unread_deliveries = v),
        default: Some("365"),
        doc: "Deliveries that were not understood; a later version may.",
    },
    Field {
        key: "retention.jobs_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.jobs = v),
        default: Some("7"),
        doc: "Jobs that ended, with their tries.",
    },
    Field {
        key: "retention.dead_jobs_days",
        kind: number(0..=36_500, "days", |s, v| s.retention.dead_jobs = v),
        default: Some("90"),
        doc: "Jobs that were given up, with their tries.",
    },
];
