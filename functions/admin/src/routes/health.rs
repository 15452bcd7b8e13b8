//! `GET /health`: whether this process can answer at all. It asks nobody else, so it costs nothing to ask often.

use axum::Json;
use serde_json::{Value, json};

/// Says that it is there.
pub async fn show() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}
