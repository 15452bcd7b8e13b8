//! The catalogue's plans and packs at Stripe: their prices, cached for a minute, and what Stripe's
//! errors mean for the caller.

use crate::billing::Shop;
use crate::billing::intents::key_reused;
use catalogue::offers::Product;
use domain::billing::plans::{Availability, Catalogue, CreditPack, Plan, PlanId};
use domain::ids::PriceId;
use domain::refusal::{FlowError, Refusal};
use stripe_api::{PriceChoice, StripeApi, StripeError};

/// Returns a plan that a customer can subscribe to without an agreement.
pub fn plan<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Plan, Refusal> {
    let known = PlanId::parse(name).and_then(|id| catalogue.plan(&id));
    let plan = known.ok_or_else(|| {
        Refusal::unprocessable(
            "unknown_plan",
            "`plan` must be the id of a plan that `GET /api/v1/plans` lists.",
        )
    })?;
    if plan.sold == Availability::ByAgreement {
        let detail = format!(
            "The price of {} is agreed with each customer; contact sales.",
            plan.name
        );
        return Err(Refusal::unprocessable("by_agreement", detail));
    }
    if plan.prices.is_empty() && Product::of_plan(plan, catalogue.currency).is_none() {
        let detail = format!(
            "{} is free, so it needs no purchase or subscription.",
            plan.name
        );
        return Err(Refusal::unprocessable("costs_nothing", detail));
    }
    Ok(plan)
}

/// Returns a pack of credits on sale.
pub fn pack<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a CreditPack, Refusal> {
    PlanId::parse(name)
        .and_then(|id| catalogue.pack(&id))
        .ok_or_else(|| {
            Refusal::unprocessable(
                "unknown_pack",
                "`pack` must be the id of a pack that `GET /api/v1/billing/credit-packs` lists.",
            )
        })
}

/// Returns all Stripe prices of a subscription to this plan.
pub async fn plan_prices(shop: &Shop<'_>, plan: &Plan) -> Result<Vec<PriceChoice>, FlowError> {
    let now = shop.now;
    if let Some(Some(known)) = shop.prices.get(&plan.product(), now) {
        return Ok(known);
    }
    let product = Product::of_plan(plan, shop.catalogue.currency);
    let prices = for_sale(shop.stripe, &plan.prices, product.as_ref(), &plan.name).await?;
    shop.prices.put(&plan.product(), Some(prices.clone()), now);
    Ok(prices)
}

/// Returns the Stripe price of a pack, with its quantity.
pub async fn pack_price(
    shop: &Shop<'_>,
    pack: &CreditPack,
    quantity: u64,
) -> Result<Vec<PriceChoice>, FlowError> {
    let now = shop.now;
    let known = match shop.prices.get(&pack.product(), now) {
        Some(Some(known)) => known,
        Some(None) | None => {
            let product = Product::of_pack(pack);
            let mut prices =
                for_sale(shop.stripe, &pack.prices, product.as_ref(), &pack.name).await?;
            prices.truncate(1);
            shop.prices.put(&pack.product(), Some(prices.clone()), now);
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
) -> Result<Vec<PriceChoice>, FlowError> {
    let keys = product.map(Product::lookup_keys).unwrap_or_default();
    stripe
        .price_choices(ids, &keys)
        .await
        .map_err(from_stripe)?
        .ok_or_else(|| {
            tracing::error!(
                offer = name,
                alarm = true,
                "Stripe lacks a price of the catalogue; run `catalogue push`"
            );
            let detail = format!(
                "{name} cannot be bought yet, because it has no price at Stripe; contact support."
            );
            Refusal::unprocessable("not_for_sale", detail).into()
        })
}

/// Converts an error from Stripe to what it means for the caller.
pub fn from_stripe(error: StripeError) -> FlowError {
    let code = error
        .refusal()
        .and_then(|refusal| refusal.code.as_deref())
        .unwrap_or("no code")
        .to_owned();
    if error.card_declined() {
        let detail = format!(
            "The payment was declined ({code}). Add another payment method, or contact your bank."
        );
        return Refusal::payment_required("payment_declined", detail).into();
    }
    match error {
        StripeError::Refused { .. } => {
            tracing::warn!(error = %error, "Stripe refused a customer's request");
            let detail = format!(
                "Stripe refused the request ({code}). See the customer portal, or contact support."
            );
            Refusal::unprocessable("refused_by_stripe", detail).into()
        }
        StripeError::KeyReused { .. } => key_reused().into(),
        other => other.into(),
    }
}
