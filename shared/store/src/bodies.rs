//! Bodies of webhooks, small on disk and byte-equal on reading.
//!
//! The codec's number stands beside every body. A number is for ever: 0 is raw, 1 is zstd.

use crate::error::StoreError;
use domain::inbox::BODY_BYTES_MAX;

pub(crate) const RAW: u32 = 0;
pub(crate) const ZSTD: u32 = 1;

/// A body up to this size stands in the head. With the head's other attributes that is two write units, and so is
/// finishing it; a larger body would be paid for twice, so it stands apart.
pub(crate) const INLINE_BYTES_MAX: usize = 1_800;
/// One part of a body that stands apart, below DynamoDB's 400 KB an item.
pub(crate) const PART_BYTES: usize = 380 * 1024;
const LEVEL: i32 = 3;

/// The smaller of the body as it is and the body compressed.
pub(crate) fn pack(body: &[u8]) -> (u32, Vec<u8>) {
    match zstd::bulk::compress(body, LEVEL) {
        Ok(packed) if packed.len() < body.len() => (ZSTD, packed),
        Ok(_) | Err(_) => (RAW, body.to_vec()),
    }
}

/// The body again.
pub(crate) fn unpack(codec: u32, packed: &[u8], bytes: usize) -> Result<Vec<u8>, StoreError> {
    let bad = |why| StoreError::bad_item("read a body", why, "b");
    // The length comes from the row; no row may make us reserve more than a body can have.
    if bytes > BODY_BYTES_MAX {
        return Err(bad("longer than any body"));
    }
    let body = match codec {
        RAW => packed.to_vec(),
        ZSTD => zstd::bulk::decompress(packed, bytes).map_err(|_| bad("not zstd"))?,
        _ => return Err(bad("of an unknown codec")),
    };
    if body.len() == bytes { Ok(body) } else { Err(bad("of another length")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_byte_equal() {
        let noise: Vec<u8> = (0..=255_u8)
            .cycle()
            .take(70_000)
            .enumerate()
            .map(|(n, byte)| byte ^ u8::try_from(n % 251).unwrap_or(0))
            .collect();
        for body in [&b""[..], b"{}", &noise, &[0; 100_000]] {
            let (codec, packed) = pack(body);
            assert!(packed.len() <= body.len());
            assert_eq!(unpack(codec, &packed, body.len()).expect("unpacks"), body);
        }
        assert!(unpack(ZSTD, b"no zstd", 7).is_err());
        assert!(unpack(9, b"", 0).is_err());
        assert!(unpack(RAW, b"ab", 3).is_err());
    }
}
