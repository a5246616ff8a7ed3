//! Which SKU a listing is sold as: by its code, by hand, remembered; and SKUs made of listings.

use super::World;
use crate::support::{everywhere, scenarios};
use entity::listings;
use marketsink::{
    catalog,
    domain::{ListingId, RemoteId, ScanKind, ScanMethod, SkuId, Source, Work},
    marketplaces::simulation::{NewLine, ShopChange, SimStatus::Paid},
    sandbox::SimShop,
    sync::{self, Creating},
};

scenarios!(
    a_look_alike_is_suggested_and_linked_by_hand_alone,
    a_listing_unlinked_by_hand_stays_so_until_a_person_links_it,
    a_link_by_hand_survives_another_seller_sku_and_decides_what_is_sold,
    orders_that_waited_are_booked_when_a_scan_links_their_listing,
    skus_are_made_of_listings_with_their_opening_stock,
    what_a_person_should_look_at_is_left_out_and_said,
);

everywhere!(
    a_look_alike_is_suggested_and_linked_by_hand_alone,
    a_listing_unlinked_by_hand_stays_so_until_a_person_links_it,
    a_link_by_hand_survives_another_seller_sku_and_decides_what_is_sold,
    orders_that_waited_are_booked_when_a_scan_links_their_listing,
    skus_are_made_of_listings_with_their_opening_stock,
);

impl World {
    /// The merchant presses Scan.
    pub async fn scan(&self, shop: &SimShop) {
        let work = Work::RunScan {
            scan: ScanKind::Full,
            method: ScanMethod::Async,
        };
        self.ask_for(shop, work, Source::Manual).await;
        self.settle().await;
    }

    /// A new product with one variant, and its listing as it was read.
    pub async fn list(
        &self,
        shop: &SimShop,
        title: &str,
        code: Option<&str>,
        units: i64,
    ) -> listings::Model {
        let now = self.clock.now();
        let change = shop.with(|s| s.add_product(title, &[("", code, 900_000, units)], now));
        shop.announce(change);
        self.settle().await;
        self.scan(shop).await;
        self.titled(shop, title).await
    }

    /// The listing of a product with one variant. Marketplaces differ in what they make of titles and variants.
    pub async fn titled(&self, shop: &SimShop, title: &str) -> listings::Model {
        let product = shop.with(|s| {
            let mut all = s.products.values();
            all.find(|product| product.title == title)
                .unwrap()
                .id
                .clone()
        });
        let all = self.listings(shop).await;
        let mut found = all
            .into_iter()
            .filter(|row| row.product_id == product.as_str());
        found.next().expect("the channel lists it")
    }

    /// The listing that shows a SKU of the opening.
    pub async fn listing_of(&self, shop: &SimShop, code: &str) -> listings::Model {
        let all = self.listings(shop).await;
        let is_it = |row: &listings::Model| row.seller_sku.as_deref() == Some(code);
        all.into_iter().find(is_it).expect("the channel lists it")
    }

    pub async fn sku(&self, code: &str) -> SkuId {
        let db = self.running.app.db.read();
        let found = catalog::find_sku(db, self.merchant, code).await.unwrap();
        found.expect("there is one")
    }

    pub async fn link(&self, listing: &listings::Model, code: &str) -> sync::Relinked {
        let sku = self.sku(code).await;
        let tx = self.running.app.db.write_tx().await.unwrap();
        let (id, now) = (ListingId(listing.id), self.clock.now());
        let done = sync::link(&tx, self.merchant, id, sku, now).await.unwrap();
        tx.commit().await.unwrap();
        done
    }

