//! Failures with one cause: found, counted, explained, and closed by themselves.
//!
//! Owns the table `issues`.
//!
//! 1. A look gathers what is wrong now, from what the owners wrote down: bounded queries over indexes, none of them per
//!    order. The same look takes dead work up again whose cause has passed.
//! 2. `compare` (pure) tells it from the open issues: what opens, what changed, what is gone.
//! 3. One transaction writes that. An issue that is gone is closed and says why; when it comes back, it opens as its
//!    next episode, and the ones before stay to be read.
//!
//! Any number of processes may look at once: of one merchant and key one issue is open, the database sees to it.

mod books;
mod channels;
mod compare;
mod deliveries;
mod reparse;
mod store;
mod work;

pub use compare::{Change, compare};
pub use reparse::{Reparsed, take_up_after_start};
pub use store::{Filter, Issue, episodes, issue, issues, mute, prune_issues, unmute};

use crate::channels::{Channel, ChannelError, list};
use crate::domain::{Cause, ChannelId, MerchantId, Timestamp};
use crate::queue::{self, Queue};
use sea_orm::DbErr;
use serde::Serialize;
use std::time::Duration;
use thiserror::Error;

/// Things that an issue names.
const SAMPLE: usize = 20;
/// How far back work that is done is looked at, to tell what it made needless.
const DONE_LATELY: Duration = Duration::from_secs(600);

#[derive(Debug, Error)]
pub enum IssueError {
    #[error("there is no issue {0}; `marketsink issues list --all` shows those there are")]
    Unknown(i64),
    #[error("issue {0} is closed")]
    Closed(i64),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub channel: Option<ChannelId>,
    pub cause: Cause,
    /// What it is about within the cause; empty when the cause says it all.
    pub subject: String,
    /// In words: what happened.
    pub found: String,
    /// What a person can do, with the command.
    pub to_do: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
    /// Orders that are affected.
    pub orders: u64,
    /// Some of what is affected.
    pub sample: Vec<String>,
    /// Pieces of work that wait for its end.
    pub blocked: u64,
}

impl Found {
    /// Of one key one issue is open.
    pub fn key(&self) -> String {
        let channel = self.channel.unwrap_or(ChannelId::NONE);
        format!("{channel}:{}:{}", self.cause, self.subject)
    }

    fn of(cause: Cause, channel: Option<ChannelId>, at: Timestamp) -> Self {
        Self {
            channel,
            cause,
            subject: String::new(),
            found: cause.headline().to_owned(),
            to_do: String::new(),
            first_at: at,
            last_at: at,
            count: 1,
            orders: 0,
            sample: Vec::new(),
            blocked: 0,
        }
    }

    /// Adds something that is affected, as long as there is room.
    fn name(&mut self, one: impl Into<String>) {
        if self.sample.len() < SAMPLE {
            self.sample.push(one.into());
        }
    }

    fn spans(&mut self, first: Timestamp, last: Timestamp) {
        self.first_at = first;
        self.last_at = last;
    }
}

/// What a look did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    pub open: u64,
    pub opened: u64,
    pub closed: u64,
    /// Dead jobs that wait again because their cause has passed.
    pub revived: u64,
}

/// Looks at everything of a merchant, writes what changed, and takes up work whose cause has passed.
///
/// # Errors
/// When the database fails; what was written until then holds, and the next look goes on.
pub async fn look(
    queue: &Queue,
    merchant: MerchantId,
    now: Timestamp,
) -> Result<Looked, IssueError> {
    queue::end_moot(queue, merchant, now - DONE_LATELY, now).await?;
    let shops = Shops::of(queue, merchant).await?;
    let work = work::look(queue, merchant, &shops, now).await?;
    let mut found = work.found;
    found.extend(channels::look(queue, &shops, now).await?);
    found.extend(deliveries::look(queue.db(), &shops, now).await?);
    found.extend(books::look(queue.db(), &shops, now).await?);
    let revived = work::revive(queue, merchant, &work.over, now).await?;
    // What waits again, all of it, is not wrong any more.
    let is_mended = |one: &Found| {
        let key = one.key();
        revived.iter().any(|(of, n)| *of == key && *n >= one.count)
    };
    found.retain(|one| !is_mended(one));
    let mut looked = store::write(queue.db(), merchant, &found, &revived, now).await?;
    looked.revived = revived.iter().map(|(_, n)| n).sum();
    if looked.revived > 0 {
        queue.wake();
    }
    Ok(looked)
}

/// The merchant's channels, loaded once per look.
struct Shops {
    merchant: MerchantId,
    all: Vec<Channel>,
}

impl Shops {
    async fn of(queue: &Queue, merchant: MerchantId) -> Result<Self, ChannelError> {
        let all = list(queue.db(), merchant, false).await?;
        Ok(Self { merchant, all })
    }

    fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.all.iter().find(|channel| channel.id == id)
    }

    /// Those that are a connection of their own.
    fn connections(&self) -> impl Iterator<Item = &Channel> {
        self.all.iter().filter(|channel| channel.parent.is_none())
    }

    fn ids(&self) -> Vec<i64> {
        self.all.iter().map(|channel| channel.id.0).collect()
    }
}

/// How a shop is connected again.
fn again(channel: &Channel) -> String {
    let (slug, connecting) = (channel.marketplace.slug(), channel.marketplace.connecting());
    let how = if connecting.consent { "link" } else { "add" };
    let url = channel.base_url.as_deref();
    let url = url.map_or_else(String::new, |url| format!(" --url {url}"));
    format!("marketsink channel {how} {slug}{url}")
}
