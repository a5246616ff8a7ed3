//! Stock and prices.
//!
//! Stock is compared and set: the quantity is read, and the change says from which quantity it goes. Whatever
//! was sold between the two makes it stale, and it is read again; so no sale is overwritten unseen, and a
//! push that was carried out although its answer was lost is found done by the next try.
//!
//! That makes the idempotency key, which Shopify demands, a guard against repetition on the way only. It is
//! made of what the request says and of the microsecond in which it is made: the same change a day, or a
//! minute, later is another change and must not be answered from memory.

use super::{PRICE_SET, STOCK_NOW, STOCK_SET, ask, rows_of};
use crate::domain::Timestamp;
use crate::marketplaces::{
    Access, MarketplaceError, PriceChange, PushOutcome, Result, StockLevel,
    http::batch::{self, Answers, Entry},
    shopify::{
        UserError, gid, id_of, is_plain_id, is_too_costly,
        mapping::{self, amount},
        not_found, refused, unavailable, uuid_of,
    },
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Variants whose stock is read at once: 800 of the 1,000 points that a call may cost; fewer where that costs too
/// much.
const LARGEST_READ: usize = 200;
/// "Arrays can have up to 250 entries." Source: the page on limits.
const LARGEST_INPUT: usize = 250;
/// A quantity that changes under our hands is read again so often.
const ROUNDS: usize = 3;

/// A variant's stock item at one location, as it is now.
struct Now {
    item: String,
    is_tracked: bool,
    /// `None`: the location does not stock it.
    available: Option<i64>,
}

/// One entry of a change, and whose outcome it decides.
struct Row {
    from: i64,
    to: i64,
    places: Vec<usize>,
}

pub async fn set_stock(
    access: &Access,
    levels: &[StockLevel],
    now: Timestamp,
) -> Result<Vec<PushOutcome>> {
    let mut outcomes: Vec<PushOutcome> = vec![Ok(()); levels.len()];
    let mut at: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, level) in levels.iter().enumerate() {
        match mapping::target(level) {
            None => outcomes[place] = Err(untracked()),
            Some(_) if !is_plain_id(level.variant_id.as_str()) => {
                outcomes[place] = Err(not_found("the variant"));
            }
            Some((_, location)) => at.entry(location).or_default().push(place),
        }
    }
    let mut is_any_set = false;
    for (location, places) in at {
        for places in places.chunks(LARGEST_INPUT) {
            let call = Call {
                access,
                levels,
                location,
                now,
            };
            match call.set(places, &mut outcomes).await {
                Ok(()) => is_any_set = true,
                Err(error) if !is_any_set => return Err(error),
                // What was not reached is tried again alone.
                Err(error) => places
                    .iter()
                    .for_each(|place| outcomes[*place] = Err(error.clone())),
            }
        }
    }
    Ok(outcomes)
}

fn untracked() -> MarketplaceError {
    refused(
        "not_tracked",
        "Shopify does not count the stock of this variant at the location for online orders; switch on its tracking there",
    )
}

/// What the rounds of one change have in common.
struct Call<'c> {
    access: &'c Access,
    levels: &'c [StockLevel],
    location: &'c str,
    now: Timestamp,
}

