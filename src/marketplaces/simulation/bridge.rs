//! For tests: a client's request goes straight to a simulator, without a connection.

use super::{Shop, SimRequest, Simulator};
use crate::clock::Clock;
use crate::domain::{ChannelId, Timestamp};
use crate::marketplaces::{
    Access,
    access::Unpaced,
    http::{Http, Request, Response},
};
use reqwest::header::{HeaderMap, HeaderName};
use std::{sync::Arc, time::Duration};

/// What a client needs to ask `shop`, with a clock that stands at `now`.
pub fn access_to(simulator: &dyn Simulator, shop: &Shop, now: Timestamp) -> Access {
    Access {
        channel: ChannelId(1),
        shop: shop.remote_id.clone(),
        api: "http://127.0.0.1:1".parse().unwrap(),
        auth: "http://127.0.0.1:1".parse().unwrap(),
        consent: "http://127.0.0.1:1".parse().unwrap(),
        secrets: simulator.credentials(shop),
        version: 0,
        http: Http::new(true, Duration::from_secs(1)),
        pace: Arc::new(Unpaced),
        clock: Clock::standing(now),
    }
}

/// What the simulator answers to a request of the client.
pub fn answer_to(
    simulator: &dyn Simulator,
    shop: &mut Shop,
    request: Request,
    now: Timestamp,
) -> Response {
    let headers = request.headers.into_iter();
    let seen = SimRequest {
        method: request.method.to_string(),
        origin: "http://127.0.0.1:1".to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query_pairs().into_owned().collect(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body: request.body.unwrap_or_default(),
    };
    let answer = simulator.answer(shop, &seen, now);
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    Response {
        status: answer.status,
        headers,
        body: answer.body,
    }
}
