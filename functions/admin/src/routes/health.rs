//! `GET /health` and `GET /api/v1/admin/openapi.json`. Neither needs a token, and neither calls
//! another service, so frequent checks cost nothing.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The health of the service.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
    version: &'static str,
}

/// Confirms that this process answers, and shows its version.
#[utoipa::path(get, path = "/health", tag = "service", security(()),
    responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Retrieves the OpenAPI document of the operators' API.
#[utoipa::path(get, path = "/api/v1/admin/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "The OpenAPI document.", body = serde_json::Value)))]
pub async fn openapi() -> Json<&'static serde_json::Value> {
    Json(crate::document())
}
