//! `POST /api/v1/pages/jobs/{id}/cancel`: the form with which the page of a job cancels it.
//!
//! A cancellation gives back what the job held, and `web`, which shows the page, may write no entry of
//! the ledger. So its form posts here, with the session's token as a field. It leads back to the job,
//! whose page shows what came of it.

use crate::Ctx;
use crate::sessions::person;
use crate::{ApiError, rates};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::api_keys::Scope;
use domain::ids::JobId;
use domain::refusal::FlowError;
use flows::accounts::rates::Who;
use flows::jobs::cancellations::cancel;
use http::request::Parts;
use rest::browsers::see_other;
use rest::csrf::check_csrf;
use rest::{Form, Path};
use serde::Deserialize;
use std::sync::Arc;

pub const PATH: &str = "/api/v1/pages/jobs/{id}/cancel";

/// The form of the button.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelForm {
    csrf_token: String,
}

/// Cancels the job and leads back to its page.
pub async fn submit(
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    parts: Parts,
    Form(form): Form<CancelForm>,
) -> Result<Response, ApiError> {
    let unauthorized = || ApiError::unauthorized("Sign in at `/signin`.");
    let person = person(&ctx, &parts.headers)
        .await?
        .ok_or_else(unauthorized)?;
    let site = ctx.dashboard_url.as_deref();
    check_csrf(
        &person.csrf_token(),
        Some(&form.csrf_token),
        &parts.headers,
        site,
    )?;
    let session = &person.session;
    let (Some(account), Some(role)) = (&session.account, person.role) else {
        return Err(unauthorized());
    };
    let who = Who {
        account: account.as_str(),
        by: session.id.as_str(),
    };
    rates::count(&ctx, who, &parts).await?;
    if !role.scopes().contains(&Scope::Jobs) {
        let detail = "Your role in this account does not allow this; ask an admin of the account.";
        return Err(ApiError::forbidden("missing_scope", detail));
    }
    let id = JobId::parse(&id).map_err(|_| ApiError::not_found("There is no such job."))?;
    let by = format!("user {} by {}", session.user.id, session.id);
    match cancel(&ctx.requests(account, &by), id.as_str()).await {
        // A refusal says that the job has delivered or has not begun, which its page shows.
        Ok(_) | Err(FlowError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(see_other(&format!("/jobs/{id}")))
}
