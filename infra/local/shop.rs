//! Buying on the local stack: the stand-in Stripe sells the catalogue, and its events arrive as
//! signed webhooks.

use crate::catalogue::{Push, PushOptions};
use crate::signing::stripe_request;
use crate::stack::{STRIPE_HOST, STRIPE_KEY, Stack};
use anyhow::Context;
use domain::billing::plans::Catalogue;
use stripe_api::{StripeApi, StripeConfig};
use webhooks::stripe::EVENTS;

/// Creates the catalogue's products, prices and meters at the stand-in Stripe, unless they exist.
/// Its own pages are reachable under `base`.
pub async fn open(stack: &Stack, catalogue: &Catalogue, base: &str) -> anyhow::Result<()> {
    let stripe = &stack.vendors.stripe;
    stripe.set_site(&format!("{base}/stand-ins/stripe"));
    let config = StripeConfig {
        url: format!("https://{STRIPE_HOST}"),
        secret_key: STRIPE_KEY.to_owned().into(),
    };
    let api = StripeApi::new(config, stack.outside.web.clone())?;
    let push = Push {
        api: &api,
        catalogue,
        options: &PushOptions { webhook_url: None },
        now: stack.outside.now(),
    };
    push.apply(&mut |_| {})
        .await
        .context("cannot create the catalogue at the stand-in Stripe")?;
    // Nobody listened before now. Stripe sends no events from before an endpoint exists.
    stripe.outbox_take();
    Ok(())
}

/// Delivers the stand-in Stripe's new events, signed as Stripe signs them. Like Stripe, it sends
/// only the types that the endpoint subscribes to. A refused event stays listed as not delivered.
pub async fn deliver(stack: &Stack) {
    let stripe = &stack.vendors.stripe;
    for event in stripe.outbox_take() {
        let kind = event["type"].as_str().unwrap_or_default();
        if !EVENTS.contains(&kind) {
            continue;
        }
        let at = stack.outside.now().seconds();
        let body = event.to_string();
        let request = stripe_request("", &stack.stripe_secret, at, body.as_bytes());
        let response = stripe_webhook::receive(&stack.stripe_webhook, request).await;
        if !response.status().is_success() {
            tracing::warn!(status = %response.status(), event = kind, "a webhook of the stand-in Stripe was refused");
            if let Some(id) = event["id"].as_str() {
                // The event exists: the outbox returned it.
                let _ = stripe.lose_event(id);
            }
        }
    }
}
