//! What the demo did, as text and as JSON.

use super::agreement::Agreement;
use super::stage::Stage;
use crate::inbox::Tally;
use crate::marketplaces;
use crate::reports::{self, Totals};
use crate::sandbox::Ledger;
use serde::Serialize;
use std::fmt::Write;

#[derive(Debug, Serialize)]
pub struct Outcome {
    /// What the simulated marketplaces sent, and how it was answered.
    pub deliveries: Ledger,
    /// What marketsink made of it.
    pub inbox: Tally,
    #[serde(flatten)]
    pub totals: Totals,
    pub agreement: Agreement,
}

impl Outcome {
    pub async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let app = &stage.running.app;
        Ok(Self {
            deliveries: stage.sandbox.ledger(),
            inbox: app.inbox.tally(),
            totals: reports::totals(&app.queue, stage.merchant).await?,
            agreement: Agreement::of(stage).await?,
        })
    }

    pub fn as_text(&self) -> String {
        let mut text = String::new();
        let sent = &self.deliveries;
        let mut row = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<22} {value}");
        };
        row(
            "deliveries",
            format!(
                "{} sent, {} accepted, {} failed and retried; {} lost, {} doubled, {} late on the way",
                sent.sent, sent.accepted, sent.failed, sent.lost, sent.doubled, sent.late
            ),
        );
        row(
            "forgeries",
            format!("{} sent, {} accepted", sent.forged, sent.forged_accepted),
        );
        row(
            "stored",
            format!(
                "{} deliveries, {} repeats, {} refused, {} events",
                self.inbox.accepted, self.inbox.duplicates, self.inbox.refused, self.totals.events
            ),
        );
        for (platform, n) in &self.totals.sales {
            row(
                "sales",
                format!("{n} on {}", marketplaces::platform_name(platform)),
            );
        }
        row("stock pushes", format!("{}", self.totals.stock_pushes));
        row("rescans of a product", format!("{}", self.totals.rescans));
        let scans: Vec<String> = self
            .totals
            .scans
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        row("scans", scans.join(", "));
        row(
            "found by a scan only",
            format!(
                "{} orders whose webhooks never came",
                self.totals.orders_found_by_scan
            ),
        );
        let agreement = &self.agreement;
        let verdict = if agreement.is_complete() {
            "agree in every unit"
        } else {
            "DO NOT AGREE"
        };
        row(
            "books, stock, shops",
            format!(
                "{verdict} ({} orders, {} units compared)",
                agreement.orders_compared, agreement.units_compared
            ),
        );
        for difference in &agreement.differences {
            let _ = writeln!(text, "    {difference}");
        }
        format!("What was done:\n{text}")
    }
}
