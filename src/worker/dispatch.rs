//! The one `match` over every kind of work.

use crate::domain::{ScanKind, ScanMethod, Source, Work};
use crate::queue::{Claimed, Outcome};
use crate::sinks::Sinks;
use crate::sync::{ScanRequest, Sync, SyncError};

/// Does the work of jobs that belong together; one outcome each, in order.
pub async fn dispatch(sync: &Sync, sinks: &Sinks, jobs: &[Claimed]) -> Vec<Outcome> {
    let Some(first) = jobs.first() else {
        return Vec::new();
    };
    let channel = first.channel;
    match &first.work {
        Work::FetchOrder { .. } => sync.fetch_orders(channel, jobs).await,
        Work::PushStock { .. } => sync.push_stock(channel, jobs).await,
        Work::PushAgain { .. } => one(sync, sync.push_again(channel).await),
        Work::CompareStock { .. } => one(sync, sync.compare_stock(channel).await),
        Work::PushPrice { .. } => sync.push_prices(channel, jobs).await,
        Work::RescanProduct { product } if first.source == Source::Manual => {
            let request = ScanRequest {
                channel,
                kind: ScanKind::Single,
                method: ScanMethod::Async,
                source: first.source,
                product: Some(product.clone()),
            };
            scan(sync, first, &request).await
        }
        Work::RescanProduct { product } => one(sync, sync.rescan_product(channel, product).await),
        Work::RunScan { scan: kind, method } => {
            let request = ScanRequest {
                channel,
                kind: *kind,
                method: *method,
                source: first.source,
                product: None,
            };
            scan(sync, first, &request).await
        }
        Work::DownloadOrders { orders } => one(
            sync,
            sync.download_orders(channel, orders, first.source).await,
        ),
        Work::FetchMissed { missed } => one(sync, sync.fetch_missed(missed).await),
        Work::RefreshToken { .. } => {
            let renewed = sync.refresh_token(channel, first.source).await;
            match renewed {
                // Refused: the lock says so, and looks after itself.
                Err(SyncError::Locked { .. }) => one(sync, Ok(())),
                renewed => one(sync, renewed),
            }
        }
        Work::CheckAuthorization { .. } if first.source == Source::Schedule => {
            one(sync, sync.recheck_locked(channel).await)
        }
        Work::CheckAuthorization { .. } => one(sync, sync.check_authorization(channel).await),
        Work::CheckCompleteness { completeness } => {
            let checked = sync.check_completeness(channel, *completeness, first.source);
            vec![checked.await]
        }
        Work::TellEndpoint { endpoint } => vec![sinks.tell(*endpoint).await],
        Work::CheckSubscriptions { .. } => one(sync, sync.check_subscriptions(channel).await),
        Work::ReadSettlements { .. } => one(sync, sync.read_settlements(channel).await),
        Work::CheckSilence { .. } => one(sync, sync.check_silence(channel).await),
        Work::Replay { replay } => vec![sync.run_replay(*replay).await],
        Work::CheckQuarantine { .. } => one(sync, sync.release_believed(channel).await),
    }
}

/// A scan whose job has no more tries has failed, and says so.
async fn scan(sync: &Sync, job: &Claimed, request: &ScanRequest) -> Vec<Outcome> {
    let ended = sync.run_scan(request).await;
    let reason = ended.as_ref().err().map(ToString::to_string);
    let outcomes = one(sync, ended);
    let is_over = match &outcomes[..] {
        [Outcome::Done] => true,
        [outcome] => outcome.is_last(job),
        _ => false,
    };
    if let (Some(reason), true) = (reason, is_over)
        && let Err(error) = sync.give_up_scan(request, &reason).await
    {
        // Those that look after scans find it again.
        tracing::warn!(%error, channel.id = request.channel.0, "the end of a scan could not be noted");
    }
    outcomes
}

fn one<T>(sync: &Sync, ended: Result<T, SyncError>) -> Vec<Outcome> {
    vec![ended.map_or_else(|error| error.outcome(sync.clock().now()), |_| Outcome::Done)]
}
