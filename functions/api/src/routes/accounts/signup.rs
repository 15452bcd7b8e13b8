//! `POST /api/v1/signup`: sign-ups by email. No key is needed.
//!
//! The answer is the same whether the address is known or not, and it contains no secret.
//! Everything else happens by email, so only a person who reads the mail of an address gets access
//! to its account. Safe to run twice: the address identifies a sign-up, so each address has one
//! account, whatever the idempotency key. The first request counts.

use crate::rates::Guest;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::addresses::MailAddress;
use domain::accounts::signups::{
    SignUp, SignUpSource, SignUpState as Stands, begins, begins_with, is_open, trial,
};
use domain::billing::plans::{Plan, PlanId};
use domain::ids::AccountId;
use http::{HeaderMap, StatusCode};
use queues::Message;
use rest::{Body, IdempotencyKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::mail_applicant;
use utoipa::ToSchema;

/// A sign-up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpWanted {
    /// The email address of the account. Anyone who reads its mail has access to the account.
    #[schema(min_length = 6, max_length = 254, example = "ann@acme.example")]
    email: String,
    /// The name to show on invoices.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Acme")]
    name: String,
    /// The plan to start with. A paid plan begins as a trial and continues as that plan once the
    /// account has a payment method.
    #[schema(min_length = 1, max_length = 40, example = "trial")]
    plan: Option<String>,
}

/// An accepted sign-up.
#[derive(Serialize, ToSchema)]
pub struct SignUpTaken {
    /// Always `accepted`.
    status: &'static str,
    /// What happens next.
    next: &'static str,
    /// The dashboard of your account.
    dashboard_url: String,
}

const NAME_CHARS_MAX: usize = 100;
const AT_ONCE: &str = "We send a mail to this address, unless it has an account already. The link in the mail shows your first API key once.";
const LOOKED_AT: &str = "We review the sign-up first. Then we send a mail to this address, unless it has an account already; the link in the mail \
     shows your first API key once.";

/// Signs up for an account.
///
/// Everything else happens by email. The answer is the same for every address.
#[utoipa::path(post, path = "/api/v1/signup", tag = "sign-up", security(()), request_body = SignUpWanted,
    params(IdempotencyKey),
    responses((status = 202, body = SignUpTaken), (status = 429),
        (status = 500), (status = 503)))]
pub async fn create(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    _: IdempotencyKey,
    headers: HeaderMap,
    Body(wanted): Body<SignUpWanted>,
) -> Result<(StatusCode, Json<SignUpTaken>), ApiError> {
    let wish = Wish {
        email: &wanted.email,
        name: &wanted.name,
        plan: wanted.plan.as_deref(),
    };
    let next = if sign_up(&ctx, &wish).await? == Stands::Owed {
        AT_ONCE
    } else {
        LOOKED_AT
    };
    Ok((
        StatusCode::ACCEPTED,
        Json(SignUpTaken {
            status: "accepted",
            next,
            dashboard_url: ctx
                .dashboard_url
                .clone()
                .unwrap_or_else(|| ctx.page(&headers, "/billing")),
        }),
    ))
}

/// What somebody wants who signs up.
pub struct Wish<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub plan: Option<&'a str>,
}

/// Records a sign-up. Returns whether it continues at once or waits for an operator.
pub async fn sign_up(ctx: &Ctx, wish: &Wish<'_>) -> Result<Stands, ApiError> {
    let email = MailAddress::parse(wish.email).map_err(|_| {
        ApiError::bad_request(
            "bad_email",
            "`email` must be one plain mail address, such as ann@acme.example.",
        )
    })?;
    let name = wish.name.trim();
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        return Err(ApiError::bad_request(
            "bad_name",
            format!("`name` must have 1 to {NAME_CHARS_MAX} characters and no control characters."),
        ));
    }
    let plan = plan(ctx, wish.plan)?;
    let first = begins_with(&ctx.catalogue, plan);
    let now = ctx.outside.now();
    let sign_up = SignUp {
        applicant: mail_applicant(&email),
        account: AccountId::mint(now, ctx.outside.random_bytes()),
        way: SignUpSource::Form,
        plan: first.id.to_string(),
        wish: (first.id != plan.id).then(|| plan.id.to_string()),
        email: Some(email),
        name: Some(name.to_owned()),
        installation: None,
        at: now,
    };
    let auto = ctx
        .switches
        .switch_now(now, |switches| switches.auto_provision(ctx.auto_provision))
        .await;
    let stands = begins(auto);
    ctx.store.signup_owe(&sign_up, stands, now).await?;
    // Send the message for known addresses as well, so that not even the response time reveals
    // them. If the message is lost, the row is due and the sweeper finds it.
    if let Err(error) = ctx
        .queues
        .send(&Message::SignUp(sign_up.applicant), None)
        .await
    {
        tracing::warn!(%error, "could not queue a sign-up; the sweeper will");
    }
    Ok(stands)
}

/// Returns the plan of the sign-up. Defaults to the trial.
fn plan<'a>(ctx: &'a Ctx, wanted: Option<&str>) -> Result<&'a Plan, ApiError> {
    let open = || ctx.catalogue.plans.iter().filter(|plan| is_open(plan));
    let found = match wanted {
        Some(id) => PlanId::parse(id).and_then(|id| open().find(|plan| plan.id == id)),
        None => trial(&ctx.catalogue).or_else(|| ctx.catalogue.plan(&ctx.catalogue.default_plan)),
    };
    found.ok_or_else(|| {
        let known: Vec<_> = open().map(|plan| plan.id.as_str()).collect();
        ApiError::bad_request(
            "bad_plan",
            format!("`plan` must be one of {}.", known.join(", ")),
        )
    })
}
