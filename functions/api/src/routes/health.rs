//! `GET /api/v1/health` and `GET /api/v1/openapi.json`: open to everybody.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether this door is open.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`: who is not well does not answer.
    status: &'static str,
}

/// Says that this door is open and its settings are whole.
#[utoipa::path(get, path = "/api/v1/health", tag = "service", security(()),
    responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The OpenAPI document: what this API is, for programs.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "the OpenAPI document", body = serde_json::Value)))]
pub async fn openapi() -> Json<&'static serde_json::Value> {
    Json(crate::document())
}
