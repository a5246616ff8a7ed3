//! The merchant's consent on the marketplace's own page, as far as the browser brings it back to us.

use super::Stage;
use marketsink::marketplaces::{ConsentAnswer, ConsentQuestion, MarketplaceError};
use reqwest::redirect::Policy;
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:9/connect/here/callback";
const STATE: &str = "a-state-of-ours-1";

/// What the page sends back with the browser; `None` where it sends nothing that way.
async fn agree(stage: &Stage) -> Option<ConsentAnswer> {
    let question = ConsentQuestion {
        state: STATE.to_owned(),
        callback: CALLBACK.parse().unwrap(),
    };
    let page = stage.marketplace.consent_page(&stage.access, &question);
    let page = page.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()));
    let browser = reqwest::Client::builder().redirect(Policy::none());
    let browser = browser.no_proxy().build().unwrap();
    let answer = browser.get(page).send().await.unwrap();
    assert_eq!(answer.status(), 302, "{}", stage.slug());
    let back: Url = answer.headers()["location"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(back.as_str().starts_with(CALLBACK), "{}", stage.slug());
    let pairs: Vec<_> = back.query_pairs().into_owned().collect();
    let answer = ConsentAnswer { pairs };
    answer.get("code").is_some().then_some(answer)
}

#[tokio::test]
async fn a_consent_opens_the_shop_once() {
    for mut stage in Stage::every().await {
        let slug = stage.slug();
        if !stage.marketplace.connecting().consent {
            continue;
        }
        let Some(answer) = agree(&stage).await else {
            continue;
        };
        assert_eq!(answer.get("state"), Some(STATE), "{slug}");
        // Before it there is nothing but what belongs to the app.
        for secret in stage.marketplace.connecting().secrets {
            stage.access.secrets.take(secret.name);
        }

        let consent = stage.marketplace.consent(&stage.access, &answer).await;
        let again = stage.marketplace.consent(&stage.access, &answer).await;

        let consent = consent.unwrap_or_else(|error| panic!("{slug}: {error}"));
        for (name, value) in consent.tokens.secrets {
            stage.access.secrets.set(&name, value);
        }
        let shops = stage.marketplace.shops(&stage.access).await;
        let shops = shops.unwrap_or_else(|error| panic!("{slug}: {error}"));
        assert_eq!(shops[0].remote_id, stage.access.shop, "{slug}");
        let now = stage.clock.now();
        assert!(
            consent.tokens.expires_at.is_none_or(|at| at > now),
            "{slug}"
        );
        let is_refused = matches!(
            again,
            Err(MarketplaceError::Unauthorized { .. } | MarketplaceError::Refused { .. })
        );
        assert!(is_refused, "{slug}: a code is good once");
    }
}
