//! The pages, with one folder per context.

mod accounts;
mod assets;
mod billing;
mod jobs;

use crate::Ctx;
use accounts::{setup, sign_in, welcome};
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/assets/{digest}/{name}", get(assets::show))
        .route("/billing", get(billing::show))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/progress", get(jobs::part))
        .route("/signin", get(sign_in::begin))
        .route("/signin/callback", get(sign_in::callback))
        .route("/signout", post(sign_in::sign_out))
        .route("/setup", get(setup::show).post(setup::link))
        .route("/setup/account", post(setup::join))
        .route("/welcome/{token}", get(welcome::show).post(welcome::reveal))
}