impl Call<'_> {
    /// 1. Read the quantities.
    /// 2. Change those that differ; one that is refused leaves all of them as they were.
    /// 3. Once more with those that had moved, and those that were held up by others.
    async fn set(&self, places: &[usize], outcomes: &mut [PushOutcome]) -> Result<()> {
        let mut pending = places.to_vec();
        for round in 0..ROUNDS {
            let known = self.read(&pending).await?;
            let rows = self.rows(&pending, &known, outcomes);
            if rows.is_empty() {
                return Ok(());
            }
            let errors = self.write(&rows, round).await?;
            pending = settle(&rows, &errors, outcomes);
            if pending.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn read(&self, places: &[usize]) -> Result<HashMap<String, Now>> {
        let mut known = HashMap::new();
        let mut batches: Vec<&[usize]> = places.chunks(LARGEST_READ).collect();
        while let Some(places) = batches.pop() {
            let ids = places
                .iter()
                .map(|place| self.levels[*place].variant_id.as_str());
            let ids: Vec<_> = ids.map(|id| gid("ProductVariant", id)).collect();
            let variables = json!({"ids": ids, "location": gid("Location", self.location)});
            let data = match ask(self.access, STOCK_NOW, variables).await {
                Err(error) if is_too_costly(&error) && places.len() > 1 => {
                    let (one, other) = places.split_at(places.len() / 2);
                    batches.extend([one, other]);
                    continue;
                }
                answer => answer?,
            };
            for row in rows_of(&data["nodes"]) {
                let item = &row["inventoryItem"];
                let ids = id_of(&row["id"]).zip(item["id"].as_str());
                if let Some((variant, item_id)) = ids {
                    let now = Now {
                        item: item_id.to_owned(),
                        is_tracked: item["tracked"] == true,
                        available: mapping::available(&item["inventoryLevel"]),
                    };
                    known.insert(variant.to_owned(), now);
                }
            }
        }
        Ok(known)
    }

    /// What has to be changed, by stock item: several variants may share one.
    fn rows(
        &self,
        places: &[usize],
        known: &HashMap<String, Now>,
        outcomes: &mut [PushOutcome],
    ) -> BTreeMap<String, Row> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for place in places {
            let to = self.levels[*place].quantity;
            let now = known.get(self.levels[*place].variant_id.as_str());
            let from = now.and_then(|now| now.available.filter(|_| now.is_tracked));
            outcomes[*place] = match (now, from) {
                (None, _) => Err(not_found("the variant")),
                (Some(_), None) => Err(untracked()),
                (Some(_), Some(from)) if from == to => Ok(()),
                (Some(now), Some(from)) => {
                    let row = rows.entry(now.item.clone()).or_insert(Row {
                        from,
                        to,
                        places: Vec::new(),
                    });
                    if row.to == to {
                        row.places.push(*place);
                        Ok(())
                    } else {
                        Err(refused(
                            "contradiction",
                            "two listings of one stock item differ",
                        ))
                    }
                }
            };
        }
        rows
    }

    async fn write(&self, rows: &BTreeMap<String, Row>, round: usize) -> Result<Vec<UserError>> {
        let location = gid("Location", self.location);
        let quantities = rows.iter().map(|(item, row)| {
            json!({"inventoryItemId": item, "locationId": location, "quantity": row.to,
                "changeFromQuantity": row.from})
        });
        let quantities = Value::from(quantities.collect::<Vec<_>>());
        let shop = &self.access.shop;
        let key = uuid_of(&format!(
            "{shop} {} {round} {quantities}",
            self.now.micros()
        ));
        let input = json!({"name": "available", "reason": "correction",
            "referenceDocumentUri": format!("gid://marketsink/StockPush/{key}"),
            "quantities": quantities});
        let data = ask(self.access, STOCK_SET, json!({"input": input, "key": key})).await?;
        Ok(UserError::all(&data["inventorySetQuantities"]))
    }
}

/// Writes down how the change ended, and returns what is to be tried once more.
fn settle(
    rows: &BTreeMap<String, Row>,
    errors: &[UserError],
    outcomes: &mut [PushOutcome],
) -> Vec<usize> {
    let of_all = errors.iter().find(|error| error.row().is_none());
    let mut pending = Vec::new();
    for (index, row) in rows.values().enumerate() {
        let own = errors.iter().find(|error| error.row() == Some(index));
        let outcome = match own.or(of_all) {
            Some(error) => Err(error.error()),
            None if errors.is_empty() => Ok(()),
            None => Err(unavailable("another listing held up the change".to_owned())),
        };
        if own.is_some_and(UserError::is_stale) || (own.or(of_all).is_none() && outcome.is_err()) {
            pending.extend(&row.places);
        }
        for place in &row.places {
            outcomes[*place].clone_from(&outcome);
        }
    }
    pending
}

/// One call per product; a refused variant fails alone.
pub async fn set_price(access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
    let entry = |change: &PriceChange| {
        let ids = (change.product_id.as_str(), change.variant_id.as_str());
        let id = ids
            .1
            .parse()
            .ok()
            .filter(|_| is_plain_id(ids.0) && is_plain_id(ids.1))?;
        let body = json!({"id": gid("ProductVariant", ids.1), "price": amount(change.price)});
        let path = ids.0.to_owned();
        Some(Entry { path, id, body })
    };
    let entries: Vec<_> = prices.iter().map(entry).collect();
    let (batches, at_odds) = batch::plan(&entries, LARGEST_INPUT);
    let mut answers = Answers::new(prices.len(), &not_found("the variant"));
    for place in at_odds {
        answers.set(
            place,
            Err(refused("contradiction", "two prices for one variant")),
        );
    }
    for batch in &batches {
        if let Some(error) = answers.stopped() {
            answers.fail(batch, &error);
            continue;
        }
        let variables = json!({"product": gid("Product", batch.path), "variants": batch.bodies});
        match ask(access, PRICE_SET, variables).await {
            Err(error) => answers.fail(batch, &error),
            Ok(data) => {
                let errors = UserError::all(&data["productVariantsBulkUpdate"]);
                for (index, (_, places)) in batch.places.iter().enumerate() {
                    let concerns = |error: &&UserError| error.row().is_none_or(|row| row == index);
                    let error = errors.iter().find(concerns).map(UserError::error);
                    for place in places {
                        answers.set(*place, error.clone().map_or(Ok(()), Err));
                    }
                }
            }
        }
    }
    answers.finish()
}
