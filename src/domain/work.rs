//! What a job does, as a type: its kind, its key, its arguments.
//!
//! Arguments are ids and windows only; handlers read the present.

use super::{
    ChannelId, Day, EndpointId, JobKind, ListingId, RemoteId, ReplayId, ScanKind, ScanMethod,
    Window,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One piece of background work: on a channel, but for what [`Work::is_of_channel`] names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Work {
    FetchOrder {
        order: RemoteId,
    },
    RescanProduct {
        product: RemoteId,
    },
    RunScan {
        scan: ScanKind,
        method: ScanMethod,
    },
    DownloadOrders {
        orders: Download,
    },
    PushStock {
        listing: ListingId,
    },
    PushPrice {
        price_of: ListingId,
    },
    PushAgain {
        push_again: (),
    },
    CompareStock {
        compare_stock: (),
    },
    /// The marketplace's slug: what was missed is kept for our app, not for a shop.
    FetchMissed {
        missed: String,
    },
    RefreshToken {
        refresh_token: (),
    },
    CheckAuthorization {
        check_authorization: (),
    },
    CheckSubscriptions {
        check_subscriptions: (),
    },
    CheckSilence {
        check_silence: (),
    },
    CheckCompleteness {
        completeness: Days,
    },
    TellEndpoint {
        endpoint: EndpointId,
    },
    ReadSettlements {
        read_settlements: (),
    },
    Replay {
        replay: ReplayId,
    },
    CheckQuarantine {
        check_quarantine: (),
    },
}

/// Of which days it is to be proved that their orders are all in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Days {
    /// Yesterday, and once more three days ago: orders change and come late.
    Lately,
    Day(Day),
}

/// Which orders to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Download {
    /// From the cursor, less the lookback, to now.
    Updated,
    /// Updated in this window.
    Within(Window),
    /// Placed in this window.
    Placed(Window),
    /// These order numbers.
    Numbered(Vec<String>),
    /// Those of a window that have one of these statuses now.
    OfStatus(StatusWish),
}

/// Which orders of a window, by how they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusWish {
    pub window: Window,
    /// The window is of the time when orders were placed, not of their last change.
    pub by_creation: bool,
    /// Our words (`unpaid`, `paid`, `shipped`, `completed`, `cancelled`) or the marketplace's own; any of them will do.
    pub statuses: Vec<String>,
}

/// Lower runs first. Webhook work goes before scans, which have all night, but for those that a person waits for.
mod priority {
    pub const TOKEN: i64 = 0;
    pub const FIRST: i64 = 5;
    pub const ORDER: i64 = 10;
    pub const MISSED: i64 = 15;
    pub const PUSH: i64 = 20;
    pub const TELL: i64 = 25;
    pub const PRODUCT: i64 = 30;
    pub const DOWNLOAD: i64 = 40;
    pub const UPKEEP: i64 = 45;
    pub const SCAN: i64 = 50;
}

impl Work {
    /// The priority of what a person waits for: before everything but tokens, without which nothing runs.
    pub const FIRST: i64 = priority::FIRST;
    pub const REFRESH_TOKEN: Self = Self::RefreshToken { refresh_token: () };
    pub const CHECK_AUTHORIZATION: Self = Self::CheckAuthorization {
        check_authorization: (),
    };
    pub const CHECK_SUBSCRIPTIONS: Self = Self::CheckSubscriptions {
        check_subscriptions: (),
    };
    pub const PUSH_AGAIN: Self = Self::PushAgain { push_again: () };
    pub const COMPARE_STOCK: Self = Self::CompareStock { compare_stock: () };
    pub const CHECK_SILENCE: Self = Self::CheckSilence { check_silence: () };
    pub const READ_SETTLEMENTS: Self = Self::ReadSettlements {
        read_settlements: (),
    };
    pub const CHECK_QUARANTINE: Self = Self::CheckQuarantine {
        check_quarantine: (),
    };

