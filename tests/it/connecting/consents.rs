//! A merchant agrees in the browser, and the page tells which shop was found.

use super::{Town, town::merchant};
use crate::support::scenarios;
use marketsink::{
    config::Settings,
    domain::RemoteId,
    marketplaces::{platform_name, simulation::wordpress::authorize::DECLINES},
    sandbox::SimShop,
    sync,
};
use serde_json::json;
use std::time::Duration;
use url::Url;

scenarios!(
    every_marketplace_with_a_page_connects_a_shop_in_the_browser,
    connecting_again_keeps_the_channels_and_their_address,
    a_merchant_who_declines_connects_nothing,
    a_shop_of_another_merchant_stays_theirs,
    a_store_whose_keys_nobody_takes_deletes_them,
    links_are_made_on_this_machine_only,
    what_is_missing_for_a_link_is_named,
);

async fn every_marketplace_with_a_page_connects_a_shop_in_the_browser(url: String) {
    let town = Town::open(url).await;
    assert!(!town.shops.is_empty());
    for shop in &town.shops {
        let marketplace = shop.marketplace();
        let slug = marketplace.slug();
        let query = shop.base_url().map(|url| format!("?url={url}"));
        let begin = format!(
            "{}/connect/{slug}{}",
            town.address(),
            query.unwrap_or_default()
        );

        let begun = town.browser.open(&begin).await;
        assert_eq!(
            (begun.status, begun.cache_control.as_str()),
            (302, "no-store"),
            "{slug}"
        );
        assert_eq!(begun.referrer_policy, "no-referrer", "{slug}");
        let back = town.browser.agree(&begun.location.unwrap()).await;
        let page = town.browser.open(&back).await;

        assert_eq!(page.status, 200, "{slug}: {}", page.text);
        assert_eq!(page.cache_control, "no-store", "{slug}");
        assert_eq!(page.referrer_policy, "no-referrer", "{slug}");
        let channel = town.channel(shop).await.unwrap();
        assert_eq!(channel.remote_id, identity(&town, shop).await, "{slug}");
        for told in [
            &shop.name(),
            channel.remote_id.as_str(),
            "width=device-width",
        ] {
            assert!(
                page.text.contains(told),
                "{slug} does not tell `{told}`: {}",
                page.text
            );
        }
        for platform in shop.with(|shop| shop.platforms.clone()) {
            assert!(
                page.text.contains(platform_name(platform)),
                "{slug}: {}",
                page.text
            );
        }
        let state = back.split("state=").nth(1).unwrap();
        let secrets = json!(shop.credentials());
        let app = marketplace
            .connecting()
            .app
            .iter()
            .chain(marketplace.connecting().app_besides);
        let mut hidden: Vec<&str> = vec![&state[..32]];
        for (name, value) in secrets.as_object().unwrap() {
            let is_app = app.clone().any(|known| known == name);
            // Some shops are connected with the parts of their id, which are no secrets.
            let is_hidden = |value: &&str| !is_app && !channel.remote_id.as_str().contains(value);
            hidden.extend(value.as_str().filter(is_hidden));
        }
        for secret in hidden {
            assert!(!page.text.contains(secret), "{slug} shows a secret");
        }
        let expiry = town.credentials(shop).await.expiry;
        let expires = marketplace.limits().tokens_expire;
        assert_eq!(expiry.access.is_some(), expires, "{slug}");
    }
    town.close().await;
}

/// The shop as its own API names it.
async fn identity(town: &Town, shop: &SimShop) -> RemoteId {
    let channel = town.channel(shop).await.unwrap();
    let shops = town.running.app.sync.examine(channel.id).await;
    shops.unwrap().shops.unwrap().remove(0).remote_id
}

async fn connecting_again_keeps_the_channels_and_their_address(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        assert_eq!(town.consent(shop).await.status, 200, "{slug}");
        let before = town.channel(shop).await.unwrap();
        let version = town.credentials(shop).await.version;
        town.clock.advance(Duration::from_secs(60));

        let page = town.consent(shop).await;

        assert_eq!(page.status, 200, "{slug}: {}", page.text);
        let after = town.channel(shop).await.unwrap();
        assert_eq!(
            (before.id, before.address),
            (after.id, after.address),
            "{slug}"
        );
        assert!(town.credentials(shop).await.version > version, "{slug}");
    }
    town.close().await;
}

async fn a_merchant_who_declines_connects_nothing(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        let link = town.link(shop).await;
        let asked = town.n_requests();
        let state = state_of(&town, shop, &link.url);
        let answer = format!(
            "{}?error=access_denied&code=null&state={state}",
            town.callback(shop.marketplace())
        );

        let page = town.browser.open(&answer).await;
        let again = town.browser.open(&answer).await;

        assert_eq!(page.status, 403, "{slug}");
        assert!(page.text.contains("declined"), "{slug}: {}", page.text);
        assert_eq!(again.status, 400, "{slug}");
        assert!(
            again.text.contains("declined"),
            "it says why: {}",
            again.text
        );
        assert_eq!(town.n_requests(), asked, "{slug} was asked in vain");
        assert!(town.channel(shop).await.is_none(), "{slug}");
    }
    // WooCommerce says it in its own words.
    let woo = town.shop("woocommerce");
    woo.with(|shop| shop.memory.insert(DECLINES.to_owned(), String::new()));
    let page = town.consent(woo).await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains("declined"), "{}", page.text);
    town.close().await;
}

