//! `/assets/{digest}/{name}`: the stylesheet and the script of all pages.

use crate::ApiError;
use axum::response::Response;
use rest::Path;

/// Serves a file that pages load. Everybody may read it.
pub async fn show(Path((digest, name)): Path<(String, String)>) -> Result<Response, ApiError> {
    pages::asset(&digest, &name)
        .ok_or_else(|| ApiError::not_found("There is no such file; reload the page."))
}
