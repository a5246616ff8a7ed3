//! Who calls, and whether they may: asked before every handler, by the row of the table of routes.
//!
//! 1. With `Authorization: Bearer mks_…` it is the token's role, merchant and channels; a token that is not good is 401.
//! 2. Without, on the machine that serves it and called by its own name, it is an administrator; elsewhere it is 403.
//! 3. A right that the role does not have is 403. What is another merchant's is not there: 404, and the trail has it.

use super::{
    WebState,
    api::{self, Problem},
    home,
    routes::{Guard, Row},
};
use crate::accounts::{self, Acting, Actor, Deed, Permission, Role, TOKEN_PREFIX, Token};
use crate::domain::{ChannelId, MerchantId};
use crate::sync::Sync;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web,
};

/// Who calls, as far as they may.
#[derive(Debug, Clone)]
pub struct Caller {
    pub acting: Acting,
    /// None: every merchant.
    pub merchant: Option<MerchantId>,
    /// None: every channel.
    channels: Option<Vec<ChannelId>>,
    is_token: bool,
}

impl Caller {
    /// Who sits at the machine that serves it.
    fn here() -> Self {
        Self {
            acting: Acting::new(Actor::person("this machine", Role::Administrator)),
            merchant: None,
            channels: None,
            is_token: false,
        }
    }

    fn of_token(token: &Token) -> Self {
        let name = format!("{} {}", token.name, token.prefix);
        Self {
            acting: Acting::new(Actor::token(name, token.may.role)),
            merchant: token.may.merchant,
            channels: token.may.channels.clone(),
            is_token: true,
        }
    }

    /// The caller of a request that was admitted.
    ///
    /// # Errors
    /// When it was not: a handler without a row that needs a permission.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| {
            Problem::new(
                StatusCode::FORBIDDEN,
                "Nobody is known to ask",
                "this address is not open",
            )
        })
    }

    pub fn sees(&self, channel: ChannelId) -> bool {
        self.channels
            .as_ref()
            .is_none_or(|channels| channels.contains(&channel))
    }

    /// The channels that are seen, when not all are.
    pub fn channels(&self) -> Option<Vec<i64>> {
        let channels = self.channels.as_ref()?;
        Some(channels.iter().map(|channel| channel.0).collect())
    }

    /// Marketplaces on behalf of the caller: what is changed enters the audit trail.
    pub fn sync(&self, state: &WebState) -> Sync {
        state.sync.acting(self.acting.clone())
    }
}

/// Lets a request to its handler, or answers it.
pub(super) async fn admit(
    rows: Vec<&'static Row>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let row = rows
        .iter()
        .find(|row| row.verb.method() == *request.method());
    let permission = match row.map(|row| row.guard) {
        // The router says which methods there are.
        None | Some(Guard::Open(_)) => None,
        Some(Guard::Here) if home::is_from_here(request.request()) => None,
        Some(Guard::Here) => return Ok(request.into_response(home::not_from_here())),
        Some(Guard::Needs(permission)) => Some(permission),
    };
    let Some(permission) = permission else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let state = request.app_data::<web::Data<WebState>>().cloned();
    let Some(state) = state else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let caller = match caller(request.request(), &state, permission).await {
        Ok(caller) => caller,
        Err(problem) => return Ok(request.into_response(problem.respond())),
    };
    let asked = format!("{} {}", request.method(), request.path());
    request.extensions_mut().insert(caller.clone());
    let response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::NOT_FOUND && caller.is_token && caller.merchant.is_some() {
        note_refusal(&state, &caller, &asked).await;
    }
    Ok(response)
}

async fn caller(
    request: &HttpRequest,
    state: &WebState,
    permission: Permission,
) -> Result<Caller, Problem> {
    let Some(authorization) = request.headers().get(header::AUTHORIZATION) else {
        api::guard(request)?;
        return Ok(Caller::here());
    };
    let text = authorization.to_str().unwrap_or_default();
    let given = text
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let bad = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "The token is not good",
            format!(
                "send Authorization: Bearer {TOKEN_PREFIX}…; it may have ended or been revoked; \
                 `marketsink tokens create` makes one"
            ),
        )
    };
    let (_, given) = given.ok_or_else(bad)?;
    let db = state.queue.db();
    let now = state.clock.now();
    let token = accounts::token_of(db, given.trim(), now).await;
    let token = token
        .map_err(|error| Problem::ours(&error))?
        .ok_or_else(bad)?;
    accounts::note_use(db, &token, now)
        .await
        .map_err(|error| Problem::ours(&error))?;
    let role = token.may.role;
    if !role.may(permission) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "The right is missing",
            format!("{role} may not {permission}; `marketsink people roles` shows who may what"),
        ));
    }
    Ok(Caller::of_token(&token))
}

/// Who asks for what is not theirs is written down; that it fails to be is no reason to answer otherwise.
async fn note_refusal(state: &WebState, caller: &Caller, asked: &str) {
    let noted = async {
        let tx = state.queue.db().write_tx().await?;
        let deed = Deed::new("access.not_found", "route", asked);
        let now = state.clock.now();
        caller
            .acting
            .record(&tx, caller.merchant, deed, now)
            .await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "a refusal could not be written to the audit trail");
    }
}
