//! What an answer means that is no success.

use super::*;
use crate::domain::Retry;

#[test]
fn errors_have_three_places() {
    let expired = read(
        401,
        &json!({"errors": "[API] Invalid API key or access token"}),
    );
    let throttled = read(200, &fixture("api/throttled"));
    let with_code = |code: &str| {
        read(
            200,
            &json!({"errors": [{"message": "m", "extensions": {"code": code}}]}),
        )
        .unwrap_err()
    };

    assert_eq!(
        expired,
        Err(MarketplaceError::TokenExpired { marketplace: SLUG })
    );
    // (412 - 120) / 100
    assert_eq!(
        throttled,
        Err(rate_limited(Some(Duration::from_millis(2_920))))
    );
    assert!(is_too_costly(&with_code("MAX_COST_EXCEEDED")));
    assert!(matches!(
        with_code("INTERNAL_SERVER_ERROR"),
        MarketplaceError::Unavailable { .. }
    ));
    for status in [402, 423] {
        let error = read(status, &json!({"errors": "Unavailable Shop"})).unwrap_err();
        let wait = Retry::After(Duration::from_secs(900));
        assert_eq!(error.retry(), wait, "{status}");
    }
    for status in [430, 500, 503] {
        let error = read(status, &json!({})).unwrap_err();
        assert!(
            matches!(error, MarketplaceError::Unavailable { .. }),
            "{status}"
        );
    }
    let in_words = read(200, &json!({"errors": "not let in"})).unwrap_err();
    assert!(matches!(in_words, MarketplaceError::Unauthorized { .. }));
    assert_eq!(
        read(200, &json!({"data": {"shop": 1}, "errors": []})),
        Ok(json!({"shop": 1}))
    );
    let inside = UserError::all(&fixture("api/stale")["data"]["inventorySetQuantities"]);
    assert!(inside[0].is_stale() && inside[0].row() == Some(1));
}

#[test]
fn a_scope_that_is_missing_refuses_the_call_and_is_named() {
    let denied = |message: &str, extensions: Value| {
        let error = json!({"message": message, "extensions": extensions});
        read(200, &json!({"data": null, "errors": [error]})).unwrap_err()
    };
    let scope = "`read_locations` access scope.";
    let in_words = format!("Access denied for locations field. Required access: {scope}");
    let text = "[API] This action requires merchant approval for read_locations scope.";

    for error in [
        denied(&in_words, json!({"code": "ACCESS_DENIED"})),
        denied(
            "m.",
            json!({"code": "ACCESS_DENIED", "requiredAccess": scope}),
        ),
        read(403, &json!({ "errors": text })).unwrap_err(),
    ] {
        let told = error.to_string();
        assert!(matches!(error, MarketplaceError::Refused { .. }), "{told}");
        assert_eq!(told.matches("read_locations").count(), 1, "{told}");
    }
}
