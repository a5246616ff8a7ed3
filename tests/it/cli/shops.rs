//! Shops from connecting to removing, against simulated marketplaces.

use super::Place;
use marketsink::{
    clock::Clock,
    domain::RemoteId,
    marketplaces::{
        self,
        simulation::{NewLine, SimStatus},
    },
    sandbox::{Driver, Sandbox, SimShop, Weather},
};
use serde_json::{Value, json};

/// A simulated shop with goods and one paid order, and a place that may call it.
pub(super) struct Town {
    /// Serves the shop as long as the town stands.
    _sandbox: Sandbox,
    pub shop: SimShop,
    pub place: Place,
    order: RemoteId,
}

impl Town {
    pub async fn every() -> Vec<Self> {
        let mut towns = Vec::new();
        for marketplace in marketplaces::all() {
            let sandbox = Sandbox::new(Clock::system(), Weather::calm(), 1);
            let shop = sandbox.open(*marketplace, 3, "Kopi Toko").await.unwrap();
            let shops = std::slice::from_ref(&shop);
            Driver::new(sandbox.clone(), 1).stock_catalogue(shops);
            let order = order(&shop);
            towns.push(Self {
                place: place(&shop),
                _sandbox: sandbox,
                shop,
                order,
            });
        }
        towns
    }

    fn secret(&self, name: &str) -> String {
        self.shop
            .credentials()
            .get(name)
            .unwrap_or_default()
            .to_owned()
    }

    /// Connects the shop, its second secret by standard input.
    pub fn connect(&self) -> Value {
        let (origin, slug) = (self.shop.origin(), self.shop.marketplace().slug());
        let mut args = vec!["channel", "add", slug, "--json"];
        if self.shop.base_url().is_some() {
            args.extend(["--url", &origin]);
        }
        let asked = self.shop.marketplace().connecting().secrets.iter();
        let is_given = |name: &&str| !self.secret(name).is_empty();
        let names: Vec<_> = asked.map(|s| s.name).filter(is_given).collect();
        let (last, others) = names.split_last().expect("a shop has a secret");
        let mut given: Vec<String> = others
            .iter()
            .map(|name| format!("{name}={}", self.secret(name)))
            .collect();
        given.push(format!("{last}=-"));
        for secret in &given {
            args.extend(["--secret", secret]);
        }
        let input = format!("{}\n", self.secret(last));
        self.place.run_with_input(&args, &input).works().json()
    }

    pub fn orders(&self) -> String {
        self.order.to_string()
    }
}

/// A buyer orders two units of the first variant that has a seller SKU, and pays.
fn order(shop: &SimShop) -> RemoteId {
    let (variant_id, platform) = shop.with(|shop| {
        let mut variants = shop.products.values().flat_map(|product| &product.variants);
        let variant = variants.find(|variant| variant.seller_sku.is_some() && variant.quantity > 2);
        (
            variant.expect("something is for sale").id.clone(),
            shop.platforms[0],
        )
    });
    let line = NewLine {
        variant_id,
        quantity: 2,
    };
    shop.place_order(platform, SimStatus::Paid, &[line])
        .expect("it is in stock")
}

