//! Rules between settings.

use super::{error::Problem, settings::Settings};

/// Every rule that is broken, with what to do.
pub(super) fn problems(settings: &Settings) -> Vec<Problem> {
    rules(settings)
        .into_iter()
        .filter_map(|(broken, text)| broken.then_some(Problem::Together(text)))
        .collect()
}

fn rules(settings: &Settings) -> [(bool, &'static str); 5] {
    let shop = &settings.tiktok_shop;
    let secrets = &settings.secrets;
    [
        (
            shop.app_key.is_some() && shop.app_secret.is_none(),
            "tiktok_shop.app_key needs tiktok_shop.app_secret beside it",
        ),
        (
            shop.app_secret.is_some() && shop.app_key.is_none(),
            "tiktok_shop.app_secret needs tiktok_shop.app_key beside it",
        ),
        (
            shop.previous_app_secret.is_some() && shop.app_secret.is_none(),
            "tiktok_shop.previous_app_secret is for changing tiktok_shop.app_secret, which is not set",
        ),
        (
            secrets.key.is_some() && secrets.key_file.is_some(),
            "secrets.key and secrets.key_file are both set; keep one of them",
        ),
        (
            settings.inbox.batch > settings.inbox.queue,
            "inbox.batch is larger than inbox.queue, so no commit could ever be full",
        ),
    ]
}
