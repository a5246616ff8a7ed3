//! The work that an event makes necessary. Pure.

use super::{Verdict, commit::Receipt};
use crate::domain::{Event, EventKind, ScanKind, ScanMethod, Source, Work};
use crate::queue::NewJob;

/// The jobs of a receipt: none unless it was accepted.
pub fn jobs_of(receipt: &Receipt) -> Vec<NewJob> {
    let (Verdict::Accepted, Some(known)) = (receipt.verdict, &receipt.known) else {
        // What tells that a locked channel's consent has changed must not wait for the lock.
        return authorization_of_parked(receipt);
    };
    let job = |event: &Event| {
        Some(NewJob {
            merchant: known.merchant,
            channel: known.channel,
            work: work_of(event)?,
            source: Source::Webhook,
            run_at: None,
        })
    };
    receipt.events.iter().filter_map(job).collect()
}

fn authorization_of_parked(receipt: &Receipt) -> Vec<NewJob> {
    let (Verdict::Parked, Some(known)) = (receipt.verdict, &receipt.known) else {
        return Vec::new();
    };
    let changes_consent = |event: &&Event| event.kind == EventKind::AuthorizationChanged;
    let job = |_: &Event| NewJob {
        merchant: known.merchant,
        channel: known.channel,
        work: Work::CHECK_AUTHORIZATION,
        source: Source::Webhook,
        run_at: None,
    };
    receipt
        .events
        .iter()
        .filter(changes_consent)
        .map(job)
        .collect()
}

/// What to do about an event.
pub fn work_of(event: &Event) -> Option<Work> {
    Some(match event.kind {
        EventKind::OrderChanged => Work::FetchOrder {
            order: event.subject.clone()?,
        },
        EventKind::ProductChanged => Work::RescanProduct {
            product: event.subject.clone()?,
        },
        EventKind::CatalogueChanged => Work::RunScan {
            method: ScanMethod::Async,
            scan: ScanKind::Updated,
        },
        EventKind::AuthorizationChanged => Work::CHECK_AUTHORIZATION,
    })
}
