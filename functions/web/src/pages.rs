//! The pages, with one folder per context.

mod accounts;
mod assets;
mod billing;
mod jobs;
mod landing;
mod plans;
mod settings;
mod status;

use crate::Ctx;
use accounts::{setup, sign_in, signup, welcome};
use axum::Router;
use axum::routing::{get, post};
use billing::{explained, invoices, limits, plan, success, top_up, transactions, usage};
pub use status::SourceStatus;
use std::sync::Arc;

pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/", get(landing::show))
        .route("/assets/{digest}/{name}", get(assets::show))
        .route("/billing", get(billing::home::show))
        .merge(billing())
        .merge(settings::routes())
        .route("/jobs", get(jobs::list).post(jobs::run))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/progress", get(jobs::part))
        .route("/jobs/{id}/retry", post(jobs::retry))
        .route("/signin", get(sign_in::begin))
        .route("/signin/callback", get(sign_in::callback))
        .route("/signout", post(sign_in::sign_out))
        .route("/status", get(status::show))
        .route("/setup", get(setup::show).post(setup::link))
        .route("/setup/account", post(setup::join))
        .route(setup::CHOICE, post(setup::switch))
        .route("/signup", get(signup::show))
        .route("/welcome/{token}", get(welcome::show).post(welcome::reveal))
}

fn billing() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/billing/usage", get(usage::show))
        .route("/billing/top-up", get(top_up::show).post(top_up::buy))
        .route("/billing/top-up/automatic", post(top_up::automate))
        .route(
            "/billing/top-up/automatic-off",
            post(top_up::stop_automatic),
        )
        .route("/billing/top-up/limit", post(limits::set))
        .route("/billing/top-up/limit-off", post(limits::remove))
        .route("/billing/top-up/method", post(top_up::add_method))
        .route("/billing/top-up/portal", post(top_up::leave_to_portal))
        .route("/billing/success", get(success::show))
        .route("/billing/success/progress", get(success::progress))
        .route("/billing/cancelled", get(success::cancelled))
        .route("/billing/plan", get(plan::show))
        .route("/billing/plan/buy", post(plan::buy))
        .route("/billing/plan/preview", post(plan::preview))
        .route("/billing/plan/change", post(plan::change))
        .route("/billing/plan/change-later", post(plan::change_later))
        .route("/billing/plan/keep", post(plan::keep))
        .route("/billing/plan/cancel", post(plan::cancel))
        .route("/billing/plan/resume", post(plan::resume))
        .route("/billing/transactions", get(transactions::show))
        .route("/billing/transactions.csv", get(transactions::file))
        .route("/billing/transactions/{id}", get(explained::transaction))
        .route("/billing/usage/{meter}/{id}", get(explained::usage))
        .route("/billing/invoices", get(invoices::show))
        .route("/billing/invoices/{id}/pdf", get(invoices::pdf))
}
