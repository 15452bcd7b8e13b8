//! The routes, with one folder per context.

pub mod accounts;
pub mod billing;
mod health;
pub mod inbox;
pub mod jobs;
pub mod ledger;
mod notices;

use self::accounts::{account, api_keys, list as accounts_list, signups};
use self::billing::{invoices, invoices_all, metrics, payments, quotas, subscriptions, usage};
use self::inbox::{completeness, events, pauses, queues, switches};
use self::jobs::{job, list as jobs_list, turns};
use self::ledger::{credits, explanations};
use self::notices::{log, mail};
use crate::document::Document;
use crate::{ApiError, Ctx};
use axum::Router;
use axum::routing::get;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route with its entry in the document.
pub fn all() -> OpenApiRouter<Arc<Ctx>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::openapi))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::raw))
        .routes(routes!(events::replay))
        .routes(routes!(events::attribute))
        .routes(routes!(completeness::show))
        .routes(routes!(queues::list))
        .routes(routes!(queues::redrive))
        .routes(routes!(switches::list))
        .routes(routes!(switches::show, switches::change))
        .routes(routes!(pauses::show, pauses::change))
        .routes(routes!(jobs_list::list))
        .routes(routes!(job::show))
        .routes(routes!(turns::list))
        .routes(routes!(metrics::show))
        .routes(routes!(invoices_all::list))
        .routes(routes!(invoices::list))
        .routes(routes!(payments::show))
        .routes(routes!(payments::refund))
        .routes(routes!(quotas::list))
        .routes(routes!(subscriptions::list))
        .routes(routes!(subscriptions::change))
        .routes(routes!(usage::list))
        .routes(routes!(usage::resend))
        .routes(routes!(usage::write_off))
        .routes(routes!(usage::cancel))
        .routes(routes!(usage::credit))
        .routes(routes!(credits::balance))
        .routes(routes!(credits::ledger))
        .routes(routes!(credits::adjust))
        .routes(routes!(explanations::transaction))
        .routes(routes!(explanations::usage))
        .routes(routes!(account::create, accounts_list::list))
        .routes(routes!(account::show))
        .routes(routes!(api_keys::create))
        .routes(routes!(signups::list))
        .routes(routes!(signups::approve))
        .routes(routes!(signups::refuse))
        .routes(routes!(log::list))
        .routes(routes!(mail::show, mail::change))
        .routes(routes!(mail::unmute))
}

/// Other paths of two lists, for clients that were written for other systems; `docs/paths.md` lists
/// them.
pub fn aliases() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/api/billing/admin/users", get(accounts_list::list))
        .route("/api/billing/admin/invoices", get(invoices_all::list))
}

/// The response to an unknown path.
pub async fn absent() -> ApiError {
    ApiError::not_found(
        "Nothing exists at this path; see `/api/v1/admin/openapi.json` for the paths that exist.",
    )
}

/// The response to a known path with an unsupported method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
