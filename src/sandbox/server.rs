//! One HTTP server per shop, on loopback: turns requests into [`SimRequest`] and weather into answers.

use super::{
    SimShop,
    courier::{Kind, Parcel},
    weather::Fault,
};
use crate::marketplaces::simulation::{SimRequest, SimResponse};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, dev::Server, http::StatusCode,
    web,
};
use bytes::Bytes;
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

/// Longest request body that is read.
const LARGEST_REQUEST: usize = 2 << 20;

/// Takes a port on loopback; 0 lets the system choose.
pub(super) fn take_port(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// A server that answers as `shop` until its handle stops it.
pub(super) fn serve(listener: TcpListener, shop: SimShop) -> io::Result<Server> {
    let shop = web::Data::new(shop);
    let app = move || {
        App::new()
            .app_data(shop.clone())
            .app_data(web::PayloadConfig::new(LARGEST_REQUEST))
            .default_service(web::to(answer))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?;
    Ok(server.run())
}

async fn answer(request: HttpRequest, body: Bytes, shop: web::Data<SimShop>) -> HttpResponse {
    let request = as_seen(&request, body, &shop);
    let (response, fault) = shop.answer(&request);
    let response = hand_over(&shop, response).await;
    match fault {
        Fault::Truncated => {
            let half = response.body.len() / 2;
            let body = response.body.slice(..half);
            builder(&response, &shop).body(body)
        }
        Fault::Dropped => broken_off(&response, &shop),
        _ => builder(&response, &shop).body(response.body),
    }
}

/// Makes the request that the marketplace makes before it answers, if there is one.
async fn hand_over(shop: &SimShop, response: SimResponse) -> SimResponse {
    let simulator = shop.marketplace().simulator();
    let Some(delivery) = shop.with(|shop| simulator.hand_over(shop)) else {
        return response;
    };
    let parcel = Parcel {
        shop: shop.clone(),
        delivery,
        kind: Kind::Ping,
        failures: 0,
    };
    let answer = shop.courier().request(&parcel).await;
    let success = answer.is_some_and(|(status, _)| status == 200);
    let instead = shop.with(|shop| simulator.handed_over(shop, success));
    instead.unwrap_or(response)
}

fn as_seen(request: &HttpRequest, body: Bytes, shop: &SimShop) -> SimRequest {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let host = request.headers().get("host").and_then(|v| v.to_str().ok());
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    SimRequest {
        method: request.method().to_string(),
        origin: host.map_or_else(|| shop.origin(), |host| format!("http://{host}")),
        path: request.uri().path().to_owned(),
        query: query.into_owned().collect(),
        headers,
        body,
    }
}

fn builder(response: &SimResponse, shop: &SimShop) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let mut builder = HttpResponse::build(status);
    // By the shop's own clock, which may stand still.
    builder.insert_header(("date", shop.date()));
    for (name, value) in &response.headers {
        builder.append_header((name.as_str(), value.as_str()));
    }
    builder
}

/// Promises the whole body, sends half of it and breaks the connection.
fn broken_off(response: &SimResponse, shop: &SimShop) -> HttpResponse {
    let half = response.body.slice(..response.body.len() / 2);
    let parts = [
        Ok(half),
        Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
    ];
    builder(response, shop)
        .no_chunking(response.body.len().max(1) as u64)
        .streaming(futures::stream::iter(parts))
}
