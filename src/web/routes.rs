//! Every route there is, one row each: who may use it, and what answers. The server is built from this table and from
//! nothing else, so a route without a row cannot be served.
//!
//! A row's [`Guard`] is asked before its handler: see `access`.

use super::{WebState, access, api, connect, guide, health, home, webhooks};
use crate::accounts::Permission;
use actix_web::{Route, http::Method, middleware::from_fn, web};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Everybody, for this reason.
    Open(&'static str),
    /// Browsers on the machine that serves it, until people sign in.
    Here,
    /// Who has this permission: by a token, or as administrator on the machine that serves it.
    Needs(Permission),
}

/// What is done with a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
}

impl Verb {
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub verb: Verb,
    /// As the router reads it; `{id}` stands for an id of ours.
    pub path: &'static str,
    pub guard: Guard,
    /// Whether it is served only where webhooks are taken.
    pub is_ingest: bool,
    handler: fn(Route) -> Route,
}

impl Row {
    const fn get(path: &'static str, guard: Guard, handler: fn(Route) -> Route) -> Self {
        Self {
            verb: Verb::Get,
            path,
            guard,
            is_ingest: false,
            handler,
        }
    }

    const fn post(path: &'static str, guard: Guard, handler: fn(Route) -> Route) -> Self {
        Self {
            verb: Verb::Post,
            ..Self::get(path, guard, handler)
        }
    }

    const fn webhook(path: &'static str, handler: fn(Route) -> Route) -> Self {
        Self {
            is_ingest: true,
            ..Self::post(
                path,
                Guard::Open("each is verified by its signature"),
                handler,
            )
        }
    }

    /// Whether its answers are for programs.
    pub fn is_api(&self) -> bool {
        self.path.starts_with(api::ROOT)
    }
}

const HEALTH: Guard = Guard::Open("balancers ask, and it says nothing of the books");
const PROGRAM: Guard = Guard::Open("part of the program, the same for everybody");
const CONSENT: Guard =
    Guard::Open("the browser comes back from the marketplace; the state decides");

/// The table.
pub static ROUTES: [Row; 19] = [
    Row::get("/healthz", HEALTH, |r| r.to(health::alive)),
    Row::get("/readyz", HEALTH, |r| r.to(health::ready)),
    Row::get("/", Guard::Here, |r| r.to(home::page)),
    Row::get("/live", Guard::Here, |r| r.to(home::live)),
    Row::get("/guide/{name}", PROGRAM, |r| r.to(guide::page)),
    Row::get("/assets/{name}", PROGRAM, |r| r.to(home::asset)),
    Row::get("/connect/{marketplace}", Guard::Here, |r| {
        r.to(connect::begin)
    }),
    Row::get("/connect/{marketplace}/callback", CONSENT, |r| {
        r.to(connect::came_back)
    }),
    Row::post("/connect/{marketplace}/callback", CONSENT, |r| {
        r.to(connect::posted)
    }),
    Row::get("/api/v1/scans", Guard::Needs(Permission::ReadBooks), |r| {
        r.to(api::scans::list)
    }),
    Row::post("/api/v1/scans", Guard::Needs(Permission::RunScans), |r| {
        r.to(api::scans::start)
    }),
    Row::post(
        "/api/v1/scans/plan",
        Guard::Needs(Permission::RunScans),
        |r| r.to(api::scans::plan),
    ),
    Row::get(
        "/api/v1/scans/{id}",
        Guard::Needs(Permission::ReadBooks),
        |r| r.to(api::scans::show),
    ),
    Row::get(
        "/api/v1/scans/{id}/changes",
        Guard::Needs(Permission::ReadBooks),
        |r| r.to(api::scans::changes),
    ),
    Row::post(
        "/api/v1/scans/{id}/pause",
        Guard::Needs(Permission::RunScans),
        |r| r.to(api::scans::pause),
    ),
    Row::post(
        "/api/v1/scans/{id}/resume",
        Guard::Needs(Permission::RunScans),
        |r| r.to(api::scans::resume),
    ),
    Row::post(
        "/api/v1/scans/{id}/cancel",
        Guard::Needs(Permission::RunScans),
        |r| r.to(api::scans::cancel),
    ),
    Row::webhook("/webhooks/{marketplace}", |r| {
        r.to(webhooks::to_marketplace)
    }),
    Row::webhook("/webhooks/{marketplace}/{address}", |r| {
        r.to(webhooks::to_channel)
    }),
];

/// Serves the table; webhooks only where they are taken.
pub(super) fn configure(config: &mut web::ServiceConfig, state: &WebState) {
    let rows: Vec<&'static Row> = ROUTES
        .iter()
        .filter(|row| state.ingest || !row.is_ingest)
        .collect();
    for of_path in rows.chunk_by(|one, other| one.path == other.path) {
        let mut resource = web::resource(of_path[0].path);
        if of_path[0].is_api() {
            resource = api::with_problems(resource);
        }
        for row in of_path {
            resource = resource.route((row.handler)(web::method(row.verb.method())));
        }
        let rows = of_path.to_vec();
        let guarded = from_fn(move |request, next| access::admit(rows.clone(), request, next));
        config.service(resource.wrap(guarded));
    }
    config.service(web::scope(api::ROOT).default_service(web::to(api::nowhere)));
}
