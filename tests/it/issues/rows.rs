//! Each cause that can be told from rows: it opens, counts, is not written again, closes, and comes back.

use super::{a_shop, at, list, look, open, run};
use crate::support::databases;
use marketsink::{
    accounts::{
        Actor,
        audit::{self, AuditFilter},
    },
    db::Db,
    domain::Cause,
    issues::{self, Filter, IssueError},
};

databases!(
    each_cause_opens_counts_and_closes_by_itself,
    a_muted_issue_is_told_again_when_it_comes_back,
    issues_of_one_merchant_are_not_told_to_another,
    two_looks_at_once_open_an_issue_once,
);

struct Case {
    cause: Cause,
    count: i64,
    make: &'static [&'static str],
    mend: &'static str,
}

const LOCK: &str = "update channels set state = 'locked', state_reason = 'the consent was withdrawn', \
    updated_at = {now} where id = {c}";
const UNLOCK: &str = "update channels set state = 'active', state_reason = null where id = {c}";

const CASES: &[Case] = &[
    Case {
        cause: Cause::ChannelLocked,
        count: 1,
        make: &[
            LOCK,
            "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, \
             body, received_at) values ({m}, {c}, 'woocommerce', 'parked-{c}', 'order.updated', 'parked', '[]', 'x', {now})",
        ],
        mend: UNLOCK,
    },
    Case {
        cause: Cause::AuthorizationEnding,
        count: 1,
        make: &[
            "insert into credentials (channel_id, merchant_id, sealed, version, refreshed_at, refresh_expires_at) \
             values ({c}, {m}, 'x', 1, {now}, {soon})",
        ],
        mend: "update credentials set refresh_expires_at = {later} where channel_id = {c}",
    },
    Case {
        cause: Cause::SubscriptionRemoved,
        count: 2,
        make: &[
            "insert into subscriptions (merchant_id, channel_id, topic, state, since, checked_at) values \
             ({m}, {c}, 'order.created', 'missing', {now}, {now}), ({m}, {c}, 'order.updated', 'switched_off', {now}, {now}), \
             ({m}, {c}, 'product.updated', 'active', {now}, {now})",
        ],
        mend: "update subscriptions set state = 'active' where channel_id = {c}",
    },
    Case {
        cause: Cause::SilentChannel,
        count: 1,
        make: &[
            "insert into alarms (merchant_id, channel_id, kind, since, expected_milli, seen, found, raised_at) \
             values ({m}, {c}, 'silence', {now}, 9000, 0, '3 orders came that no delivery had named', {now})",
        ],
        mend: "update alarms set closed_at = {now} where channel_id = {c}",
    },
    Case {
        cause: Cause::SchedulePaused,
        count: 1,
        make: &[
            "insert into schedules (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
             values ({m}, {c}, 'full_scan', '0 1 * * *', false, {now}, {now})",
        ],
        mend: "update schedules set enabled = true where channel_id = {c}",
    },
    Case {
        cause: Cause::ScanSuspicious,
        count: 1,
        make: &[
            "insert into scans (merchant_id, channel_id, kind, method, source, state, window_to, pages, listings, added, \
             changed, gone, linked, errors, api_calls, emulated, started_at, finished_at) values \
             ({m}, {c}, 'full', 'async', 'schedule', 'suspicious', {now}, 1, 1, 0, 0, 0, 0, 0, 1, false, {now}, {now})",
        ],
        mend: "insert into scans (merchant_id, channel_id, kind, method, source, state, window_to, pages, listings, \
             added, changed, gone, linked, errors, api_calls, emulated, started_at, finished_at) values \
             ({m}, {c}, 'full', 'async', 'schedule', 'done', {now}, 1, 1, 0, 0, 0, 0, 0, 1, false, {now}, {now})",
    },
    Case {
        cause: Cause::Drift,
        count: 1,
        make: &[
            "insert into listings (merchant_id, channel_id, product_id, variant_id, title, state, content_hash, \
             remote_version, created_at, updated_at) values ({m}, {c}, 'p', 'v', 'Mug', 'active', 'h', 1, {now}, {now})",
            "insert into stock_drifts (merchant_id, channel_id, listing_id, sku_id, wanted, shown, outcome, found_at) \
             select {m}, {c}, id, 1, 4, 7, 'a push waits', {now} from listings where channel_id = {c}",
        ],
        mend: "insert into stock_pushes (merchant_id, channel_id, listing_id, sku_id, quantity, source, state, read_at, \
             finished_at) select {m}, {c}, id, 1, 4, 'manual', 'pushed', {now}, {soon} from listings where channel_id = {c}",
    },
    Case {
        cause: Cause::UnknownTopic,
        count: 2,
        make: &[
            "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, body, \
             received_at) values ({m}, {c}, 'woocommerce', 'u1-{c}', 'coupon.updated', 'unknown_topic', '[]', 'x', {now}), \
             ({m}, {c}, 'woocommerce', 'u2-{c}', 'coupon.updated', 'unknown_topic', '[]', 'x', {now})",
        ],
        mend: "update deliveries set verdict = 'accepted' where channel_id = {c}",
    },
    Case {
        cause: Cause::UnreadableDelivery,
        count: 1,
        make: &[
            "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, body, \
             received_at) values ({m}, {c}, 'woocommerce', 'r1-{c}', 'order.updated', 'unreadable', '[]', 'x', {now})",
        ],
        mend: "update deliveries set verdict = 'accepted' where channel_id = {c}",
    },
    Case {
        cause: Cause::SignatureFailing,
        count: 2,
        make: &[
            "insert into quarantine (marketplace, channel_id, reason, headers, body, body_bytes, received_at) values \
             ('woocommerce', {c}, 'bad_signature', '[]', 'x', 1, {now}), ('woocommerce', {c}, 'bad_signature', '[]', 'x', 1, {now})",
        ],
        mend: "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, body, \
             received_at) values ({m}, {c}, 'woocommerce', 's1-{c}', 'order.updated', 'accepted', '[]', 'x', {soon})",
    },
    Case {
        cause: Cause::OpenConflict,
        count: 1,
        make: &[
            "insert into conflicts (merchant_id, kind, subject, channel_id, order_id, detail, facts, state, raised_at) \
             values ({m}, 'total_differs', 'order:1', {c}, 1, 'the totals differ', '{}', 'open', {now})",
        ],
        mend: "update conflicts set state = 'resolved' where merchant_id = {m}",
    },
    Case {
        cause: Cause::MissingOrders,
        count: 1,
        make: &[
            "insert into completeness (merchant_id, channel_id, day, window_from, window_to, source, state, emulated, \
             listed, explained, noted, theirs, theirs_value, ours, ours_value, matched, missing, wrong_status, \
             different_total, only_in_books, unreadable, api_calls, looked_at) values ({m}, {c}, '2026-11-22', 0, {now}, \
             'schedule', 'incomplete', false, 2, 0, 0, 2, '[]', 1, '[]', 1, 1, 0, 0, 0, 0, 1, {now})",
            "insert into completeness_orders (merchant_id, channel_id, completeness_id, remote_id, number, kind, reason, \
             found_at) select {m}, {c}, id, '1042', '1042', 'missing', 'not in the books', {now} from completeness \
             where channel_id = {c}",
        ],
        mend: "insert into completeness (merchant_id, channel_id, day, window_from, window_to, source, state, emulated, \
             listed, explained, noted, theirs, theirs_value, ours, ours_value, matched, missing, wrong_status, \
             different_total, only_in_books, unreadable, api_calls, looked_at) values ({m}, {c}, '2026-11-22', 0, {now}, \
             'schedule', 'complete', false, 2, 0, 0, 2, '[]', 2, '[]', 2, 0, 0, 0, 0, 0, 1, {now})",
    },
    Case {
        cause: Cause::EndpointDisabled,
        count: 9,
        make: &[
            "insert into endpoints (merchant_id, protocol, url, kinds, settings, state, state_reason, failures, \
             failing_since, created_at, updated_at) values ({m}, 'webhook', 'https://erp.example.com', '', '{}', \
             'disabled', 'nothing could be delivered', 9, {now}, {now}, {now})",
        ],
        mend: "update endpoints set state = 'active', failures = 0, failing_since = null where merchant_id = {m}",
    },
    Case {
        cause: Cause::EndpointFailing,
        count: 3,
        make: &[
            "insert into endpoints (merchant_id, protocol, url, kinds, settings, state, failures, failing_since, \
             created_at, updated_at) values ({m}, 'webhook', 'https://erp.example.com', '', '{}', 'active', 3, {now}, \
             {now}, {now})",
        ],
        mend: "update endpoints set failures = 0, failing_since = null where merchant_id = {m}",
    },
    Case {
        cause: Cause::Oversold,
        count: 1,
        make: &[
            "insert into skus (merchant_id, code, name, created_at) values ({m}, 'MUG', 'Mug', {now})",
            "insert into oversells (merchant_id, sku_id, outlet_id, units, since) \
             select {m}, id, {o}, 2, {now} from skus where merchant_id = {m}",
        ],
        mend: "update oversells set closed_at = {now} where merchant_id = {m}",
    },
];

