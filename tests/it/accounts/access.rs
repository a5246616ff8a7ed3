//! Every route of the table, asked with every kind of token: who may, who may not, and whose things are not there.

use crate::connecting::Town;
use crate::support::{builders, scenarios};
use entity::scans;
use marketsink::{
    accounts::{self, Membership, NewToken, Permission, Role, audit::AuditFilter},
    domain::{ChannelId, MerchantId},
    web::routes::{Guard, ROUTES, Row, Verb},
};
use reqwest::{Client, Response};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait};
use std::time::Duration;

scenarios!(
    what_is_another_merchants_is_not_there_on_any_route,
    a_role_may_what_the_table_says_and_nothing_else,
    tokens_that_are_not_good_are_refused,
    staff_sees_its_own_channels_only,
    what_a_token_changes_is_in_the_trail,
);

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn ask(town: &Town, row: &Row, path: &str, token: &str) -> Response {
    let url = format!("http://{}{path}", town.running.address);
    let request = match row.verb {
        Verb::Get => client().get(url),
        // A scan that nobody waits for.
        Verb::Post => client()
            .post(url)
            .header("prefer", "respond-async")
            .json(&serde_json::json!({"channels": [9_999_999]})),
    };
    let request = request.bearer_auth(token);
    request.send().await.unwrap()
}

/// A token of the role, for the merchant where the role is for one.
async fn token(town: &Town, role: Role, merchant: MerchantId) -> String {
    token_on(town, role, merchant, None, None).await
}

