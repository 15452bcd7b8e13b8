//! The routes, a file for each part of the path.

pub mod account;
pub mod api_keys;
pub mod billing_usage;
pub mod checkout;
pub mod commit_summaries;
pub mod credits;
pub mod docs;
pub mod health;
pub mod holds;
pub mod jobs;
pub mod members;
pub mod notices;
pub mod payment_methods;
pub mod phases;
pub mod plans;
pub mod portal;
pub mod requests;
pub mod session;
pub mod setup;
pub mod sign_in;
pub mod signup;
pub mod spend_limit;
pub mod subscription;
pub mod test_integration;
pub mod usage;
pub mod welcome;

use crate::document::Document;
use crate::{ApiError, Ctx};
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route with its entry in the document.
pub fn all() -> OpenApiRouter<Arc<Ctx>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::openapi))
        .routes(routes!(docs::docs))
        .routes(routes!(plans::plans))
        .routes(routes!(plans::credit_packs))
        .routes(routes!(signup::create))
        .routes(routes!(welcome::show, welcome::reveal))
        .routes(routes!(account::account))
        .routes(routes!(account::quota))
        .routes(routes!(account::invoices))
        .routes(routes!(notices::show, notices::switch))
        .routes(routes!(billing_usage::usage))
        .routes(routes!(
            spend_limit::show,
            spend_limit::set,
            spend_limit::remove
        ))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(credits::balance))
        .routes(routes!(credits::transactions))
        .routes(routes!(checkout::create))
        .routes(routes!(portal::create))
        .routes(routes!(
            subscription::show,
            subscription::create,
            subscription::update,
            subscription::cancel
        ))
        .routes(routes!(subscription::preview))
        .routes(routes!(payment_methods::list, payment_methods::add))
        .routes(routes!(payment_methods::remove))
        .routes(routes!(payment_methods::make_default))
        .routes(routes!(holds::list, holds::create))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(usage::record))
        .routes(routes!(usage::check))
        .routes(routes!(commit_summaries::show, commit_summaries::create))
        .routes(routes!(test_integration::analyze))
        .routes(routes!(test_integration::generate))
        .routes(routes!(test_integration::show))
        .routes(routes!(phases::list, phases::report))
        .routes(routes!(jobs::list, requests::create))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(requests::retry))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(session::show))
        .routes(routes!(session::choose))
        .routes(routes!(session::join))
        .routes(routes!(session::link))
}

/// Other paths to some of them, by which programs may know them. The document does not have these.
pub fn aliases() -> Router<Arc<Ctx>> {
    let subscription = || {
        get(subscription::show)
            .post(subscription::create)
            .patch(subscription::update)
            .delete(subscription::cancel)
    };
    Router::new()
        .route("/api/billing/balance", get(credits::balance))
        .route("/api/billing/checkout", post(checkout::create))
        .route("/api/billing/invoices", get(account::invoices))
        .route("/api/billing/portal", post(portal::create))
        .route("/api/billing/quota", get(account::quota))
        .route("/api/billing/subscription", subscription())
        .route("/api/billing/usage", get(billing_usage::usage))
        .route("/billing/plans", get(plans::plans))
        .route("/invoices", get(account::invoices))
        .route("/plans", get(plans::plans))
        .route("/subscription", subscription())
        .route("/usage", get(billing_usage::usage))
}

/// Where browsers go to sign in and out. They answer with pages and redirections, so the document does not have these.
pub fn for_browsers() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/signin", get(sign_in::begin))
        .route("/signin/callback", get(sign_in::callback))
        .route("/signout", post(sign_in::sign_out))
        .route("/setup", get(setup::begin).post(setup::link))
        .route("/setup/account", post(setup::join))
}

/// No such path.
pub async fn absent() -> ApiError {
    ApiError::not_found(
        "Nothing exists at this path; see `/api/v1/openapi.json` for the paths that exist.",
    )
}

/// A path, but not by this method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
