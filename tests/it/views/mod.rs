//! The six views: what is in them, how many queries a page takes, and that each walks along an index.

mod cost;

use crate::support::{
    builders::{NOW, Shop, a_shop, channel},
    database::databases,
};
use marketsink::{
    catalog,
    db::Db,
    domain::{ChannelId, ListingId, Product, ProductState, Variant},
    reports::views::{self, ViewPage, ViewQuery, Why},
};
use sea_orm::ConnectionTrait;

databases!(
    each_view_holds_what_it_says,
    a_view_is_searched_whatever_the_case_and_without_wildcards,
    pages_follow_each_other_and_count_alike,
    what_is_gone_or_removed_counts_for_nothing,
);

/// A merchant with one channel, on a marketplace that there is.
pub async fn a_known_shop(db: &Db) -> Shop {
    let shop = a_shop(db).await;
    make_known(db).await;
    shop
}

pub async fn another_channel(db: &Db, shop: Shop, state: &str) -> ChannelId {
    let id = channel(db, shop.merchant, shop.outlet, state).await;
    make_known(db).await;
    id
}

async fn make_known(db: &Db) {
    let tx = db.write_tx().await.unwrap();
    let known = "update channels set marketplace = 'tiktok_shop', platform = 'tiktok_shop'";
    tx.execute_unprepared(known).await.unwrap();
    tx.commit().await.unwrap();
}

/// A product with one variant.
pub fn product(id: u64, code: Option<&str>, title: &str) -> Product {
    Product {
        remote_id: id.into(),
        title: title.to_owned(),
        state: ProductState::Active,
        version: NOW,
        variants: vec![Variant {
            remote_id: id.into(),
            title: String::new(),
            state: ProductState::Active,
            seller_sku: code.map(str::to_owned),
            price: None,
            quantity: Some(5),
            reserved: None,
            push_ref: None,
        }],
    }
}

