//! Files of SKUs: names, costs, prices and opening stock.

use super::{
    Column, Fault, ImportError, Mark, cells, needed, optional,
    rows::Row,
    take::{Import, Kind, Placed, Verdict},
};
use crate::accounts;
use crate::catalog::{self, ToldSku};
use crate::db::{Db, Tx};
use crate::domain::{Currency, MerchantId, Money, OutletId, SkuId, Source, Timestamp, Work};
use crate::queue::{self, NewJob};
use crate::sales;
use crate::stock;
use std::collections::{BTreeSet, HashMap};

pub const COLUMNS: &[Column] = &[
    needed("Code", "MUG-01"),
    optional("Name", "Enamel mug"),
    optional("Outlet", "Main"),
    optional("OpeningStock", "40"),
    optional("Cost", "21000"),
    optional("Price", "55000"),
    optional("Currency", "IDR"),
];

/// One row: a SKU, and what of it was at an outlet.
#[derive(Debug)]
pub struct SkuItem {
    told: ToldSku,
    opening: Option<(OutletId, i64)>,
    outlet: OutletId,
}

#[derive(Debug)]
pub struct Skus {
    merchant: MerchantId,
    currency: Option<Currency>,
    outlets: Outlets,
}

/// The merchant's outlets by name.
#[derive(Debug)]
pub struct Outlets(HashMap<String, OutletId>);

impl Outlets {
    pub async fn read(db: &Db, merchant: MerchantId) -> Result<Self, ImportError> {
        let rows = accounts::outlets(db, merchant).await?;
        let by_name = rows.into_iter().map(|row| (row.name, OutletId(row.id)));
        Ok(Self(by_name.collect()))
    }

    /// The outlet of a cell; of an empty one, the only one there is, or the usual.
    pub fn named(&self, cell: &str) -> Result<OutletId, String> {
        let only = self.0.values().next().filter(|_| self.0.len() == 1);
        let found = match (cell, only) {
            ("", Some(only)) => Some(only),
            ("", None) => self.0.get(accounts::DEFAULT_OUTLET),
            (name, _) => self.0.get(name),
        };
        found.copied().ok_or_else(|| {
            let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            names.sort_unstable();
            format!("which outlet? there are: {}", names.join(", "))
        })
    }
}

impl Skus {
    pub async fn open(db: &Db, import: &Import<'_>) -> Result<Self, ImportError> {
        Ok(Self {
            merchant: import.merchant,
            currency: import.options.currency,
            outlets: Outlets::read(db, import.merchant).await?,
        })
    }

    fn money(&self, row: &Row<'_>, column: &str) -> Result<Option<Money>, Fault> {
        let told = row.read_if("Currency", |cell| {
            Currency::from_code(cell).map_err(|error| error.to_string())
        })?;
        let currency = told.or(self.currency);
        row.read_if(column, |cell| {
            let currency = currency
                .ok_or("in which currency? fill in Currency, or name it with --currency")?;
            cells::amount(cell, currency, row.mark)
        })
    }

    /// What is there of these SKUs already.
    async fn known<C: sea_orm::ConnectionTrait>(
        &self,
        db: &C,
        items: &[Placed<SkuItem>],
    ) -> Result<Known, ImportError> {
        let codes: Vec<&str> = items
            .iter()
            .map(|one| one.item.told.code.as_str())
            .collect();
        let skus = catalog::skus_of_codes(db, self.merchant, &codes).await?;
        let ids: Vec<SkuId> = skus.values().map(|row| SkuId(row.id)).collect();
        let levels = stock::levels_of(db, self.merchant, &ids).await?;
        Ok(Known { skus, levels })
    }
}

struct Known {
    skus: HashMap<String, entity::skus::Model>,
    levels: HashMap<(SkuId, OutletId), i64>,
}

