//! Webhook bodies: compressed when stored, byte-equal when read.
//!
//! Each body is stored with the number of its codec. A number never changes its meaning: 0 is raw,
//! 1 is zstd, and 1000 + n is zstd with dictionary n. Webhooks repeat the same names and addresses,
//! so a dictionary halves their storage cost; `dictionaries/` explains how to build one. A
//! dictionary is never changed or removed.

use crate::db::error::StoreError;
use domain::inbox::{BODY_BYTES_MAX, EventSource};
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

pub(crate) const RAW: u32 = 0;
pub(crate) const ZSTD: u32 = 1;
const GITHUB: u32 = 1000;
const STRIPE: u32 = 1001;

/// A body up to this size is stored in the head. With the head's other attributes, recording takes
/// two write units, and so does finishing. A larger body in the head would be paid for twice, so it
/// is stored in separate items.
pub(crate) const INLINE_BYTES_MAX: usize = 1_800;
/// The size of one separate part, below DynamoDB's limit of 400 KB per item.
pub(crate) const PART_BYTES: usize = 380 * 1024;
const LEVEL: i32 = 3;

/// The time to search a dictionary costs little compared with a write unit, so the level is high. A
/// body much larger than the dictionary gains little from it and would take long to compress.
const KNOWN_LEVEL: i32 = 9;
const KNOWN_BYTES_MAX: usize = 128 * 1024;

const fn dictionary(codec: u32) -> Option<&'static [u8]> {
    match codec {
        GITHUB => Some(include_bytes!("../../dictionaries/1000.zdict")),
        STRIPE => Some(include_bytes!("../../dictionaries/1001.zdict")),
        _ => None,
    }
}

/// A compressor with its dictionary loaded. Loading takes longer than compressing most bodies, so
/// the compressor is kept.
type Known = LazyLock<Mutex<Compressor<'static>>>;

fn known(codec: u32) -> Mutex<Compressor<'static>> {
    let compressor =
        Compressor::with_dictionary(KNOWN_LEVEL, dictionary(codec).unwrap_or_default()).and_then(
            |mut zstd| {
                // Tables of this size work as well for bodies of this size as the level's default
                // tables, which take a megabyte.
                zstd.set_parameter(CParameter::HashLog(15))?;
                zstd.set_parameter(CParameter::ChainLog(15))?;
                Ok(zstd)
            },
        );
    Mutex::new(compressor.expect("there is memory for a compressor"))
}

/// Compresses a text. Returns it uncompressed if that is smaller.
pub(crate) fn pack(text: &[u8]) -> (u32, Vec<u8>) {
    smaller(text, ZSTD, zstd::bulk::compress(text, LEVEL))
}

/// Compresses a body from this source with the source's dictionary.
pub(crate) fn pack_from(source: EventSource, body: &[u8]) -> (u32, Vec<u8>) {
    static OF_GITHUB: Known = LazyLock::new(|| known(GITHUB));
    static OF_STRIPE: Known = LazyLock::new(|| known(STRIPE));
    if body.len() > KNOWN_BYTES_MAX {
        return pack(body);
    }
    let (codec, known) = match source {
        EventSource::Github => (GITHUB, &OF_GITHUB),
        EventSource::Stripe => (STRIPE, &OF_STRIPE),
    };
    smaller(
        body,
        codec,
        known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .compress(body),
    )
}

fn smaller(text: &[u8], codec: u32, packed: io::Result<Vec<u8>>) -> (u32, Vec<u8>) {
    match packed {
        Ok(packed) if packed.len() < text.len() => (codec, packed),
        Ok(_) | Err(_) => (RAW, text.to_vec()),
    }
}

pub(crate) fn unpack(codec: u32, packed: &[u8], bytes: usize) -> Result<Vec<u8>, StoreError> {
    let bad = |why| StoreError::bad_item("read a body", why, "b");
    // The length comes from the row. No row may make us allocate more than a body can need.
    if bytes > BODY_BYTES_MAX {
        return Err(bad("longer than any body"));
    }
    let body = match (codec, dictionary(codec)) {
        (RAW, _) => packed.to_vec(),
        (ZSTD, _) => zstd::bulk::decompress(packed, bytes).map_err(|_| bad("not zstd"))?,
        (_, Some(known)) => Decompressor::with_dictionary(known)
            .and_then(|mut zstd| zstd.decompress(packed, bytes))
            .map_err(|_| bad("not zstd with this dictionary"))?,
        (_, None) => return Err(bad("of an unknown codec")),
    };
    if body.len() == bytes {
        Ok(body)
    } else {
        Err(bad("of another length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUE: &[u8] = include_bytes!("../../../../events/github/issues.opened.json");
    const INVOICE: &[u8] = include_bytes!("../../../../events/stripe/invoice.paid.json");

    #[test]
    fn bodies_come_back_byte_equal() {
        let noise: Vec<u8> = (0..=255_u8)
            .cycle()
            .take(200_000)
            .enumerate()
            .map(|(n, byte)| byte ^ u8::try_from(n % 251).unwrap_or(0))
            .collect();
        for body in [
            &b""[..],
            b"{}",
            &noise[..70_000],
            &noise,
            &[0; 100_000],
            &[0; 200_000],
            ISSUE,
            INVOICE,
        ] {
            for (codec, packed) in [
                pack(body),
                pack_from(EventSource::Github, body),
                pack_from(EventSource::Stripe, body),
            ] {
                assert!(packed.len() <= body.len());
                assert_eq!(unpack(codec, &packed, body.len()).expect("unpacks"), body);
            }
        }
        assert!(unpack(ZSTD, b"no zstd", 7).is_err());
        assert!(unpack(GITHUB, b"no zstd", 7).is_err());
        assert!(
            unpack(
                STRIPE,
                &pack_from(EventSource::Github, ISSUE).1,
                ISSUE.len()
            )
            .is_err()
        );
        assert!(unpack(9, b"", 0).is_err());
        assert!(unpack(RAW, b"ab", 3).is_err());
    }

    /// A write unit is 1,024 bytes. About 160 bytes of a head are not the body's, and finishing
    /// adds about 80.
    #[test]
    fn a_usual_webhook_is_one_write_unit_all_its_life() {
        // GitHub sends no whitespace; Stripe sends its bodies formatted as in the file.
        let text = str::from_utf8(ISSUE).expect("JSON is text");
        let issue: String = text
            .lines()
            .map(|line| line.trim_start().replacen("\": ", "\":", 1))
            .collect();
        for (source, codec, body) in [
            (EventSource::Github, GITHUB, issue.as_bytes()),
            (EventSource::Stripe, STRIPE, INVOICE),
        ] {
            let (by, packed) = pack_from(source, body);
            assert_eq!(by, codec);
            assert!(packed.len() < 780, "{source}: {} bytes", packed.len());
        }
    }

    #[test]
    fn dictionaries_are_for_ever() {
        let sum = |codec| {
            let known = dictionary(codec).expect("it is here for ever");
            known.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        assert_eq!(
            (sum(GITHUB), sum(STRIPE)),
            (0x6610_ccaf_bd7b_e3b2, 0x5040_8d0e_2180_a393)
        );
    }
}
