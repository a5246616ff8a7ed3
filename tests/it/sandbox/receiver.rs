//! The other end of webhooks: keeps what arrives and answers as it was told.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use bytes::Bytes;
use marketsink::marketplaces::RawDelivery;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
pub struct Receiver {
    address: String,
    received: Arc<Mutex<Vec<RawDelivery>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub fn open() -> Self {
        let mut receiver = Self::default();
        let shared = receiver.clone();
        let app = move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .default_service(web::to(receive))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        receiver.address = format!("http://{}/webhooks/plain", server.addrs()[0]);
        tokio::spawn(server.run());
        receiver
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// The next answers, in order; 200 afterwards.
    pub fn answer_next(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    /// 200 from now on.
    pub fn forget_answers(&self) {
        self.statuses.lock().unwrap().clear();
    }

    /// What has arrived since the last call, in order.
    pub fn take(&self) -> Vec<RawDelivery> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// The bodies of [`Receiver::take`], as text.
    pub fn take_bodies(&self) -> Vec<String> {
        let bodies = self.take().into_iter();
        bodies
            .map(|raw| String::from_utf8_lossy(&raw.body).into_owned())
            .collect()
    }
}

async fn receive(request: HttpRequest, body: Bytes, receiver: web::Data<Receiver>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let raw = RawDelivery::new(headers, body);
    receiver.received.lock().unwrap().push(raw);
    let status = receiver.statuses.lock().unwrap().pop_front();
    HttpResponse::new(StatusCode::from_u16(status.unwrap_or(200)).unwrap())
}
