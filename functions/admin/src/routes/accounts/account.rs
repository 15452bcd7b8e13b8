//! `/api/v1/admin/accounts`: provisions accounts manually and shows them.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use domain::accounts::{Account, NewAccount};
use domain::billing::entitlements::Coverage;
use domain::billing::entitlements::entitlements;
use domain::billing::marketplace::MarketplacePurchase;
use domain::billing::plans::PlanId;
use domain::billing::subscriptions::{Contracts, Subscription};
use domain::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{AccountCreated, NoticeRow};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    stripe_customer_id: String,
    installation_id: u64,
    /// GitHub's id of the owner. If it is absent, the installation's first event provides it.
    owner_id: Option<u64>,
    #[serde(default = "default_plan")]
    plan: String,
}

fn default_plan() -> String {
    "payg".to_owned()
}

/// Provisions an account. If the customer already has one, links the installation to it.
pub async fn create(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let customer = CustomerId::parse(&wanted.stripe_customer_id).map_err(|_| {
        ApiError::bad_request(
            "bad_customer",
            "stripe_customer_id is Stripe's id of a customer, cus_…",
        )
    })?;
    if PlanId::parse(&wanted.plan).is_none_or(|plan| ctx.catalogue.plan(&plan).is_none()) {
        let known: Vec<_> = ctx
            .catalogue
            .plans
            .iter()
            .map(|plan| plan.id.as_str())
            .collect();
        return Err(ApiError::bad_request(
            "bad_plan",
            format!("plan is one of the catalogue's: {}", known.join(", ")),
        ));
    }
    let now = ctx.outside.now();
    let id = AccountId::mint(now, ctx.outside.random_bytes());
    let account = Account {
        id,
        customer,
        plan: wanted.plan,
        wish: None,
        way: None,
        moved_to: None,
        created_at: now,
    };
    let new = NewAccount {
        account,
        installation: Some(InstallationId::new(wanted.installation_id)),
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
    if let Some(owner) = new.owner {
        ctx.store.marketplace_carry(owner).await?;
    }
    tracing::info!(operator.name = operator.name, account.id = %id, audit = true, "provisioned an account");
    Ok((status, Json(json!({ "id": id.as_str() }))))
}

/// Shows an account with its customer, plan, entitlements, subscriptions and Marketplace purchases.
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (account, contracts) = whole(&ctx, &id).await?;
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, ctx.outside.now());
    let service = entitlements
        .as_ref()
        .map(|entitlements| match entitlements.coverage {
            Coverage::Full => json!({ "state": "full" }),
            Coverage::Grace { until } => json!({ "state": "grace", "until": until.to_string() }),
            Coverage::Lapsed => json!({ "state": "lapsed" }),
        });
    Ok(Json(json!({
        "id": account.id.as_str(),
        "stripe_customer_id": account.customer.as_str(),
        "plan": account.plan,
        "wished_plan": account.wish,
        "moved_to": account.moved_to.as_ref().map(AccountId::as_str),
        "effective_plan": entitlements.as_ref().map(|entitlements| entitlements.plan.id.as_str()),
        "service": service,
        "subscriptions": contracts.subscriptions.iter().map(subscription).collect::<Vec<_>>(),
        "purchases": contracts.purchases.iter().map(purchase).collect::<Vec<_>>(),
        "created_at": account.created_at.to_string(),
    })))
}

/// Reads an account with its subscriptions and Marketplace purchases.
pub async fn whole(ctx: &Ctx, id: &str) -> Result<(Account, Contracts), ApiError> {
    ctx.store
        .account_find_whole(&parse(id)?)
        .await?
        .ok_or_else(absent)
}

/// Lists the notices that were or will be sent to the customer, newest first.
pub async fn notices(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let notices = ctx.store.notice_list(&id).await?;
    let shown = |notice: &NoticeRow| {
        json!({
            "kind": notice.kind,
            "fact": notice.fact,
            "words": notice.words,
            "at": notice.at.to_string(),
            "outcome": notice.ended.map(|(outcome, _)| outcome.as_str()),
            "ended_at": notice.ended.map(|(_, at)| at.to_string()),
            "why": notice.why,
        })
    };
    Ok(Json(
        json!({ "notices": notices.iter().map(shown).collect::<Vec<_>>() }),
    ))
}

fn subscription(subscription: &Subscription) -> Value {
    json!({
        "id": subscription.id.as_str(),
        "status": subscription.status.as_str(),
        "period_start": subscription.period.map(|period| period.start.to_string()),
        "period_end": subscription.period.map(|period| period.end.to_string()),
        "ends_at": subscription.ends_at.map(|at| at.to_string()),
        "as_of": subscription.as_of.to_string(),
    })
}

fn purchase(purchase: &MarketplacePurchase) -> Value {
    json!({
        "owner_id": purchase.owner.get(),
        "listed_plan": purchase.listed.name,
        "price": purchase.listed.price.as_str(),
        "state": purchase.state.as_str(),
        "since": purchase.since.to_string(),
    })
}

fn absent() -> ApiError {
    ApiError::not_found("there is no such account")
}

fn parse(id: &str) -> Result<AccountId, ApiError> {
    AccountId::parse(id).map_err(|_| absent())
}

/// Returns the id of the account that the path names, or 404 if there is no such account.
pub async fn existing(ctx: &Ctx, id: &str) -> Result<AccountId, ApiError> {
    let account = ctx
        .store
        .account_find(&parse(id)?)
        .await?
        .ok_or_else(absent)?;
    Ok(account.id)
}
