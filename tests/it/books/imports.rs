//! Files: nothing is taken while a row is wrong, and nothing is taken twice.

use super::{all_orders, channel_of, level, order, record};
use crate::{
    support::{
        builders::{NOW, Shop},
        database::databases,
    },
    views::a_known_shop,
};
use marketsink::{
    catalog,
    db::{Db, Fuse},
    domain::{Currency, Standing},
    imports::{self, Import, ImportError, ImportKind, ImportOptions, Outcome},
    sales,
};
use std::path::PathBuf;
use tempfile::TempDir;

databases!(
    a_look_writes_nothing_and_taking_it_twice_changes_nothing,
    nothing_is_taken_while_a_row_is_wrong_and_every_wrong_cell_is_told,
    what_a_spreadsheet_writes_is_read_as_it_was_meant,
    a_count_makes_the_level_what_was_counted,
    an_imported_invoice_goes_through_the_same_books,
    an_order_that_arrives_later_joins_the_imported_one,
    an_order_that_is_in_the_books_is_left_alone,
    an_import_that_was_interrupted_goes_on,
);

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn options(shop: Shop) -> ImportOptions {
    ImportOptions {
        currency: Some(Currency::from_code("IDR").unwrap()),
        channel: Some(shop.channel),
        by: "Sari".to_owned(),
        ..ImportOptions::default()
    }
}

async fn take(db: &Db, shop: Shop, kind: ImportKind, path: &PathBuf) -> Outcome {
    let options = options(shop);
    let import = import(shop, kind, path, &options);
    imports::take(db, &import, NOW).await.unwrap()
}

fn import<'a>(
    shop: Shop,
    kind: ImportKind,
    path: &'a PathBuf,
    options: &'a ImportOptions,
) -> Import<'a> {
    Import {
        merchant: shop.merchant,
        kind,
        path,
        options,
    }
}

fn counts(outcome: &Outcome) -> (u64, u64, u64) {
    assert_eq!(outcome.faults, []);
    (outcome.added, outcome.changed, outcome.unchanged)
}

const SKUS: &str =
    "Code,Name,OpeningStock,Cost,Price\nMUG,Mug,10,21000,55000\nTEA,\"Tea, green\",5,,18500.50\n";

async fn a_look_writes_nothing_and_taking_it_twice_changes_nothing(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    let path = files.write("skus.csv", SKUS);
    let options = options(shop);
    let asked = import(shop, ImportKind::Skus, &path, &options);

    let look = imports::examine(&db, &asked, NOW).await.unwrap();
    assert_eq!((counts(&look), look.import), ((2, 0, 0), None));
    let none = catalog::list_skus(db.read(), shop.merchant).await.unwrap();
    assert_eq!(none, []);

    let first = imports::take(&db, &asked, NOW).await.unwrap();
    let again = imports::take(&db, &asked, NOW).await.unwrap();
    let other = files.write("other.csv", format!("{SKUS}CUP,Cup,1,1,1\n"));
    let more = take(&db, shop, ImportKind::Skus, &other).await;

    assert_eq!(counts(&first), (2, 0, 0));
    assert_eq!((again.import, again.taken_before), (None, first.import));
    assert_eq!(counts(&more), (1, 0, 2));
    assert_eq!(level(&db, shop, "MUG").await, (10, 0));
    let skus = catalog::list_skus(db.read(), shop.merchant).await.unwrap();
    let tea = skus.iter().find(|sku| sku.code == "TEA").unwrap();
    assert_eq!(tea.name, "Tea, green");
    assert_eq!((tea.cost_minor, tea.price_minor), (None, Some(1_850_050)));
    let row = imports::find_import(&db, shop.merchant, first.import.unwrap()).await;
    let row = row.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.by_name.as_str()), ("done", "Sari"));
}

