//! `POST /api/v1/billing/checkout`: checkout sessions at Stripe.
//!
//! A session grants nothing; Stripe's events about a payment do. Safe to run twice: an act stores
//! its intent before it calls Stripe, and a repeat gets the same session.

use crate::caller::MayBill;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::Account;
use domain::billing::pack_terms::PackTerms;
use domain::billing::plans::{Catalogue, CreditPack, Plan};
use domain::billing::subscriptions::Subscription;
use domain::refusal::FlowError;
use flows::billing::checkout_sessions::{Mode, Order, options, session};
use flows::billing::subscription_lock::locked;
use flows::billing::subscriptions::{already_subscribed, live};
use flows::billing::{Shop, intents, prices, subscriptions};
use http::StatusCode;
use rest::{Body, IdempotencyKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use stripe_api::{CheckoutSession, SessionStatus};
use utoipa::ToSchema;

/// A purchase. Provide exactly one of `pack` and `plan`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutWanted {
    /// The id of a pack of credits.
    #[schema(example = "10k")]
    pack: Option<String>,
    /// The number of packs. Defaults to 1.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: Option<u64>,
    /// The id of a plan.
    plan: Option<String>,
    /// `hosted` for a page at Stripe (the default), or `embedded` for a form within your own page.
    ui: Option<String>,
}

/// A checkout session.
#[derive(Serialize, ToSchema)]
pub struct CheckoutShown {
    /// The id of the session at Stripe.
    id: String,
    /// The page to send the customer to. Only for hosted sessions.
    url: Option<String>,
    /// The client secret with which your page shows the session. Only for embedded sessions.
    client_secret: Option<String>,
    /// Stripe's publishable key, with which your page loads Stripe.js. Only for embedded sessions, if
    /// it is set.
    publishable_key: Option<String>,
    /// The status at Stripe.
    status: String,
    /// When the session expires.
    expires_at: String,
}

const QUANTITY_MAX: u64 = 1_000;

enum Wish<'a> {
    Pack(&'a CreditPack, u64),
    Plan(&'a Plan),
}

/// Starts a checkout.
///
/// The same Idempotency-Key returns the same session while the session is open. So does another key
/// for the same purchase.
#[utoipa::path(post, path = "/api/v1/billing/checkout", tag = "billing", request_body = CheckoutWanted,
    params(IdempotencyKey),
    responses((status = 201, body = CheckoutShown), (status = 409), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<CheckoutWanted>,
) -> Result<(StatusCode, Json<CheckoutShown>), ApiError> {
    let embedded = embedded(wanted.ui.as_deref())?;
    let wish = wish(&ctx.catalogue, &wanted)?;
    let stripe = ctx.stripe().await?;
    let shop = ctx.shop(&stripe);
    let whole = ctx.store.account_find_whole(&caller.account).await?;
    let (account, contracts) =
        whole.ok_or_else(|| ApiError::not_found("The account does not exist any more."))?;
    let act = once.act(&caller.account, "billing/checkout").id();
    let what = match &wish {
        Wish::Pack(pack, quantity) => format!("pack {} {quantity} {embedded}", pack.id),
        Wish::Plan(plan) => format!("plan {} {embedded}", plan.id),
    };
    let work = async {
        let intent = match intents::begun(&ctx.store, &account.id, &act, &what).await? {
            Some(intent) => intent,
            None => {
                let pages = Pages::of(&ctx, embedded);
                let order = order(&shop, &account, &contracts.subscriptions, &wish, pages).await?;
                intents::new(what.clone(), &order, shop.now)
            }
        };
        session(&shop, &account, &act, intent).await
    };
    let session = match &wish {
        Wish::Pack(..) => work.await?,
        Wish::Plan(_) => locked(&shop, &account.id, &act, work).await?,
    };
    Ok((StatusCode::CREATED, Json(shown(&ctx, session))))
}

/// Parses `ui`: whether a page of the customer shows the session.
pub fn embedded(ui: Option<&str>) -> Result<bool, ApiError> {
    match ui {
        None | Some("hosted") => Ok(false),
        Some("embedded") => Ok(true),
        Some(_) => Err(ApiError::bad_request(
            "bad_ui",
            "`ui` must be `hosted` or `embedded`.",
        )),
    }
}

fn wish<'a>(catalogue: &'a Catalogue, wanted: &CheckoutWanted) -> Result<Wish<'a>, ApiError> {
    match (&wanted.pack, &wanted.plan) {
        (Some(pack), None) => {
            let quantity = wanted.quantity.unwrap_or(1);
            if quantity == 0 || quantity > QUANTITY_MAX {
                return Err(ApiError::bad_request(
                    "bad_quantity",
                    format!("`quantity` must be 1 to {QUANTITY_MAX}."),
                ));
            }
            Ok(Wish::Pack(prices::pack(catalogue, pack)?, quantity))
        }
        (None, Some(_)) if wanted.quantity.is_some() => Err(ApiError::bad_request(
            "bad_quantity",
            "`quantity` applies to packs only; leave it out for a plan.",
        )),
        (None, Some(plan)) => Ok(Wish::Plan(prices::plan(catalogue, plan)?)),
        (None, None) | (Some(_), Some(_)) => Err(ApiError::bad_request(
            "bad_body",
            "Provide exactly one of `pack` and `plan`.",
        )),
    }
}

