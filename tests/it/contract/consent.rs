//! Consenting, from the page to the first call: the adapter against its simulator, as a browser would do it.

use super::Stage;
use crate::sandbox::receiver::Receiver;
use marketsink::marketplaces::{
    Access, ConsentAnswer, ConsentQuestion, Marketplace, MarketplaceError, Secrets, all,
    simulation::SimStatus,
};
use serde_json::Value;
use url::Url;

const STATE: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// What marketsink knows before anybody consents: its own app, and where the shop is.
fn before(stage: &Stage) -> Access {
    let (connecting, all) = (stage.marketplace.connecting(), stage.shop.credentials());
    let mut secrets = Secrets::default();
    for name in connecting.app.iter().chain(connecting.app_besides) {
        if let Some(value) = all.get(name) {
            secrets.set(name, value);
        }
    }
    Access {
        secrets,
        shop: String::new().into(),
        ..stage.access.clone()
    }
}

/// The merchant opens the page and agrees: what comes to the callback.
async fn agree(stage: &Stage, page: Url, receiver: &Receiver) -> ConsentAnswer {
    let slug = stage.slug();
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let shown = browser.get(page).send().await.unwrap();
    assert_eq!(
        shown.status(),
        302,
        "{slug}: {}",
        shown.text().await.unwrap()
    );
    let back = shown.headers()["location"].to_str().unwrap();
    let back: Url = back
        .parse()
        .unwrap_or_else(|error| panic!("{slug}: {error}"));
    let callback = receiver.address();
    assert!(back.as_str().starts_with(&callback), "{slug}: {back}");
    let mut pairs: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    let told = pairs.iter().find(|(name, _)| name == "state");
    assert_eq!(told.map(|(_, state)| state.as_str()), Some(STATE), "{slug}");
    // Where keys are posted, they are the answer, and the browser brings nothing.
    if let Some(posted) = receiver.take().first() {
        pairs.retain(|(name, _)| name == "state");
        let members: serde_json::Map<String, Value> = serde_json::from_slice(&posted.body).unwrap();
        let text = |value: Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        pairs.extend(members.into_iter().map(|(name, value)| (name, text(value))));
    }
    ConsentAnswer { pairs }
}

fn question(callback: &str) -> ConsentQuestion {
    ConsentQuestion {
        state: STATE.to_owned(),
        callback: callback.parse().unwrap(),
    }
}

async fn consenting() -> Vec<(Stage, Receiver)> {
    let stages = Stage::every().await.into_iter();
    let consenting = stages.filter(|stage| stage.marketplace.connecting().consent);
    let with_receiver = consenting.map(|stage| {
        let receiver = Receiver::open();
        stage.shop.send_consents_to(&receiver.address());
        (stage, receiver)
    });
    with_receiver.collect()
}

#[tokio::test]
async fn a_consent_opens_the_shop_and_its_tokens_can_be_renewed() {
    let stages = consenting().await;
    assert!(!stages.is_empty());
    for (stage, receiver) in stages {
        let (slug, marketplace) = (stage.slug(), stage.marketplace);
        let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let before = before(&stage);
        let page = marketplace.consent_page(&before, &question(&receiver.address()));
        let page = page.unwrap_or_else(|error| panic!("{slug}: {error}"));

        let answer = agree(&stage, page, &receiver).await;
        let consent = marketplace.consent(&before, &answer).await;
        let consent = consent.unwrap_or_else(|error| panic!("{slug}: {error}"));
        if answer.get("code").is_some() {
            let again = marketplace.consent(&before, &answer).await;
            let is_refused = matches!(
                again,
                Err(MarketplaceError::Unauthorized { .. } | MarketplaceError::Refused { .. })
            );
            assert!(is_refused, "{slug}: a code is good once: {again:?}");
        }

        let mut access = before.clone();
        for (name, value) in &consent.tokens.secrets {
            access.secrets.set(name, value);
        }
        let shops = marketplace.shops(&access).await;
        let shops = shops.unwrap_or_else(|error| panic!("{slug}: {error}"));
        assert_eq!(shops.len(), 1, "{slug}");
        assert_eq!(shops[0].remote_id, stage.access.shop, "{slug}");
        access.shop = shops[0].remote_id.clone();
        for (name, value) in &shops[0].secrets {
            access.secrets.set(name, value);
        }
        let (now, expires) = (stage.clock.now(), marketplace.limits().tokens_expire);
        if expires {
            let access_ends = consent.tokens.expires_at;
            assert!(access_ends.is_some_and(|at| at > now), "{slug}");
            let lives_on = consent.tokens.refresh_expires_at;
            assert!(lives_on.is_none_or(|at| at > now), "{slug}: {lives_on:?}");
            let renewed = marketplace.refresh(&access, now).await;
            let renewed = renewed.unwrap_or_else(|error| panic!("{slug}: {error}"));
            for (name, value) in renewed.unwrap().secrets {
                access.secrets.set(&name, value);
            }
        }
        let orders = marketplace.orders_by_id(&access, &[order]).await;
        assert_eq!(orders.map(|orders| orders.len()), Ok(1), "{slug}");
    }
}

#[tokio::test]
async fn an_answer_of_strangers_opens_nothing() {
    for (stage, receiver) in consenting().await {
        let (slug, marketplace) = (stage.slug(), stage.marketplace);
        let before = before(&stage);
        let page = marketplace.consent_page(&before, &question(&receiver.address()));
        let genuine = agree(&stage, page.unwrap(), &receiver).await;

        let state = ("state".to_owned(), STATE.to_owned());
        let mut forged = vec![ConsentAnswer { pairs: vec![state] }];
        for at in 0..genuine.pairs.len() {
            let mut changed = genuine.clone();
            let (name, value) = &mut changed.pairs[at];
            // What is a secret of the marketplace's: a code, a key, a signature.
            if ["code", "hmac", "auth_code"].contains(&name.as_str()) {
                let last = if value.ends_with('0') { "1" } else { "0" };
                value.replace_range(value.len() - 1.., last);
                forged.push(changed);
            }
        }
        for forged in forged {
            let opened = marketplace.consent(&before, &forged).await;

            assert!(opened.is_err(), "{slug}: {forged:?}");
        }
    }
}

#[tokio::test]
async fn where_there_is_no_page_nobody_is_sent_there() {
    for stage in Stage::every().await {
        let has_page = stage.marketplace.connecting().consent;

        let page = stage
            .marketplace
            .consent_page(&before(&stage), &question("https://hooks.example.com/x"));

        assert_eq!(page.is_ok(), has_page, "{}: {page:?}", stage.slug());
    }
}

#[test]
fn a_marketplace_of_which_nothing_can_be_handed_over_has_a_page() {
    let stuck = |m: &&&dyn Marketplace| {
        let connecting = m.connecting();
        connecting.secrets.is_empty() && !connecting.consent
    };

    let slugs: Vec<_> = all().iter().filter(stuck).map(|m| m.slug()).collect();

    assert_eq!(slugs, [""; 0]);
}
