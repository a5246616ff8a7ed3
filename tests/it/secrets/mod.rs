//! Secrets at rest: the key is changed without losing one, and without the right key nothing starts.

mod starting;

use crate::support::{
    builders::{NOW, Shop, a_shop, channel},
    databases,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use entity::{credentials, webhook_secrets};
use marketsink::{
    channels::{
        self, ChannelState, Resealed, Sealer, SealingKey, forget_sealed, key_uses, reseal, unopened,
    },
    db::Db,
    domain::{ChannelId, MerchantId},
    marketplaces::Secrets,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, PaginatorTrait};
use std::{collections::BTreeSet, time::Duration};

databases!(
    everything_is_sealed_anew_once_and_opens_with_the_new_key_alone,
    what_no_key_opens_is_named_and_left_as_it_is,
    a_value_that_names_no_key_is_given_a_name,
    a_webhook_secret_that_has_run_out_is_dropped_and_asks_for_no_key,
    secrets_of_a_lost_key_are_given_up_and_their_channels_locked,
);

/// 32 bytes of this value, in base64.
pub fn key_text(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

pub fn key(byte: u8) -> SealingKey {
    SealingKey::from_base64(&key_text(byte)).unwrap()
}

fn only(byte: u8) -> Sealer {
    Sealer::new(key(byte), vec![])
}

pub fn token(n: usize) -> Secrets {
    Secrets::of([("access_token", &format!("token-{n}"))])
}

/// Gives a channel credentials and two webhook secrets, of which the older is still accepted.
pub async fn store(db: &Db, sealer: &Sealer, owner: (ChannelId, MerchantId), n: usize) {
    let tx = db.write_tx().await.unwrap();
    channels::replace_credentials(
        &tx,
        sealer,
        owner,
        &token(n),
        channels::Expiry::default(),
        0,
        NOW,
    )
    .await
    .unwrap();
    for secret in ["before", "current"] {
        let secret = format!("{secret}-{n}");
        channels::rotate_webhook_secret(&tx, sealer, owner, &secret, NOW)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn assert_opens(db: &Db, sealer: &Sealer, channel: ChannelId, n: usize) {
    let stored = channels::credentials(db.read(), sealer, channel).await;
    assert_eq!(stored.unwrap().unwrap().secrets, token(n));
    let keys = channels::secrets_of_connection(db.read(), sealer, channel, NOW).await;
    let keys: Vec<String> = keys.unwrap().keys.into_iter().map(|k| k.secret).collect();
    assert_eq!(keys, [format!("current-{n}"), format!("before-{n}")]);
}

async fn everything_is_sealed_anew_once_and_opens_with_the_new_key_alone(db: Db) {
    let Shop {
        merchant, outlet, ..
    } = a_shop(&db).await;
    // More than a batch.
    let mut all = Vec::new();
    for n in 0..130 {
        let id = channel(&db, merchant, outlet, "active").await;
        store(&db, &only(1), (id, merchant), n).await;
        all.push(id);
    }
    let both = Sealer::new(key(2), vec![key(1)]);

    let first = reseal(&db, &both, NOW).await.unwrap();
    let second = reseal(&db, &both, NOW).await.unwrap();

    assert_eq!((first.credentials, first.webhook_secrets), (130, 260));
    assert!(first.unopened.is_empty());
    assert_eq!(second, Resealed::default(), "there is nothing left to do");
    let uses = key_uses(&db).await.unwrap();
    assert_eq!(uses.keys().collect::<Vec<_>>(), [&Some(key(2).id())]);
    let found = &uses[&Some(key(2).id())];
    assert_eq!((found.credentials, found.webhook_secrets), (130, 260));
    assert_eq!(found.channels.len(), 130);
    for (n, id) in all.into_iter().enumerate() {
        assert_opens(&db, &only(2), id, n).await;
    }
}

async fn what_no_key_opens_is_named_and_left_as_it_is(db: Db) {
    let Shop {
        merchant, outlet, ..
    } = a_shop(&db).await;
    let strange = channel(&db, merchant, outlet, "active").await;
    let ours = channel(&db, merchant, outlet, "active").await;
    store(&db, &only(9), (strange, merchant), 0).await;
    store(&db, &only(1), (ours, merchant), 1).await;
    let both = Sealer::new(key(2), vec![key(1)]);

    let found = unopened(&db, &both).await.unwrap();
    let done = reseal(&db, &both, NOW).await.unwrap();

    let named = [(Some(key(9).id()), BTreeSet::from([strange]))];
    assert_eq!(found, named.into());
    assert_eq!((done.credentials, done.webhook_secrets), (1, 2));
    assert_eq!(done.unopened, BTreeSet::from([strange]));
    assert_opens(&db, &only(9), strange, 0).await;
    let refused = channels::credentials(db.read(), &both, strange).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&key(9).id().to_string()), "{refused}");
}

/// As values were sealed before keys had names: format, nonce, ciphertext, bound to the channel alone.
async fn seal_unnamed(db: &Db, byte: u8, (id, merchant): (ChannelId, MerchantId)) {
    let cipher = XChaCha20Poly1305::new_from_slice(&[byte; 32]).unwrap();
    let aad = format!("marketsink:channel:{id}");
    let payload = Payload {
        msg: br#"{"access_token":"token-7"}"#,
        aad: aad.as_bytes(),
    };
    let sealed = cipher.encrypt(&XNonce::from([5; 24]), payload).unwrap();
    let tx = db.write_tx().await.unwrap();
    let row = credentials::ActiveModel {
        channel_id: Set(id.0),
        merchant_id: Set(merchant.0),
        sealed: Set([[1].as_slice(), &[5; 24], &sealed].concat()),
        version: Set(1),
        refreshed_at: Set(NOW.micros()),
        ..Default::default()
    };
    row.insert(&tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_value_that_names_no_key_is_given_a_name(db: Db) {
    let shop = a_shop(&db).await;
    seal_unnamed(&db, 1, (shop.channel, shop.merchant)).await;

    let by_its_key = unopened(&db, &only(1)).await.unwrap();
    let by_another = unopened(&db, &only(2)).await.unwrap();
    let before = channels::credentials(db.read(), &only(1), shop.channel).await;
    let done = reseal(&db, &only(1), NOW).await.unwrap();

    assert!(by_its_key.is_empty());
    assert_eq!(by_another, [(None, BTreeSet::from([shop.channel]))].into());
    assert_eq!(before.unwrap().unwrap().secrets, token(7));
    assert_eq!(done.credentials, 1);
    let uses = key_uses(&db).await.unwrap();
    assert_eq!(uses.keys().collect::<Vec<_>>(), [&Some(key(1).id())]);
    let after = channels::credentials(db.read(), &only(1), shop.channel).await;
    assert_eq!(after.unwrap().unwrap().secrets, token(7));
}

async fn a_webhook_secret_that_has_run_out_is_dropped_and_asks_for_no_key(db: Db) {
    let shop = a_shop(&db).await;
    store(&db, &only(1), (shop.channel, shop.merchant), 0).await;
    let late = NOW + Duration::from_secs(4 * 86_400);

    let done = reseal(&db, &Sealer::new(key(2), vec![key(1)]), late).await;

    assert_eq!(done.unwrap().webhook_secrets, 1);
    let left = webhook_secrets::Entity::find().count(db.read()).await;
    assert_eq!(left.unwrap(), 1);
}

async fn secrets_of_a_lost_key_are_given_up_and_their_channels_locked(db: Db) {
    let Shop {
        merchant, outlet, ..
    } = a_shop(&db).await;
    let lost = channel(&db, merchant, outlet, "active").await;
    let kept = channel(&db, merchant, outlet, "active").await;
    store(&db, &only(9), (lost, merchant), 0).await;
    store(&db, &only(1), (kept, merchant), 1).await;

    let tx = db.write_tx().await.unwrap();
    let locked = forget_sealed(&tx, Some(key(9).id()), NOW).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(locked, BTreeSet::from([lost]));
    assert!(unopened(&db, &only(1)).await.unwrap().is_empty());
    assert_opens(&db, &only(1), kept, 1).await;
    let stored = channels::credentials(db.read(), &only(1), lost).await;
    assert!(stored.unwrap().is_none());
    let row = entity::channels::Entity::find_by_id(lost.0).one(db.read());
    let row = row.await.unwrap().unwrap();
    assert_eq!(row.state, ChannelState::Locked.as_str());
    assert!(row.state_reason.unwrap().contains("key"));
}
