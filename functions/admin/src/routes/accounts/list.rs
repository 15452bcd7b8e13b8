//! `GET /api/v1/admin/accounts`: all accounts with their usage, and the search for one.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::Account;
use domain::accounts::addresses::MailAddress;
use domain::billing::entitlements::{Coverage, entitlements};
use domain::ids::{AccountId, CustomerId, OwnerId};
use rest::{Params, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Cursor, Slice, mail_applicant};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 25;
const SEARCH_BYTES_MAX: usize = 320;

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Return only the account with exactly this id (`acc_…`), customer at Stripe (`cus_…`), GitHub
    /// owner (login or number), or mail address at sign-up.
    #[param(max_length = 320, example = "acme")]
    pub search: Option<String>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of accounts, newest first.
#[derive(Serialize, ToSchema)]
pub struct Accounts {
    pub accounts: Vec<AccountListed>,
    /// The cursor of the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// An account in a listing.
#[derive(Serialize, ToSchema)]
pub struct AccountListed {
    pub id: String,
    pub stripe_customer_id: String,
    /// The plan in effect; absent if the catalogue no longer has it.
    pub plan: Option<String>,
    /// Whether the account can use the service: `full`, `grace` or `lapsed`.
    pub service: Option<&'static str>,
    /// `stripe`, or `none` if the account's metered work is free.
    pub billing: &'static str,
    /// The account that this one was moved to.
    pub moved_to: Option<String>,
    /// The credits available to spend.
    pub available: String,
    /// The credits reserved for work in progress.
    pub held: String,
    /// The credits owed.
    pub debt: String,
    /// The status of its newest subscription at Stripe.
    pub subscription: Option<String>,
    /// The used part of each quota of the plan in the present period.
    pub usage: Vec<rest::views::QuotaUse>,
    pub created_at: String,
}

/// Lists all accounts with their usage, newest first, or finds one.
#[utoipa::path(get, path = "/api/v1/admin/accounts", tag = "accounts", params(Filter),
    responses((status = 200, body = Accounts)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Accounts>, ApiError> {
    let search = filter.search.as_deref().map_or("", str::trim);
    let (found, next) = if search.is_empty() {
        let cursor = cursors::find(filter.cursor.as_deref())?.map(Cursor::from);
        let slice = Slice {
            since: None,
            before: None,
            from: cursor.as_ref(),
            limit: PAGE,
        };
        let page = ctx.store.account_list(slice).await?;
        (page.rows, page.next)
    } else {
        let found = match searched(&ctx, search).await? {
            Some(id) => ctx.store.account_find(&id).await?,
            None => None,
        };
        (found.into_iter().collect(), None)
    };
    let mut accounts = Vec::new();
    for account in &found {
        accounts.push(listed(&ctx, account).await?);
    }
    Ok(Json(Accounts {
        accounts,
        next_cursor: next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

/// Finds the account by the kind of id that the text looks like.
async fn searched(ctx: &Ctx, text: &str) -> Result<Option<AccountId>, ApiError> {
    if text.len() > SEARCH_BYTES_MAX {
        let detail = format!("`search` must have at most {SEARCH_BYTES_MAX} bytes.");
        return Err(ApiError::bad_request("bad_search", detail));
    }
    if let Ok(id) = AccountId::parse(text) {
        return Ok(Some(id));
    }
    if text.starts_with("cus_")
        && let Ok(customer) = CustomerId::parse(text)
    {
        return Ok(ctx.store.customer_find(&customer).await?);
    }
    if let Ok(number) = text.parse() {
        return Ok(ctx.store.owner_find(OwnerId::new(number)).await?);
    }
    if let Ok(address) = MailAddress::parse(text) {
        let sign_up = ctx.store.signup_find(&mail_applicant(&address)).await?;
        return Ok(sign_up.map(|row| row.sign_up.account));
    }
    Ok(ctx.store.login_find(text).await?)
}

async fn listed(ctx: &Ctx, account: &Account) -> Result<AccountListed, ApiError> {
    let (account, contracts) = super::account::whole(ctx, account.id.as_str()).await?;
    let balance = ctx.store.balance_find(&account.id).await?;
    let now = ctx.outside.now();
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let usage = match &entitlements {
        Some(entitlements) => {
            crate::routes::billing::quotas::used(ctx, &account.id, entitlements).await?
        }
        None => Vec::new(),
    };
    let newest = contracts
        .subscriptions
        .iter()
        .max_by_key(|subscription| subscription.created_at);
    Ok(AccountListed {
        id: account.id.to_string(),
        stripe_customer_id: account.customer.to_string(),
        plan: entitlements
            .as_ref()
            .map(|entitlements| entitlements.plan.id.to_string()),
        service: entitlements
            .as_ref()
            .map(|entitlements| match entitlements.coverage {
                Coverage::Full => "full",
                Coverage::Grace { .. } => "grace",
                Coverage::Lapsed => "lapsed",
            }),
        billing: account.billing.as_str(),
        moved_to: account.moved_to.as_ref().map(ToString::to_string),
        available: balance.available.to_string(),
        held: balance.held.to_string(),
        debt: balance.debt.to_string(),
        subscription: newest.map(|subscription| subscription.status.as_str().to_owned()),
        usage,
        created_at: account.created_at.to_string(),
    })
}