fn place(shop: &SimShop) -> Place {
    let place = Place::new().with("MARKETSINK_SYNC_ALLOW_PRIVATE_HOSTS", "true");
    let environment = shop.environment();
    environment
        .iter()
        .fold(place, |place, (name, value)| place.with(name, value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_connected_and_its_secrets_are_not_shown() {
    for town in Town::every().await {
        let connected = town.connect();

        let platforms = town.shop.marketplace().limits().platforms.len();
        let channels = connected[0]["channels"].as_array().unwrap();
        assert_eq!(channels.len(), platforms, "{connected}");
        assert_eq!(connected[0]["webhooks"]["set_up"], true, "{connected}");
        let tested = town.place.json(&["channel", "test", "1"]);
        assert_eq!(tested["works"], true);
        let shown = town
            .place
            .run(&["channel", "show", "1", "--json"])
            .works()
            .out;
        let listed = town.place.run(&["channel", "list"]).works().out;
        let remote_id = town.shop.remote_id();
        for (_, secret) in json!(town.shop.credentials()).as_object().unwrap() {
            let secret = secret.as_str().unwrap();
            // Some ask the merchant for the shop's id or its parts, which are no secrets.
            if remote_id.as_str().contains(secret) {
                continue;
            }
            assert!(
                !shown.contains(secret) && !listed.contains(secret),
                "{shown}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_is_named_with_where_it_is_found() {
    let mut slugs = Vec::new();
    for town in Town::every().await {
        let slug = town.shop.marketplace().slug();
        slugs.push(slug);
        let asked = town.shop.marketplace().connecting().secrets;
        if !asked.iter().any(|secret| secret.is_needed) {
            continue;
        }
        let url = town.shop.origin();
        let mut args = vec!["channel", "add", slug];
        if town.shop.base_url().is_some() {
            args.extend(["--url", &url]);
        }

        let answer = town.place.run(&args).fails();

        assert!(answer.err.contains("--secret "), "{}", answer.err);
    }
    assert_eq!(slugs.len(), marketplaces::all().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_is_followed_to_its_end() {
    for town in Town::every().await {
        town.connect();
        let expected = town.shop.with(|shop| {
            shop.products
                .values()
                .map(|product| product.variants.len())
                .sum::<usize>()
        });

        let scan = town.place.json(&["scan", "1"])["scans"][0].take();
        let told = town.place.run(&["scan", "1", "--kind", "active"]).works();

        assert_eq!(scan["state"], "done", "{scan}");
        assert_eq!(scan["listings"], json!(expected), "{scan}");
        let text = told.out;
        assert!(text.contains("(active)") && text.contains("done"), "{text}");
        assert!(
            told.err.contains("was scanned last: full 2"),
            "{}",
            told.err
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_nobody_waits_for_is_left_to_the_server() {
    for town in Town::every().await {
        town.connect();

        let first = town
            .place
            .json(&["scan", "1", "--type", "updated", "--method", "async"]);
        let again = town
            .place
            .json(&["scan", "1", "--kind", "updated", "--detach"]);

        let scan = &first["scans"][0];
        assert_eq!(
            (&scan["kind"], &scan["state"], &scan["method"]),
            (&json!("updated"), &json!("waiting"), &json!("async"))
        );
        assert_eq!(first["joined"], json!([false]));
        assert_eq!(again["joined"], json!([true]));
        assert_eq!(again["scans"][0]["id"], scan["id"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_product_is_scanned_by_its_id() {
    for town in Town::every().await {
        town.connect();
        let product = town.shop.with(|shop| shop.products.keys().next().cloned());
        let product = product.expect("something is for sale").to_string();

        let scan = town.place.json(&["scan", "1", "--product", &product])["scans"][0].take();

        assert_eq!(
            (&scan["kind"], &scan["state"]),
            (&json!("single"), &json!("done"))
        );
        assert_eq!(scan["subject"], json!(product));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_is_planned_controlled_and_explained() {
    for town in Town::every().await {
        town.connect();
        let place = &town.place;
        let plan = place.run(&["scan", "1", "--plan", "--ask"]).works().out;
        let planned = place.json(&["scan", "1", "--plan"]);
        let waiting = place.json(&["scan", "1", "--kind", "active", "--detach"]);
        let id = waiting["scans"][0]["id"].to_string();

        let paused = place.json(&["scans", "pause", &id]);
        let twice = place.run(&["scans", "pause", &id]).fails().err;
        let open = place.json(&["scans", "list", "--open"]);
        let resumed = place.json(&["scans", "resume", &id]);
        let cancelled = place.json(&["scans", "cancel", &id]);
        let over = place.run(&["scans", "resume", &id]).fails().err;
        let full = place.json(&["scan", "1"]);
        let full = full["scans"][0]["id"].to_string();
        let changes = place.json(&["scans", "changes", &full, "--kind", "added"]);
        let shown = place.run(&["scans", "show", &full]).works().out;
        let listed = place.run(&["scans", "list"]).works().out;

        assert!(
            plan.contains("API calls:") && plan.contains("rate left:"),
            "{plan}"
        );
        assert_eq!(planned["plans"][0]["kind"], json!("full"));
        assert_eq!(paused["state"], json!("paused"));
        assert!(twice.contains("paused already"), "{twice}");
        assert_eq!(open["scans"].as_array().map(Vec::len), Some(1), "{open}");
        assert_eq!(resumed["state"], json!("waiting"));
        assert_eq!(cancelled["state"], json!("cancelled"));
        assert!(over.contains("cancelled already"), "{over}");
        let added = changes["changes"].as_array().expect("a list");
        assert!(!added.is_empty() && added.iter().all(|c| c["kind"] == "added"));
        assert!(shown.contains("scans changes"), "{shown}");
        assert!(listed.contains("was scanned last: full 2"), "{listed}");
        assert!(listed.contains("cancelled"), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_scanned_so_is_said() {
    let town = Town::every().await.remove(0);
    town.connect();

    let unknown = town.place.run(&["scan", "77"]).fails().err;
    let no_product = town
        .place
        .run(&["scan", "1", "--kind", "single"])
        .fails()
        .err;
    let unlisted = town.place.run(&["scan", "--sku", "NOWHERE"]).fails().err;
    let both = town
        .place
        .run(&["scan", "1", "--kind", "full", "--product", "5"]);

    assert!(unknown.contains("there is no channel 77"), "{unknown}");
    assert!(no_product.contains("needs its product"), "{no_product}");
    assert!(unlisted.contains("has the SKU `NOWHERE`"), "{unlisted}");
    assert!(both.fails().err.contains("`single`, not `full`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_brings_an_order_into_the_books_where_it_is_shown_whole() {
    for town in Town::every().await {
        town.connect();
        let number = town.orders();
        let before = town.place.run(&["orders", "show", &number]).fails();

        let downloaded = town.place.json(&["orders", "download", "1"]);
        let shown = town.place.json(&["orders", "show", &number]);
        let again = town
            .place
            .json(&["orders", "download", "1", "--numbers", &number]);

        assert!(before.out.contains("is not in the books"), "{}", before.out);
        assert!(
            before
                .out
                .contains(&format!("orders download 1 --numbers {number}")),
            "{}",
            before.out
        );
        assert_eq!(downloaded["download"]["missing"], 1, "{downloaded}");
        assert_eq!(downloaded["fetched"], 1, "{downloaded}");
        let order = &shown["orders"][0];
        // TikTok Shop makes a line of each unit.
        let lines = order["lines"].as_array().unwrap();
        let units: i64 = lines
            .iter()
            .filter_map(|line| line["quantity"].as_i64())
            .sum();
        assert_eq!(
            (&order["order"]["document"], units),
            (&json!("invoice"), 2),
            "{shown}"
        );
        assert_eq!(order["lines"][0]["flag"], "unknown_sku", "{shown}");
        assert!(!order["steps"].as_array().unwrap().is_empty(), "{shown}");
        assert_eq!(again["orders"][0]["result"], "recorded", "{again}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_a_sku_links_its_listing_and_takes_up_the_order_that_waited() {
    for town in Town::every().await {
        town.connect();
        let number = town.orders();
        town.place.run(&["scan", "1"]).works();
        town.place.run(&["orders", "download", "1"]).works();
        let shown = town.place.json(&["orders", "show", &number]);
        let code = shown["orders"][0]["lines"][0]["seller_sku"]
            .as_str()
            .unwrap()
            .to_owned();

        let set = town
            .place
            .json(&["stock", "set", "--sku", &code, "--units", "40"]);
        town.place
            .run(&["orders", "download", "1", "--numbers", &number])
            .works();
        let stock = town.place.json(&["stock", "show", "--sku", &code]);

        assert_eq!(
            (&set["is_new"], &set["orders_read_again"]),
            (&json!(true), &json!(1)),
            "{set}"
        );
        assert!(set["listings_linked"].as_u64() >= Some(1), "{set}");
        assert_eq!(stock["levels"][0]["available"], 38, "{stock}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_schedules_are_changed_by_name() {
    for town in Town::every().await {
        town.connect();

        let settings = town
            .place
            .json(&["channel", "settings", "1", "buffer=2", "push_stock=no"]);
        let wrong = town
            .place
            .run(&["channel", "settings", "1", "bufer=2"])
            .fails();
        let set = town
            .place
            .json(&["schedule", "set", "1", "full_scan", "30 2 * * *", "--off"]);
        let often = town
            .place
            .run(&["schedule", "set", "1", "full_scan", "* * * * * *"])
            .fails();

        assert_eq!(
            settings,
            json!({"unpaid_orders": false, "push_prices": false, "push_stock": false, "push_prices": false, "buffer": 2})
        );
        assert!(wrong.err.contains("buffer"), "{}", wrong.err);
        assert_eq!(
            (&set[0]["expression"], &set[0]["enabled"]),
            (&json!("30 2 * * *"), &json!(false))
        );
        assert!(often.err.contains("would fire more often"), "{}", often.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_paused_resumed_run_and_told_in_words() {
    for town in Town::every().await {
        town.connect();
        let schedule = |args: &[&str]| {
            let args: Vec<&str> = ["schedule"].iter().chain(args).copied().collect();
            town.place.json(&args)
        };

        let set = schedule(&[
            "set",
            "1",
            "full_scan",
            "30 2 * * *",
            "--overlap",
            "queue-one",
            "--catch-up",
            "none",
            "--jitter",
            "0",
        ]);
        let next = schedule(&["next", "1", "full_scan", "-n", "2"]);
        let paused = schedule(&["pause", "1", "full_scan"]);
        let resting = town
            .place
            .run(&["schedule", "next", "1", "full_scan"])
            .works();
        let asked = schedule(&["run-now", "1", "updated_scan"]);
        let again = schedule(&["run-now", "1", "updated_scan"]);
        let resumed = schedule(&["resume", "1", "--all"]);
        let wrong = town
            .place
            .run(&["schedule", "set", "1", "full_scan", "--catch-up", "some"]);
        let alarms = town.place.json(&["alarms", "list", "--all"]);
        let misses = town.place.json(&["alarms", "misses"]);

        let policies = ["overlap", "catch_up", "jitter_seconds"].map(|name| set[0][name].clone());
        assert_eq!(policies, [json!("queue_one"), json!("none"), json!(0)]);
        assert_eq!(next.as_array().unwrap().len(), 2);
        let words = next[0]["words"].as_str().unwrap();
        assert!(words.ends_with("at 02:30"), "{words}");
        assert_eq!(paused[0]["enabled"], json!(false));
        assert!(
            resting.out.contains("schedule resume 1 full_scan"),
            "{}",
            resting.out
        );
        assert_eq!(
            (&asked["joined"], &again["joined"]),
            (&json!(false), &json!(true))
        );
        let all = resumed.as_array().unwrap();
        assert!(all.len() > 3 && all.iter().all(|one| one["enabled"] == json!(true)));
        let is_updated = |one: &&Value| one["task"] == json!("updated_scan");
        let updated = all.iter().find(is_updated).unwrap();
        assert_eq!(updated["last"]["outcome"], json!("by_hand"));
        assert!(wrong.err.contains("one, all, none"), "{}", wrong.err);
        assert_eq!((alarms, misses), (json!([]), json!([])));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_removed_only_when_it_is_meant() {
    for town in Town::every().await {
        town.connect();

        let unsure = town.place.run(&["channel", "remove", "1"]).fails();
        let sure = town.place.run(&["channel", "remove", "1", "--yes"]).works();
        let left = town.place.json(&["channel", "list"]);
        let scan = town.place.run(&["scan", "1"]).fails();

        assert!(unsure.err.contains("--yes"), "{}", unsure.err);
        assert!(sure.out.contains("stay"), "{}", sure.out);
        assert_eq!(left, json!([]));
        assert!(scan.err.contains("removed"), "{}", scan.err);
    }
}
