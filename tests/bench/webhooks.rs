//! Signed TikTok Shop webhooks, as many as wanted.

use anyhow::Context;
use marketsink::{
    config::{Secret, Settings},
    domain::Timestamp,
    marketplaces::{self, Marketplace, simulation::Signing},
};
use serde_json::json;

pub const APP_KEY: &str = "6benchapp01";
pub const APP_SECRET: &str = "0badc0de5eed1e55c0ffee00feedfacecafe0001";
pub const SHOP: &str = "7495000000000000001";
pub const PATH: &str = "/webhooks/tiktok_shop";

/// Bytes of a body, about.
const BODY: usize = 1_500;
/// Webhooks that tell of the same order, in a row: an order changes several times in its life.
const PER_ORDER: u64 = 4;

/// The app that signs them.
pub fn register_app(settings: &mut Settings) {
    let app = settings.apps.at("tiktok_shop");
    app.values.insert("app_key", Secret::new(APP_KEY));
    app.values.insert("app_secret", Secret::new(APP_SECRET));
}

pub fn marketplace() -> anyhow::Result<&'static dyn Marketplace> {
    marketplaces::find("tiktok_shop").context("TikTok Shop is one of the marketplaces")
}

/// The identity of the notification with this number.
pub fn id(number: u64) -> String {
    (7_300_000_000_000_000_000 + number).to_string()
}

/// The whole request with this number, head and body.
pub fn request(number: u64, at: Timestamp) -> anyhow::Result<Vec<u8>> {
    let order = 576_900_000_000_000_000 + number / PER_ORDER;
    let body = json!({
        "type": 1,
        "tts_notification_id": id(number),
        "shop_id": SHOP,
        "timestamp": at.secs(),
        "data": {
            "order_id": order.to_string(),
            "order_status": "AWAITING_SHIPMENT",
            "is_on_hold_order": false,
            "update_time": at.secs(),
            "remark": "x".repeat(BODY - 250),
        },
    });
    let body = body.to_string().into_bytes();
    let mut head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let signing = Signing {
        app_key: APP_KEY,
        secret: APP_SECRET,
        ..Signing::default()
    };
    for (name, value) in marketplace()?.simulator().sign(&signing, &body) {
        head.extend([name.as_str(), ": ", &value, "\r\n"]);
    }
    Ok([head.as_bytes(), b"\r\n", &body].concat())
}
