//! Rules between settings.

use super::{error::Problem, settings::Settings};

/// Every rule that is broken, with what to do.
pub(super) fn problems(settings: &Settings) -> Vec<Problem> {
    rules(settings)
        .into_iter()
        .filter_map(|(broken, text)| broken.then_some(Problem::Together(text)))
        .collect()
}

/// A value that is of no use without another one.
const PAIRS: [(&str, &str, &str); 8] = [
    ("tiktok_shop", "app_key", "app_secret"),
    ("tiktok_shop", "app_secret", "app_key"),
    ("shopee", "partner_id", "partner_key"),
    ("shopee", "partner_key", "partner_id"),
    ("lazada", "app_key", "app_secret"),
    ("lazada", "app_secret", "app_key"),
    ("shopify", "client_id", "client_secret"),
    ("shopify", "client_secret", "client_id"),
];

/// A previous secret, and the one that replaces it.
const SUCCESSIONS: [(&str, &str, &str); 4] = [
    ("tiktok_shop", "previous_app_secret", "app_secret"),
    ("shopee", "previous_push_key", "push_key"),
    ("lazada", "previous_app_secret", "app_secret"),
    ("shopify", "previous_client_secret", "client_secret"),
];

fn rules(settings: &Settings) -> Vec<(bool, String)> {
    let is_alone = |slug, name, other| {
        settings.apps.value(slug, name).is_some() && settings.apps.value(slug, other).is_none()
    };
    let pairs = PAIRS.iter().map(|(slug, name, other)| {
        (
            is_alone(slug, name, other),
            format!("{slug}.{name} needs {slug}.{other} beside it"),
        )
    });
    let successions = SUCCESSIONS.iter().map(|(slug, old, new)| {
        (
            is_alone(slug, old, new),
            format!("{slug}.{old} is for changing {slug}.{new}, which is not set"),
        )
    });
    let secrets = &settings.secrets;
    let others = [
        (
            secrets.key.is_some() && secrets.key_file.is_some(),
            "secrets.key and secrets.key_file are both set; keep one of them".to_owned(),
        ),
        (
            secrets.previous_key.is_some() && secrets.previous_key_file.is_some(),
            "secrets.previous_key and secrets.previous_key_file are both set; keep one of them"
                .to_owned(),
        ),
        (
            settings.inbox.batch > settings.inbox.queue,
            "inbox.batch is larger than inbox.queue, so no commit could ever be full".to_owned(),
        ),
    ];
    pairs.chain(successions).chain(others).collect()
}
