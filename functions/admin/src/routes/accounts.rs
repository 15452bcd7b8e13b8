//! `/api/v1/admin/accounts`: provisioning by hand.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use domain::accounts::{Account, NewAccount};
use domain::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::AccountCreated;

/// What an account needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    stripe_customer_id: String,
    installation_id: u64,
    /// GitHub's id of the owner; where it is absent, the installation's first event tells.
    owner_id: Option<u64>,
    #[serde(default = "default_plan")]
    plan: String,
}

fn default_plan() -> String {
    "payg".to_owned()
}

const PLAN_CHARS_MAX: usize = 40;

/// Provisions an account; for a customer that has one, links the installation to it.
pub async fn create(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(wanted) = body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let customer = CustomerId::parse(&wanted.stripe_customer_id)
        .map_err(|_| ApiError::bad_request("bad_customer", "stripe_customer_id is Stripe's id of a customer, cus_…"))?;
    if wanted.plan.is_empty() || wanted.plan.len() > PLAN_CHARS_MAX {
        return Err(ApiError::bad_request("bad_plan", "plan is a plan's name of at most 40 characters"));
    }
    let now = ctx.outside.now();
    let id = AccountId::mint(now, ctx.outside.id_bytes());
    let account = Account { id, customer, plan: wanted.plan, created_at: now };
    let new = NewAccount {
        account,
        installation: InstallationId::new(wanted.installation_id),
        owner: wanted.owner_id.map(OwnerId::new),
    };
    let (status, id) = match ctx.store.account_create(&new).await? {
        AccountCreated::New => (StatusCode::CREATED, new.account.id),
        AccountCreated::Existing(id) => (StatusCode::OK, id),
        AccountCreated::Taken(other) => {
            return Err(ApiError::conflict(
                "installation_taken",
                format!("this installation or owner belongs to account {other}"),
            ));
        }
    };
    tracing::info!(operator.name = operator.name, account.id = %id, audit = true, "provisioned an account");
    Ok((status, Json(json!({ "id": id.as_str() }))))
}

/// Shows an account.
pub async fn show(_: Authorized, State(ctx): State<Arc<Ctx>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let absent = || ApiError::not_found("there is no such account");
    let id = AccountId::parse(&id).map_err(|_| absent())?;
    let account = ctx.store.account_find(&id).await?.ok_or_else(absent)?;
    Ok(Json(json!({
        "id": account.id.as_str(),
        "stripe_customer_id": account.customer.as_str(),
        "plan": account.plan,
        "created_at": account.created_at.to_string(),
    })))
}
