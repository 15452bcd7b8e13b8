//! Metadata: the caller's own key-value pairs on an object, within Stripe's limits.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::params::Params;

const KEYS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 40;
const VALUE_CHARS_MAX: usize = 500;

/// The metadata of a new object.
pub(super) fn new(params: &Params) -> Result<Value, ApiError> {
    check(params)?;
    let pairs = params
        .map("metadata")
        .into_iter()
        .filter(|(_, value)| !value.is_empty());
    Ok(Value::Object(
        pairs
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect(),
    ))
}

/// The metadata of an object after an update: given pairs are set, pairs with an empty value are
/// removed, and the others stay.
pub(super) fn merged(object: &Value, params: &Params) -> Result<Value, ApiError> {
    check(params)?;
    let mut metadata = object["metadata"].clone();
    metadata
        .as_object_mut()
        .into_iter()
        .for_each(|metadata| merge(metadata, params));
    Ok(metadata)
}

pub(super) fn merge(metadata: &mut Map<String, Value>, params: &Params) {
    if params.get("metadata") == Some("") {
        metadata.clear();
    }
    for (key, value) in params.map("metadata") {
        if value.is_empty() {
            metadata.remove(key);
        } else {
            metadata.insert(key.to_owned(), json!(value));
        }
    }
}

pub(super) fn check(params: &Params) -> Result<(), ApiError> {
    let pairs = params.map("metadata");
    let fits = |(key, value): &(&str, &str)| {
        key.chars().count() <= KEY_CHARS_MAX && value.chars().count() <= VALUE_CHARS_MAX
    };
    if pairs.len() > KEYS_MAX || !pairs.iter().all(fits) {
        let message = "Metadata can have up to 50 keys, with key names up to 40 characters long and values up to 500 \
                       characters long.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}