/// The state in a link, wherever the page wants it.
fn state_of(town: &Town, shop: &SimShop, link: &Url) -> String {
    let pairs: Vec<(String, String)> = link.query_pairs().into_owned().collect();
    let own = pairs
        .iter()
        .find(|(name, _)| name == "state" || name == "user_id");
    if let Some((_, state)) = own {
        return state.clone();
    }
    // In the callback, where the page takes nothing else.
    let callback = town.callback(shop.marketplace());
    let inside = pairs.iter().find(|(_, value)| value.starts_with(&callback));
    let inside: Url = inside.unwrap().1.parse().unwrap();
    let state = inside.query_pairs().find(|(name, _)| name == "state");
    state.unwrap().1.into_owned()
}

async fn a_shop_of_another_merchant_stays_theirs(url: String) {
    let town = Town::open(url).await;
    let other = merchant(&town.running.app, "Somebody else").await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        assert_eq!(town.consent(shop).await.status, 200, "{slug}");
        town.clock.advance(Duration::from_secs(60));
        let version = town.credentials(shop).await.version;

        let link = town.link_of(shop, other).await;
        let mut page = town.browser.open(link.url.as_str()).await;
        // Where keys are posted, the store hears the refusal, and its own page is the last.
        if let Some(back) = &page.location {
            page = town.browser.open(back).await;
        }

        assert_ne!(page.status, 200, "{slug}: {}", page.text);
        let channel = town.channel(shop).await.unwrap();
        assert_eq!(channel.merchant, town.merchant, "{slug}");
        assert_eq!(town.credentials(shop).await.version, version, "{slug}");
        let sync = &town.running.app.sync;
        let outcome = sync.consent_outcome(other.0, link.consent).await.unwrap();
        let told = outcome.unwrap().outcome.unwrap();
        assert!(told.contains("another merchant"), "{slug}: {told}");
        let not_theirs = sync.consent_outcome(town.merchant, link.consent).await;
        assert!(not_theirs.unwrap().is_none(), "{slug}");
    }
    town.close().await;
}

async fn a_store_whose_keys_nobody_takes_deletes_them(url: String) {
    let town = Town::open(url).await;
    let woo = town.shop("woocommerce");
    let (before, link) = (woo.credentials(), town.link(woo).await);
    town.clock.advance(Duration::from_secs(31 * 60));

    let page = town.browser.open(link.url.as_str()).await;

    assert_eq!(page.status, 401, "the store's own page: {}", page.text);
    assert_eq!(woo.credentials(), before);
    assert!(town.channel(woo).await.is_none());
    town.close().await;
}

async fn links_are_made_on_this_machine_only(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("tiktok_shop");
    let begin = format!("{}/connect/tiktok_shop", town.address());
    let elsewhere = [
        ("host", "hooks.example.com"),
        ("x-forwarded-for", "203.0.113.7"),
        ("sec-fetch-site", "cross-site"),
    ];

    for header in elsewhere {
        let page = town.browser.open_with(&begin, header).await;
        assert_eq!(page.status, 403, "{header:?}");
        assert_eq!(page.location, None, "{header:?}");
    }

    assert_eq!(town.browser.open(&begin).await.status, 302);
    // The way back is open to everybody: the state decides.
    let link = town.link(shop).await;
    let back = town.browser.agree(link.url.as_str()).await;
    let page = town.browser.open_with(&back, elsewhere[1]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    town.close().await;
}

async fn what_is_missing_for_a_link_is_named(url: String) {
    let change = |settings: &mut Settings| {
        settings.apps.at("tiktok_shop").values.clear();
    };
    let town = Town::open_with(url, change).await;
    let open = |path: &str| {
        let url = format!("{}/connect/{path}", town.address());
        let browser = &town.browser;
        async move { browser.open(&url).await }
    };

    let no_app = open("tiktok_shop").await;
    let no_address = open("woocommerce").await;
    let no_page = open("standard_webhooks").await;
    let odd_address = open("woocommerce?url=ftp://shop.example.com").await;

    assert_eq!(no_app.status, 400);
    assert!(
        no_app.text.contains("tiktok_shop.app_key"),
        "{}",
        no_app.text
    );
    assert_eq!(no_address.status, 400);
    assert!(
        no_address.text.contains("address of their own"),
        "{}",
        no_address.text
    );
    assert!([400, 404].contains(&no_page.status));
    assert_eq!(odd_address.status, 400, "{}", odd_address.text);
    assert_eq!(
        sync::consent_callback("https://a.example/", town.shop("woocommerce").marketplace()),
        "https://a.example/connect/woocommerce/callback"
    );
    town.close().await;
}
