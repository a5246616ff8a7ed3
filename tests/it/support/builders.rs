//! Rows to begin with, written past their owner modules: a test of the queue needs a channel, not its wizard.

use entity::{channels, merchants, outlets};
use marketsink::{
    db::Db,
    domain::{ChannelId, MerchantId, OutletId, Timestamp},
};
use sea_orm::{ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set};

/// 2026-11-23 02:20:00 UTC; any time would do.
pub const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

/// A merchant with one outlet and one active channel.
#[derive(Debug, Clone, Copy)]
pub struct Shop {
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub channel: ChannelId,
}

/// A merchant in Jakarta with one outlet and one active channel on `simulation`.
pub async fn a_shop(db: &Db) -> Shop {
    a_shop_in(db, "Asia/Jakarta").await
}

pub async fn a_shop_in(db: &Db, time_zone: &str) -> Shop {
    let merchant = merchant(db, time_zone).await;
    let outlet = outlet(db, merchant, "Main").await;
    let channel = channel(db, merchant, outlet, "active").await;
    Shop {
        merchant,
        outlet,
        channel,
    }
}

pub async fn merchant(db: &Db, time_zone: &str) -> MerchantId {
    let tx = db.write_tx().await.unwrap();
    let row = merchants::ActiveModel {
        id: NotSet,
        name: Set(format!("Merchant {}", unique())),
        time_zone: Set(time_zone.to_owned()),
        created_at: Set(NOW.micros()),
    };
    let row = row.insert(&tx).await.unwrap();
    tx.commit().await.unwrap();
    MerchantId(row.id)
}

pub async fn outlet(db: &Db, merchant: MerchantId, name: &str) -> OutletId {
    let tx = db.write_tx().await.unwrap();
    let row = outlets::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        name: Set(name.to_owned()),
        created_at: Set(NOW.micros()),
    };
    let row = row.insert(&tx).await.unwrap();
    tx.commit().await.unwrap();
    OutletId(row.id)
}

/// `state` is `active`, `locked` or `removed`.
pub async fn channel(db: &Db, merchant: MerchantId, outlet: OutletId, state: &str) -> ChannelId {
    let tx = db.write_tx().await.unwrap();
    let row = channels::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        outlet_id: Set(outlet.0),
        parent_id: Set(None),
        marketplace: Set("simulation".to_owned()),
        platform: Set("simulation".to_owned()),
        remote_id: Set(unique()),
        name: Set("Shop".to_owned()),
        address: Set(unique()),
        base_url: Set(None),
        state: Set(state.to_owned()),
        state_reason: Set(None),
        settings: Set("{}".to_owned()),
        created_at: Set(NOW.micros()),
        updated_at: Set(NOW.micros()),
    };
    let row = row.insert(&tx).await.unwrap();
    tx.commit().await.unwrap();
    ChannelId(row.id)
}

fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
