//! A live subscription at the stand-in Stripe, for accounts that the local stack provisions itself.
//! Nobody is served for nothing there either.

use crate::catalogue::{Push, PushOptions};
use crate::stack::{STRIPE_HOST, STRIPE_KEY};
use anyhow::Context;
use catalogue::offers::Product;
use domain::billing::plans::{Catalogue, PlanId};
use domain::ids::CustomerId;
use domain::time::Timestamp;
use stand_in_shared::faults::Faults;
use stand_in_shared::web::StandInWeb;
use stand_in_stripe::Stripe;
use std::collections::BTreeMap;
use stripe_api::{StripeApi, StripeConfig, Subscription, SubscriptionOrder, WhenUnpaid};

/// Sells the catalogue at the stand-in and subscribes a customer to one of its plans, with a test
/// card. Returns the subscription that the customer has already, if there is one.
pub async fn subscribe(
    stripe: &Stripe,
    catalogue: &Catalogue,
    customer: &str,
    plan: &str,
    now: Timestamp,
) -> anyhow::Result<Subscription> {
    let web = StandInWeb::new(Faults::none()).host(STRIPE_HOST, stripe.router());
    let config = StripeConfig {
        url: format!("https://{STRIPE_HOST}"),
        secret_key: STRIPE_KEY.to_owned().into(),
    };
    let api = StripeApi::new(config, boot::Web::new(web))?;
    let customer_id = CustomerId::parse(customer)?;
    let there = api.subscription_list(&customer_id).await?;
    if let Some(known) = there.into_iter().find(|one| one.ended_at.is_none()) {
        return Ok(known);
    }
    let push = Push {
        api: &api,
        catalogue,
        options: &PushOptions::default(),
        now,
    };
    push.apply(&mut |_| {}).await?;
    stripe
        .add_card(customer, "pm_card_visa")
        .map_err(|_| anyhow::anyhow!("the stand-in Stripe has no customer {customer}"))?;
    let plan = PlanId::parse(plan)
        .and_then(|id| catalogue.plan(&id))
        .with_context(|| format!("the catalogue has no plan {plan}"))?;
    let product = Product::of_plan(plan, catalogue.currency);
    let keys = product
        .as_ref()
        .map(Product::lookup_keys)
        .unwrap_or_default();
    let prices = api
        .price_choices(&[], &keys)
        .await?
        .with_context(|| format!("the stand-in Stripe does not sell {}", plan.name))?;
    let order = SubscriptionOrder {
        customer: &customer_id,
        prices: &prices,
        trial: None,
        payment_method: None,
        when_unpaid: WhenUnpaid::Refuse,
        metadata: &BTreeMap::new(),
    };
    let key = format!("local-subscription-{customer}-{}", plan.id);
    Ok(api.subscription_create(&order, &key).await?)
}
