//! Which deliveries and jobs, as people say it on the command line.

use crate::accounts;
use crate::cli::{context::Session, orders::moment};
use crate::domain::{ChannelId, JobKind, Timestamp};
use crate::inbox::{DeliverySelection, Verdict};
use crate::queue::{JobSelection, JobState};
use crate::sync::ReplaySelection;
use anyhow::bail;
use clap::Args;

/// Numbers that are given one by one, at most.
const MOST_IDS: usize = 10_000;

#[derive(Debug, Args)]
pub struct DeliveriesArgs {
    /// These deliveries
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// With this verdict: accepted, ignored, unknown_topic, unreadable, unknown_channel, parked
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// With this topic
    #[arg(long)]
    topic: Option<String>,
    /// That name this order or product
    #[arg(long, value_name = "NUMBER")]
    subject: Option<String>,
    /// Received at or after this time; a date is midnight in the merchant's time zone
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// All there are
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub struct JobsArgs {
    /// These jobs
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Of this kind, such as fetch_order
    #[arg(long, value_parser = kind)]
    kind: Option<JobKind>,
    /// In this state: dead, done, superseded, cancelled, available, running
    #[arg(long, value_parser = state)]
    state: Option<JobState>,
    /// Whose last error has these words
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Asked for at or after this time; a date is midnight in the merchant's time zone
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Asked for before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// All there are
    #[arg(long)]
    all: bool,
}

/// Either.
#[derive(Debug)]
pub enum Which {
    Deliveries(DeliveriesArgs),
    Jobs(JobsArgs),
}

impl Which {
    /// # Errors
    /// When nothing is said, a time cannot be read, or the channel is not the merchant's.
    pub async fn selection(&self, session: &Session) -> anyhow::Result<ReplaySelection> {
        Ok(match self {
            Self::Deliveries(args) => {
                let selection = DeliverySelection {
                    ids: few(&args.ids)?,
                    channel: own(session, args.channel).await?,
                    verdict: args.verdict,
                    topic: args.topic.clone(),
                    subject: args.subject.clone(),
                    from: time(session, args.from.as_deref()).await?,
                    to: time(session, args.to.as_deref()).await?,
                };
                said(selection == DeliverySelection::default(), args.all)?;
                ReplaySelection::Deliveries(selection)
            }
            Self::Jobs(args) => {
                let selection = JobSelection {
                    ids: few(&args.ids)?,
                    channel: own(session, args.channel).await?,
                    kind: args.kind,
                    state: args.state,
                    error: args.error.clone(),
                    from: time(session, args.from.as_deref()).await?,
                    to: time(session, args.to.as_deref()).await?,
                };
                said(selection == JobSelection::default(), args.all)?;
                ReplaySelection::Jobs(selection)
            }
        })
    }
}

fn said(is_nothing: bool, all: bool) -> anyhow::Result<()> {
    if is_nothing && !all {
        bail!("say which: by number, with --channel, --from, --to and the like, or --all of them");
    }
    Ok(())
}

fn few(ids: &[i64]) -> anyhow::Result<Vec<i64>> {
    if ids.len() > MOST_IDS {
        bail!("at most {MOST_IDS} can be named one by one; say which with --from and --to");
    }
    Ok(ids.to_vec())
}

async fn own(session: &Session, channel: Option<i64>) -> anyhow::Result<Option<ChannelId>> {
    match channel {
        None => Ok(None),
        Some(id) => Ok(Some(session.channel(id).await?.id)),
    }
}

/// A time, or a date in the merchant's time zone.
///
/// # Errors
/// When the text is neither.
pub async fn time(session: &Session, text: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let zone = accounts::time_zone(&session.app.db, session.merchant).await?;
    Ok(Some(moment(text, zone)?))
}

pub fn verdict(text: &str) -> Result<Verdict, String> {
    let known = Verdict::ALL.iter().map(|verdict| verdict.as_str());
    Verdict::parse(text).ok_or_else(|| there_are(known))
}

pub fn kind(text: &str) -> Result<JobKind, String> {
    let known = JobKind::ALL.iter().map(|kind| kind.as_str());
    JobKind::parse(text).ok_or_else(|| there_are(known))
}

pub fn state(text: &str) -> Result<JobState, String> {
    let known = JobState::ALL.iter().map(|state| state.as_str());
    JobState::parse(text).ok_or_else(|| there_are(known))
}

fn there_are<'n>(known: impl Iterator<Item = &'n str>) -> String {
    format!("there are {}", known.collect::<Vec<_>>().join(", "))
}
