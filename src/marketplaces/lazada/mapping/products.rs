//! Products and their SKUs as Lazada tells them.
//!
//! Source: <https://open.lazada.com/apps/doc/api?path=/products/get>, read 2026-11-23.

use super::super::Site;
use super::{PushRef, Read, amount, id, joined};
use crate::domain::{Currency, Money, Product, ProductState, Timestamp, Variant};
use crate::marketplaces::http::lenient::{local_time, text, time, whole};
use serde_json::Value;

/// A product from the list or on its own. `now` tells whether a special price holds.
pub fn product(row: &Value, site: &Site, now: Timestamp) -> Read<Product> {
    let skus = row.get("skus").and_then(Value::as_array);
    let skus = skus.map(Vec::as_slice).unwrap_or_default();
    let state = product_state(row, skus)?;
    let currency = Currency::from_code(site.currency).map_err(|error| error.to_string())?;
    let read = Reading {
        product: row,
        state,
        currency,
        site,
        now,
    };
    let version = time(row, "updated_time").or_else(|| time(row, "created_time"));
    Ok(Product {
        remote_id: id(row, "item_id").ok_or("`item_id` is missing")?,
        title: row
            .get("attributes")
            .and_then(|attributes| text(attributes, "name"))
            .unwrap_or_default()
            .to_owned(),
        state,
        version: version.unwrap_or_default(),
        variants: skus
            .iter()
            .map(|sku| read.variant(sku))
            .collect::<Read<_>>()?,
    })
}

/// A product without a status is what its SKUs are.
fn product_state(row: &Value, skus: &[Value]) -> Read<ProductState> {
    let Some(status) = text(row, "status") else {
        let is_on = |sku: &Value| {
            text(sku, "Status").is_some_and(|status| status.eq_ignore_ascii_case("active"))
        };
        let is_any = skus.iter().any(is_on);
        return Ok([ProductState::Inactive, ProductState::Active][usize::from(is_any)]);
    };
    match status.trim().to_ascii_lowercase().as_str() {
        "active" => Ok(ProductState::Active),
        "inactive" | "pending qc" | "pending" | "suspended" | "rejected" | "draft" => {
            Ok(ProductState::Inactive)
        }
        "deleted" => Ok(ProductState::Gone),
        _ => Err(format!("unknown product status `{status}`")),
    }
}

/// What a SKU needs to be read besides its row.
struct Reading<'r> {
    product: &'r Value,
    state: ProductState,
    currency: Currency,
    site: &'r Site,
    now: Timestamp,
}

impl Reading<'_> {
    fn variant(&self, sku: &Value) -> Read<Variant> {
        let seller_sku = text(sku, "SellerSku").map(str::to_owned);
        let own = match text(sku, "Status").map(str::to_ascii_lowercase).as_deref() {
            Some("inactive") => ProductState::Inactive,
            Some("deleted") => ProductState::Gone,
            _ => ProductState::Active,
        };
        let stocks = stocks(sku);
        let sellable = stocks.iter().map(|(_, units)| *units);
        let shown = ["Available", "quantity"].map(|name| sku.get(name).and_then(whole));
        Ok(Variant {
            remote_id: id(sku, "SkuId").ok_or("a SKU without `SkuId`")?,
            title: self
                .option_names(sku)
                .or_else(|| seller_sku.clone())
                .unwrap_or_else(|| "Default".to_owned()),
            state: self.state.max(own),
            price: self.price(sku)?,
            quantity: if stocks.is_empty() {
                shown.into_iter().flatten().next()
            } else {
                Some(sellable.fold(0_i64, i64::saturating_add))
            },
            reserved: None,
            push_ref: self.push_ref(seller_sku.clone(), stocks).to_text(),
            seller_sku,
        })
    }

    /// A warehouse that holds nothing of a SKU is not told of: then those of the product's other SKUs count.
    fn push_ref(&self, seller_sku: Option<String>, stocks: Vec<(String, i64)>) -> PushRef {
        let codes = |stocks: Vec<(String, i64)>| stocks.into_iter().map(|(code, _)| code);
        let own = PushRef::of(seller_sku.clone(), codes(stocks).collect());
        if !own.names_none() {
            return own;
        }
        let all = self.product.get("skus").and_then(Value::as_array);
        let of_others = all
            .into_iter()
            .flatten()
            .flat_map(|sku| codes(self::stocks(sku)));
        PushRef::of(seller_sku, of_others.collect())
    }

    /// `Hitam, M`: the product says which members of a SKU are its options.
    fn option_names(&self, sku: &Value) -> Option<String> {
        let variation = self.product.get("variation")?.as_object()?;
        let options = variation
            .values()
            .filter_map(|v| text(sku, text(v, "name")?));
        let names = joined(options, ", ");
        (!names.is_empty()).then_some(names)
    }

    /// What a buyer pays now: the special price on its days, else the price.
    fn price(&self, sku: &Value) -> Read<Option<Money>> {
        let special = amount(sku, "special_price", self.currency)?;
        let holds = |special: &Money| special.minor > 0 && self.is_special(sku);
        match special.filter(holds) {
            Some(special) => Ok(Some(special)),
            None => amount(sku, "price", self.currency),
        }
    }

    /// A day that is missing is no bound; one that cannot be read ends the special price.
    fn is_special(&self, sku: &Value) -> bool {
        let day = |name: &str, is_end| {
            text(sku, name).map(|day| local_time(day, self.site.utc_hours, is_end))
        };
        let begun = match day("special_from_time", false) {
            Some(from) => from.is_some_and(|from| from <= self.now),
            None => true,
        };
        begun
            && match day("special_to_time", true) {
                Some(to) => to.is_some_and(|to| self.now <= to),
                None => true,
            }
    }
}

/// Warehouses and the units that each can sell. Those with none are left out of the answer.
fn stocks(sku: &Value) -> Vec<(String, i64)> {
    let rows = sku
        .get("multiWarehouseInventories")
        .and_then(Value::as_array);
    let stocks = rows.into_iter().flatten().filter_map(|row| {
        let units = row
            .get("sellableQuantity")
            .or_else(|| row.get("quantity"))?;
        Some((text(row, "warehouseCode")?.to_owned(), whole(units)?))
    });
    stocks.collect()
}
