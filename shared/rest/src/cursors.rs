//! Cursors: the position after which a listing continues, as an opaque string.

use crate::ApiError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;

/// Encodes the position after this row.
pub fn write(at: Timestamp, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{id}", at.millis()))
}

/// Decodes a cursor.
pub fn read(text: &str) -> Result<(Timestamp, String), ApiError> {
    let plain = URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(bad)?;
    let (at, id) = plain.split_once('.').ok_or_else(bad)?;
    Ok((
        Timestamp::from_millis(at.parse().map_err(|_| bad())?),
        id.to_owned(),
    ))
}

/// Decodes the cursor of a query, if there is one.
pub fn find(text: Option<&str>) -> Result<Option<(Timestamp, String)>, ApiError> {
    text.filter(|text| !text.is_empty()).map(read).transpose()
}

/// The error for a string that is not a cursor of this listing.
pub fn bad() -> ApiError {
    ApiError::bad_request(
        "bad_cursor",
        "`cursor` must be the `next_cursor` of the previous page.",
    )
}
