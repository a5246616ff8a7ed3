//! Files of stock counts: units on hand, as people counted them.

use super::{
    Column, Fault, ImportError, cells, needed, optional,
    rows::Row,
    skus::{Outlets, code, keep},
    take::{Import, Kind, Placed, Verdict},
};
use crate::catalog;
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, OutletId, SkuId, Source, Timestamp};
use crate::stock;
use std::collections::HashMap;

pub const COLUMNS: &[Column] = &[
    needed("Code", "MUG-01"),
    optional("Outlet", "Main"),
    needed("Units", "37"),
    optional("Note", "counted on Monday"),
];

#[derive(Debug)]
pub struct CountItem {
    code: String,
    outlet: OutletId,
    units: i64,
    note: String,
}

#[derive(Debug)]
pub struct Counts {
    merchant: MerchantId,
    outlets: Outlets,
}

impl Counts {
    pub async fn open(db: &Db, import: &Import<'_>) -> Result<Self, ImportError> {
        Ok(Self {
            merchant: import.merchant,
            outlets: Outlets::read(db, import.merchant).await?,
        })
    }

    async fn skus<C: sea_orm::ConnectionTrait>(
        &self,
        db: &C,
        items: &[Placed<CountItem>],
    ) -> Result<HashMap<String, SkuId>, ImportError> {
        let codes: Vec<&str> = items.iter().map(|one| one.item.code.as_str()).collect();
        let rows = catalog::skus_of_codes(db, self.merchant, &codes).await?;
        Ok(rows
            .into_iter()
            .map(|(code, row)| (code, SkuId(row.id)))
            .collect())
    }
}

impl Kind for Counts {
    type Item = CountItem;

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn read(&self, row: &Row<'_>) -> Result<CountItem, Vec<Fault>> {
        let mut faults = Vec::new();
        let code = keep(row.read("Code", code), &mut faults);
        let outlet = keep(
            row.read("Outlet", |cell| self.outlets.named(cell)),
            &mut faults,
        );
        let mark = row.mark;
        let units = keep(
            row.read("Units", |cell| cells::units(cell, mark)),
            &mut faults,
        );
        let note: String = row.cell("Note").chars().take(200).collect();
        let note = if note.is_empty() {
            "counted".to_owned()
        } else {
            note
        };
        match (code, outlet, units) {
            (Some(code), Some(outlet), Some(units)) => Ok(CountItem {
                code,
                outlet,
                units,
                note,
            }),
            _ => Err(faults),
        }
    }

    fn key(&self, item: &CountItem) -> String {
        format!("{} at {}", item.code, item.outlet)
    }

    fn join(&self, _: &mut CountItem, _: CountItem) -> Result<(), String> {
        Err("the SKU stands in the file twice for the same outlet".to_owned())
    }

    async fn compare(
        &self,
        db: &Db,
        items: &[Placed<CountItem>],
    ) -> Result<Vec<Verdict>, ImportError> {
        let skus = self.skus(db.read(), items).await?;
        let ids: Vec<SkuId> = skus.values().copied().collect();
        let levels = stock::levels_of(db.read(), self.merchant, &ids).await?;
        let verdict = |one: &Placed<CountItem>| {
            let Some(sku) = skus.get(&one.item.code) else {
                return Verdict::Wrong(Fault {
                    row: one.row,
                    column: Some("Code".to_owned()),
                    value: one.item.code.chars().take(40).collect(),
                    problem: "no SKU has this code; import it first with `marketsink import skus`"
                        .to_owned(),
                });
            };
            match levels.get(&(*sku, one.item.outlet)) {
                None => Verdict::Added,
                Some(on_hand) if *on_hand == one.item.units => Verdict::Unchanged,
                Some(_) => Verdict::Changed,
            }
        };
        Ok(items.iter().map(verdict).collect())
    }

    async fn write(
        &self,
        tx: &Tx,
        items: &[Placed<CountItem>],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, ImportError> {
        let skus = self.skus(tx, items).await?;
        // Levels are locked in one order by all, so that nobody waits for each other.
        let mut ordered: Vec<(SkuId, &CountItem)> = items
            .iter()
            .filter_map(|one| Some((*skus.get(&one.item.code)?, &one.item)))
            .collect();
        ordered.sort_by_key(|(sku, item)| (*sku, item.outlet));
        let (mut verdicts, mut moved) = (Vec::new(), Vec::new());
        for (sku, item) in ordered {
            let at = (sku, item.outlet);
            let difference =
                stock::set_on_hand(tx, self.merchant, at, item.units, &item.note, now).await?;
            if difference == 0 {
                verdicts.push(Verdict::Unchanged);
            } else {
                verdicts.push(Verdict::Changed);
                moved.push(sku);
            }
        }
        moved.dedup();
        stock::enqueue_pushes(tx, self.merchant, &moved, None, Source::Import, now).await?;
        Ok(verdicts)
    }
}
