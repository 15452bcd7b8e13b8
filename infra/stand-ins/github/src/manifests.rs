//! Creates Apps from a manifest: the page on which a person creates one, and the exchange of its
//! code for the App's secrets.
//!
//! A code works once, within an hour. The created App is always the one that this GitHub is
//! configured with, with its own key.

use axum::extract::{Path, Query, State as From};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::paging::encoded;
use super::refusal::Refusal;
use super::state::Manifest;
use super::{GitHub, shapes};
use crate::app_key::app_key;
use stand_in_shared::html::{all, button, page, tag, text};

const CODE_MILLIS: i64 = 3_600_000;

pub(super) fn api_routes() -> Router<GitHub> {
    Router::new().route("/app-manifests/{code}/conversions", post(convert))
}

pub(super) fn page_routes() -> Router<GitHub> {
    Router::new()
        .route("/settings/apps/new", post(bring))
        .route(
            "/organizations/{organization}/settings/apps/new",
            post(bring),
        )
        .route("/settings/apps/new/{code}", post(make))
}

#[derive(Deserialize)]
struct Asked {
    state: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    manifest: String,
}

/// Shows what will be created; the button creates it.
async fn bring(
    From(github): From<GitHub>,
    Query(asked): Query<Asked>,
    Form(field): Form<Field>,
) -> Response {
    let read = serde_json::from_str::<Value>(&field.manifest).ok();
    let Some(manifest) = read.filter(|manifest| faults(manifest).is_empty()) else {
        let body = page(
            "Invalid GitHub App configuration",
            text("The configuration does not appear to be a valid GitHub App Manifest."),
        );
        return (StatusCode::UNPROCESSABLE_ENTITY, body).into_response();
    };
    let line = |name: &str| tag("p", text(format!("{name}: {}", manifest[name])));
    let mut state = github.lock();
    let code = hex::encode(Sha256::digest(format!("manifest {}", state.fresh_id())));
    let address = format!("{}/settings/apps/new/{code}", github.config.html_base);
    let shown = [
        line("url"),
        line("hook_attributes"),
        line("default_permissions"),
        line("default_events"),
    ];
    let body = all([all(shown), button(&address, "Create GitHub App")]);
    let title = manifest["name"].as_str().unwrap_or("a new app").to_owned();
    state.manifests.insert(
        code,
        Manifest {
            manifest,
            state: asked.state,
            made: None,
        },
    );
    page(title, body)
}

/// The reasons why GitHub refuses a manifest.
fn faults(manifest: &Value) -> Vec<&'static str> {
    let address = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("http"));
    let mut faults = Vec::new();
    for (name, good) in [
        ("url", address(&manifest["url"])),
        ("redirect_url", address(&manifest["redirect_url"])),
        (
            "hook_attributes",
            address(&manifest["hook_attributes"]["url"]),
        ),
        (
            "default_permissions",
            manifest["default_permissions"].is_object(),
        ),
        ("default_events", manifest["default_events"].is_array()),
    ] {
        if !good {
            faults.push(name);
        }
    }
    faults
}

/// Creates the App and redirects its creator back.
async fn make(From(github): From<GitHub>, Path(code): Path<String>) -> Response {
    let now = github.now();
    let mut state = github.lock();
    let Some(brought) = state
        .manifests
        .get_mut(&code)
        .filter(|brought| brought.made.is_none())
    else {
        return Refusal::not_found().into_response();
    };
    brought.made = Some(now);
    let back = brought.manifest["redirect_url"]
        .as_str()
        .unwrap_or_default();
    let mut address = format!("{back}?code={code}");
    if let Some(state) = &brought.state {
        address.push_str(&format!("&state={}", encoded(state)));
    }
    (StatusCode::FOUND, [(header::LOCATION, address)]).into_response()
}

/// Returns the App's secrets, once.
async fn convert(
    From(github): From<GitHub>,
    Path(code): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = github.now();
    let good = |brought: &Manifest| brought.made.is_some_and(|made| now - made < CODE_MILLIS);
    let brought = github
        .lock()
        .manifests
        .remove(&code)
        .filter(good)
        .ok_or_else(Refusal::not_found)?;
    let secret = |name: &str| hex::encode(Sha256::digest(format!("{name} {code}")));
    let mut app = shapes::app(&github.config);
    app["name"] = brought.manifest["name"].clone();
    app["external_url"] = brought.manifest["url"].clone();
    app["permissions"] = brought.manifest["default_permissions"].clone();
    app["events"] = brought.manifest["default_events"].clone();
    app["client_id"] = json!(format!("Iv1.{}", &secret("client")[..16]));
    app["client_secret"] = json!(secret("client secret"));
    app["webhook_secret"] = json!(secret("webhook secret"));
    app["pem"] = json!(app_key().private_pem);
    Ok((StatusCode::CREATED, Json(app)))
}
