//! `POST /api/v1/billing/checkout`: the way to Stripe's till. It grants nothing; what is paid there is granted when Stripe
//! says so.

use crate::caller::MayBill;
use crate::checkout_sessions;
use crate::checkout_sessions::{Mode, Order, frozen, key_reused};
use crate::sales::{self, page};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::Account;
use domain::billing::entitlements::plan_of;
use domain::billing::plans::{CreditPack, Plan};
use domain::billing::subscriptions::{Status, Subscription};
use http::StatusCode;
use rest::{Act, Body, IdempotencyKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Intent;
use stripe_api::{CheckoutSession, SessionStatus, StripeApi};
use utoipa::ToSchema;

/// What shall be bought: either a pack of credits or a plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutWanted {
    /// A pack, by its id.
    #[schema(example = "10k")]
    pack: Option<String>,
    /// How many packs; one where it is absent.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: Option<u64>,
    /// Or a plan, by its id.
    plan: Option<String>,
    /// `hosted` for a page of Stripe's, or `embedded` for a part of a page of yours; hosted where it is absent.
    ui: Option<String>,
}

/// A checkout session.
#[derive(Serialize, ToSchema)]
pub struct CheckoutShown {
    /// Its id at Stripe.
    id: String,
    /// Where to send the customer, where it is hosted.
    url: Option<String>,
    /// What to show it with, where it is embedded.
    client_secret: Option<String>,
    /// Stripe's word for how far it has come.
    status: String,
    /// Until when it can be completed.
    expires_at: String,
}

const QUANTITY_MAX: u64 = 1_000;

enum Wish<'a> {
    Pack(&'a CreditPack, u64),
    Plan(&'a Plan),
}

/// Begins a checkout. The same Idempotency-Key answers the same session for as long as it is open, and so does another one
/// for the same thing.
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
    let wish = wish(&ctx, &wanted)?;
    let stripe = ctx.stripe().await?;
    let whole = ctx.store.account_find_whole(&caller.account).await?;
    let (account, contracts) = whole.ok_or_else(|| ApiError::not_found("the account is gone"))?;
    let act = once.act(&caller.account, "billing/checkout");
    let what = match &wish {
        Wish::Pack(pack, quantity) => format!("pack {} {quantity} {embedded}", pack.id),
        Wish::Plan(plan) => format!("plan {} {embedded}", plan.id),
    };
    let intent = match known(&ctx, &account, &act, &what).await? {
        Some(intent) => intent,
        None => {
            let order = order(
                (&ctx, &stripe),
                &account,
                &contracts.subscriptions,
                (&wish, embedded),
            )
            .await?;
            intent(&ctx, what, &order)
        }
    };
    let session = checkout_sessions::session((&ctx, &stripe), &account, &act.id(), intent).await?;
    Ok((StatusCode::CREATED, Json(shown(session))))
}

/// What an act has begun with, if it has begun.
pub async fn known(
    ctx: &Ctx,
    account: &Account,
    act: &Act,
    what: &str,
) -> Result<Option<Intent>, ApiError> {
    match ctx.store.intent_find(&account.id, &act.id()).await? {
        Some(known) if known.what != what => Err(key_reused()),
        known => Ok(known),
    }
}

/// An order as it is written down.
pub fn intent(ctx: &Ctx, what: String, order: &impl Serialize) -> Intent {
    let params = serde_json::to_string(order).unwrap_or_default();
    Intent {
        what,
        params,
        answer: None,
        begun_at: ctx.outside.now(),
    }
}

/// Whether a session is to be shown within a page.
pub fn embedded(ui: Option<&str>) -> Result<bool, ApiError> {
    match ui {
        None | Some("hosted") => Ok(false),
        Some("embedded") => Ok(true),
        Some(_) => Err(ApiError::bad_request("bad_ui", "ui is hosted or embedded")),
    }
}

fn wish<'a>(ctx: &'a Ctx, wanted: &CheckoutWanted) -> Result<Wish<'a>, ApiError> {
    match (&wanted.pack, &wanted.plan) {
        (Some(pack), None) => {
            let quantity = wanted.quantity.unwrap_or(1);
            if quantity == 0 || quantity > QUANTITY_MAX {
                return Err(ApiError::bad_request(
                    "bad_quantity",
                    format!("quantity is 1 to {QUANTITY_MAX}"),
                ));
            }
            Ok(Wish::Pack(sales::pack(ctx, pack)?, quantity))
        }
        (None, Some(_)) if wanted.quantity.is_some() => Err(ApiError::bad_request(
            "bad_quantity",
            "quantity goes with a pack; a plan is subscribed to once",
        )),
        (None, Some(plan)) => Ok(Wish::Plan(sales::plan(ctx, plan)?)),
        (None, None) | (Some(_), Some(_)) => Err(ApiError::bad_request(
            "bad_body",
            "say either which pack or which plan",
        )),
    }
}

async fn order(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    subscriptions: &[Subscription],
    (wish, embedded): (&Wish<'_>, bool),
) -> Result<Order, ApiError> {
    let (mode, prices, trial_days) = match wish {
        Wish::Pack(pack, quantity) => (
            Mode::Payment,
            sales::pack_price(ctx, stripe, pack, *quantity).await?,
            0,
        ),
        Wish::Plan(plan) => {
            if let Some(live) = live(ctx, subscriptions) {
                return Err(subscribed(live));
            }
            let trial_days = if subscriptions.is_empty() {
                plan.trial_days
            } else {
                0
            };
            (
                Mode::Subscription,
                sales::plan_prices(ctx, stripe, plan).await?,
                trial_days,
            )
        }
    };
    Ok(Order {
        customer: account.customer.to_string(),
        mode,
        prices: frozen(&prices),
        trial_days,
        currency: ctx.catalogue.currency.to_string(),
        embedded,
        success_url: page(ctx, "/billing/success?session_id={CHECKOUT_SESSION_ID}"),
        cancel_url: page(ctx, "/billing"),
    })
}

/// The subscription to a plan of ours that goes on, if there is one; of several the one that counts.
pub fn live<'a>(ctx: &Ctx, subscriptions: &'a [Subscription]) -> Option<&'a Subscription> {
    let ours = subscriptions
        .iter()
        .filter(|one| plan_of(&ctx.catalogue, one).is_some());
    let goes_on = ours.filter(|one| !one.status.is_final() && one.status != Status::Incomplete);
    goes_on.max_by_key(|one| {
        (
            matches!(one.status, Status::Active | Status::Trialing),
            one.created_at,
        )
    })
}

/// Nobody pays for two plans.
pub fn subscribed(live: &Subscription) -> ApiError {
    let detail = format!(
        "the account has the subscription {} already; change it with PATCH /api/v1/billing/subscription",
        live.id
    );
    ApiError::conflict("already_subscribed", detail)
}

/// A session as it is answered.
pub fn shown(session: CheckoutSession) -> CheckoutShown {
    CheckoutShown {
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
