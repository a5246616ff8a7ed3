//! Tokens that die are renewed, and calls work again.

use super::Stage;
use marketsink::{
    domain::Retry,
    marketplaces::{MarketplaceError, simulation::SimStatus},
};

#[tokio::test]
async fn an_expired_token_is_told_apart_and_renewed() {
    for mut stage in Stage::every().await {
        let slug = stage.slug();
        if !stage.marketplace.limits().tokens_expire {
            continue;
        }
        let id = stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.shop.expire_token();

        let ids = [id];
        let refused = stage.marketplace.orders_by_id(&stage.access, &ids).await;
        let now = stage.clock.now();
        let tokens = stage.marketplace.refresh(&stage.access, now).await;
        let tokens = tokens.unwrap_or_else(|error| panic!("{slug}: {error}"));
        let tokens = tokens.unwrap_or_else(|| panic!("{slug} gives no tokens"));
        for (name, value) in tokens.secrets {
            stage.access.secrets.set(&name, value);
        }
        let read = stage.marketplace.orders_by_id(&stage.access, &ids).await;

        let error = refused.unwrap_err();
        let is_it = matches!(error, MarketplaceError::TokenExpired { .. });
        assert!(is_it, "{slug}: {error}");
        assert_ne!(error.retry(), Retry::Never, "{slug}");
        assert_eq!(read.map(|orders| orders.len()), Ok(1), "{slug}");
        assert!(tokens.expires_at.is_some_and(|at| at > now), "{slug}");
    }
}

#[tokio::test]
async fn credentials_that_do_not_expire_are_not_renewed() {
    for stage in Stage::every().await {
        if stage.marketplace.limits().tokens_expire {
            continue;
        }
        let now = stage.clock.now();

        let tokens = stage.marketplace.refresh(&stage.access, now).await;

        assert_eq!(tokens, Ok(None), "{}", stage.slug());
    }
}
