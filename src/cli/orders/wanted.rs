//! Which orders a download is asked for: since the last one, of a window, of a status, or by number.

use super::{download::DownloadArgs, numbers};
use crate::accounts;
use crate::channels::Channel;
use crate::cli::context::Session;
use crate::domain::{Download, StatusWish, Window};
use anyhow::bail;

/// Numbers per job: the job's key holds them all, and databases limit how long a key may be.
pub const NUMBERS: usize = 50;

/// Which orders the command asks for.
pub enum Wanted {
    Updated,
    Within(Window),
    Placed(Window),
    OfStatus(StatusWish),
    Numbered(Vec<String>),
}

impl Wanted {
    /// # Errors
    /// When a time or a file cannot be read.
    pub async fn read(session: &Session, args: &DownloadArgs) -> anyhow::Result<Self> {
        if let (Some(from), Some(to)) = (&args.from, &args.to) {
            let merchants = accounts::merchants(&session.app.db).await?;
            let own = merchants.iter().find(|row| row.id == session.merchant.0);
            let zone = own.and_then(|row| row.time_zone.parse().ok());
            let zone = zone.unwrap_or(chrono_tz::UTC);
            let window = Window {
                from: numbers::time(from, zone)?,
                to: numbers::time(to, zone)?,
            };
            if window.from >= window.to {
                bail!("--from {} is not before --to {}", window.from, window.to);
            }
            if !args.status.is_empty() {
                let words = args.status.iter().map(|word| word.trim().to_owned());
                return Ok(Self::OfStatus(StatusWish {
                    window,
                    by_creation: args.placed,
                    statuses: words.filter(|word| !word.is_empty()).collect(),
                }));
            }
            return Ok(if args.placed {
                Self::Placed(window)
            } else {
                Self::Within(window)
            });
        }
        if let Some(file) = &args.file {
            return Ok(Self::Numbered(numbers::of_file(file)?));
        }
        let numbers = numbers::without_repeats(args.numbers.iter().cloned());
        Ok(if numbers.is_empty() {
            Self::Updated
        } else {
            Self::Numbered(numbers)
        })
    }

    /// The same, with the marketplace's ids instead of the numbers that people know orders by.
    ///
    /// # Errors
    /// When the channel cannot be asked.
    pub async fn with_ids(self, session: &Session, connection: &Channel) -> anyhow::Result<Self> {
        let Self::Numbered(numbers) = self else {
            return Ok(self);
        };
        let known = session.app.sync.order_ids(connection.id, &numbers).await?;
        let ids = known.into_iter().map(|(_, id)| id.to_string());
        Ok(Self::Numbered(numbers::without_repeats(ids)))
    }

    pub fn jobs(&self) -> Vec<Download> {
        match self {
            Self::Updated => vec![Download::Updated],
            Self::Within(window) => vec![Download::Within(*window)],
            Self::Placed(window) => vec![Download::Placed(*window)],
            Self::OfStatus(wish) => vec![Download::OfStatus(wish.clone())],
            Self::Numbered(numbers) => numbers
                .chunks(NUMBERS)
                .map(|chunk| Download::Numbered(chunk.to_vec()))
                .collect(),
        }
    }

    pub fn numbers(&self) -> Option<Vec<String>> {
        match self {
            Self::Numbered(numbers) => Some(numbers.clone()),
            Self::Updated | Self::Within(_) | Self::Placed(_) | Self::OfStatus(_) => None,
        }
    }

    /// None of the numbers is known to the channel.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Numbered(numbers) if numbers.is_empty())
    }
}
