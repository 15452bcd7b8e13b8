//! DynamoDB's units: bytes of an item, and write units, one per started KB.

use serde_json::{Map, Value};

/// The bytes of an item by DynamoDB's published rules.
pub fn bytes(item: &Value) -> usize {
    item.as_object().map_or(0, attributes)
}

fn attributes(map: &Map<String, Value>) -> usize {
    map.iter()
        .map(|(name, value)| {
            name.len()
                + value
                    .as_object()
                    .and_then(|typed| typed.iter().next())
                    .map_or(0, one)
        })
        .sum()
}

fn one((kind, value): (&String, &Value)) -> usize {
    let text = value.as_str().unwrap_or_default();
    match kind.as_str() {
        "S" => text.len(),
        // Two digits per byte, and one byte for the exponent.
        "N" => text.trim_matches('0').len().div_ceil(2) + 1,
        // Four letters encode three bytes; each padding character is one byte less.
        "B" => text.len() / 4 * 3 - text.bytes().filter(|&byte| byte == b'=').count(),
        _ => 1,
    }
}

/// The write units of an item of this size.
pub fn of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
}

/// The bytes that finishing an event adds to its head: a time, a time to live and some words.
const FINISH_BYTES: usize = 80;

/// The units of an event's whole life: its puts, its index entry (one to add it, two to move it),
/// and its finish, which is billed for the whole head again.
pub fn life<'a>(items: impl Iterator<Item = (&'a str, &'a Value)>) -> u32 {
    items
        .map(|(sort_key, item)| {
            let bytes = bytes(item);
            of(bytes)
                + if sort_key == "HEAD" {
                    1 + of(bytes + FINISH_BYTES) + 2
                } else {
                    0
                }
        })
        .sum()
}
