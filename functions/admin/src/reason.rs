//! The reasons that operators give for what they do.

use crate::ApiError;
use serde::Deserialize;
use utoipa::ToSchema;

const CHARS_MAX: usize = 500;

/// Why an operator does this.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why. It is recorded.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A test.")]
    pub reason: String,
}

/// Checks the reason that an operator gave, and trims it.
pub fn checked(text: &str) -> Result<&str, ApiError> {
    let reason = text.trim();
    if reason.is_empty() || text.chars().count() > CHARS_MAX {
        let detail = format!("`reason` must have 1 to {CHARS_MAX} characters.");
        return Err(ApiError::bad_request("bad_reason", detail));
    }
    Ok(reason)
}
