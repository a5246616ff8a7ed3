//! One webhook, worded and signed as TikTok Shop sends it.

use super::{TikTokShopSimulator, secret};
use crate::domain::Timestamp;
use crate::marketplaces::simulation::{Shop, Signing, SimDelivery, Simulator, Subscription};
use serde_json::{Value, json};

impl TikTokShopSimulator {
    /// `None` when nobody has asked for it.
    pub(super) fn delivery(
        self,
        shop: &mut Shop,
        (kind, event, data): (u64, &str, &Value),
        now: Timestamp,
    ) -> Option<SimDelivery> {
        let active = |s: &&Subscription| s.is_active && (s.topic == event || event.is_empty());
        let to = shop.subscriptions.iter().find(active).cloned()?;
        let body = json!({
            "type": kind,
            "tts_notification_id": shop.take_ids(1).to_string(),
            "shop_id": shop.remote_id,
            "timestamp": now.secs(),
            "data": data,
        })
        .to_string();
        let signing = Signing {
            app_key: secret(shop, "app_key"),
            secret: secret(shop, "app_secret"),
            ..Signing::default()
        };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.sign(&signing, body.as_bytes()));
        Some(SimDelivery {
            subscription: to.id,
            address: to.address,
            topic: format!("type {kind}"),
            headers,
            body: body.into(),
        })
    }
}
