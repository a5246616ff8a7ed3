//! A simulated till over HTTP on loopback: DealPOS, to be told of sales.

use super::{Sandbox, server};
use crate::clock::Clock;
use crate::marketplaces::simulation::SimRequest;
use crate::sinks::dealpos::DealPosSimulator;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use bytes::Bytes;
use std::io;

/// A till and where it is.
#[derive(Debug, Clone)]
pub struct SimTill {
    pub till: DealPosSimulator,
    /// Such as `http://127.0.0.1:4001`.
    pub origin: String,
}

impl Sandbox {
    /// Opens a till on a port of the system's choice.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open_till(&self, till: DealPosSimulator) -> io::Result<SimTill> {
        self.open_till_at(till, 0).await
    }

    /// Opens a till on this port; 0 lets the system choose.
    ///
    /// # Errors
    /// When the port cannot be had.
    #[expect(clippy::unused_async, reason = "the server needs a running runtime")]
    pub async fn open_till_at(&self, till: DealPosSimulator, port: u16) -> io::Result<SimTill> {
        let (listener, port) = server::take_port(port)?;
        let shared = web::Data::new((till.clone(), self.0.clock.clone()));
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)?
            .run();
        self.keep(server.handle());
        tokio::spawn(server);
        Ok(SimTill {
            till,
            origin: format!("http://127.0.0.1:{port}"),
        })
    }
}

async fn answer(
    request: HttpRequest,
    body: Bytes,
    shared: web::Data<(DealPosSimulator, Clock)>,
) -> HttpResponse {
    let (till, clock) = shared.get_ref();
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let seen = SimRequest {
        method: request.method().to_string(),
        origin: String::new(),
        path: request.uri().path().to_owned(),
        query: query.into_owned().collect(),
        headers: headers.collect(),
        body,
    };
    let response = till.answer(&seen, clock.now());
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &response.headers {
        builder.append_header((name.as_str(), value.as_str()));
    }
    builder.body(response.body)
}