async fn nothing_is_taken_while_a_row_is_wrong_and_every_wrong_cell_is_told(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    let rows = "Code,Outlet,OpeningStock,Cost\nMUG,Main,10,5\n,Main,1,1\nTEA,Mars,x,-1\nMUG,Main,1,1\n5.769E+17,,,\n";
    let path = files.write("skus.csv", rows);

    let outcome = take(&db, shop, ImportKind::Skus, &path).await;

    let told: Vec<_> = outcome
        .faults
        .iter()
        .map(|fault| (fault.row, fault.column.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (3, Some("Code")),
            (4, Some("Cost")),
            (4, Some("Outlet")),
            (4, Some("OpeningStock")),
            (5, None),
            (6, Some("Code")),
        ]
    );
    assert_eq!((outcome.n_faults, outcome.import), (6, None));
    let none = catalog::list_skus(db.read(), shop.merchant).await.unwrap();
    assert_eq!(none, []);
    for (file, why) in [
        ("Name\nMug\n", "lacks Code"),
        ("Code,Colour\nMUG,red\n", "`Colour`"),
        ("", "empty"),
    ] {
        let path = files.write("bad.csv", file);
        let options = options(shop);
        let asked = import(shop, ImportKind::Skus, &path, &options);
        let error = imports::take(&db, &asked, NOW).await.unwrap_err();
        assert!(
            matches!(&error, ImportError::Heading(said) if said.contains(why)),
            "{error}"
        );
    }
}

async fn what_a_spreadsheet_writes_is_read_as_it_was_meant(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    let excel = "\u{feff}sep=;\r\nCODE;Opening stock;unit_cost\r\n";
    let path = files.write("bad.csv", excel);
    let options = options(shop);
    let asked = import(shop, ImportKind::Skus, &path, &options);
    assert!(imports::examine(&db, &asked, NOW).await.is_err());
    let excel = "\u{feff}sep=;\r\nCODE;Opening stock;Price\r\n=\"007\";1.200;\"55.000,50\"\r\n;;\r\nTEA; 3 ;18,5\r\n";
    let path = files.write("excel.csv", excel);
    let tabs = files.write("tabs.txt", "Code\tUnits\n007\t1100\n");

    let taken = take(&db, shop, ImportKind::Skus, &path).await;
    let counted = take(&db, shop, ImportKind::Counts, &tabs).await;

    assert_eq!(counts(&taken), (2, 0, 0));
    assert_eq!(counts(&counted), (0, 1, 0));
    assert_eq!(level(&db, shop, "007").await, (1_100, 0));
    let skus = catalog::list_skus(db.read(), shop.merchant).await.unwrap();
    let prices: Vec<_> = skus.iter().map(|sku| sku.price_minor).collect();
    assert_eq!(prices, [Some(5_500_050), Some(1_850)]);
}

async fn a_count_makes_the_level_what_was_counted(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    take(&db, shop, ImportKind::Skus, &files.write("skus.csv", SKUS)).await;
    let path = files.write("counts.csv", "Code,Units\nMUG,7\nTEA,5\n");

    let taken = take(&db, shop, ImportKind::Counts, &path).await;
    let unknown = files.write("unknown.csv", "Code,Units\nCUP,7\n");
    let unknown = take(&db, shop, ImportKind::Counts, &unknown).await;

    assert_eq!(counts(&taken), (0, 1, 1));
    assert_eq!(level(&db, shop, "MUG").await, (7, 0));
    assert_eq!((unknown.n_faults, unknown.import), (1, None));
}

const HEADING: &str = "Number,Outlet,Date,DueDate,SalesPerson,Customer,CustomerEmail,Mobile,TaxType,Code,Quantity,UnitPrice,Discount,Note,PaymentMethod,PaymentAmount\n";

/// An invoice of three mugs and a tea, paid in full.
fn invoice() -> String {
    format!(
        "{HEADING}N1,Main,2026-11-22,,,A Buyer,buyer@example.com,,,MUG,3,550,10%,,Transfer,1585\nN1,Main,2026-11-22,,,,,,,TEA,1,100,,,,\n"
    )
}