async fn token_on(
    town: &Town,
    role: Role,
    merchant: MerchantId,
    channels: Option<Vec<ChannelId>>,
    days: Option<u64>,
) -> String {
    let is_wide = matches!(role, Role::Support | Role::Administrator);
    let may = Membership {
        role,
        merchant: (!is_wide).then_some(merchant),
        channels,
    };
    let now = town.clock.now();
    let ends = days.map(|days| now + Duration::from_secs(days * 86_400));
    let token = NewToken::random().unwrap();
    let tx = town.running.app.db.write_tx().await.unwrap();
    accounts::add_token(&tx, &token, ("a test", &may), ("rani", ends), now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    token.expose().to_owned()
}

/// A scan of the merchant.
async fn scan(town: &Town, merchant: MerchantId, channel: ChannelId) -> i64 {
    let tx = town.running.app.db.write_tx().await.unwrap();
    let row = scans::ActiveModel {
        merchant_id: Set(merchant.0),
        channel_id: Set(channel.0),
        kind: Set("full".to_owned()),
        method: Set("async".to_owned()),
        source: Set("manual".to_owned()),
        state: Set("paused".to_owned()),
        window_to: Set(0),
        pages: Set(0),
        listings: Set(0),
        added: Set(0),
        changed: Set(0),
        gone: Set(0),
        linked: Set(0),
        errors: Set(0),
        api_calls: Set(0),
        emulated: Set(false),
        started_at: Set(town.clock.now().micros()),
        products: Set(0),
        conflicts: Set(0),
        differences: Set(0),
        spent_ms: Set(0),
        blind: Set(false),
        ..Default::default()
    };
    let id = row.insert(&tx).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

/// Channels that tests make up belong to no marketplace that the program knows.
async fn like_a_real_one(town: &Town) {
    let tx = town.running.app.db.write_tx().await.unwrap();
    tx.execute_unprepared("update channels set marketplace = 'shopee', platform = 'shopee'")
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn needed(row: &Row) -> Option<Permission> {
    match row.guard {
        Guard::Needs(permission) => Some(permission),
        Guard::Open(_) | Guard::Here => None,
    }
}

async fn what_is_another_merchants_is_not_there_on_any_route(url: String) {
    let town = Town::open(url).await;
    let db = town.running.app.db.clone();
    let (ours, theirs) = (builders::a_shop(&db).await, builders::a_shop(&db).await);
    let id = scan(&town, theirs.merchant, theirs.channel).await;
    let ids = [id, theirs.channel.0, theirs.merchant.0, i64::MAX, 0, -1];
    let with_ids = ROUTES.iter().filter(|row| row.path.contains("{id}"));
    let mut n_asked = 0;

    for row in with_ids {
        needed(row).unwrap_or_else(|| panic!("{} takes an id and is open", row.path));
        for role in [Role::Owner, Role::Staff] {
            let token = token(&town, role, ours.merchant).await;
            for id in ids {
                let path = row.path.replace("{id}", &id.to_string());
                let answer = ask(&town, row, &path, &token).await;

                let status = answer.status().as_u16();
                let body = answer.text().await.unwrap();
                assert_eq!(status, 404, "{role} {path}: {body}");
                assert!(!body.contains("paused"), "{role} {path}: {body}");
                n_asked += 1;
            }
        }
    }

    let filter = AuditFilter {
        action: Some("access.not_found".to_owned()),
        ..AuditFilter::default()
    };
    let noted = accounts::audit::list(&db, Some(ours.merchant), &filter, 1_000);
    assert_eq!(noted.await.unwrap().len(), n_asked);
    let row = scans::Entity::of_merchant(theirs.merchant.0).one(db.read());
    let row = row.await.unwrap().unwrap();
    assert_eq!(row.state, "paused");
    town.close().await;
}

async fn a_role_may_what_the_table_says_and_nothing_else(url: String) {
    let town = Town::open(url).await;
    let shop = builders::a_shop(&town.running.app.db).await;
    let mut matrix = Vec::new();

    for row in ROUTES.iter().filter(|row| row.is_api()) {
        let mut marks = Vec::new();
        for role in Role::ALL {
            let token = token(&town, role, shop.merchant).await;
            let path = row.path.replace("{id}", "77777");
            let answer = ask(&town, row, &path, &token).await;
            let is_refused = answer.status().as_u16() == 403;

            let permission = needed(row).expect("the API is open to nobody");
            assert_eq!(is_refused, !role.may(permission), "{role} {path}");
            marks.push(if is_refused { "-" } else { "x" });
        }
        let verb = row.verb.method();
        matrix.push(format!("{} {verb} {}", marks.join(" "), row.path));
    }

    assert_eq!(
        matrix,
        [
            "x x x x GET /api/v1/scans",
            "x x x x POST /api/v1/scans",
            "x x x x POST /api/v1/scans/plan",
            "x x x x GET /api/v1/scans/{id}",
            "x x x x GET /api/v1/scans/{id}/changes",
            "x x x x POST /api/v1/scans/{id}/pause",
            "x x x x POST /api/v1/scans/{id}/resume",
            "x x x x POST /api/v1/scans/{id}/cancel",
        ]
    );
    town.close().await;
}

async fn tokens_that_are_not_good_are_refused(url: String) {
    let town = Town::open(url).await;
    let db = town.running.app.db.clone();
    let shop = builders::a_shop(&db).await;
    like_a_real_one(&town).await;
    let good = token(&town, Role::Owner, shop.merchant).await;
    let ended = token_on(&town, Role::Owner, shop.merchant, None, Some(0)).await;
    let revoked = token(&town, Role::Owner, shop.merchant).await;
    let known = accounts::tokens(&db, shop.merchant).await.unwrap();
    let tx = db.write_tx().await.unwrap();
    accounts::revoke_token(&tx, known[0].id, town.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut changed = good.clone();
    changed.pop();
    changed.push(if good.ends_with('0') { '1' } else { '0' });

    for row in ROUTES.iter().filter(|row| row.is_api()) {
        let path = row.path.replace("{id}", "1");
        for bad in [
            ended.as_str(),
            &revoked,
            &changed,
            "",
            "mks_",
            "Basic",
            "mks_é",
        ] {
            let answer = ask(&town, row, &path, bad).await;

            assert_eq!(answer.status().as_u16(), 401, "{path} {bad}");
            let kind = answer.headers()["content-type"].to_str().unwrap();
            assert_eq!(kind, "application/problem+json");
        }
    }

    let listed = ask(&town, &ROUTES[9], "/api/v1/scans", &good).await;
    assert_eq!(listed.status().as_u16(), 200);
    let used = accounts::tokens(&db, shop.merchant).await.unwrap();
    assert!(used.last().unwrap().last_used_day.is_some());
    town.close().await;
}

async fn staff_sees_its_own_channels_only(url: String) {
    let town = Town::open(url).await;
    let db = town.running.app.db.clone();
    let shop = builders::a_shop(&db).await;
    let outlet = builders::outlet(&db, shop.merchant, "Second").await;
    let other = builders::channel(&db, shop.merchant, outlet, "active").await;
    like_a_real_one(&town).await;
    let ours = scan(&town, shop.merchant, shop.channel).await;
    let theirs = scan(&town, shop.merchant, other).await;
    let only = Some(vec![shop.channel]);
    let token = token_on(&town, Role::Staff, shop.merchant, only, None).await;
    let show = ROUTES
        .iter()
        .find(|row| row.path == "/api/v1/scans/{id}")
        .unwrap();

    let seen = ask(&town, show, &format!("/api/v1/scans/{ours}"), &token).await;
    let unseen = ask(&town, show, &format!("/api/v1/scans/{theirs}"), &token).await;
    let listed = ask(&town, show, "/api/v1/scans", &token).await;

    assert_eq!(
        (seen.status().as_u16(), unseen.status().as_u16()),
        (200, 404)
    );
    let listed: serde_json::Value = listed.json().await.unwrap();
    let ids: Vec<i64> = listed["scans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scan| scan["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [ours]);
    town.close().await;
}

async fn what_a_token_changes_is_in_the_trail(url: String) {
    let town = Town::open(url).await;
    let db = town.running.app.db.clone();
    let shop = builders::a_shop(&db).await;
    let id = scan(&town, shop.merchant, shop.channel).await;
    let token = token(&town, Role::Owner, shop.merchant).await;
    let cancel = ROUTES
        .iter()
        .find(|row| row.path.ends_with("/cancel"))
        .unwrap();

    let answer = ask(&town, cancel, &format!("/api/v1/scans/{id}/cancel"), &token).await;

    assert_eq!(answer.status().as_u16(), 200);
    let all = AuditFilter::default();
    let rows = accounts::audit::list(&db, Some(shop.merchant), &all, 10)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].action.as_str(), rows[0].actor_kind.as_str()),
        ("scan.cancelled", "token")
    );
    assert!(!rows[0].actor.contains(&token));
    town.close().await;
}
