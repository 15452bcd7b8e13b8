//! `GET /api/v1/health` and `GET /api/v1/openapi.json`. No key needed.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The health of the service.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Says that the API is up and its settings are complete.
#[utoipa::path(get, path = "/api/v1/health", tag = "service", security(()),
    responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The OpenAPI document: what this API is, for programs.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "The OpenAPI document.", body = serde_json::Value)))]
pub async fn openapi() -> Json<&'static serde_json::Value> {
    Json(crate::document())
}
