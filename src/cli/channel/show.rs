//! `channel show`: everything there is to know about one channel.

use super::{channel_json, platform};
use crate::catalog;
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    output::{at_or_dash, dash, or_dash, say, say_json, yes_no},
};
use crate::domain::Timestamp;
use crate::inbox;
use crate::sync;
use clap::Args;
use serde_json::json;

/// Shows one channel: state, settings, webhook address, what was heard and scanned last
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink channel show 1")]
pub struct ShowArgs {
    id: i64,
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.id).await?;
    let facts = Facts::read(context, &session, &channel).await?;
    if context.json {
        let mut shown = channel_json(&channel);
        shown["webhook_url"] = json!(facts.webhook_url);
        shown["last_delivery_at"] = json!(facts.last_delivery_at.map(|at| at.to_string()));
        shown["listings"] = json!(facts.listings);
        shown["unlinked"] = json!(facts.unlinked);
        shown["last_scans"] = json!(facts.scans);
        say_json(&shown)?;
    } else {
        facts.say(&channel);
    }
    session.close().await
}

/// What else there is to know about a channel.
struct Facts {
    webhook_url: String,
    last_delivery_at: Option<Timestamp>,
    listings: u64,
    unlinked: u64,
    /// Kind and time.
    scans: Vec<(String, String)>,
}

impl Facts {
    async fn read(context: &Context, session: &Session, channel: &Channel) -> anyhow::Result<Self> {
        let db = &session.app.db;
        let connection = channels::connection_of(db.read(), channel.id).await?;
        let (listings, unlinked) = catalog::counts(db.read(), connection.id).await?;
        let scans = sync::last_scans(db, connection.id).await?;
        let ended = |scan: entity::scans::Model| (scan.kind, at_or_dash(scan.finished_at));
        Ok(Self {
            webhook_url: sync::webhook_url(&context.settings.http.public_url, &connection),
            last_delivery_at: inbox::last_delivery_at(db, connection.id).await?,
            listings,
            unlinked,
            scans: scans.into_iter().map(ended).collect(),
        })
    }

    fn say(&self, channel: &Channel) {
        let settings = &channel.settings;
        let scans: Vec<String> = self
            .scans
            .iter()
            .map(|(kind, at)| format!("{kind} {at}"))
            .collect();
        let reason = channel.state_reason.as_deref();
        let rows = [
            ("channel", channel.id.to_string()),
            ("name", channel.name.clone()),
            ("platform", platform(channel).to_owned()),
            (
                "shop",
                format!("{} on {}", channel.remote_id, channel.marketplace.name()),
            ),
            ("address", or_dash(channel.base_url.as_deref())),
            (
                "state",
                match reason {
                    Some(reason) => format!("{}: {reason}", channel.state.as_str()),
                    None => channel.state.as_str().to_owned(),
                },
            ),
            ("webhooks come to", self.webhook_url.clone()),
            ("last delivery", or_dash(self.last_delivery_at)),
            (
                "last scans",
                if scans.is_empty() {
                    dash()
                } else {
                    scans.join(", ")
                },
            ),
            (
                "listings",
                format!("{}, of which {} have no SKU", self.listings, self.unlinked),
            ),
            ("unpaid_orders", yes_no(settings.unpaid_orders).to_owned()),
            ("push_stock", yes_no(settings.push_stock).to_owned()),
            ("buffer", settings.buffer.to_string()),
        ];
        for (name, value) in rows {
            say(format!("{name:16}  {value}"));
        }
    }
}
