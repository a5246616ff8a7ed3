//! The settings of our apps at the marketplaces, under each marketplace's own names.

use super::{
    Field,
    kind::{Kind, secret, text},
    shape,
};
use crate::config::Secret;

/// A value of our app that is never shown.
macro_rules! hidden {
    ($slug:literal, $name:literal) => {
        secret(&shape::WORD, |s, v| {
            s.apps.at($slug).values.insert($name, v);
        })
    };
}

/// A value of our app that may be shown.
macro_rules! shown {
    ($slug:literal, $name:literal) => {
        text(&shape::WORD, |s, v| {
            s.apps.at($slug).values.insert($name, Secret::new(v));
        })
    };
}

/// An address of the marketplace, or of ours as it knows it.
macro_rules! url {
    ($slug:literal, $field:ident) => {
        text(&shape::URL, |s, v| s.apps.at($slug).$field = Some(v))
    };
}

const fn field(
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Field {
    Field {
        key,
        kind,
        default,
        doc,
    }
}

pub(super) const APPS: &[Field] = &[
    field(
        "tiktok_shop.app_key",
        shown!("tiktok_shop", "app_key"),
        None,
        "The key of our app at TikTok Shop's Partner Center.",
    ),
    field(
        "tiktok_shop.app_secret",
        hidden!("tiktok_shop", "app_secret"),
        None,
        "The app's secret: signs our requests and their webhooks.",
    ),
    field(
        "tiktok_shop.previous_app_secret",
        hidden!("tiktok_shop", "previous_app_secret"),
        None,
        "The secret before, still accepted on webhooks while it is being changed.",
    ),
    field(
        "tiktok_shop.service_id",
        shown!("tiktok_shop", "service_id"),
        None,
        "The app's service id, which makes the link on which sellers consent.",
    ),
    field(
        "tiktok_shop.api_url",
        url!("tiktok_shop", api_url),
        Some("https://open-api.tiktokglobalshop.com"),
        "The root of TikTok Shop's API.",
    ),
    field(
        "tiktok_shop.auth_url",
        url!("tiktok_shop", auth_url),
        Some("https://auth.tiktok-shops.com"),
        "The root of TikTok Shop's token service.",
    ),
    field(
        "tiktok_shop.consent_url",
        url!("tiktok_shop", consent_url),
        Some("https://services.tiktokshop.com/open/authorize"),
        "The page on which sellers consent.",
    ),
    field(
        "shopee.partner_id",
        shown!("shopee", "partner_id"),
        None,
        "The partner id of our app at Shopee's Open Platform.",
    ),
    field(
        "shopee.partner_key",
        hidden!("shopee", "partner_key"),
        None,
        "The app's partner key: signs our requests, and their webhooks where there is no push key.",
    ),
    field(
        "shopee.push_key",
        hidden!("shopee", "push_key"),
        None,
        "The push partner key of the console's Set Push page, where it shows one.",
    ),
    field(
        "shopee.previous_push_key",
        hidden!("shopee", "previous_push_key"),
        None,
        "The push key before, still accepted on webhooks while it is being changed.",
    ),
    field(
        "shopee.api_url",
        url!("shopee", api_url),
        Some("https://partner.shopeemobile.com"),
        "The root of Shopee's API.",
    ),
    field(
        "shopee.consent_url",
        url!("shopee", consent_url),
        Some("https://open.shopee.com/auth"),
        "The page on which sellers consent.",
    ),
    field(
        "shopee.webhook_url",
        url!("shopee", webhook_url),
        None,
        "The callback URL exactly as the console has it, which Shopee signs; without one, `http.public_url` and `/webhooks/shopee`.",
    ),
    field(
        "lazada.app_key",
        shown!("lazada", "app_key"),
        None,
        "The key of our app at Lazada's Open Platform.",
    ),
    field(
        "lazada.app_secret",
        hidden!("lazada", "app_secret"),
        None,
        "The app's secret: signs our requests and their webhooks.",
    ),
    field(
        "lazada.previous_app_secret",
        hidden!("lazada", "previous_app_secret"),
        None,
        "The secret before, still accepted on webhooks while it is being changed.",
    ),
    field(
        "lazada.api_url",
        url!("lazada", api_url),
        Some("https://api.lazada.sg/rest"),
        "The root of Lazada's API for a shop whose country is not known yet.",
    ),
    field(
        "lazada.auth_url",
        url!("lazada", auth_url),
        Some("https://auth.lazada.com/rest"),
        "The root of Lazada's token service.",
    ),
    field(
        "lazada.consent_url",
        url!("lazada", consent_url),
        Some("https://auth.lazada.com/oauth/authorize"),
        "The page on which sellers consent.",
    ),
    field(
        "shopify.client_id",
        shown!("shopify", "client_id"),
        None,
        "The client id of our app in Shopify's Dev Dashboard.",
    ),
    field(
        "shopify.client_secret",
        hidden!("shopify", "client_secret"),
        None,
        "The app's secret: renews tokens and signs their webhooks.",
    ),
    field(
        "shopify.previous_client_secret",
        hidden!("shopify", "previous_client_secret"),
        None,
        "The secret before, still accepted on webhooks while it is being changed.",
    ),
    field(
        "shopify.api_version",
        shown!("shopify", "api_version"),
        Some("2026-10"),
        "The version of Shopify's Admin API.",
    ),
];