async fn each_cause_opens_counts_and_closes_by_itself(db: Db) {
    for case in CASES {
        let cause = case.cause;
        let shop = a_shop(&db).await;
        assert_eq!(look(&db, shop, at(1)).await.open, 0, "{cause}");

        for statement in case.make {
            run(&db, shop, statement).await;
        }
        let found = look(&db, shop, at(2)).await;
        let again = look(&db, shop, at(3)).await;

        assert_eq!((found.opened, found.open), (1, 1), "{cause}");
        assert_eq!((again.opened, again.closed), (0, 0), "{cause}");
        let issues = open(&db, shop).await;
        let issue = issues.first().unwrap();
        assert_eq!((issue.cause, issue.count), (cause, case.count), "{issue:?}");
        assert_eq!(issue.episode, 1, "{cause}");
        assert_commands_exist(&issue.to_do);
        assert!(
            !issue.found.is_empty() && !issue.to_do.is_empty(),
            "{issue:?}"
        );

        run(&db, shop, case.mend).await;
        let gone = look(&db, shop, at(4)).await;

        assert_eq!((gone.closed, gone.open), (1, 0), "{cause}");
        assert_eq!(open(&db, shop).await, [], "{cause}");
        let all = Filter {
            closed: true,
            ..Filter::default()
        };
        let closed = list(&db, shop, &all).await;
        assert_eq!(closed[0].closed_at, Some(at(4)), "{cause}");
        assert!(closed[0].closed_why.is_some(), "{cause}");
    }
}