async fn an_imported_invoice_goes_through_the_same_books(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    take(&db, shop, ImportKind::Skus, &files.write("skus.csv", SKUS)).await;
    let path = files.write("invoices.csv", invoice());

    let taken = take(&db, shop, ImportKind::Invoices, &path).await;

    assert_eq!((counts(&taken), taken.rows), ((1, 0, 0), 2));
    let booked = all_orders(&db).await;
    assert_eq!(booked.len(), 1);
    let row = &booked[0];
    assert_eq!(row.invoice_number.as_deref(), Some("INV/MAIN/2026/000001"));
    assert_eq!((row.total_minor, row.paid), (158_500, true));
    assert_eq!(
        (row.document.as_str(), row.source.as_str()),
        ("invoice", "import")
    );
    assert_eq!(level(&db, shop, "MUG").await, (10, 3));
    assert_eq!(level(&db, shop, "TEA").await, (5, 1));
    let full = sales::order_full(&db, shop.merchant, marketsink::domain::OrderId(row.id)).await;
    let full = full.unwrap().unwrap();
    assert_eq!(full.lines[0].gross_minor, Some(165_000));
    let kept = format!("{full:?}");
    assert!(!kept.contains("Buyer") && !kept.contains("buyer@"));
}

async fn an_order_that_arrives_later_joins_the_imported_one(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    take(&db, shop, ImportKind::Skus, &files.write("skus.csv", SKUS)).await;
    let path = files.write("invoices.csv", invoice());
    take(&db, shop, ImportKind::Invoices, &path).await;
    let channel = channel_of(&db, shop.channel).await;
    // One line per unit, in another order, and the tea is not in it.
    let mut told = order("N1", Standing::SHIPPED, "MUG", 1, 0);
    told.version = marketsink::domain::Timestamp::from_secs(1);
    for n in 0..2 {
        let mut line = told.lines[0].clone();
        line.remote_id = format!("unit{n}").into();
        told.lines.push(line);
    }

    record(&db, &channel, &told).await;
    record(&db, &channel, &told).await;
    let other = files.write("again.csv", format!("{}\n", invoice()));
    let again = take(&db, shop, ImportKind::Invoices, &other).await;

    assert_eq!(counts(&again), (0, 0, 1));
    let booked = all_orders(&db).await;
    assert_eq!(booked.len(), 1);
    let row = &booked[0];
    assert_eq!(
        (row.remote_id.as_str(), row.fulfilment.as_str()),
        ("rN1", "sent")
    );
    assert_eq!(row.invoice_number.as_deref(), Some("INV/MAIN/2026/000001"));
    assert_eq!(level(&db, shop, "MUG").await, (7, 0));
    assert_eq!(level(&db, shop, "TEA").await, (5, 0));
}

async fn an_order_that_is_in_the_books_is_left_alone(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    take(&db, shop, ImportKind::Skus, &files.write("skus.csv", SKUS)).await;
    let channel = channel_of(&db, shop.channel).await;
    record(&db, &channel, &order("N1", Standing::SOLD, "MUG", 2, 0)).await;
    let path = files.write("invoices.csv", invoice());

    let taken = take(&db, shop, ImportKind::Invoices, &path).await;

    assert_eq!(counts(&taken), (0, 0, 1));
    assert_eq!(all_orders(&db).await.len(), 1);
    assert_eq!(level(&db, shop, "MUG").await, (10, 2));
}

async fn an_import_that_was_interrupted_goes_on(db: Db) {
    let (shop, files) = (a_known_shop(&db).await, Files::new());
    let rows: String = (0..1_200).map(|n| format!("S{n},{n}\n")).collect();
    let path = files.write("many.csv", format!("Code,OpeningStock\n{rows}"));
    let options = options(shop);
    let asked = import(shop, ImportKind::Skus, &path, &options);
    let fuse = Fuse::default();
    // The beginning and one step, and then the process is dead.
    fuse.blow_after(2);
    let broken = db.clone().with_fuse(fuse);
    imports::take(&broken, &asked, NOW).await.unwrap_err();
    let half = imports::imports(&db, shop.merchant, 10).await.unwrap();
    assert_eq!(
        (half[0].state.as_str(), half[0].done_rows > 0),
        ("running", true)
    );

    let taken = imports::take(&db, &asked, NOW).await.unwrap();

    assert_eq!(taken.import, Some(half[0].id));
    assert_eq!(counts(&taken), (1_200, 0, 0));
    let all = imports::imports(&db, shop.merchant, 10).await.unwrap();
    assert_eq!((all.len(), all[0].done_rows), (1, 1_200));
    assert_eq!(level(&db, shop, "S1199").await, (1_199, 0));
}
