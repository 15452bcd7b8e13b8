//! What is sold at Stripe: the prices of plans and packs there, believed for a minute, and what Stripe's refusals mean.

use crate::{ApiError, Ctx};
use catalogue::offers::Product;
use domain::billing::plans::{Availability, CreditPack, Plan, PlanId};
use domain::ids::PriceId;
use domain::retry::Failure;
use stripe_api::{PriceChoice, StripeApi, StripeError};

/// A plan that somebody can subscribe to by himself.
pub fn plan<'a>(ctx: &'a Ctx, name: &str) -> Result<&'a Plan, ApiError> {
    let known = PlanId::parse(name).and_then(|id| ctx.catalogue.plan(&id));
    let plan = known.ok_or_else(|| {
        ApiError::unprocessable(
            "unknown_plan",
            "plan is the id of one of the plans that /api/v1/plans lists",
        )
    })?;
    if plan.sold == Availability::ByAgreement {
        let detail = format!(
            "the price of {} is agreed with each customer; talk to us",
            plan.name
        );
        return Err(ApiError::unprocessable("by_agreement", detail));
    }
    if plan.prices.is_empty() && Product::of_plan(plan, ctx.catalogue.currency).is_none() {
        let detail = format!(
            "{} costs nothing, so there is nothing to buy or to subscribe to",
            plan.name
        );
        return Err(ApiError::unprocessable("costs_nothing", detail));
    }
    Ok(plan)
}

/// A pack of credits for sale.
pub fn pack<'a>(ctx: &'a Ctx, name: &str) -> Result<&'a CreditPack, ApiError> {
    PlanId::parse(name)
        .and_then(|id| ctx.catalogue.pack(&id))
        .ok_or_else(|| {
            ApiError::unprocessable(
                "unknown_pack",
                "pack is the id of one that /api/v1/billing/credit-packs lists",
            )
        })
}

/// All prices at which a plan is subscribed to.
pub async fn plan_prices(
    ctx: &Ctx,
    stripe: &StripeApi,
    plan: &Plan,
) -> Result<Vec<PriceChoice>, ApiError> {
    let now = ctx.outside.now();
    if let Some(Some(known)) = ctx.known_prices.find(&plan.product(), now) {
        return Ok(known);
    }
    let product = Product::of_plan(plan, ctx.catalogue.currency);
    let prices = for_sale(stripe, &plan.prices, product.as_ref(), &plan.name).await?;
    ctx.known_prices
        .keep(&plan.product(), Some(prices.clone()), now);
    Ok(prices)
}

/// The price at which a pack is sold, for so many.
pub async fn pack_price(
    ctx: &Ctx,
    stripe: &StripeApi,
    pack: &CreditPack,
    quantity: u64,
) -> Result<Vec<PriceChoice>, ApiError> {
    let now = ctx.outside.now();
    let known = match ctx.known_prices.find(&pack.product(), now) {
        Some(Some(known)) => known,
        Some(None) | None => {
            let product = Product::of_pack(pack);
            let mut prices = for_sale(stripe, &pack.prices, product.as_ref(), &pack.name).await?;
            prices.truncate(1);
            ctx.known_prices
                .keep(&pack.product(), Some(prices.clone()), now);
            prices
        }
    };
    Ok(known
        .into_iter()
        .map(|one| PriceChoice {
            quantity: Some(quantity),
            ..one
        })
        .collect())
}

async fn for_sale(
    stripe: &StripeApi,
    ids: &[PriceId],
    product: Option<&Product>,
    name: &str,
) -> Result<Vec<PriceChoice>, ApiError> {
    let keys = product.map(Product::lookup_keys).unwrap_or_default();
    stripe
        .price_choices(ids, &keys)
        .await
        .map_err(at_stripe)?
        .ok_or_else(|| {
            tracing::error!(
                offer = name,
                alarm = true,
                "Stripe lacks a price of the catalogue; run `catalogue push`"
            );
            let detail = format!(
                "{name} has no price at Stripe yet; whoever runs this has to run `catalogue push`"
            );
            ApiError::unprocessable("not_for_sale", detail)
        })
}

/// What an error of Stripe's means for whoever has asked.
pub fn at_stripe(error: StripeError) -> ApiError {
    let word = error
        .refusal()
        .and_then(|refusal| refusal.code.as_deref())
        .unwrap_or("no reason")
        .to_owned();
    if error.card_declined() {
        let detail = format!(
            "the payment was declined ({word}); add another payment method, or ask your bank"
        );
        return ApiError::payment_required("payment_declined", detail);
    }
    match error {
        StripeError::Refused { .. } => {
            tracing::warn!(error = %error, "Stripe refused what a customer has asked");
            let detail = format!(
                "Stripe does not do this ({word}); see what it has in the portal, or ask us"
            );
            ApiError::unprocessable("refused_by_stripe", detail)
        }
        StripeError::KeyReused { .. } => crate::checkout_sessions::key_reused(),
        other => ApiError::failure(&Failure::from(other)),
    }
}

/// Where customers are sent: below the dashboard's address, whether or not that names its billing page.
pub fn page(ctx: &Ctx, path: &str) -> String {
    let site = ctx
        .dashboard_url
        .strip_suffix("/billing")
        .unwrap_or(&ctx.dashboard_url);
    format!("{site}{path}")
}
