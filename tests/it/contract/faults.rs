//! Calls that go wrong: each fault becomes the error that asks for the right retry, at every method.

use super::Stage;
use marketsink::{
    domain::{RemoteId, Retry},
    marketplaces::{
        MarketplaceError, OrderQuery, OrderTime, PriceChange, ProductQuery, ProductScope,
        PushOutcome, Result, StockLevel, Subscribing, simulation::SimStatus,
    },
    sandbox::Fault,
};
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
enum Call {
    Shops,
    Orders,
    OrdersById,
    Products,
    ProductsById,
    SetStock,
    SetPrice,
    Subscribe,
}

const CALLS: [Call; 8] = [
    Call::Shops,
    Call::Orders,
    Call::OrdersById,
    Call::Products,
    Call::ProductsById,
    Call::SetStock,
    Call::SetPrice,
    Call::Subscribe,
];

/// What there is to ask for.
struct Known {
    order: RemoteId,
    level: StockLevel,
    price: PriceChange,
}

async fn known(stage: &Stage) -> Known {
    let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
    let mug = stage.product_of("MUG");
    let mut products = stage
        .marketplace
        .products_by_id(&stage.access, &[mug])
        .await
        .unwrap();
    let product = products.remove(0);
    let variant = product.variants[0].clone();
    Known {
        order,
        level: StockLevel {
            product_id: product.remote_id.clone(),
            variant_id: variant.remote_id.clone(),
            quantity: 4,
            push_ref: variant.push_ref.clone(),
        },
        price: PriceChange {
            product_id: product.remote_id,
            variant_id: variant.remote_id,
            price: variant.price.unwrap(),
            push_ref: variant.push_ref,
        },
    }
}

/// A push fails as a whole or for its only listing: both tell the caller the same.
fn only(outcomes: Result<Vec<PushOutcome>>) -> Result<()> {
    let mut outcomes = outcomes?;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

async fn make(stage: &Stage, call: Call, known: &Known) -> Result<()> {
    let (marketplace, access) = (stage.marketplace, &stage.access);
    let order_query = OrderQuery {
        window: stage.until_now(),
        by: OrderTime::Updated,
        page: None,
    };
    let product_query = ProductQuery {
        scope: ProductScope::Full,
        page: None,
    };
    match call {
        Call::Shops => marketplace.shops(access).await.map(drop),
        Call::Orders => marketplace.orders(access, &order_query).await.map(drop),
        Call::OrdersById => {
            let ids = std::slice::from_ref(&known.order);
            let orders = marketplace.orders_by_id(access, ids).await?;
            assert_eq!(orders.len(), 1, "{}", stage.slug());
            Ok(())
        }
        Call::Products => marketplace.products(access, &product_query).await.map(drop),
        Call::ProductsById => {
            let ids = std::slice::from_ref(&known.level.product_id);
            let products = marketplace.products_by_id(access, ids).await?;
            assert_eq!(products.len(), 1, "{}", stage.slug());
            Ok(())
        }
        Call::SetStock => {
            let levels = std::slice::from_ref(&known.level);
            only(marketplace.set_stock(access, levels).await)
        }
        Call::SetPrice => {
            let prices = std::slice::from_ref(&known.price);
            only(marketplace.set_price(access, prices).await)
        }
        Call::Subscribe => {
            let address = super::stage::ADDRESS;
            marketplace.subscribe(access, address, "s").await.map(drop)
        }
    }
}

/// The calls that reach the API: where webhooks are switched on by hand, subscribing makes none.
fn calls(stage: &Stage) -> impl Iterator<Item = Call> {
    let by_hand = stage.marketplace.limits().subscribing == Subscribing::ByHand;
    let is_made = move |call: &Call| !(by_hand && matches!(call, Call::Subscribe));
    CALLS.into_iter().filter(is_made)
}

/// Makes every call under `fault` and gives its error to `check`; then once more in fair weather.
async fn under(fault: Fault, check: impl Fn(&str, &MarketplaceError)) {
    for stage in Stage::every().await {
        let known = known(&stage).await;
        for call in calls(&stage) {
            let what = format!("{} {call:?} under {fault:?}", stage.slug());
            stage.shop.next_answers(vec![fault]);

            let failed = make(&stage, call, &known).await;
            let after = make(&stage, call, &known).await;

            match failed {
                Ok(()) => panic!("{what} succeeded"),
                Err(error) => check(&what, &error),
            }
            assert_eq!(after, Ok(()), "{what}, afterwards");
        }
    }
}

#[tokio::test]
async fn too_many_requests_is_a_wait_and_not_a_failure() {
    let wait = Duration::from_secs(7);
    under(Fault::RateLimited(Some(wait)), |what, error| {
        let is_it = matches!(error, MarketplaceError::RateLimited { .. });
        assert!(is_it, "{what}: {error}");
        assert_eq!(error.retry(), Retry::After(wait), "{what}");
    })
    .await;
}

#[tokio::test]
async fn too_many_requests_without_a_time_is_a_wait_too() {
    under(Fault::RateLimited(None), |what, error| {
        let is_it = matches!(error, MarketplaceError::RateLimited { .. });
        assert!(is_it, "{what}: {error}");
        assert!(matches!(error.retry(), Retry::After(_)), "{what}");
    })
    .await;
}

#[tokio::test]
async fn a_page_for_people_is_a_marketplace_that_is_down() {
    under(Fault::ServerError, |what, error| {
        let is_it = matches!(error, MarketplaceError::Unavailable { .. });
        assert!(is_it, "{what}: {error}");
        assert_eq!(error.retry(), Retry::Backoff, "{what}");
    })
    .await;
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    under(Fault::Dropped, |what, error| {
        let is_it = matches!(error, MarketplaceError::Unavailable { .. });
        assert!(is_it, "{what}: {error}");
        assert_eq!(error.retry(), Retry::Backoff, "{what}");
    })
    .await;
}

#[tokio::test]
async fn half_an_answer_is_tried_again() {
    under(Fault::Truncated, |what, error| {
        assert_eq!(error.retry(), Retry::Backoff, "{what}: {error}");
    })
    .await;
}

#[tokio::test]
async fn errors_carry_no_secret() {
    for stage in Stage::every().await {
        let known = known(&stage).await;
        let mut wrong = stage.access.clone();
        let secrets = serde_json::to_value(&wrong.secrets).unwrap();
        let names: Vec<String> = secrets.as_object().unwrap().keys().cloned().collect();
        for name in &names {
            wrong.secrets.set(name, "a-wrong-but-secret-value");
        }

        let ids = std::slice::from_ref(&known.order);
        let error = stage
            .marketplace
            .orders_by_id(&wrong, ids)
            .await
            .unwrap_err();

        let shown = format!("{error} {error:?} {wrong:?}");
        assert!(!shown.contains("a-wrong-but-secret-value"), "{shown}");
        let can_never_help =
            error.retry() == Retry::Never || matches!(error, MarketplaceError::TokenExpired { .. });
        assert!(can_never_help, "{}: {error}", stage.slug());
    }
}
