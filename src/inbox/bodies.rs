//! How bodies of deliveries are kept: as they came at first, compressed after a while, and perhaps dropped.
//!
//! Every reader of a body goes through [`body_of`], whatever its row says of the encoding. Nothing here is on the way
//! of a webhook: bodies are stored plain, and packed in the background.

use crate::db::{Db, Span, Tx};
use entity::deliveries;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};
use std::{
    borrow::Cow,
    io::{Read, Write},
};
use thiserror::Error;

pub(super) const PLAIN: &str = "plain";
const DEFLATE: &str = "deflate";
const DROPPED: &str = "dropped";
/// The largest webhook that the settings let in: nothing that was packed can be larger.
const LARGEST: u64 = 16 << 20;
/// Bytes of bodies that are packed in one transaction, about.
const BYTES_AT_ONCE: usize = 2 << 20;

/// Why a stored delivery has no body to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    #[error(
        "its body was dropped by the retention of delivery bodies; download what it was about instead"
    )]
    Dropped,
    #[error("its body is stored in a way that this version cannot read; update marketsink")]
    Unknown,
}

/// The body of a delivery, exactly as it was received.
///
/// # Errors
/// When it is not kept any more, or was stored by a newer version.
pub fn body_of(row: &deliveries::Model) -> Result<Cow<'_, [u8]>, BodyError> {
    match row.body_encoding.as_str() {
        PLAIN => Ok(Cow::Borrowed(&row.body)),
        DEFLATE => unpacked(&row.body).map(Cow::Owned),
        DROPPED => Err(BodyError::Dropped),
        _ => Err(BodyError::Unknown),
    }
}

/// Compressed, as `body_encoding` = `deflate` means it.
fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(body.len() / 2), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::with_capacity(body.len() * 3);
    let mut decoder = DeflateDecoder::new(body).take(LARGEST);
    match decoder.read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(_) => Err(BodyError::Unknown),
    }
}

/// What one page of packing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    pub rows: u64,
    /// Of those rows, before and after.
    pub plain_bytes: u64,
    pub packed_bytes: u64,
    /// The last delivery that was looked at: those before it are done with.
    pub last: i64,
    /// Where the next page begins; `None`: nothing old enough is left.
    pub next: Option<i64>,
}

/// Packs the bodies of one page of deliveries, in one transaction; those that do not get smaller stay as they are.
///
/// # Errors
/// When the database refuses: then nothing of the page is packed.
pub async fn pack_bodies(db: &Db, span: &Span) -> Result<Packed, DbErr> {
    let tx = db.write_tx().await?;
    let (rows, last, is_more) = plain_page(&tx, span).await?;
    let mut packed = Packed {
        last,
        next: is_more.then_some(last),
        ..Packed::default()
    };
    for (id, body) in rows {
        let small = self::packed(&body);
        if small.len() >= body.len() {
            continue;
        }
        packed.rows += 1;
        packed.plain_bytes += body.len() as u64;
        packed.packed_bytes += small.len() as u64;
        deliveries::Entity::update_many()
            .col_expr(deliveries::Column::Body, Expr::value(small))
            .col_expr(deliveries::Column::BodyEncoding, Expr::value(DEFLATE))
            .filter(deliveries::Column::Id.eq(id))
            .filter(deliveries::Column::BodyEncoding.eq(PLAIN))
            .exec(&tx)
            .await?;
    }
    tx.commit().await?;
    Ok(packed)
}

type Bodies = Vec<(i64, Vec<u8>)>;

/// Plain bodies after the position and before the time, locked; the last row looked at; and whether there are more.
async fn plain_page(tx: &Tx, span: &Span) -> Result<(Bodies, i64, bool), DbErr> {
    let rows = deliveries::Entity::find()
        .filter(deliveries::Column::Id.gt(span.after))
        .order_by_asc(deliveries::Column::Id)
        .limit(span.limit)
        .lock(LockType::Update)
        .all(tx)
        .await?;
    let is_full = rows.len() as u64 == span.limit;
    let (mut bodies, mut bytes, mut last) = (Vec::new(), 0, span.after);
    for row in rows {
        if row.received_at >= span.before.micros() {
            return Ok((bodies, last, false));
        }
        if bytes > BYTES_AT_ONCE {
            return Ok((bodies, last, true));
        }
        last = row.id;
        if row.body_encoding == PLAIN && !row.body.is_empty() {
            bytes += row.body.len();
            bodies.push((row.id, row.body));
        }
    }
    Ok((bodies, last, is_full))
}

/// Forgets the bodies of these deliveries; their rows, events and what came of them stay.
pub(super) async fn drop_bodies(tx: &Tx, ids: &[i64]) -> Result<u64, DbErr> {
    let dropped = deliveries::Entity::update_many()
        .col_expr(deliveries::Column::Body, Expr::value(Vec::<u8>::new()))
        .col_expr(deliveries::Column::BodyEncoding, Expr::value(DROPPED))
        .filter(deliveries::Column::Id.is_in(ids.iter().copied()))
        .exec(tx)
        .await?;
    Ok(dropped.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(body: Vec<u8>, encoding: &str) -> deliveries::Model {
        deliveries::Model {
            id: 1,
            merchant_id: None,
            channel_id: None,
            marketplace: String::new(),
            delivery_key: String::new(),
            topic: String::new(),
            verdict: String::new(),
            headers: String::new(),
            body,
            received_at: 0,
            key_index: 0,
            body_encoding: encoding.to_owned(),
            erased_at: None,
        }
    }

    proptest! {
        #[test]
        fn a_packed_body_is_read_byte_by_byte_as_it_came(body: Vec<u8>) {
            let kept = row(packed(&body), DEFLATE);

            prop_assert_eq!(body_of(&kept).unwrap().into_owned(), body);
        }
    }

    #[test]
    fn a_dropped_body_and_an_unknown_encoding_say_so() {
        assert_eq!(body_of(&row(Vec::new(), DROPPED)), Err(BodyError::Dropped));
        assert_eq!(body_of(&row(vec![1], "brotli")), Err(BodyError::Unknown));
        assert_eq!(
            body_of(&row(vec![0xff; 9], DEFLATE)),
            Err(BodyError::Unknown)
        );
        assert_eq!(body_of(&row(vec![7], PLAIN)).unwrap().as_ref(), [7]);
    }

    /// Prints what packing saves over the bodies of all fixtures; fails when it is not worth while.
    #[test]
    fn the_fixtures_get_smaller_by_half() {
        let (mut plain, mut small) = (0, 0);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        for marketplace in std::fs::read_dir(root).unwrap() {
            let Ok(files) = std::fs::read_dir(marketplace.unwrap().path().join("webhooks")) else {
                continue;
            };
            for file in files {
                let Ok(body) = std::fs::read(file.unwrap().path()) else {
                    continue;
                };
                plain += body.len();
                small += packed(&body).len().min(body.len());
            }
        }

        println!("{plain} bytes of webhooks, {small} packed");
        assert!(plain > 0 && small * 10 < plain * 7, "{plain} {small}");
    }
}
