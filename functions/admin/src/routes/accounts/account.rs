//! `/api/v1/admin/accounts`: provisions accounts manually and shows them.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::{self, Account, AccountBilling};
use domain::billing::entitlements::{Coverage, entitlements};
use domain::billing::marketplace::MarketplacePurchase;
use domain::billing::plans::PlanId;
use domain::billing::subscriptions::{Contracts, PlannedChange, Subscription};
use domain::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use domain::retry::Failure;
use http::StatusCode;
use rest::views::PlannedShown;
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
    pub stripe_customer_id: String,
    /// The id of its installation on GitHub.
    pub installation_id: u64,
    /// The id of the owner on GitHub. If it is absent, the installation's first event provides it.
    pub owner_id: Option<u64>,
    /// A plan of the catalogue.
    #[serde(default = "default_plan")]
    #[schema(max_length = 40, example = "payg")]
    pub plan: String,
    /// `none` makes the account's metered work free. Defaults to `stripe`: a subscription bills it.
    #[serde(default = "usual_billing")]
    #[schema(example = "stripe", pattern = "^(none|stripe)$")]
    pub billing: String,
}

/// The account that was provisioned or existed before.
#[derive(Serialize, ToSchema)]
pub struct Provisioned {
    pub id: String,
    /// The plan that it was provisioned with.
    pub plan: String,
    /// `stripe` or `none`.
    pub billing: &'static str,
    /// Who is billed for metered work: `subscription`, `free`, `nothing_metered`, or `missing` if
    /// nobody is. Then such work is refused.
    pub metered_to: Option<&'static str>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountShown {
    pub id: String,
    pub stripe_customer_id: String,
    /// The plan that it was provisioned with.
    pub plan: String,
    /// The plan chosen at sign-up. It starts after the trial.
    pub wished_plan: Option<String>,
    /// `stripe`, or `none` if the account's metered work is free.
    pub billing: &'static str,
    /// Who is billed for metered work: `subscription`, `free`, `nothing_metered`, or `missing` if
    /// nobody is. Then such work is refused.
    pub metered_to: Option<&'static str>,
    /// The account that this one was moved to.
    pub moved_to: Option<String>,
    /// The plan in effect.
    pub effective_plan: Option<String>,
    pub service: Option<Serving>,
    pub subscriptions: Vec<SubscriptionShown>,
    /// The purchases on GitHub's Marketplace.
    pub purchases: Vec<Purchase>,
    pub created_at: String,
}

/// Whether the account can use the service.
#[derive(Serialize, ToSchema)]
pub struct Serving {
    /// `full`, `grace` after a failed payment, or `lapsed`.
    pub state: &'static str,
    /// The end of the grace period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A subscription at Stripe.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionShown {
    pub id: String,
    /// The status at Stripe.
    pub status: String,
    pub period_start: Option<String>,
    pub period_end: Option<String>,
    /// When it ends, if it was cancelled.
    pub ends_at: Option<String>,
    /// The change of plan when the period ends, if one is planned.
    pub planned_change: Option<PlannedShown>,
    /// When the event that this state comes from was created.
    pub as_of: String,
}

/// A purchase on GitHub's Marketplace.
#[derive(Serialize, ToSchema)]
pub struct Purchase {
    pub owner_id: u64,
    pub listed_plan: String,
    /// How the plan is paid for.
    pub price: String,
    /// `active` or `cancelled`.
    pub state: &'static str,
    pub since: String,
}

fn default_plan() -> String {
    "payg".to_owned()
}

fn usual_billing() -> String {
    AccountBilling::Stripe.as_str().to_owned()
}

/// Parses who is billed for an account's metered work.
pub fn billing_of(word: &str) -> Result<AccountBilling, ApiError> {
    AccountBilling::parse(word).ok_or_else(|| {
        let detail =
            "`billing` must be `stripe`, or `none` to make the account's metered work free.";
        ApiError::bad_request("bad_billing", detail)
    })
}

/// Provisions an account.
///
/// Records the subscriptions that its customer has at Stripe. If the customer already has an
/// account, links the installation to it.
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
    let numbers = [Some(wanted.installation_id), wanted.owner_id];
    if numbers
        .into_iter()
        .flatten()
        .any(|id| i64::try_from(id).is_err())
    {
        return Err(ApiError::bad_request(
            "bad_id",
            "`installation_id` and `owner_id` must be GitHub's numbers, which are below 2^63.",
        ));
    }
    let billing = billing_of(&wanted.billing)?;
    let now = ctx.outside.now();
    let id = AccountId::mint(now, ctx.outside.random_bytes());
    let account = Account {
        id,
        customer,
        plan: wanted.plan,
        wish: None,
        way: None,
        billing,
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
    if let Err(failure) = record_subscriptions(&ctx, &id, &new.account.customer).await {
        // Stripe's next events say the same.
        tracing::warn!(account.id = %id, error = %failure, "could not ask Stripe for the subscriptions of an account");
    }
    tracing::info!(operator.name = operator.name, account.id = %id, account.billing = %billing, audit = true, "provisioned an account");
    provisioned(&ctx, &id)
        .await
        .map(|shown| (status, Json(shown)))
}

async fn provisioned(ctx: &Ctx, id: &AccountId) -> Result<Provisioned, ApiError> {
    let (account, contracts) = whole(ctx, id.as_str()).await?;
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, ctx.outside.now());
    Ok(Provisioned {
        id: account.id.to_string(),
        plan: account.plan,
        billing: account.billing.as_str(),
        metered_to: entitlements.map(|entitlements| entitlements.metered_to.as_str()),
    })
}

/// Records the subscriptions that Stripe has for a customer who may have subscribed before the
/// account was provisioned.
async fn record_subscriptions(
    ctx: &Ctx,
    account: &AccountId,
    customer: &CustomerId,
) -> Result<(), Failure> {
    let Some(stripe) = ctx.stripe().await? else {
        return Ok(());
    };
    for one in stripe.subscription_list(customer).await? {
        // Dated by its creation, so that every event about it is newer.
        ctx.store
            .subscription_note(account, &one.as_kept(one.created))
            .await?;
    }
    Ok(())
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
    let now = ctx.outside.now();
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let subscriptions = contracts.subscriptions.iter();
    Ok(Json(AccountShown {
        id: account.id.to_string(),
        stripe_customer_id: account.customer.to_string(),
        plan: account.plan.clone(),
        wished_plan: account.wish.clone(),
        billing: account.billing.as_str(),
        metered_to: entitlements
            .as_ref()
            .map(|entitlements| entitlements.metered_to.as_str()),
        moved_to: account.moved_to.as_ref().map(ToString::to_string),
        effective_plan: entitlements
            .as_ref()
            .map(|entitlements| entitlements.plan.id.to_string()),
        service: entitlements
            .as_ref()
            .map(|entitlements| serving(entitlements.coverage)),
        subscriptions: subscriptions
            .map(|one| subscription(one, contracts.planned(&one.id, now)))
            .collect(),
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

fn subscription(subscription: &Subscription, planned: Option<&PlannedChange>) -> SubscriptionShown {
    SubscriptionShown {
        id: subscription.id.to_string(),
        status: subscription.status.as_str().to_owned(),
        period_start: subscription.period.map(|period| period.start.to_string()),
        period_end: subscription.period.map(|period| period.end.to_string()),
        ends_at: subscription.ends_at.map(|at| at.to_string()),
        planned_change: planned.map(PlannedShown::of),
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
