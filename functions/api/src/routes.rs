//! The routes, a file for each part of the path.

pub mod account;
pub mod api_keys;
pub mod credits;
pub mod health;
pub mod holds;
pub mod jobs;
pub mod plans;
pub mod usage;

use crate::document::Document;
use crate::{ApiError, Ctx};
use serde::Serialize;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route with its entry in the document.
pub fn all() -> OpenApiRouter<Arc<Ctx>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::openapi))
        .routes(routes!(plans::plans))
        .routes(routes!(plans::credit_packs))
        .routes(routes!(account::account))
        .routes(routes!(account::quota))
        .routes(routes!(account::invoices))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(credits::balance))
        .routes(routes!(credits::transactions))
        .routes(routes!(holds::list, holds::create))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(usage::record))
        .routes(routes!(usage::check))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
}

/// No such path.
pub async fn absent() -> ApiError {
    ApiError::not_found("there is nothing at this path; openapi.json lists what there is")
}

/// A path, but not by this method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}

/// An error, as every route answers it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found", "detail": "there is no such job", "request_id": "0f5c1e7a90d4b1c63a58d2f7e6b40911" }))]
pub struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong, for programs.
    code: String,
    /// What is wrong and what to do, for people.
    detail: String,
    /// What the request is called in our log; also in the header x-request-id.
    request_id: String,
}
