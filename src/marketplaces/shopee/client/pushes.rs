//! Setting stock and prices.
//!
//! Promises: every push gets an outcome, also the refusals of single models that hide behind an empty `error`,
//! and a campaign or a holiday that holds one product stops no other.
//!
//! Source: v2.product.update_stock and update_price, read 2026-11-23.

use super::super::{SLUG, id_of, mapping, number};
use super::{BATCH, Call, base_infos, models_of};
use crate::domain::RemoteId;
use crate::marketplaces::{
    Access, MarketplaceError, PriceChange, PushOutcome, Result, StockLevel,
    http::batch::{self, Answers, Batch, Entry},
};
use mapping::Held;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const UPDATE_STOCK: &str = "/api/v2/product/update_stock";
const UPDATE_PRICE: &str = "/api/v2/product/update_price";

/// What is held of each model of each product.
type AllHeld = BTreeMap<RemoteId, BTreeMap<u64, Held>>;

/// Reads what is reserved, and where, before it sets anything: less than what a campaign holds is refused.
///
/// Whether a shop with one warehouse has to name it differs, so it is named only where that is asked for.
pub(in super::super) async fn set_stock(
    access: &Access,
    levels: &[StockLevel],
) -> Result<Vec<PushOutcome>> {
    let held = all_held(access, levels).await?;
    let plain = levels.iter().map(|level| stock_entry(level, &held, false));
    let plain: Vec<_> = plain.collect();
    let mut outcomes = push(access, UPDATE_STOCK, "stock_list", &plain).await?;
    let rows = levels.iter().zip(&outcomes);
    let named: Vec<_> = rows
        .map(|(level, outcome)| {
            let asks = outcome.as_ref().is_err_and(mapping::asks_for_location);
            asks.then(|| stock_entry(level, &held, true)).flatten()
        })
        .collect();
    if named.iter().any(Option::is_some) {
        let again = push(access, UPDATE_STOCK, "stock_list", &named).await;
        for (at, _) in named
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.is_some())
        {
            outcomes[at] = match &again {
                Ok(again) => again[at].clone(),
                Err(error) => Err(error.clone()),
            };
        }
    }
    Ok(outcomes)
}

async fn all_held(access: &Access, levels: &[StockLevel]) -> Result<AllHeld> {
    let products: BTreeSet<_> = levels
        .iter()
        .map(|level| level.product_id.clone())
        .collect();
    let products: Vec<RemoteId> = products.into_iter().collect();
    let mut held = BTreeMap::new();
    for item in base_infos(access, &products).await?.rows {
        if let Some(id) = id_of(&item, "item_id") {
            let models = models_of(access, &item).await?;
            held.insert(id, mapping::held(&item, models.as_ref()));
        }
    }
    Ok(held)
}

fn stock_entry(level: &StockLevel, held: &AllHeld, names_location: bool) -> Option<Entry> {
    let model = mapping::model_number(&level.product_id, &level.variant_id)?;
    let held = held.get(&level.product_id)?.get(&model)?;
    Some(Entry {
        path: level.product_id.to_string(),
        id: model,
        body: mapping::stock_entry(model, level.quantity, held, names_location),
    })
}

pub(in super::super) async fn set_price(
    access: &Access,
    prices: &[PriceChange],
) -> Result<Vec<PushOutcome>> {
    let entry = |change: &PriceChange| {
        let model = mapping::model_number(&change.product_id, &change.variant_id)?;
        Some(Entry {
            path: change.product_id.to_string(),
            id: model,
            body: mapping::price_entry(model, change.price),
        })
    };
    let entries: Vec<_> = prices.iter().map(entry).collect();
    push(access, UPDATE_PRICE, "price_list", &entries).await
}

/// One call per product and 50 models; the path of an entry is its product, its id the model.
async fn push(
    access: &Access,
    path: &'static str,
    list: &str,
    entries: &[Option<Entry>],
) -> Result<Vec<PushOutcome>> {
    let (batches, at_odds) = batch::plan(entries, BATCH);
    let mut answers = Answers::new(entries.len(), &not_found("the variation"));
    for place in at_odds {
        answers.set(place, Err(contradiction()));
    }
    for batch in &batches {
        let answer = match (answers.stopped(), number(batch.path)) {
            (Some(error), _) => Err(error),
            (None, None) => Err(not_found("the product")),
            (None, Some(item)) => {
                let body = json!({"item_id": item, list: batch.bodies});
                Call::of_shop(path).sending(body).ask(access).await
            }
        };
        match answer {
            Err(error @ MarketplaceError::Refused { .. }) => {
                let error = mapping::unless_it_passes(error);
                settle(&mut answers, batch, |_| Some(error.clone()));
            }
            Err(error) => answers.fail(batch, &error),
            Ok(told) => settle(&mut answers, batch, |model| {
                mapping::refusal(&told["response"], model)
            }),
        }
    }
    answers.finish()
}

/// Gives each model of a call its own outcome: none of them is about the shop.
fn settle(
    answers: &mut Answers,
    batch: &Batch<'_>,
    refusal: impl Fn(u64) -> Option<MarketplaceError>,
) {
    for (model, places) in &batch.places {
        let refused = refusal(*model);
        for place in places {
            answers.set(*place, refused.clone().map_or(Ok(()), Err));
        }
    }
}

fn not_found(what: &str) -> MarketplaceError {
    MarketplaceError::NotFound {
        marketplace: SLUG,
        what: what.to_owned(),
    }
}

fn contradiction() -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: SLUG,
        code: "at_odds".to_owned(),
        message: "one variation was given two values at once".to_owned(),
    }
}