    pub fn kind(&self) -> JobKind {
        match self {
            Self::FetchOrder { .. } => JobKind::FetchOrder,
            Self::RescanProduct { .. } => JobKind::RescanProduct,
            Self::RunScan { .. } => JobKind::RunScan,
            Self::DownloadOrders { .. } => JobKind::DownloadOrders,
            Self::PushStock { .. } => JobKind::PushStock,
            Self::PushPrice { .. } => JobKind::PushPrice,
            Self::PushAgain { .. } => JobKind::PushAgain,
            Self::CompareStock { .. } => JobKind::CompareStock,
            Self::FetchMissed { .. } => JobKind::FetchMissed,
            Self::RefreshToken { .. } => JobKind::RefreshToken,
            Self::CheckAuthorization { .. } => JobKind::CheckAuthorization,
            Self::CheckSubscriptions { .. } => JobKind::CheckSubscriptions,
            Self::CheckSilence { .. } => JobKind::CheckSilence,
            Self::CheckCompleteness { .. } => JobKind::CheckCompleteness,
            Self::TellEndpoint { .. } => JobKind::TellEndpoint,
            Self::ReadSettlements { .. } => JobKind::ReadSettlements,
            Self::Replay { .. } => JobKind::Replay,
            Self::CheckQuarantine { .. } => JobKind::CheckQuarantine,
        }
    }

    /// Whether it is done on a channel. Other work is the merchant's own: its job names [`ChannelId::NONE`].
    pub fn is_of_channel(&self) -> bool {
        !matches!(self, Self::TellEndpoint { .. } | Self::Replay { .. })
    }

    /// What is unique while waiting and serial while running, per kind.
    pub fn key(&self, channel: ChannelId) -> String {
        match self {
            Self::FetchOrder { order } => format!("{channel}:{order}"),
            Self::RescanProduct { product } => format!("{channel}:{product}"),
            Self::RunScan { scan, .. } => format!("{channel}:{scan}"),
            Self::DownloadOrders { orders } => match orders {
                Download::Updated => format!("{channel}:updated"),
                Download::Within(w) => {
                    format!("{channel}:{}-{}", w.from.micros(), w.to.micros())
                }
                Download::Placed(w) => {
                    format!("{channel}:placed:{}-{}", w.from.micros(), w.to.micros())
                }
                Download::Numbered(numbers) => format!("{channel}:{}", numbers.join(",")),
                Download::OfStatus(wish) => format!(
                    "{channel}:{}:{}-{}:{}",
                    if wish.by_creation {
                        "placed"
                    } else {
                        "changed"
                    },
                    wish.window.from.micros(),
                    wish.window.to.micros(),
                    wish.statuses.join(",")
                ),
            },
            Self::CheckCompleteness { completeness } => match completeness {
                Days::Lately => format!("{channel}:lately"),
                Days::Day(day) => format!("{channel}:{day}"),
            },
            Self::PushStock { listing } | Self::PushPrice { price_of: listing } => {
                listing.to_string()
            }
            Self::TellEndpoint { endpoint } => endpoint.to_string(),
            Self::Replay { replay } => replay.to_string(),
            // One consumer per app, whichever of its channels asked.
            Self::FetchMissed { missed } => missed.clone(),
            Self::RefreshToken { .. }
            | Self::PushAgain { .. }
            | Self::CompareStock { .. }
            | Self::CheckAuthorization { .. }
            | Self::CheckSubscriptions { .. }
            | Self::CheckSilence { .. }
            | Self::CheckQuarantine { .. }
            | Self::ReadSettlements { .. } => channel.to_string(),
        }
    }

    pub fn priority(&self) -> i64 {
        match self {
            Self::RefreshToken { .. } | Self::CheckAuthorization { .. } => priority::TOKEN,
            Self::FetchOrder { .. } => priority::ORDER,
            Self::FetchMissed { .. } | Self::CheckQuarantine { .. } => priority::MISSED,
            Self::PushStock { .. } | Self::PushPrice { .. } => priority::PUSH,
            Self::TellEndpoint { .. } => priority::TELL,
            Self::RescanProduct { .. } => priority::PRODUCT,
            Self::DownloadOrders { .. } | Self::CheckCompleteness { .. } | Self::Replay { .. } => {
                priority::DOWNLOAD
            }
            Self::CheckSubscriptions { .. }
            | Self::CheckSilence { .. }
            | Self::PushAgain { .. }
            | Self::CompareStock { .. }
            | Self::ReadSettlements { .. } => priority::UPKEEP,
            Self::RunScan {
                method: ScanMethod::Sync,
                ..
            } => priority::FIRST,
            Self::RunScan { .. } => priority::SCAN,
        }
    }

