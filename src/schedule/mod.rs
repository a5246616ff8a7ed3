//! Cron: a pure tick, and one fire per schedule and time, whatever the number of processes.
//!
//! Every channel has one schedule per [`Task`], in the merchant's time zone. Firing enqueues the task's
//! work in the same transaction that marks the fire, so that a crash loses neither and repeats neither.
//! Each schedule says what happens when its last run is not over ([`Overlap`]), when nothing ran for a while
//! ([`CatchUp`]), and how far channels with the same time are spread (jitter).
//!
//! Owns the tables `schedules` and `schedule_fires`. Schedules of channels that are not active rest, and what a
//! locked channel's schedules would have fired before it was locked is not made up for. Only a locked channel has
//! the one that asks whether it must stay so.

mod expression;
mod fire;
mod policy;
mod prune;
mod store;
mod tick;
mod words;

pub use expression::{Expression, ExpressionError};
pub use fire::{Fired, fire_due, last_fires, run_now};
pub use policy::{
    CatchUp, GRACE, LONGEST_JITTER, MOST_CAUGHT_UP, Outcome, Overlap, delay, usual_jitter,
};
pub use prune::prune_fires;
pub use store::{Changes, Schedule, ScheduleError, change, defaults_for, list, set};
pub use tick::{Entry, Fire, due_fires};
pub use words::{change_of_clocks, in_words, span_in_words};

use crate::domain::{ChannelId, Days, Download, ScanKind, ScanMethod, Work, job::named};
use crate::marketplaces::{Abilities, Limits, Subscribing};
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What can be scheduled for a channel.
    Task {
        /// Walk over all listings; finds the ones that are gone.
        FullScan = "full_scan",
        /// Walk over the listings that buyers can find.
        ActiveScan = "active_scan",
        /// Walk over the listings that changed since the last scan.
        UpdatedScan = "updated_scan",
        /// Look for orders whose webhooks were missed.
        OrderDownload = "order_download",
        /// Fetch the webhooks that the marketplace gave up on.
        Missed = "missed_webhooks",
        /// Renew the tokens at half of their life, and warn of ends that only the merchant can put off.
        TokenRefresh = "token_refresh",
        /// Look whether the marketplace still sends its webhooks, and mend what it switched off.
        SubscriptionCheck = "subscription_check",
        /// Ask the shop of a locked channel whether it lets us in again, and unlock it then.
        AuthorizationCheck = "authorization_check",
        /// Look whether the channel tells unusually little, and whether webhooks were missed then.
        SilenceCheck = "silence_check",
        /// Prove that yesterday's orders are all in the books, and once more those of three days ago.
        Completeness = "completeness",
        /// Tell again what moved in the last day, and what was refused.
        PushAgain = "push_again",
        /// Read some listings back, and tell those again that show something else.
        CompareStock = "compare_stock",
        /// Read what was paid out for orders, and which fees were kept.
        Settlements = "settlements",
    }
);

impl Task {
    /// What a fire enqueues for a channel of this marketplace.
    pub fn work(self, marketplace: &str) -> Work {
        match self {
            Self::FullScan => Work::RunScan {
                method: ScanMethod::Async,
                scan: ScanKind::Full,
            },
            Self::ActiveScan => Work::RunScan {
                method: ScanMethod::Async,
                scan: ScanKind::Active,
            },
            Self::UpdatedScan => Work::RunScan {
                method: ScanMethod::Async,
                scan: ScanKind::Updated,
            },
            Self::OrderDownload => Work::DownloadOrders {
                orders: Download::Updated,
            },
            Self::Missed => Work::FetchMissed {
                missed: marketplace.to_owned(),
            },
            Self::TokenRefresh => Work::REFRESH_TOKEN,
            Self::SubscriptionCheck => Work::CHECK_SUBSCRIPTIONS,
            Self::AuthorizationCheck => Work::CHECK_AUTHORIZATION,
            Self::SilenceCheck => Work::CHECK_SILENCE,
            Self::PushAgain => Work::PUSH_AGAIN,
            Self::CompareStock => Work::COMPARE_STOCK,
            Self::Completeness => Work::CheckCompleteness {
                completeness: Days::Lately,
            },
            Self::Settlements => Work::READ_SETTLEMENTS,
        }
    }

    /// Whether it fires while a channel is locked, and only then; all the others rest meanwhile.
    pub fn is_for_locked(self) -> bool {
        self == Self::AuthorizationCheck
    }

    /// Whether a shop can be asked what this task asks.
    pub fn is_of_use(self, abilities: Abilities) -> bool {
        match self {
            Self::FullScan | Self::ActiveScan | Self::UpdatedScan => abilities.products,
            Self::PushAgain => abilities.stock,
            Self::CompareStock => abilities.products && abilities.stock,
            Self::OrderDownload | Self::Completeness | Self::Settlements => abilities.orders,
            Self::AuthorizationCheck | Self::SilenceCheck => abilities.orders || abilities.products,
            Self::Missed | Self::TokenRefresh | Self::SubscriptionCheck => true,
        }
    }

    /// When the task runs unless the merchant says otherwise; `None` when the marketplace has no need of it.
    /// The minute depends on the channel, so that all channels do not call at once.
    pub fn default_expression(self, channel: ChannelId, limits: &Limits) -> Option<String> {
        let spread = |n: i64| channel.0.rem_euclid(n);
        Some(match self {
            Self::FullScan => {
                let hour = 1 + channel.0.div_euclid(60).rem_euclid(4);
                format!("{} {hour} * * *", spread(60))
            }
            Self::ActiveScan => format!("{} */6 * * *", spread(60)),
            Self::UpdatedScan if !limits.pushes_product_edits => {
                format!("{}-59/5 * * * *", spread(5))
            }
            Self::UpdatedScan | Self::SilenceCheck => format!("{}-59/15 * * * *", spread(15)),
            Self::Missed if !limits.keeps_missed => return None,
            Self::TokenRefresh if !limits.tokens_expire => return None,
            // Tokens that live for an hour are renewed after half of it; a look costs one row.
            Self::OrderDownload | Self::Missed | Self::TokenRefresh => {
                format!("{}-59/10 * * * *", spread(10))
            }
            Self::SubscriptionCheck if limits.subscribing == Subscribing::ByHand => return None,
            Self::SubscriptionCheck => format!("{} 3,15 * * *", spread(60)),
            Self::AuthorizationCheck => format!("{} * * * *", spread(60)),
            Self::PushAgain => format!("{} 3 * * *", spread(60)),
            Self::CompareStock => format!("{} */4 * * *", spread(60)),
            // In the small hours: by then a day's late orders have come.
            Self::Completeness => format!("{} 5 * * *", spread(60)),
            Self::Settlements if !limits.tells_settlements => return None,
            Self::Settlements => format!("{} 6 * * *", spread(60)),
        })
    }
}
