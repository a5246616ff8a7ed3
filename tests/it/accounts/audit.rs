//! The audit trail is one chain, and tampering shows.

use crate::support::{builders, databases, scenarios};
use marketsink::{
    accounts::{
        Actor, Role,
        audit::{self, AuditFilter, Break, Entry},
    },
    db::{DatabaseOptions, Db, migrate},
    domain::{MerchantId, Timestamp},
};
use sea_orm::ConnectionTrait;
use serde_json::json;

databases!(
    an_entry_says_who_when_what_and_why,
    each_merchant_has_a_chain_of_its_own,
    entries_cannot_be_changed_or_removed,
    a_changed_row_is_found,
    a_removed_row_is_found,
    an_inserted_row_is_found,
    rows_in_another_order_are_found,
    a_cut_end_is_found_by_the_head_and_by_a_hash_kept_elsewhere,
    a_change_that_is_rolled_back_leaves_no_entry,
    secrets_and_buyers_do_not_enter,
);

mod racing {
    use super::*;

    scenarios!(two_processes_make_one_chain);

    async fn two_processes_make_one_chain(url: String) {
        let options = DatabaseOptions {
            url,
            connections: 3,
            allow_undurable: true,
        };
        let one = Db::connect(&options).await.unwrap();
        migrate(&one).await.unwrap();
        let other = Db::connect(&options).await.unwrap();
        let shop = builders::a_shop(&one).await;

        let write = |db: Db| async move {
            for n in 0..20 {
                add(&db, shop.merchant, "channel", &n.to_string()).await;
            }
        };
        tokio::join!(write(one.clone()), write(other.clone()));

        let checked = audit::check(&one, Some(shop.merchant), None).await.unwrap();
        assert_eq!((checked.entries, checked.breaks), (40, vec![]));
        other.close().await.unwrap();
        one.close().await.unwrap();
    }
}

const NOW: Timestamp = Timestamp::from_secs(1_764_000_000);

