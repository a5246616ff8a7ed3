//! What a push sets, and where the units are.

use super::{Answer, Refusal, refuse};
use crate::domain::{Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::simulation::Shop;
use serde_json::{Value, json};

/// In the memory of a shop whose stock lies in two warehouses.
const SEVERAL: &str = "several warehouses";

/// The text of an element that holds no others.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    Some(text.replace("&amp;", "&"))
}

/// Sets all, or names what cannot be set.
pub(super) fn update(shop: &mut Shop, path: &str, payload: &str, now: Timestamp) -> Answer {
    let inside = payload.strip_prefix("<Request><Product><Skus>");
    let inside = inside.and_then(|rest| rest.strip_suffix("</Skus></Product></Request>"));
    let inside = inside.ok_or_else(|| refuse("5", "E005: Invalid Request Format"))?;
    let skus: Vec<&str> = inside.split("<Sku>").skip(1).collect();
    if !(1..=50).contains(&skus.len()) {
        return Err(refuse("4171", "More than 50 SKUs in one request"));
    }
    let (mut changes, mut detail) = (Vec::new(), Vec::new());
    for sku in skus {
        let change = read_change(shop, path, sku);
        let named = |name: &str| element(sku, name).unwrap_or_default();
        match change {
            Ok(change) => changes.push(change),
            Err((field, message)) => detail.push(json!({"field": field, "message": message,
                "seller_sku": named("SellerSku"), "sku_id": named("SkuId").parse::<u64>().ok()})),
        }
    }
    if !detail.is_empty() {
        let whole = refuse("501", "E501: Update product failed");
        return Err(Refusal { detail, ..whole });
    }
    for (id, set) in changes {
        shop.edit_variant(&id, now, |variant| match set {
            Set::Units(units) => variant.quantity = units,
            Set::Price(price) => variant.price = price,
        });
    }
    Ok(json!({}))
}

enum Set {
    Units(i64),
    Price(Money),
}

/// What it sets; or the field that is wrong, and why.
type Change = Result<(RemoteId, Set), (&'static str, &'static str)>;

fn read_change(shop: &Shop, path: &str, sku: &str) -> Change {
    let id = RemoteId::new(element(sku, "SkuId").unwrap_or_default());
    let product = shop.product_of(&id);
    let product = product.filter(|product| product.state != ProductState::Gone);
    if product.is_none_or(|p| element(sku, "ItemId").as_deref() != Some(p.id.as_str())) {
        return Err(("SkuId", "[208] item not found"));
    }
    if path.starts_with("/product/stock/") {
        return Ok((id, Set::Units(sellable(shop, sku)?)));
    }
    let price = element(sku, "Price").and_then(|text| Money::parse(&text, shop.currency).ok());
    let price = price.filter(|price| price.minor > 0);
    let price = price.ok_or(("Price", "[4119] price out of range"))?;
    Ok((id, Set::Price(price)))
}

/// A seller with several warehouses must say how many units are where, one with a single one must not.
fn sellable(shop: &Shop, sku: &str) -> Result<i64, (&'static str, &'static str)> {
    let names_them = sku.contains("<MultiWarehouseInventories>");
    if names_them != shop.memory.contains_key(SEVERAL) {
        return Err(("SellableQuantity", "[501] wrong kind of inventory"));
    }
    let mut sum = 0;
    for part in sku.split("<SellableQuantity>").skip(1) {
        let text = part.split('<').next().unwrap_or_default();
        let units: Option<i64> = text.parse().ok().filter(|units| *units >= 0);
        sum += units.ok_or(("SellableQuantity", "[212] negative sellable quantity"))?;
    }
    Ok(sum)
}

/// Where the units of a SKU are. Warehouses with nothing left are not shown.
pub(super) fn word_stocks(shop: &Shop, units: i64) -> Vec<Value> {
    let shares = if shop.memory.contains_key(SEVERAL) {
        vec![("dropshipping", units - units / 2), ("WH-2", units / 2)]
    } else {
        vec![("dropshipping", units)]
    };
    let held = shares.into_iter().filter(|(_, units)| *units > 0);
    held.map(|(code, units)| {
        json!({"warehouseCode": code, "quantity": units, "totalQuantity": units,
            "sellableQuantity": units, "occupyQuantity": 0, "withholdQuantity": 0})
    })
    .collect()
}
