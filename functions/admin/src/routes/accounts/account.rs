//! `/api/v1/admin/accounts`: provisions accounts manually and shows them.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::{self, Account};
use domain::billing::entitlements::{Coverage, entitlements};
use domain::billing::marketplace::MarketplacePurchase;
use domain::billing::plans::PlanId;
use domain::billing::subscriptions::{Contracts, Subscription};
use domain::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use http::StatusCode;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::AccountCreated;
use utoipa::ToSchema;

/// An account to provision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The id of its customer at Stripe.
    #[schema(pattern = "^cus_[A-Za-z0-9_.-]{1,60}$", example = "cus_TallyhookDemo1")]
    stripe_customer_id: String,
    /// The id of its installation on GitHub.
    installation_id: u64,
    /// The id of the owner on GitHub. If it is absent, the installation's first event provides it.
    owner_id: Option<u64>,
    /// A plan of the catalogue.
    #[serde(default = "default_plan")]
    #[schema(max_length = 40, example = "payg")]
    plan: String,
}

/// The account that was provisioned or existed before.
#[derive(Serialize, ToSchema)]
pub struct Provisioned {
    id: String,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountShown {
    id: String,
    stripe_customer_id: String,
    /// The plan that it was provisioned with.
    plan: String,
    /// The plan chosen at sign-up. It starts after the trial.
    wished_plan: Option<String>,
    /// The account that this one was moved to.
    moved_to: Option<String>,
    /// The plan in effect.
    effective_plan: Option<String>,
    service: Option<Serving>,
    subscriptions: Vec<SubscriptionShown>,
    /// The purchases on GitHub's Marketplace.
    purchases: Vec<Purchase>,
    created_at: String,
}

/// Whether the account can use the service.
#[derive(Serialize, ToSchema)]
pub struct Serving {
    /// `full`, `grace` after a failed payment, or `lapsed`.
    state: &'static str,
    /// The end of the grace period.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// A subscription at Stripe.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionShown {
    id: String,
    /// The status at Stripe.
    status: String,
    period_start: Option<String>,
    period_end: Option<String>,
    /// When it ends, if it was cancelled.
    ends_at: Option<String>,
    /// When the event that this state comes from was created.
    as_of: String,
}

/// A purchase on GitHub's Marketplace.
#[derive(Serialize, ToSchema)]
pub struct Purchase {
    owner_id: u64,
    listed_plan: String,
    /// How the plan is paid for.
    price: String,
    /// `active` or `cancelled`.
    state: &'static str,
    since: String,
}

fn default_plan() -> String {
    "payg".to_owned()
}

/// Provisions an account.
///
/// If the customer already has one, links the installation to it.
#[utoipa::path(post, path = "/api/v1/admin/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = Provisioned), (status = 409),
        (status = 200, body = Provisioned, description = "The customer has this account.")))]
pub async fn create(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<NewAccount>,
) -> Result<(StatusCode, Json<Provisioned>), ApiError> {
    let customer = CustomerId::parse(&wanted.stripe_customer_id).map_err(|_| {
        ApiError::bad_request(
            "bad_customer",
            "`stripe_customer_id` must be the id of a customer at Stripe, `cus_…`.",
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
            format!("`plan` must be one of {}.", known.join(", ")),
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
    let new = accounts::NewAccount {
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
                format!("This installation or owner belongs to the account {other}."),
            ));
        }
    };
    if let Some(owner) = new.owner {
        ctx.store.marketplace_carry(owner).await?;
    }
    tracing::info!(operator.name = operator.name, account.id = %id, audit = true, "provisioned an account");
    Ok((status, Json(Provisioned { id: id.to_string() })))
}

/// Shows an account with its customer, plan, entitlements, subscriptions and Marketplace purchases.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = AccountShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<AccountShown>, ApiError> {
    let (account, contracts) = whole(&ctx, &id).await?;
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, ctx.outside.now());
    Ok(Json(AccountShown {
        id: account.id.to_string(),
        stripe_customer_id: account.customer.to_string(),
        plan: account.plan.clone(),
        wished_plan: account.wish.clone(),
        moved_to: account.moved_to.as_ref().map(ToString::to_string),
        effective_plan: entitlements
            .as_ref()
            .map(|entitlements| entitlements.plan.id.to_string()),
        service: entitlements
            .as_ref()
            .map(|entitlements| serving(entitlements.coverage)),
        subscriptions: contracts.subscriptions.iter().map(subscription).collect(),
        purchases: contracts.purchases.iter().map(purchase).collect(),
        created_at: account.created_at.to_string(),
    }))
}

/// Reads an account with its subscriptions and Marketplace purchases.
pub async fn whole(ctx: &Ctx, id: &str) -> Result<(Account, Contracts), ApiError> {
    ctx.store
        .account_find_whole(&parse(id)?)
        .await?
        .ok_or_else(absent)
}

fn serving(coverage: Coverage) -> Serving {
    let (state, until) = match coverage {
        Coverage::Full => ("full", None),
        Coverage::Grace { until } => ("grace", Some(until.to_string())),
        Coverage::Lapsed => ("lapsed", None),
    };
    Serving { state, until }
}

fn subscription(subscription: &Subscription) -> SubscriptionShown {
    SubscriptionShown {
        id: subscription.id.to_string(),
        status: subscription.status.as_str().to_owned(),
        period_start: subscription.period.map(|period| period.start.to_string()),
        period_end: subscription.period.map(|period| period.end.to_string()),
        ends_at: subscription.ends_at.map(|at| at.to_string()),
        as_of: subscription.as_of.to_string(),
    }
}

fn purchase(purchase: &MarketplacePurchase) -> Purchase {
    Purchase {
        owner_id: purchase.owner.get(),
        listed_plan: purchase.listed.name.clone(),
        price: purchase.listed.price.as_str().to_owned(),
        state: purchase.state.as_str(),
        since: purchase.since.to_string(),
    }
}

fn absent() -> ApiError {
    ApiError::not_found("There is no such account.")
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