async fn add(db: &Db, merchant: MerchantId, kind: &str, subject: &str) {
    let actor = Actor::person("ani", Role::Owner);
    let entry = Entry {
        merchant: Some(merchant),
        actor: &actor,
        action: "channel.settings_changed",
        subject_kind: kind,
        subject,
        before: Some(json!({"buffer": 0})),
        after: Some(json!({"buffer": 2})),
        why: Some("too many oversells"),
    };
    let tx = db.write_tx().await.unwrap();
    audit::record(&tx, &entry, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

/// A merchant with five entries.
async fn five(db: &Db) -> MerchantId {
    let merchant = builders::a_shop(db).await.merchant;
    for n in 1..=5 {
        add(db, merchant, "channel", &n.to_string()).await;
    }
    merchant
}

async fn execute(db: &Db, statements: &[&str]) -> Result<(), sea_orm::DbErr> {
    let tx = db.write_tx().await?;
    for statement in statements {
        tx.execute_unprepared(statement).await?;
    }
    tx.commit().await
}

/// As somebody does who may do everything to the database.
async fn tamper(db: &Db, statements: &[&str]) {
    let free: &[&str] = if db.is_postgres() {
        &["alter table audit disable trigger all"]
    } else {
        &[
            "drop trigger audit_kept_update",
            "drop trigger audit_kept_delete",
        ]
    };
    execute(db, free).await.unwrap();
    execute(db, statements).await.unwrap();
}

async fn breaks(db: &Db, merchant: MerchantId) -> Vec<Break> {
    let checked = audit::check(db, Some(merchant), None).await.unwrap();
    checked.breaks
}

async fn an_entry_says_who_when_what_and_why(db: Db) {
    let merchant = builders::a_shop(&db).await.merchant;

    add(&db, merchant, "channel", "3").await;

    let filter = AuditFilter {
        subject: Some("channel 3".to_owned()),
        action: Some("channel".to_owned()),
        by: Some("ani".to_owned()),
        ..AuditFilter::default()
    };
    let rows = audit::list(&db, Some(merchant), &filter, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.seq, row.at), (1, NOW.micros()));
    assert_eq!((row.actor.as_str(), row.role.as_str()), ("ani", "owner"));
    assert_eq!(row.before.as_deref(), Some("{\"buffer\":0}"));
    assert_eq!(row.after.as_deref(), Some("{\"buffer\":2}"));
    assert_eq!(row.why.as_deref(), Some("too many oversells"));
    let other = AuditFilter {
        by: Some("budi".to_owned()),
        ..AuditFilter::default()
    };
    let rows = audit::list(&db, Some(merchant), &other, 10).await.unwrap();
    assert_eq!(rows, []);
}

async fn each_merchant_has_a_chain_of_its_own(db: Db) {
    let one = builders::merchant(&db, "UTC").await;
    let other = builders::merchant(&db, "UTC").await;

    add(&db, one, "channel", "1").await;
    add(&db, other, "channel", "2").await;
    add(&db, one, "channel", "3").await;

    let of_one = audit::check(&db, Some(one), None).await.unwrap();
    let of_other = audit::check(&db, Some(other), None).await.unwrap();
    assert_eq!((of_one.entries, of_one.breaks), (2, vec![]));
    assert_eq!((of_other.entries, of_other.breaks), (1, vec![]));
    assert_ne!(of_one.head, of_other.head);
}

async fn entries_cannot_be_changed_or_removed(db: Db) {
    five(&db).await;

    for statement in ["update audit set why = 'nothing'", "delete from audit"] {
        let refused = execute(&db, &[statement]).await.unwrap_err();

        assert!(refused.to_string().contains("never changed"), "{refused}");
    }
}

async fn a_changed_row_is_found(db: Db) {
    let columns = [
        "at = 7",
        "actor = 'budi'",
        "actor_kind = 'token'",
        "role = 'staff'",
        "action = 'channel.removed'",
        "subject_kind = 'sku'",
        "subject = '9'",
        "before = null",
        "after = '{}'",
        "why = null",
    ];
    for change in columns {
        let merchant = five(&db).await;
        assert_eq!(breaks(&db, merchant).await, []);

        tamper_again(
            &db,
            &format!(
                "update audit set {change} where seq = 3 and merchant_id = {}",
                merchant.0
            ),
        )
        .await;

        let found = breaks(&db, merchant).await;
        assert_eq!(found, [Break::Changed { seq: 3 }], "{change}");
    }
}

/// The same when the database was freed before.
async fn tamper_again(db: &Db, statement: &str) {
    if execute(db, &[statement]).await.is_err() {
        tamper(db, &[statement]).await;
    }
}

async fn a_removed_row_is_found(db: Db) {
    let merchant = five(&db).await;

    tamper(&db, &["delete from audit where seq = 2"]).await;

    let found = breaks(&db, merchant).await;
    assert_eq!(found, [Break::Missing { from: 2, to: 2 }]);
}

async fn an_inserted_row_is_found(db: Db) {
    let merchant = five(&db).await;

    tamper(
        &db,
        &[
            "delete from audit where seq = 4",
            "insert into audit (merchant_id, seq, at, actor, actor_kind, role, action, subject_kind, subject, \
             prev_hash, hash) select merchant_id, 4, at, 'budi', actor_kind, role, action, subject_kind, subject, \
             prev_hash, hash from audit where seq = 3",
        ],
    )
    .await;

    let found = breaks(&db, merchant).await;
    assert!(found.contains(&Break::Changed { seq: 4 }), "{found:?}");
    assert!(found.contains(&Break::Unlinked { seq: 4 }), "{found:?}");
}

async fn rows_in_another_order_are_found(db: Db) {
    let merchant = five(&db).await;

    tamper(
        &db,
        &[
            "update audit set seq = 99 where seq = 2",
            "update audit set seq = 2 where seq = 3",
            "update audit set seq = 3 where seq = 99",
        ],
    )
    .await;

    let found = breaks(&db, merchant).await;
    assert!(found.contains(&Break::Changed { seq: 2 }), "{found:?}");
    assert!(found.contains(&Break::Unlinked { seq: 3 }), "{found:?}");
}

async fn a_cut_end_is_found_by_the_head_and_by_a_hash_kept_elsewhere(db: Db) {
    let merchant = five(&db).await;
    let kept = audit::head(&db, Some(merchant)).await.unwrap().unwrap();

    tamper(&db, &["delete from audit where seq > 3"]).await;
    let by_head = breaks(&db, merchant).await;
    let forge = "update audit_heads set seq = 3, hash = (select hash from audit where seq = 3)";
    execute(&db, &[forge]).await.unwrap();
    let forged = breaks(&db, merchant).await;
    let by_hash = audit::check(&db, Some(merchant), Some(&kept.hash));
    let by_hash = by_hash.await.unwrap().breaks;

    assert_eq!(by_head, [Break::CutOff { last: 3, head: 5 }]);
    assert_eq!(forged, []);
    assert_eq!(by_hash, [Break::UnknownHash { hash: kept.hash }]);
}

async fn a_change_that_is_rolled_back_leaves_no_entry(db: Db) {
    let merchant = five(&db).await;
    let actor = Actor::program();
    let entry = Entry {
        merchant: Some(merchant),
        actor: &actor,
        action: "channel.removed",
        subject_kind: "channel",
        subject: "1",
        before: None,
        after: None,
        why: None,
    };

    let tx = db.write_tx().await.unwrap();
    audit::record(&tx, &entry, NOW).await.unwrap();
    tx.rollback().await.unwrap();

    let checked = audit::check(&db, Some(merchant), None).await.unwrap();
    assert_eq!((checked.entries, checked.breaks), (5, vec![]));
}

async fn secrets_and_buyers_do_not_enter(db: Db) {
    let actor = Actor::program();
    let entry = Entry {
        merchant: None,
        actor: &actor,
        action: "channel.added",
        subject_kind: "channel",
        subject: "1",
        before: None,
        after: Some(json!({"api_secret": "s3cr3t", "order": {"buyer_name": "Budi", "total": 5}})),
        why: None,
    };

    let tx = db.write_tx().await.unwrap();
    audit::record(&tx, &entry, NOW).await.unwrap();
    tx.commit().await.unwrap();

    let row = audit::entry(&db, None, 1).await.unwrap().unwrap();
    assert_eq!(
        row.after.as_deref(),
        Some("{\"api_secret\":\"[hidden]\",\"order\":{\"buyer_name\":\"***\",\"total\":5}}")
    );
}
