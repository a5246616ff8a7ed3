//! Credentials that open several shops, credentials that are replaced while they are used, and tokens that are
//! renewed while a shop is connected.

use super::{Gate, Town, town::merchant};
use crate::support::scenarios;
use entity::jobs;
use marketsink::{
    channels::ChannelState,
    config::Settings,
    domain::{MerchantId, OutletId, ScanKind, ScanMethod, Source},
    sandbox::{
        Fault::{ExpiredToken, Fair, ServerError},
        SimShop,
    },
    sync::{Connect, Connection, ScanRequest, SyncError},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

scenarios!(
    a_shop_that_cannot_be_connected_does_not_take_the_others_with_it,
    an_answer_to_old_credentials_neither_locks_nor_renews,
    tokens_renewed_at_connecting_are_not_given_up_for_a_hiccup,
    tokens_renewed_in_vain_are_said_to_be_used_up,
    a_pair_on_which_a_connected_shop_lives_is_renewed_for_that_shop_too,
);

/// A town whose TikTok Shop is asked through a gate.
async fn gated(url: String) -> (Town, Gate) {
    let gate = Gate::closed();
    let origin = gate.origin();
    let change = |settings: &mut Settings| {
        settings.apps.at("tiktok_shop").api_url = Some(origin);
    };
    let town = Town::open_with(url, change).await;
    gate.stands_before(town.shop("tiktok_shop"));
    (town, gate)
}

async fn connect(
    town: &Town,
    shop: &SimShop,
    of: (MerchantId, OutletId),
) -> Result<Connection, SyncError> {
    let connect = Connect {
        merchant: of.0,
        outlet: of.1,
        marketplace: shop.marketplace(),
        base_url: None,
        secrets: shop.handed(),
        expires_at: None,
        name: None,
    };
    town.running.app.sync.connect(connect).await
}

/// One more shop in the list of those that the tokens open.
fn one_more(path: &str, answer: String) -> String {
    if !path.ends_with("/shops") {
        return answer;
    }
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    let shops = answer["data"]["shops"].as_array_mut().unwrap();
    let mut second = shops[0].clone();
    second["id"] = json!("7495000000000000999");
    second["name"] = json!("Kedai Kedua");
    second["cipher"] = json!("ROW_second");
    shops.push(second);
    answer.to_string()
}

async fn a_shop_that_cannot_be_connected_does_not_take_the_others_with_it(url: String) {
    let (town, gate) = gated(url).await;
    gate.let_through(1_000);
    let shop = town.shop("tiktok_shop");
    let other = merchant(&town.running.app, "other").await;
    connect(&town, shop, other).await.unwrap();
    gate.changes_answers(one_more);

    let link = town.link(shop).await;
    let back = town.browser.agree(link.url.as_str()).await;
    let page = town.browser.open(&back).await;

    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Kedai Kedua"), "{}", page.text);
    let refusal = "was not connected: shop";
    assert!(page.text.contains(refusal), "{}", page.text);
    assert!(page.text.contains(&shop.name()), "{}", page.text);
    let sync = &town.running.app.sync;
    let outcome = sync.consent_outcome(town.merchant, link.consent).await;
    let outcome = outcome.unwrap().unwrap();
    let told = outcome.outcome.unwrap();
    assert!(outcome.channel.is_some(), "{told}");
    assert!(
        told.contains("connected Kedai Kedua") && told.contains(refusal),
        "{told}"
    );
    town.close().await;
}

async fn an_answer_to_old_credentials_neither_locks_nor_renews(url: String) {
    let (town, gate) = gated(url).await;
    let shop = town.shop("tiktok_shop");
    gate.let_through(1_000);
    connect(&town, shop, (town.merchant, town.outlet))
        .await
        .unwrap();
    town.settle().await;
    let channel = town.channel(shop).await.unwrap();
    gate.close();

    // A scan has begun with the tokens there were, and the merchant connects the shop anew.
    let (sync, request) = (
        town.running.app.sync.clone(),
        ScanRequest {
            channel: channel.id,
            kind: ScanKind::Full,
            method: ScanMethod::Sync,
            source: Source::Manual,
            product: None,
        },
    );
    let scan = tokio::spawn(async move { sync.run_scan(&request).await });
    gate.one_arrives().await;
    let tx = town.running.app.db.write_tx().await.unwrap();
    let (sealer, now) = (&town.running.app.sealer, town.clock.now());
    let owner = (channel.id, channel.merchant);
    shop.with(|shop| shop.secrets.set("access_token", "ROW_anew"));
    let new = shop.handed();
    let none = marketsink::channels::Expiry::default();
    marketsink::channels::replace_credentials(&tx, sealer, owner, &new, none, 0, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    gate.let_through(1_000);
    let met = scan.await.unwrap().unwrap_err();

    assert!(matches!(met, SyncError::Outdated { .. }), "{met}");
    let renewals = jobs::Entity::find()
        .filter(jobs::Column::Kind.eq("refresh_token"))
        .count(town.running.app.db.read());
    assert_eq!(renewals.await.unwrap(), 0, "{met}");
    let channel = town.channel(shop).await.unwrap();
    assert_eq!(channel.state, ChannelState::Active);
    town.close().await;
}

async fn tokens_renewed_at_connecting_are_not_given_up_for_a_hiccup(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("tiktok_shop");
    shop.next_answers(vec![ExpiredToken, Fair, ServerError, ServerError]);

    let connected = connect(&town, shop, (town.merchant, town.outlet)).await;

    assert!(connected.is_ok(), "{connected:?}");
    let stored = town.credentials(shop).await.secrets;
    let theirs = shop.credentials();
    assert!(stored.get("refresh_token") == theirs.get("refresh_token"));
    town.close().await;
}

async fn tokens_renewed_in_vain_are_said_to_be_used_up(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("tiktok_shop");
    let mut answers = vec![ExpiredToken, Fair];
    answers.extend([ServerError; 40]);
    shop.next_answers(answers);

    let failed = connect(&town, shop, (town.merchant, town.outlet)).await;

    let failed = failed.unwrap_err();
    assert!(matches!(failed, SyncError::PairSpent { .. }), "{failed}");
    assert!(failed.to_string().contains("get a new pair"), "{failed}");
    town.close().await;
}

async fn a_pair_on_which_a_connected_shop_lives_is_renewed_for_that_shop_too(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("tiktok_shop");
    connect(&town, shop, (town.merchant, town.outlet))
        .await
        .unwrap();
    town.clock.advance(std::time::Duration::from_secs(60));
    let mut answers = vec![ExpiredToken, Fair];
    answers.extend([ServerError; 40]);
    shop.next_answers(answers);

    let failed = connect(&town, shop, (town.merchant, town.outlet)).await;

    assert!(failed.is_err());
    shop.forget_faults();
    let stored = town.credentials(shop).await.secrets;
    let theirs = shop.credentials();
    assert!(
        stored.get("refresh_token") == theirs.get("refresh_token"),
        "the shop would be locked out"
    );
    town.close().await;
}
