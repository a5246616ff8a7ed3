//! What is kept how long: one rule per table, and never the books.
//!
//! Orders, lines, steps, movements, levels, returns, settlements, conflicts, numbers and the audit trail have no rule.

use crate::config::Retention;
use crate::domain::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What a rule is about; named as its table, or its part of one.
    Kept {
        Deliveries = "deliveries",
        DeliveryBodies = "delivery_bodies",
        Quarantine = "quarantine",
        Attempts = "job_attempts",
        Scans = "scans",
        ScanChanges = "scan_changes",
        ScanPages = "scan_pages",
        Downloads = "downloads",
        StockPushes = "stock_pushes",
        PricePushes = "price_pushes",
        StockCompares = "stock_compares",
        StockDrifts = "stock_drifts",
        EndpointDeliveries = "endpoint_deliveries",
        Happenings = "happenings",
        Notices = "notices",
        Alarms = "alarms",
        Silences = "silences",
        Completeness = "completeness",
        Misses = "webhook_misses",
        Consents = "consents",
        Fires = "schedule_fires",
        Issues = "issues",
        Imports = "imports",
        Readings = "readings",
        Replays = "replays",
        ReplayItems = "replay_items",
    }
);

impl Kept {
    /// Days that it is kept; 0: for ever.
    pub fn days(self, retention: &Retention) -> u64 {
        match self {
            Self::Deliveries => retention.deliveries,
            Self::DeliveryBodies => retention.delivery_bodies,
            Self::Quarantine => retention.quarantine,
            Self::Attempts => retention.job_attempts,
            Self::Scans => retention.scans,
            Self::ScanChanges => retention.scan_changes,
            Self::ScanPages => retention.scan_pages,
            Self::Downloads => retention.downloads,
            Self::StockPushes => retention.stock_pushes,
            Self::PricePushes => retention.price_pushes,
            Self::StockCompares => retention.stock_compares,
            Self::StockDrifts => retention.stock_drifts,
            Self::EndpointDeliveries => retention.endpoint_deliveries,
            Self::Happenings => retention.happenings,
            Self::Notices => retention.notices,
            Self::Alarms => retention.alarms,
            Self::Silences => retention.silences,
            Self::Completeness => retention.completeness,
            Self::Misses => retention.webhook_misses,
            Self::Consents => retention.consents,
            Self::Fires => retention.schedule_fires,
            Self::Issues => retention.issues,
            Self::Imports => retention.imports,
            Self::Readings => retention.readings,
            Self::Replays => retention.replays,
            Self::ReplayItems => retention.replay_items,
        }
    }

    /// What it is, in words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Deliveries => "Deliveries and their events",
            Self::DeliveryBodies => "Bodies of deliveries, while their rows stay",
            Self::Quarantine => "Refused requests",
            Self::Attempts => "Tries of jobs that go on",
            Self::Scans => "Scans with what they found",
            Self::ScanChanges => "What scans found",
            Self::ScanPages => "What scans saw page by page",
            Self::Downloads => "Order downloads",
            Self::StockPushes => "What channels were told of stock",
            Self::PricePushes => "What channels were told of prices",
            Self::StockCompares => "Walks that compared what channels show",
            Self::StockDrifts => "What those walks found",
            Self::EndpointDeliveries => "How endpoints were told",
            Self::Happenings => "What happened in the books, for endpoints",
            Self::Notices => "Notices",
            Self::Alarms => "Closed alarms",
            Self::Silences => "Silences that ended",
            Self::Completeness => "Proofs of completeness with their orders",
            Self::Misses => "Counts of missed webhooks",
            Self::Consents => "Consents that were used or ran out",
            Self::Fires => "Fires of schedules",
            Self::Issues => "Closed issues",
            Self::Imports => "The record of imports",
            Self::Readings => "What marketplaces answered of orders",
            Self::Replays => "Replays, once what they took up is gone",
            Self::ReplayItems => "What replays took up",
        }
    }

    /// What stays however old it is.
    pub const fn stays(self) -> &'static str {
        match self {
            Self::Deliveries => {
                "those with a pending event, those that were not understood, those of the last 30 days, the last one of each channel, and of shops without an API the newest of each order"
            }
            Self::DeliveryBodies => "the same as of deliveries",
            Self::Quarantine
            | Self::StockDrifts
            | Self::Notices
            | Self::Misses
            | Self::Consents => "-",
            Self::Attempts => "the last try of each job",
            Self::Scans => {
                "those that have not ended, and the newest that was done per channel and kind"
            }
            Self::ScanChanges => "that of scans that stay",
            Self::ScanPages => "that of scans that have not ended",
            Self::Downloads => "those that have not ended, and the newest of each channel",
            Self::StockPushes | Self::PricePushes => "the last of each listing",
            Self::StockCompares => "the last of each channel",
            Self::EndpointDeliveries => "those that wait",
            Self::Happenings => "those that a delivery to an endpoint names",
            Self::Alarms => "those that stand",
            Self::Silences => "those that last",
            Self::Completeness => "those under way, and the newest of each channel",
            Self::Fires => "the last of each schedule",
            Self::Issues => "open ones",
            Self::Imports | Self::Replays => "those that have not ended",
            Self::Readings => "the newest of each order",
            Self::ReplayItems => "those of replays that have not ended",
        }
    }
}
