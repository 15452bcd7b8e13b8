//! `GET /health`: whether this process can answer at all. It calls no other service, so frequent
//! checks cost nothing.

use axum::Json;
use serde_json::{Value, json};

/// Reports the status and the version.
pub async fn show() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}
