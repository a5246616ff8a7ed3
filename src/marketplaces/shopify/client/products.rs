//! Products: page by page, one by one, and in bulk where there are very many.

use super::{
    BULK_POLL, BULK_RUN, PLACE, PRODUCT_ONE, PRODUCTS_BULK, PRODUCTS_PAGE, Turn, ask, ask_within,
    misread, read_on, send, sorted,
};
use crate::domain::{Product, RemoteId};
use crate::marketplaces::{
    Access, MarketplaceError, Page, ProductQuery, ProductScope, Result,
    http::{Request, Response},
    shopify::{
        LIMITS, SLUG, UserError, gid, is_plain_id,
        mapping::{self, Place},
        unavailable, unreadable,
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

// Sizes with which a call costs less than the 1,000 points that one may cost.
const VARIANTS: usize = 45;
const MORE_VARIANTS: usize = 200;

/// From so many products on they are read in bulk: 200 pages take minutes and the shop's points, while a
/// bulk operation takes minutes whatever there is, and no points.
const BULK_FROM: u64 = 2_000;
/// How often a bulk operation is looked at.
const BULK_WAIT: Duration = Duration::from_secs(15);
/// Bytes of a bulk file that are read at once: about 800 variants.
const PIECE: u64 = 256 << 10;
/// A product with the most variants that there can be (2,048) takes about 1 MiB.
const LARGEST_PIECE: u64 = 8 << 20;
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bulk {
    id: String,
    /// Bytes of its file that were read.
    offset: u64,
}

/// The place, and how many products a filter finds, where one is given.
async fn place(access: &Access, filter: Option<&str>) -> Result<(Place, Option<u64>)> {
    let variables = json!({"counted": filter.is_some(), "q": filter});
    let data = ask(access, PLACE, variables).await?;
    let place = Place::read(&data).map_err(unreadable)?;
    Ok((place, data["productsCount"]["count"].as_u64()))
}

pub async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let filter = mapping::product_filter(query.scope);
    let turn = Turn::resume(query.page.as_ref());
    if let (Some(place), Some(bulk)) = (&turn.place, &turn.bulk) {
        return bulk_page(access, place.clone(), bulk.clone()).await;
    }
    if let Some(place) = turn.place.clone() {
        return product_page(access, &filter, turn, &place, None).await;
    }
    let (place, total) = place(access, Some(&filter)).await?;
    let is_windowed = matches!(query.scope, ProductScope::Updated(_));
    if !is_windowed
        && total >= Some(BULK_FROM)
        && let Some(id) = start_bulk(access, &filter, &place).await?
    {
        // An empty page: what it says is where to go on, and that is stored before anyone waits.
        let bulk = Some(Bulk { id, offset: 0 });
        let turn = first_turn(&place);
        return Ok(go_on(&Turn { bulk, ..turn }));
    }
    let turn = first_turn(&place);
    product_page(access, &filter, turn, &place, total).await
}

fn first_turn(place: &Place) -> Turn {
    let size = u64::from(LIMITS.product_page);
    Turn {
        // The stock of one location is two more objects for each variant.
        size: if place.is_one_of_many { size / 2 } else { size },
        place: Some(place.clone()),
        ..Turn::default()
    }
}

fn go_on(turn: &Turn) -> Page<Product> {
    Page {
        items: Vec::new(),
        next: Some(turn.token()),
        total: None,
        unreadable: Vec::new(),
    }
}

async fn product_page(
    access: &Access,
    filter: &str,
    mut turn: Turn,
    place: &Place,
    total: Option<u64>,
) -> Result<Page<Product>> {
    let of_variants = |n: usize| {
        let location = place.location_gid();
        json!({"variants": n, "location": location, "many": place.is_one_of_many})
    };
    let mut variables = of_variants(VARIANTS);
    variables["first"] = turn.size.max(1).into();
    variables["after"] = turn.after.clone().into();
    variables["q"] = filter.into();
    let mut data = ask_within(access, PRODUCTS_PAGE, &mut variables, "first").await?;
    turn.size = variables["first"].as_u64().unwrap_or(1);
    let mut list = data["products"].take();
    let mut rows = Vec::new();
    for row in list["nodes"].as_array_mut().into_iter().flatten() {
        let more = of_variants(MORE_VARIANTS);
        if read_on(access, row, "variants", PRODUCT_ONE, "product", more).await? {
            rows.push(mapping::product(row, place));
        }
    }
    let (items, unreadable) = sorted(rows.into_iter());
    Ok(Page {
        items,
        next: turn.next(&list)?,
        total,
        unreadable,
    })
}

/// What is run in bulk: no page sizes, no variables.
pub fn bulk_query(filter: &str, place: &Place) -> String {
    let query = PRODUCTS_BULK
        .find('{')
        .map_or("", |at| &PRODUCTS_BULK[at..]);
    query
        .replace("status:active", filter)
        .replace(&gid("Location", "0"), &place.location_gid())
}

/// `None`: the shop has as many bulk operations as it may.
async fn start_bulk(access: &Access, filter: &str, place: &Place) -> Result<Option<String>> {
    let query = bulk_query(filter, place);
    let data = ask(access, BULK_RUN, json!({ "query": query })).await?;
    let begun = &data["bulkOperationRunQuery"];
    if let Some(error) = UserError::all(begun).first() {
        let code = &error.code;
        tracing::info!(
            channel.id = access.channel.0,
            code,
            "no bulk operation can be had; the list is walked"
        );
    }
    Ok(begun["bulkOperation"]["id"].as_str().map(str::to_owned))
}

/// # Errors
/// `NotReady` as long as the operation runs.
async fn bulk_page(access: &Access, place: Place, bulk: Bulk) -> Result<Page<Product>> {
    let data = ask(access, BULK_POLL, json!({ "id": bulk.id })).await?;
    let operation = &data["bulkOperation"];
    let done = match operation["status"].as_str() {
        Some("CREATED" | "RUNNING" | "CANCELING") => {
            return Err(MarketplaceError::NotReady {
                marketplace: SLUG,
                wait: BULK_WAIT,
            });
        }
        // Where nothing was found there is no file either; but nobody asks for one where the shop counts few
        // products, and absence is not believed without a look.
        Some("COMPLETED") => match operation["url"].as_str().map(Url::parse) {
            Some(Ok(url)) => read_piece(access, &url, bulk.offset).await?,
            Some(Err(_)) | None => None,
        },
        _ => None,
    };
    let Some((rows, next)) = done else {
        // It failed, or its file is not there, or no more: the list is walked instead, from its start.
        tracing::warn!(
            channel.id = access.channel.0,
            "a bulk operation gave no file; the list is walked"
        );
        return Ok(go_on(&first_turn(&place)));
    };
    let (items, unreadable) = sorted(rows.iter().map(|row| mapping::product(row, &place)));
    let next = next.map(|offset| Turn {
        bulk: Some(Bulk { offset, ..bulk }),
        ..first_turn(&place)
    });
    Ok(Page {
        items,
        next: next.map(|turn| turn.token()),
        total: None,
        unreadable,
    })
}

/// Products from `offset` on, and where the next one begins. `None`: the file is not there.
async fn read_piece(
    access: &Access,
    url: &Url,
    offset: u64,
) -> Result<Option<(Vec<Value>, Option<u64>)>> {
    let mut length = PIECE;
    loop {
        let range = format!("bytes={offset}-{}", offset + length - 1);
        // Without our token: the file is on another host, and its address is the key to it.
        let request = Request::get(url.clone())
            .header("range", range)
            .header("accept-encoding", "identity");
        let response = send(access, request).await?;
        let Some((piece, is_end)) = piece_of(&response, offset, length)? else {
            return Ok(None);
        };
        let (rows, read) = mapping::products_of_lines(&piece, is_end);
        if is_end || read > 0 {
            let next = (!is_end).then_some(offset + read as u64);
            return Ok(Some((rows, next)));
        }
        if length >= LARGEST_PIECE {
            return Err(unreadable(
                "a product of a bulk file does not end".to_owned(),
            ));
        }
        length *= 4;
    }
}

/// The bytes that were asked for, and whether they are the last.
fn piece_of(response: &Response, offset: u64, length: u64) -> Result<Option<(Bytes, bool)>> {
    let body = &response.body;
    match response.status {
        206 => {
            let size = response.header("content-range");
            let size = size.and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok());
            let end = offset + body.len() as u64;
            let is_end = size.map_or((body.len() as u64) < length, |size| end >= size);
            Ok(Some((body.clone(), is_end)))
        }
        // The host does not know ranges.
        200 => {
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(body.len());
            let end = start.saturating_add(length as usize).min(body.len());
            Ok(Some((body.slice(start..end), end == body.len())))
        }
        429 | 500.. => Err(unavailable(format!(
            "HTTP {} for a bulk file",
            response.status
        ))),
        // 416 too: a file that is shorter than what was read of it is not the one that was begun.
        _ => Ok(None),
    }
}

pub async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    let mut found = Vec::new();
    let (place, _) = place(access, None).await?;
    for id in ids.iter().filter(|id| is_plain_id(id.as_str())) {
        let mut variables = json!({"variants": MORE_VARIANTS, "location": place.location_gid(),
            "many": place.is_one_of_many, "id": gid("Product", id.as_str())});
        let mut data = ask_within(access, PRODUCT_ONE, &mut variables, "variants").await?;
        let mut row = data["product"].take();
        if row.is_null() {
            continue;
        }
        if read_on(
            access,
            &mut row,
            "variants",
            PRODUCT_ONE,
            "product",
            variables,
        )
        .await?
        {
            found.push(mapping::product(&row, &place).map_err(misread)?);
        }
    }
    Ok(found)
}
