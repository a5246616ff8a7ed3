//! Webhook subscriptions: how they stand is told as it is, and what went wrong with them is mended.

use super::{Stage, stage::ADDRESS};
use marketsink::marketplaces::{
    Subscribed, Subscribing,
    SubscriptionState::{Active, Missing, SwitchedOff},
    simulation::Shop,
};
use std::collections::BTreeSet;

/// How the topics stand for an address; `None` where the marketplace does not tell, which only those may
/// whose topics a person switches on.
async fn told(stage: &Stage, address: &str) -> Option<Vec<Subscribed>> {
    let slug = stage.slug();
    let told = stage
        .marketplace
        .subscriptions(&stage.access, address)
        .await;
    let told = told.unwrap_or_else(|error| panic!("{slug}: {error}"));
    let limits = stage.marketplace.limits();
    let Some(told) = told else {
        assert_ne!(limits.subscribing, Subscribing::Api, "{slug} must tell");
        return None;
    };
    let topics: Vec<_> = told.iter().map(|one| one.topic.as_str()).collect();
    let named: BTreeSet<_> = topics.iter().copied().collect();
    assert_eq!(named.len(), topics.len(), "{slug}: {topics:?}");
    let all: BTreeSet<_> = limits.topics.iter().copied().collect();
    match limits.subscribing {
        Subscribing::Api => assert_eq!(named, all, "{slug}"),
        // Of some that only a person switches on the API may be silent.
        _ => assert!(named.is_subset(&all), "{slug}: {named:?}"),
    }
    Some(told)
}

fn n_inactive(told: &[Subscribed]) -> usize {
    told.iter().filter(|one| one.state != Active).count()
}

/// Asks for everything again; where a person has to help, that person does.
async fn mend(stage: &Stage) {
    if stage.marketplace.limits().subscribing == Subscribing::Api {
        let changed = stage.subscribe_again().await;
        assert!(!changed.is_empty(), "{} mended nothing", stage.slug());
    } else {
        stage.subscribe().await;
    }
}

#[tokio::test]
async fn after_subscribing_nothing_is_missing() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let before = told(&stage, ADDRESS).await;

        stage.subscribe().await;

        let Some(after) = told(&stage, ADDRESS).await else {
            continue;
        };
        assert_eq!(n_inactive(&after), 0, "{slug}: {after:?}");
        let before = before.expect("it told before, too");
        assert!(n_inactive(&before) > 0, "{slug}: {before:?}");
    }
}

#[tokio::test]
async fn what_is_sent_to_another_address_is_missing_here() {
    for stage in Stage::every().await {
        stage.subscribe().await;

        let elsewhere = told(&stage, &format!("{ADDRESS}/else")).await;

        for one in elsewhere.into_iter().flatten() {
            assert_eq!(one.state, Missing, "{} {}", stage.slug(), one.topic);
        }
    }
}

#[tokio::test]
async fn one_that_was_switched_off_or_deleted_is_seen_and_mended() {
    let switch_off = |shop: &mut Shop| {
        if let Some(subscription) = shop.subscriptions.first_mut() {
            subscription.is_active = false;
        }
    };
    let delete = |shop: &mut Shop| {
        shop.subscriptions
            .truncate(shop.subscriptions.len().saturating_sub(1));
    };
    for stage in Stage::every().await {
        let slug = stage.slug();
        stage.subscribe().await;
        if told(&stage, ADDRESS).await.is_none() {
            continue;
        }
        for (what, spoil) in [
            ("switched off", &switch_off as &dyn Fn(&mut Shop)),
            ("deleted", &delete),
        ] {
            stage.shop.with(|shop| spoil(shop));

            let seen = told(&stage, ADDRESS).await.expect("it tells");
            mend(&stage).await;
            let mended = told(&stage, ADDRESS).await.expect("it tells");

            assert!(n_inactive(&seen) > 0, "{slug}: {what} is not seen");
            if what == "deleted" {
                let is_off = seen.iter().any(|one| one.state == SwitchedOff);
                assert!(!is_off, "{slug}: deleted is not switched off");
            }
            assert_eq!(n_inactive(&mended), 0, "{slug} {what}: {mended:?}");
        }
    }
}

#[tokio::test]
async fn unsubscribing_takes_all_that_is_sent_to_the_address_and_nothing_else() {
    let other = format!("{ADDRESS}/else");
    for stage in Stage::every().await {
        let slug = stage.slug();
        stage.subscribe().await;
        let spare = stage.shop.with(|shop| {
            // As another program of the merchant would have it.
            let mut spare = shop.subscriptions.pop();
            if let Some(spare) = &mut spare {
                spare.address.clone_from(&other);
                shop.subscriptions.push(spare.clone());
            }
            spare
        });
        let n_at = |address: &str| {
            let at = |shop: &mut Shop| {
                let subscriptions = shop.subscriptions.iter();
                subscriptions.filter(|s| s.address == address).count()
            };
            stage.shop.with(at)
        };
        let before = n_at(ADDRESS);

        let ask = async || {
            let changed = stage.marketplace.unsubscribe(&stage.access, ADDRESS);
            let changed = changed.await;
            changed.unwrap_or_else(|error| panic!("{slug}: {error}"))
        };
        let changed = ask().await;
        let left = n_at(ADDRESS);
        let again = ask().await;

        let expected = if changed.is_empty() { before } else { 0 };
        assert_eq!(left, expected, "{slug}: {changed:?}");
        assert_eq!(again, Vec::<String>::new(), "{slug}");
        assert_eq!(n_at(&other), usize::from(spare.is_some()), "{slug}");
    }
}
