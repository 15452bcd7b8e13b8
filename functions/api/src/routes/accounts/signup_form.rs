//! `POST /api/v1/pages/signup`: the form of the page `/signup`.
//!
//! `web`, which shows the page, may not write sign-ups, so the form posts here. It leads back to the
//! page, which says what came of it. The address is in no URL.

use super::signup::{Wish, sign_up};
use crate::rates::Guest;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::signups::SignUpState;
use http::StatusCode;
use rest::Form;
use rest::browsers::see_other;
use serde::Deserialize;
use std::sync::Arc;

pub const PATH: &str = "/api/v1/pages/signup";

/// The fields of the form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUpForm {
    email: String,
    name: String,
    plan: Option<String>,
}

/// Signs up and leads back to the page.
pub async fn submit(
    guest: Result<Guest, ApiError>,
    State(ctx): State<Arc<Ctx>>,
    Form(form): Form<SignUpForm>,
) -> Result<Response, ApiError> {
    let wish = Wish {
        email: form.email.trim(),
        name: &form.name,
        plan: form.plan.as_deref(),
    };
    let signed_up = match guest {
        Ok(_) => sign_up(&ctx, &wish).await,
        Err(error) => Err(error),
    };
    match signed_up {
        Ok(SignUpState::Owed) => Ok(see_other("/signup?done=mail")),
        Ok(_) => Ok(see_other("/signup?done=review")),
        Err(error)
            if matches!(
                error.status(),
                StatusCode::BAD_REQUEST | StatusCode::TOO_MANY_REQUESTS
            ) =>
        {
            Ok(see_other(&format!("/signup?problem={}", error.code())))
        }
        Err(error) => Err(error),
    }
}
