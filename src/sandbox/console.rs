//! What a person does by hand in the marketplace's console, for tests and for people who run the sandbox alone.

use super::SimShop;
use crate::marketplaces::simulation::{SimRequest, SimResponse, consenting};

/// Where the sandbox stands in for the marketplace's console.
const PATH: &str = "/-/console";

pub(super) fn is_meant(request: &SimRequest) -> bool {
    request.method == "POST" && request.path == PATH
}

impl SimShop {
    /// What a person does in the console of our app: browsers come to `callback` after consenting.
    pub fn send_consents_to(&self, callback: &str) {
        self.with(|shop| {
            let memory = &mut shop.memory;
            memory.insert(consenting::CALLBACK.to_owned(), callback.to_owned())
        });
    }

    /// What a person would do by hand in the marketplace's console, for people who run the sandbox alone.
    pub(super) fn at_the_console(&self, request: &SimRequest) -> SimResponse {
        let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        if !text("callback").is_empty() {
            self.send_consents_to(text("callback"));
            return SimResponse::json(200, &serde_json::json!({"callback": text("callback")}));
        }
        if text("address").is_empty() {
            let hint = "send {\"address\": URL, \"secret\": TEXT} or {\"callback\": URL}";
            let hint = serde_json::json!({"error": hint});
            return SimResponse::json(400, &hint);
        }
        self.switch_on(text("address"), text("secret"));
        SimResponse::json(200, &serde_json::json!({"address": text("address")}))
    }
}
