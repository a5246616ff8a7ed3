//! The ledger, its rules and what is pushed of it, on both databases.

mod agreement;
mod ledger;

use crate::support::builders::{NOW, Shop, a_shop};
use marketsink::{
    catalog,
    channels::{Channel, ChannelSettings, ChannelState},
    db::{Db, Tx},
    domain::{OutletId, SkuId},
    marketplaces::find,
    stock,
};
use std::collections::BTreeMap;

/// The shop's channel as the program would load it.
fn channel(shop: Shop, further: &[OutletId]) -> Channel {
    Channel {
        id: shop.channel,
        merchant: shop.merchant,
        outlet: shop.outlet,
        parent: None,
        marketplace: find("shopee").unwrap(),
        platform: "shopee".to_owned(),
        remote_id: "1".into(),
        name: "Shop".to_owned(),
        address: "a".to_owned(),
        base_url: None,
        state: ChannelState::Active,
        state_reason: None,
        settings: ChannelSettings {
            further_outlets: further.to_vec(),
            ..ChannelSettings::default()
        },
        connected_at: NOW,
    }
}

async fn sku(tx: &Tx, shop: Shop, code: &str) -> SkuId {
    let made = catalog::create_sku(tx, shop.merchant, code, code, NOW);
    made.await.unwrap().0
}

async fn count(tx: &Tx, shop: Shop, at: (SkuId, OutletId), units: i64) {
    stock::set_on_hand(tx, shop.merchant, at, units, "counted", NOW)
        .await
        .unwrap();
}

async fn bundle(tx: &Tx, shop: Shop, bundle: SkuId, parts: &[(SkuId, i64)]) {
    let parts: BTreeMap<SkuId, i64> = parts.iter().copied().collect();
    catalog::set_bundle(tx, shop.merchant, bundle, &parts)
        .await
        .unwrap();
}

/// A shop with a counted mug.
async fn with_mug(db: &Db, units: i64) -> (Shop, SkuId) {
    let shop = a_shop(db).await;
    let tx = db.write_tx().await.unwrap();
    let mug = sku(&tx, shop, "MUG").await;
    count(&tx, shop, (mug, shop.outlet), units).await;
    tx.commit().await.unwrap();
    (shop, mug)
}