    pub async fn unlink(&self, listing: &listings::Model) {
        let tx = self.running.app.db.write_tx().await.unwrap();
        let (id, now) = (ListingId(listing.id), self.clock.now());
        sync::unlink(&tx, self.merchant, id, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A buyer orders what a listing shows, whatever its code.
    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    pub fn order_listed(&self, shop: &SimShop, listing: &listings::Model, quantity: i64) {
        let line = NewLine {
            variant_id: variant_of(shop, listing),
            quantity,
        };
        let platform = shop.with(|s| s.platforms[0]);
        shop.place_order(platform, Paid, &[line]).unwrap();
    }

    async fn sku_of(&self, shop: &SimShop, listing: &listings::Model) -> Option<SkuId> {
        let all = self.listings(shop).await;
        let now = all.into_iter().find(|row| row.id == listing.id).unwrap();
        now.sku_id.map(SkuId)
    }
}

/// The variant that a listing shows; some marketplaces name the only one of a product by the product's id.
fn variant_of(shop: &SimShop, listing: &listings::Model) -> RemoteId {
    shop.with(|s| {
        let product = &s.products[&RemoteId::from(listing.product_id.as_str())];
        let mut variants = product.variants.iter();
        match variants.as_slice() {
            [only] => only.id.clone(),
            _ => variants
                .find(|variant| variant.id.as_str() == listing.variant_id)
                .expect("the shop has it")
                .id
                .clone(),
        }
    })
}

/// The seller gives a variant another code.
fn recode(world: &World, shop: &SimShop, listing: &listings::Model, code: &str) -> ShopChange {
    let now = world.clock.now();
    let variant = variant_of(shop, listing);
    let change = shop.with(|s| {
        s.edit_variant(&variant, now, |variant| {
            variant.seller_sku = Some(code.to_owned());
        })
    });
    change.expect("the shop has it")
}

async fn a_look_alike_is_suggested_and_linked_by_hand_alone(url: String) {
    let world = World::open(url).await;
    let hat = world.list(&world.first, "Big mug", Some("mUg"), 4).await;
    let (db, merchant) = (&world.running.app.db, world.merchant);
    assert_eq!(hat.sku_id, None, "never by resemblance");

    let found = catalog::suggestions(db, merchant, None, ListingId(0), 10).await;
    let found = found.unwrap().rows;
    let done = world.link(&hat, "MUG").await;
    world.settle().await;
    world.order_listed(&world.first, &hat, 2);
    world.settle().await;

    let told: Vec<_> = found
        .iter()
        .map(|one| (one.listing.0, one.code.as_str(), one.differs_in))
        .collect();
    assert_eq!(told, [(hat.id, "MUG", "case")]);
    assert_eq!(done.before, None);
    assert_eq!(world.available("MUG").await, 8, "sold as the mug");
    assert_eq!(world.shown(&world.second, "MUG"), 8);
    let again = catalog::suggestions(db, merchant, None, ListingId(0), 10).await;
    assert_eq!(again.unwrap().rows, []);
    world.close().await;
}

async fn a_listing_unlinked_by_hand_stays_so_until_a_person_links_it(url: String) {
    let world = World::open(url).await;
    let mug = world.listing_of(&world.first, "MUG").await;
    world.unlink(&mug).await;

    world.scan(&world.first).await;
    let change = recode(&world, &world.first, &mug, "TEA-25");
    world.first.announce(change);
    world.settle().await;
    world.scan(&world.first).await;
    world.order_listed(&world.first, &mug, 3);
    world.settle().await;
    let orders = world.section("orders").await;

    assert_eq!(world.sku_of(&world.first, &mug).await, None, "{orders}");
    assert!(orders.contains("unknown_sku"), "{orders}");
    assert_eq!(world.available("MUG").await, 10);
    assert_eq!(world.available("TEA-25").await, 10, "nor by its code");

    let done = world.link(&mug, "MUG").await;
    world.settle().await;

    assert_eq!(done.orders, 1, "what waited is read again");
    assert_eq!(world.available("MUG").await, 7);
    assert_eq!(world.shown(&world.second, "MUG"), 7);
    let orders = world.section("orders").await;
    assert!(!orders.contains("unknown_sku"), "{orders}");
    world.close().await;
}

async fn a_link_by_hand_survives_another_seller_sku_and_decides_what_is_sold(url: String) {
    let world = World::open(url).await;
    let tea = world.listing_of(&world.first, "TEA-25").await;
    let mug = world.sku("MUG").await;
    // A sale before is booked as what it was.
    world.order_listed(&world.first, &tea, 1);
    world.settle().await;

    let done = world.link(&tea, "MUG").await;
    world.settle().await;
    let change = recode(&world, &world.first, &tea, "TEA-100");
    world.first.announce(change);
    world.settle().await;
    world.scan(&world.first).await;
    world.order_listed(&world.first, &tea, 2);
    world.settle().await;

    assert_eq!(done.before, Some(world.sku("TEA-25").await));
    assert_eq!(world.sku_of(&world.first, &tea).await, Some(mug));
    assert_eq!(world.available("TEA-25").await, 9);
    assert_eq!(world.available("TEA-100").await, 10);
    assert_eq!(world.available("MUG").await, 8);
    // Pushes go by the new link too: both listings of the mug know.
    assert_eq!(world.shown(&world.first, "MUG"), 8);
    assert_eq!(world.shown(&world.second, "MUG"), 8);
    assert_eq!(world.shown(&world.second, "TEA-25"), 9);
    world.close().await;
}

async fn orders_that_waited_are_booked_when_a_scan_links_their_listing(url: String) {
    let world = World::open(url).await;
    let gift = world.list(&world.first, "Gift mug", None, 6).await;
    world.order_listed(&world.first, &gift, 2);
    world.settle().await;
    assert!(world.section("orders").await.contains("missing_sku"));

    let change = recode(&world, &world.first, &gift, "GIFT");
    world.set_stock("GIFT", 6).await;
    world.first.announce(change);
    world.settle().await;
    world.scan(&world.first).await;

    let orders = world.section("orders").await;
    assert!(!orders.contains("missing_sku"), "{orders}");
    assert_eq!(world.available("GIFT").await, 4);
    world.close().await;
}

async fn skus_are_made_of_listings_with_their_opening_stock(url: String) {
    let world = World::open(url).await;
    let hat = world.list(&world.first, "Hat", Some("HAT"), 5).await;
    world.list(&world.second, "Hat", Some("HAT"), 9).await;
    world.list(&world.first, "Gift", None, 1).await;
    world.order_listed(&world.first, &hat, 2);
    world.settle().await;
    world.scan(&world.first).await;
    let channel = world.channel(&world.first).await;
    let how = Creating {
        opening_stock: true,
        despite_look_alikes: false,
    };

    let (db, now) = (&world.running.app.db, world.clock.now());
    let made = sync::create_skus_of_channel(db, &channel, how, now).await;
    let made = made.unwrap();
    world.settle().await;

    assert_eq!(made.linked, 2, "on both channels");
    let codes = made.made.iter().map(|new| (new.code.as_str(), new.opening));
    let codes: Vec<_> = codes.collect();
    assert_eq!(codes, [("HAT", Some(5))], "3 shown, 2 sold and waiting");
    assert_eq!(made.skipped.len(), 1, "{:?}", made.skipped);
    assert_eq!(made.orders, 1);
    assert_eq!(world.available("HAT").await, 3);
    assert_eq!(world.shown(&world.first, "HAT"), 3);
    assert_eq!(world.shown(&world.second, "HAT"), 3, "told the same stock");
    let again = sync::create_skus_of_channel(db, &channel, how, now).await;
    assert_eq!(again.unwrap().made, []);
    world.close().await;
}

async fn what_a_person_should_look_at_is_left_out_and_said(url: String) {
    let world = World::open(url).await;
    let alike = world.list(&world.first, "Mug 2", Some("Mug"), 5).await;
    let cap = world.list(&world.first, "Cap", Some("CAP"), 5).await;
    let cap_2 = world.list(&world.first, "Cap 2", Some("cap"), 5).await;
    let gone = world.list(&world.first, "Scarf", Some("SCARF"), 5).await;
    world.unlink(&gone).await;
    let channel = world.channel(&world.first).await;
    let (db, now) = (&world.running.app.db, world.clock.now());
    let of = async |ids: &[i64], how: Creating| {
        let ids: Vec<ListingId> = ids.iter().copied().map(ListingId).collect();
        let made = sync::create_skus_of(db, &channel, &ids, how, now).await;
        made.unwrap()
    };

    let ids = [alike.id, cap.id, cap_2.id, gone.id, 999_999];
    let made = of(&ids, Creating::default()).await;

    let codes: Vec<_> = made.made.iter().map(|new| new.code.clone()).collect();
    assert_eq!(codes, ["CAP"]);
    let why: Vec<_> = made
        .skipped
        .iter()
        .map(|skipped| (skipped.listing.0, skipped.why.to_string()))
        .collect();
    let said = |id: i64, word: &str| {
        let found = why.iter().find(|(listing, _)| *listing == id).unwrap();
        assert!(found.1.contains(word), "{found:?}");
    };
    said(alike.id, "looks like MUG");
    said(cap_2.id, "looks like CAP");
    said(gone.id, "unlinked by hand");
    said(999_999, "no such listing");
    let despite = Creating {
        despite_look_alikes: true,
        ..Creating::default()
    };
    assert_eq!(of(&[cap_2.id], despite).await.made.len(), 1);

    // A code of the merchant's choice is a decision, and so a link by hand.
    let id = ListingId(gone.id);
    let named =
        sync::create_sku_named(db, &channel, id, "SCARF-RED", Creating::default(), now).await;
    assert_eq!(named.unwrap().made.len(), 1);
    let scarf = world.titled(&world.first, "Scarf").await;
    assert_eq!(scarf.sku_id, Some(world.sku("SCARF-RED").await.0));
    assert_eq!(
        (scarf.link_by.as_str(), scarf.unlinked_by_hand),
        ("hand", false)
    );
    world.close().await;
}