pub async fn apply(db: &Db, shop: Shop, channel: ChannelId, products: &[Product]) {
    let tx = db.write_tx().await.unwrap();
    catalog::apply_products(&tx, shop.merchant, channel, products, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

pub async fn skus(db: &Db, shop: Shop, codes: &[&str]) {
    let tx = db.write_tx().await.unwrap();
    for code in codes {
        catalog::create_sku(&tx, shop.merchant, code, &format!("The {code}"), NOW)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

pub fn all() -> ViewQuery {
    ViewQuery {
        limit: 100,
        ..ViewQuery::default()
    }
}

pub fn on(channel: ChannelId) -> ViewQuery {
    ViewQuery {
        channel: Some(channel),
        ..all()
    }
}

/// MUG on both channels, twice on the first; TEA on the second; CUP nowhere; two listings without a SKU.
async fn a_catalogue(db: &Db) -> (Shop, ChannelId) {
    let shop = a_known_shop(db).await;
    let second = another_channel(db, shop, "active").await;
    skus(db, shop, &["MUG", "TEA", "CUP"]).await;
    let at_first = [
        product(1, Some("MUG"), "Mug"),
        product(2, Some("MUG"), "Mug, again"),
        product(3, None, "Gift 100%"),
    ];
    apply(db, shop, shop.channel, &at_first).await;
    let at_second = [
        product(1, Some("MUG"), "Mug"),
        product(2, Some("TEA"), "Tea"),
        product(3, Some("tea"), "Other tea"),
    ];
    apply(db, shop, second, &at_second).await;
    (shop, second)
}

fn codes(page: &ViewPage<views::SkuRow>) -> Vec<&str> {
    page.rows.iter().map(|row| row.code.as_str()).collect()
}

async fn each_view_holds_what_it_says(db: Db) {
    let (shop, second) = a_catalogue(&db).await;
    let m = shop.merchant;

    let sold = views::sold_in_channel(&db, m, &all()).await.unwrap();
    let sold_first = views::sold_in_channel(&db, m, &on(shop.channel)).await;
    let missing = views::not_in_channel(&db, m, &all()).await.unwrap();
    let missing_first = views::not_in_channel(&db, m, &on(shop.channel)).await;
    let in_pos = views::in_pos(&db, m, &all()).await.unwrap();
    let unlinked = views::not_in_pos(&db, m, &all()).await.unwrap();
    let multiple = views::multiple_listed(&db, m, &all()).await.unwrap();
    let statistic = views::channel_statistic(&db, m, &all()).await.unwrap();

    assert_eq!((codes(&sold), sold.total), (vec!["MUG", "TEA"], 2));
    assert_eq!(codes(&sold_first.unwrap()), ["MUG"]);
    let on_channels: Vec<_> = sold.rows[0]
        .channels
        .iter()
        .map(|on| (on.channel, on.listings, on.active))
        .collect();
    assert_eq!(on_channels, [(shop.channel.0, 2, 2), (second.0, 1, 1)]);
    assert_eq!((codes(&missing), missing.total), (vec!["CUP"], 1));
    assert_eq!(codes(&missing_first.unwrap()), ["CUP", "TEA"]);
    assert_eq!(
        (codes(&in_pos), in_pos.total),
        (vec!["CUP", "MUG", "TEA"], 3)
    );
    let why: Vec<_> = unlinked
        .rows
        .iter()
        .map(|row| (row.channel, row.why.unwrap()))
        .collect();
    let expected = [
        (shop.channel.0, Why::NoSellerSku),
        (second.0, Why::UnknownSku),
    ];
    assert_eq!(why, expected);
    assert_eq!((multiple.total, multiple.rows.len()), (1, 1));
    let row = &multiple.rows[0];
    assert_eq!((row.code.as_str(), row.channel), ("MUG", shop.channel.0));
    assert_eq!((row.n_listings, row.listings.len()), (2, 2));
    let counts: Vec<_> = statistic
        .rows
        .iter()
        .map(|row| {
            (
                (
                    row.active,
                    row.linked,
                    row.not_in_pos,
                    row.without_seller_sku,
                ),
                (row.skus, row.multiple_listed, row.not_in_channel),
            )
        })
        .collect();
    assert_eq!(
        counts,
        [((3, 2, 1, 1), (1, 1, 2)), ((3, 2, 1, 0), (2, 0, 1))]
    );
}

async fn a_view_is_searched_whatever_the_case_and_without_wildcards(db: Db) {
    let (shop, _) = a_catalogue(&db).await;
    let find = |text: &str| ViewQuery {
        search: Some(text.to_owned()),
        ..all()
    };
    let m = shop.merchant;

    let by_name = views::in_pos(&db, m, &find("the MU")).await.unwrap();
    let by_title = views::not_in_pos(&db, m, &find("100%")).await.unwrap();
    let wildcard = views::not_in_pos(&db, m, &find("t%a")).await.unwrap();
    let multiple = views::multiple_listed(&db, m, &find("tea")).await.unwrap();
    let statistic = views::channel_statistic(&db, m, &find("sHOp")).await;

    assert_eq!((codes(&by_name), by_name.total), (vec!["MUG"], 1));
    assert_eq!(by_title.rows.len(), 1);
    assert_eq!((wildcard.rows.len(), wildcard.total), (0, 0));
    assert_eq!((multiple.rows.len(), multiple.total), (0, 0));
    assert_eq!(statistic.unwrap().total, 2);
}

async fn pages_follow_each_other_and_count_alike(db: Db) {
    let shop = a_known_shop(&db).await;
    let names: Vec<String> = (0..7).map(|n| format!("S-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    skus(&db, shop, &names).await;
    let listed: Vec<Product> = (0..14)
        .map(|n| product(n + 1, Some(names[(n / 2) as usize]), "Two of each"))
        .chain((20..27).map(|n| product(n, None, "None")))
        .collect();
    apply(&db, shop, shop.channel, &listed).await;
    let m = shop.merchant;

    macro_rules! walked {
        ($view:expr, $key:expr) => {{
            let mut query = ViewQuery { limit: 3, ..all() };
            let mut keys = Vec::new();
            loop {
                let page = $view(&db, m, &query).await.unwrap();
                assert_eq!(page.total, 7);
                keys.extend(page.rows.iter().map($key));
                query.after = page.next;
                if query.after.is_none() {
                    break keys;
                }
            }
        }};
    }
    let sold = walked!(views::sold_in_channel, |row: &views::SkuRow| row
        .code
        .clone());
    let unlinked = walked!(views::not_in_pos, |row: &views::ListingRow| row.id);
    let multiple = walked!(views::multiple_listed, |row: &views::MultipleRow| row
        .code
        .clone());

    assert_eq!(sold, names);
    assert_eq!(unlinked.len(), 7);
    assert_eq!(multiple, names);
    let wrong = ViewQuery {
        after: Some("here".to_owned()),
        ..all()
    };
    assert!(views::not_in_pos(&db, m, &wrong).await.is_err());
    assert!(views::multiple_listed(&db, m, &wrong).await.is_err());
}

async fn what_is_gone_or_removed_counts_for_nothing(db: Db) {
    let (shop, _) = a_catalogue(&db).await;
    let removed = another_channel(&db, shop, "removed").await;
    let there = [product(1, Some("CUP"), "Cup"), product(2, None, "Box")];
    apply(&db, shop, removed, &there).await;
    let tx = db.write_tx().await.unwrap();
    catalog::apply_gone(&tx, shop.channel, &["2".into(), "3".into()], NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let m = shop.merchant;

    let sold = views::sold_in_channel(&db, m, &all()).await.unwrap();
    let unlinked = views::not_in_pos(&db, m, &all()).await.unwrap();
    let multiple = views::multiple_listed(&db, m, &all()).await.unwrap();
    let statistic = views::channel_statistic(&db, m, &all()).await.unwrap();

    assert_eq!(codes(&sold), ["MUG", "TEA"]);
    assert_eq!(unlinked.total, 1);
    assert_eq!(multiple.total, 0);
    let gone: Vec<_> = statistic.rows.iter().map(|row| row.gone).collect();
    assert_eq!(gone, [2, 0]);
    let none = catalog::suggestions(&db, m, Some(shop.channel), ListingId(0), 10).await;
    assert_eq!(none.unwrap().rows, []);
}