/// Where a checkout is shown, and where it sends the browser afterwards.
pub struct Pages {
    pub embedded: bool,
    pub success_url: String,
    pub cancel_url: String,
}

impl Pages {
    pub fn of(ctx: &Ctx, embedded: bool) -> Self {
        Self {
            embedded,
            success_url: ctx.page("/billing/success?session_id={CHECKOUT_SESSION_ID}"),
            cancel_url: ctx.page("/billing"),
        }
    }
}

async fn order(
    shop: &Shop<'_>,
    account: &Account,
    known: &[Subscription],
    wish: &Wish<'_>,
    pages: Pages,
) -> Result<Order, FlowError> {
    let mut terms = BTreeMap::new();
    let (mode, prices, trial_days) = match wish {
        Wish::Pack(pack, quantity) => {
            let prices = prices::pack_price(shop, pack, *quantity).await?;
            terms = PackTerms::of(pack, &shop.catalogue.version).metadata();
            (Mode::Payment, prices, 0)
        }
        Wish::Plan(plan) => {
            if let Some(live) = live(shop.catalogue, known) {
                return Err(already_subscribed(live).into());
            }
            // A subscription of a moment ago may not be recorded yet.
            subscriptions::refuse_second(shop, account).await?;
            let trial_days = if known.is_empty() { plan.trial_days } else { 0 };
            let prices = prices::plan_prices(shop, plan).await?;
            (Mode::Subscription, prices, trial_days)
        }
    };
    Ok(Order {
        customer: account.customer.to_string(),
        mode,
        prices: intents::frozen(&prices),
        trial_days,
        currency: shop.catalogue.currency.to_string(),
        embedded: pages.embedded,
        success_url: pages.success_url,
        cancel_url: pages.cancel_url,
        terms,
        options: options(shop.catalogue),
    })
}

pub fn shown(ctx: &Ctx, session: CheckoutSession) -> CheckoutShown {
    let embedded = session.client_secret.is_some();
    CheckoutShown {
        publishable_key: ctx.publishable_key.clone().filter(|_| embedded),
        id: session.id.to_string(),
        url: session.url,
        client_secret: session
            .client_secret
            .map(|secret| secret.expose_secret().to_owned()),
        status: session
            .status
            .as_ref()
            .map_or("open", SessionStatus::as_str)
            .to_owned(),
        expires_at: session.expires_at.to_string(),
    }
}