async fn a_muted_issue_is_told_again_when_it_comes_back(db: Db) {
    let shop = a_shop(&db).await;
    run(&db, shop, LOCK).await;
    look(&db, shop, at(1)).await;
    let first = open(&db, shop).await.remove(0);
    let tx = db.write_tx().await.unwrap();
    let ani = Actor::command("ani");
    let who = (&ani, "the shop moves");
    issues::mute(&tx, shop.merchant, first.id, who, at(2))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let while_muted = open(&db, shop).await;
    run(&db, shop, UNLOCK).await;
    look(&db, shop, at(3)).await;
    run(&db, shop, LOCK).await;
    look(&db, shop, at(4)).await;

    assert_eq!(while_muted, []);
    let back = open(&db, shop).await.remove(0);
    assert_eq!((back.episode, back.muted_at), (2, None));
    let episodes = issues::episodes(&db, shop.merchant, &back, 9)
        .await
        .unwrap();
    assert_eq!(episodes[1].muted_by.as_deref(), Some("ani"));
    let trail = audit::list(&db, Some(shop.merchant), &AuditFilter::default(), 9).await;
    assert_eq!(trail.unwrap()[0].action, "issue.muted");
    let tx = db.write_tx().await.unwrap();
    let late = issues::mute(&tx, shop.merchant, first.id, who, at(5)).await;
    assert!(matches!(late, Err(IssueError::Closed(_))), "{late:?}");
}

async fn issues_of_one_merchant_are_not_told_to_another(db: Db) {
    let (ours, theirs) = (a_shop(&db).await, a_shop(&db).await);
    run(&db, ours, LOCK).await;

    look(&db, ours, at(1)).await;
    let looked = look(&db, theirs, at(1)).await;

    assert_eq!(looked.open, 0);
    let id = open(&db, ours).await[0].id;
    let asked = issues::issue(&db, theirs.merchant, id).await;
    assert!(matches!(asked, Err(IssueError::Unknown(_))), "{asked:?}");
}

async fn two_looks_at_once_open_an_issue_once(db: Db) {
    let shop = a_shop(&db).await;
    run(&db, shop, LOCK).await;

    let (one, two) = tokio::join!(look(&db, shop, at(1)), look(&db, shop, at(1)));

    assert_eq!(one.opened + two.opened, 1, "{one:?} {two:?}");
    assert_eq!(open(&db, shop).await.len(), 1);
}

/// What a person is told to type is there to be typed.
fn assert_commands_exist(to_do: &str) {
    for typed in to_do.split("marketsink ").skip(1) {
        let end = typed.find([';', '`', ')', ',']).unwrap_or(typed.len());
        let mut command = marketsink::cli::commands();
        for word in typed[..end].split_whitespace() {
            if !command.has_subcommands() {
                break;
            }
            let found = command.find_subcommand(word).cloned();
            command = found.unwrap_or_else(|| panic!("no `{word}` in: {to_do}"));
        }
        assert!(!command.has_subcommands(), "{to_do}");
    }
}
