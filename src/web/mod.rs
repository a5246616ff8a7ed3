//! HTTP: the webhooks, the page at `/`, the API, connecting shops in the browser, guides for integrators, and whether we are
//! well.
//!
//! [`routes`] is the table of all there is and who may use it. Handlers are thin: they turn a request into a question to a lower module and its answer into a response.

mod access;
mod api;
mod connect;
pub mod guide;
mod health;
mod home;
pub mod routes;
mod webhooks;

pub use webhooks::SELF_TEST_PASSED;

use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::queue::Queue;
use crate::sync::Sync;
use actix_web::{App, HttpServer, dev::Server, middleware::DefaultHeaders, web};
use std::{net::TcpListener, sync::Arc, time::Duration};

/// How long a client may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may stay open without a request.
const IDLE: Duration = Duration::from_secs(15);

/// What the handlers need.
#[derive(Debug, Clone)]
pub struct WebState {
    pub inbox: Arc<Inbox>,
    pub queue: Queue,
    pub sync: Sync,
    pub clock: Clock,
    /// Longest body of a webhook, in bytes.
    pub body_limit: usize,
    /// Whether webhooks are taken here; pages and health always are.
    pub ingest: bool,
}

/// A server on `listener`, not yet running. It stops accepting, drains and ends when its handle is told to.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(
    listener: TcpListener,
    state: WebState,
    workers: usize,
    shutdown_seconds: u64,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .wrap(
                DefaultHeaders::new()
                    .add(("x-content-type-options", "nosniff"))
                    .add(("referrer-policy", "no-referrer"))
                    .add(("x-frame-options", "DENY"))
                    .add(("content-security-policy", home::CONTENT_SECURITY_POLICY)),
            )
            .configure(|config| routes::configure(config, &state))
    })
    .client_request_timeout(HEAD_DEADLINE)
    .keep_alive(IDLE)
    .shutdown_timeout(shutdown_seconds)
    .disable_signals();
    let server = if workers == 0 {
        server
    } else {
        server.workers(workers)
    };
    Ok(server.listen(listener)?.run())
}