impl Known {
    fn verdict(&self, item: &SkuItem) -> Verdict {
        let Some(row) = self.skus.get(&item.told.code) else {
            return Verdict::Added;
        };
        let opens = item
            .opening
            .is_some_and(|(outlet, _)| !self.levels.contains_key(&(SkuId(row.id), outlet)));
        if opens || catalog::would_change(row, &item.told) {
            Verdict::Changed
        } else {
            Verdict::Unchanged
        }
    }
}

/// A code as a person may use it.
pub fn code(cell: &str) -> Result<String, String> {
    let code = cells::identity(cell)?;
    if code.is_empty() {
        return Err("every row needs a code".to_owned());
    }
    if code.chars().count() > 100 {
        return Err("a code has at most 100 letters".to_owned());
    }
    Ok(code)
}

impl Kind for Skus {
    type Item = SkuItem;

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn read(&self, row: &Row<'_>) -> Result<SkuItem, Vec<Fault>> {
        let mut faults = Vec::new();
        let code = keep(row.read("Code", code), &mut faults);
        let name = keep(row.read_if("Name", cells::identity), &mut faults);
        let cost = keep(self.money(row, "Cost"), &mut faults);
        let price = keep(self.money(row, "Price"), &mut faults);
        let outlet = keep(
            row.read("Outlet", |cell| self.outlets.named(cell)),
            &mut faults,
        );
        let mark: Mark = row.mark;
        let units = row.read_if("OpeningStock", |cell| cells::units(cell, mark));
        let units = keep(units, &mut faults);
        match (code, name, cost, price, outlet, units) {
            (Some(code), Some(name), Some(cost), Some(price), Some(outlet), Some(units)) => {
                Ok(SkuItem {
                    told: ToldSku {
                        code,
                        name,
                        cost,
                        price,
                    },
                    opening: units.map(|units| (outlet, units)),
                    outlet,
                })
            }
            _ => Err(faults),
        }
    }

    fn key(&self, item: &SkuItem) -> String {
        format!("{} at {}", item.told.code, item.outlet)
    }

    fn join(&self, _: &mut SkuItem, _: SkuItem) -> Result<(), String> {
        Err("the SKU stands in the file twice for the same outlet".to_owned())
    }

    async fn compare(
        &self,
        db: &Db,
        items: &[Placed<SkuItem>],
    ) -> Result<Vec<Verdict>, ImportError> {
        let known = self.known(db.read(), items).await?;
        Ok(items.iter().map(|one| known.verdict(&one.item)).collect())
    }

    async fn write(
        &self,
        tx: &Tx,
        items: &[Placed<SkuItem>],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, ImportError> {
        let merchant = self.merchant;
        let known = self.known(tx, items).await?;
        let verdicts = items.iter().map(|one| known.verdict(&one.item)).collect();
        let told: Vec<ToldSku> = items.iter().map(|one| one.item.told.clone()).collect();
        let (ids, new) = catalog::take_skus(tx, merchant, &told, now).await?;
        let counts: Vec<(SkuId, OutletId, i64)> = items
            .iter()
            .filter_map(|one| {
                let (outlet, units) = one.item.opening?;
                Some((*ids.get(&one.item.told.code)?, outlet, units))
            })
            .collect();
        let note = "opening stock, imported";
        let moved = stock::open_levels(tx, merchant, &counts, note, now).await?;
        let made = new.iter().filter_map(|code| ids.get(code));
        let told: BTreeSet<SkuId> = made.chain(&moved).copied().collect();
        let told: Vec<SkuId> = told.into_iter().collect();
        stock::enqueue_pushes(tx, merchant, &told, None, Source::Import, now).await?;
        let new: Vec<&str> = new.iter().map(String::as_str).collect();
        let waiting = sales::orders_waiting_for_codes(tx, merchant, &new).await?;
        let job = |(channel, order)| NewJob {
            merchant,
            channel,
            work: Work::FetchOrder { order },
            source: Source::Import,
            run_at: None,
        };
        let jobs: Vec<NewJob> = waiting.into_iter().map(job).collect();
        queue::enqueue(tx, &jobs, now).await?;
        Ok(verdicts)
    }
}

/// The value, or its fault among the others.
pub fn keep<T>(read: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}
