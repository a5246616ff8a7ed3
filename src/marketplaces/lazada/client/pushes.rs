//! Setting stock and prices.
//!
//! Promises: every push gets an outcome, and SKUs that are refused take no others with them.
//!
//! Source: docId=121233 and the pages of the calls, read 2026-11-23.

use super::super::{Failure, LIMITS, is_digits, mapping, not_found};
use super::Call;
use crate::domain::{RemoteId, Retry};
use crate::marketplaces::{
    Access, MarketplaceError, PriceChange, PushOutcome, Result, StockLevel,
    http::parcels::{Parcel, Parcels},
};
use mapping::Form;

/// One SKU of a push.
struct Push<'p> {
    variant: &'p RemoteId,
    seller_sku: Option<String>,
    xml: String,
}

impl<'p> Push<'p> {
    fn of(ids: [&'p RemoteId; 2], push_ref: Option<&String>, xml: String) -> Result<Self> {
        let [_, variant] = ids;
        let is_known = ids.iter().all(|id| is_digits(id.as_str()));
        let seller_sku = mapping::PushRef::read(push_ref).sku;
        let push = Self {
            variant,
            seller_sku,
            xml,
        };
        is_known.then_some(push).ok_or_else(|| not_found("the SKU"))
    }
}

/// A warehouse that holds nothing is not told of, so what is known of a SKU's warehouses can be wrong: what is
/// refused in one form is sent once more in the other.
pub(in super::super) async fn set_stock(
    access: &Access,
    levels: &[StockLevel],
) -> Result<Vec<PushOutcome>> {
    let mut outcomes = push_stock(access, levels, Form::AsKnown).await?;
    let is_refused =
        |outcome: &PushOutcome| matches!(outcome, Err(MarketplaceError::Refused { .. }));
    let refused: Vec<usize> = (0..outcomes.len())
        .filter(|at| is_refused(&outcomes[*at]))
        .collect();
    if refused.is_empty() {
        return Ok(outcomes);
    }
    let once_more: Vec<_> = refused.iter().map(|at| levels[*at].clone()).collect();
    let again = push_stock(access, &once_more, Form::Other).await;
    let again = again.unwrap_or_else(|error| vec![Err(error); refused.len()]);
    for (at, outcome) in refused.into_iter().zip(again) {
        // The first refusal stands, unless it was the form, or is yet to be seen.
        let is_better = match &outcome {
            Ok(()) => true,
            Err(error) => error.retry() != Retry::Never,
        };
        if is_better {
            outcomes[at] = outcome;
        }
    }
    Ok(outcomes)
}

async fn push_stock(
    access: &Access,
    levels: &[StockLevel],
    form: Form,
) -> Result<Vec<PushOutcome>> {
    let rows = levels.iter().map(|level| {
        let ids = [&level.product_id, &level.variant_id];
        let xml = mapping::stock_xml(level, form);
        Push::of(ids, level.push_ref.as_ref(), xml)
    });
    push(access, "/product/stock/sellable/update", rows.collect()).await
}

pub(in super::super) async fn set_price(
    access: &Access,
    prices: &[PriceChange],
) -> Result<Vec<PushOutcome>> {
    let rows = prices.iter().map(|change| {
        let ids = [&change.product_id, &change.variant_id];
        Push::of(ids, change.push_ref.as_ref(), mapping::price_xml(change))
    });
    push(access, "/product/price_quantity/update", rows.collect()).await
}

/// What is wrong with single SKUs hides in `detail`, under a code that says no more than that.
async fn push(
    access: &Access,
    path: &'static str,
    rows: Vec<Result<Push<'_>>>,
) -> Result<Vec<PushOutcome>> {
    let mut parcels = Parcels::of(rows, LIMITS.stock_batch as usize);
    while let Some(parcel) = parcels.take_next() {
        let skus: Vec<&str> = parcel.rows().map(|push| push.xml.as_str()).collect();
        let call = Call::get(access, path)?.posting(&mapping::payload(&skus));
        match call.ask(access).await {
            Ok(_) => parcels.done(parcel),
            Err(failure) if failure.is_of_rows() => settle(&mut parcels, parcel, &failure),
            Err(failure) => parcels.stop(failure.error),
        }
    }
    parcels.finish()
}

fn settle<'p>(parcels: &mut Parcels<Push<'p>>, parcel: Parcel<Push<'p>>, failure: &Failure) {
    let named = |push: &Push<'_>| failure.of(push.variant, push.seller_sku.as_deref());
    parcels.refused(parcel, &failure.error, named);
}