    /// Tries before the job is dead. With the backoff of `retry`, 12 tries take over an hour and a half.
    pub fn max_attempts(&self) -> i64 {
        match self {
            Self::RefreshToken { .. } => 20,
            _ => 12,
        }
    }

    /// How long to wait for more news of the same thing, and how long at most: product edits come in
    /// storms (every save, every sold unit), orders do not.
    pub fn debounce(&self) -> Option<(Duration, Duration)> {
        match self {
            Self::RescanProduct { .. } => Some((Duration::from_secs(2), Duration::from_secs(20))),
            // Whoever sets one price sets the next: one call tells them together.
            Self::PushPrice { .. } => Some((Duration::from_secs(5), Duration::from_secs(60))),
            _ => None,
        }
    }

    /// # Panics
    /// Never: ids, windows and names are JSON.
    pub fn args(&self) -> String {
        serde_json::to_string(self).expect("ids, windows and names are JSON")
    }

    /// # Errors
    /// When the text is not the arguments of any work.
    pub fn from_args(args: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn work_survives_its_arguments() {
        let window = Window {
            from: Timestamp::from_secs(1),
            to: Timestamp::from_secs(2),
        };
        let every = [
            Work::FetchOrder {
                order: "576900000000000321".into(),
            },
            Work::RescanProduct {
                product: "501".into(),
            },
            Work::RunScan {
                scan: ScanKind::Full,
                method: ScanMethod::Async,
            },
            Work::DownloadOrders {
                orders: Download::Updated,
            },
            Work::DownloadOrders {
                orders: Download::Within(window),
            },
            Work::DownloadOrders {
                orders: Download::Numbered(vec!["1042".to_owned()]),
            },
            Work::PushStock {
                listing: ListingId(7),
            },
            Work::FetchMissed {
                missed: "shopee".to_owned(),
            },
            Work::REFRESH_TOKEN,
            Work::CHECK_AUTHORIZATION,
            Work::CHECK_SUBSCRIPTIONS,
            Work::CHECK_SILENCE,
            Work::PushPrice {
                price_of: ListingId(7),
            },
            Work::PUSH_AGAIN,
            Work::COMPARE_STOCK,
            Work::READ_SETTLEMENTS,
            Work::CHECK_QUARANTINE,
            Work::Replay {
                replay: ReplayId(4),
            },
            Work::DownloadOrders {
                orders: Download::Placed(window),
            },
            Work::DownloadOrders {
                orders: Download::OfStatus(StatusWish {
                    window,
                    by_creation: true,
                    statuses: vec!["paid".to_owned()],
                }),
            },
            Work::CheckCompleteness {
                completeness: Days::Lately,
            },
            Work::CheckCompleteness {
                completeness: Days::Day(Day::parse("2026-11-22").unwrap()),
            },
            Work::TellEndpoint {
                endpoint: EndpointId(3),
            },
        ];

        for work in every {
            assert_eq!(Work::from_args(&work.args()).unwrap(), work);
        }
    }

    #[test]
    fn the_merchants_own_work_is_of_no_channel() {
        let own = Work::TellEndpoint {
            endpoint: EndpointId(3),
        };

        assert!(!own.is_of_channel() && Work::CHECK_SILENCE.is_of_channel());
        assert_eq!(own.key(ChannelId::NONE), "3");
    }

    #[test]
    fn what_was_missed_has_one_key_for_all_channels_of_a_marketplace() {
        let work = Work::FetchMissed {
            missed: "shopee".to_owned(),
        };

        assert_eq!(work.key(ChannelId(1)), work.key(ChannelId(2)));
    }
}
