//! The routes, with one folder per context.

pub mod accounts;
pub mod aliases;
mod billing;
mod docs;
mod health;
pub mod jobs;
mod ledger;
mod notices;

use self::accounts::{account, api_keys, members, session, sessions, signup};
use self::billing::{
    auto_top_up, checkout, customer, payment_methods, period, plans, portal, spend_limit,
    subscription, usage,
};
use self::jobs::{commit_summaries, listing, phases, repositories, requests, test_integration};
use self::ledger::{credits, debits, explanations, grants, holds};
use self::notices::preferences;
use crate::document::Document;
use crate::{ApiError, Ctx};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes with their entries in the document, without those of [`without_keys`].
pub fn all() -> OpenApiRouter<Arc<Ctx>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::openapi))
        .routes(routes!(docs::docs))
        .routes(routes!(plans::plans))
        .routes(routes!(plans::credit_packs))
        .routes(routes!(signup::create))
        .routes(routes!(account::account))
        .routes(routes!(account::quota))
        .routes(routes!(account::invoices))
        .routes(routes!(preferences::show, preferences::switch))
        .routes(routes!(period::usage))
        .routes(routes!(
            spend_limit::show,
            spend_limit::set,
            spend_limit::remove
        ))
        .routes(routes!(auto_top_up::show, auto_top_up::set))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(credits::balance))
        .routes(routes!(credits::transactions))
        .routes(routes!(explanations::transaction))
        .routes(routes!(explanations::usage))
        .routes(routes!(grants::list))
        .routes(routes!(checkout::create))
        .routes(routes!(portal::create))
        .routes(routes!(customer::change))
        .routes(routes!(subscription::preview))
        .routes(routes!(payment_methods::list, payment_methods::add))
        .routes(routes!(payment_methods::remove))
        .routes(routes!(payment_methods::make_default))
        .routes(routes!(holds::list, holds::create))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(debits::create))
        .routes(routes!(debits::check))
        .routes(routes!(usage::record))
        .routes(routes!(usage::check))
        .routes(routes!(commit_summaries::show, commit_summaries::create))
        .routes(routes!(test_integration::show))
        .routes(routes!(listing::list, requests::create))
        .routes(routes!(listing::show))
        .routes(routes!(listing::cancel))
        .routes(routes!(requests::retry))
        .routes(routes!(repositories::list))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(session::show))
        .routes(routes!(session::choose))
        .routes(routes!(session::join))
        .routes(routes!(session::link))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
}

/// The routes whose requests get an idempotency key if they have none (see `aliases`), because
/// clients that were written for other systems use these paths, too.
pub fn without_keys() -> OpenApiRouter<Arc<Ctx>> {
    OpenApiRouter::new()
        .routes(routes!(
            subscription::show,
            subscription::create,
            subscription::update,
            subscription::cancel
        ))
        .routes(routes!(test_integration::analyze))
        .routes(routes!(test_integration::generate))
        .routes(routes!(phases::list, phases::report))
}

/// The response to an unknown path.
pub async fn absent() -> ApiError {
    ApiError::not_found(
        "Nothing exists at this path; see `/api/v1/openapi.json` for the paths that exist.",
    )
}

/// The response to a known path with an unsupported method.
pub async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}
