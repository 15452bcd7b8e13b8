//! Looks once a day whether Stripe sends webhooks here.
//!
//! A disabled endpoint, or a type that none is sent, makes no event "undelivered" at Stripe.
//! Recovery brings such events back all the same, but ten minutes late and at the cost of reads.

use crate::Ctx;
use domain::inbox::EventSource;
use domain::inbox::recovery::Progress;
use domain::retry::Failure;
use std::collections::BTreeSet;
use store::Written;
use stripe_api::{EndpointStatus, WebhookEndpoint};
use webhooks::stripe::EVENTS;

/// Stripe's word for nearly all types.
const ALL: &str = "*";

pub async fn look(ctx: &Ctx, progress: &Progress) -> Result<(), Failure> {
    let now = ctx.outside.now();
    let Some(stripe) = &ctx.stripe else {
        return Ok(());
    };
    if ctx.stripe_webhook_urls.is_empty() || !progress.endpoint_is_due(now) {
        return Ok(());
    }
    let endpoints = stripe.client().await?.webhook_endpoint_list().await?;
    match missing(&endpoints, &ctx.stripe_webhook_urls) {
        None => {
            tracing::error!(
                alarm = true,
                "no enabled webhook endpoint at Stripe sends to {}; enable it, or run `catalogue push --webhook-url`",
                ctx.stripe_webhook_urls.join(" or ")
            );
        }
        Some(types) if !types.is_empty() => {
            tracing::error!(
                alarm = true,
                "the webhook endpoint at Stripe does not send {}; run `catalogue push --webhook-url`",
                types.join(", ")
            );
        }
        Some(_) => tracing::info!("the webhook endpoint at Stripe is enabled"),
    }
    let looked = Progress {
        endpoint_at: Some(now),
        ..progress.clone()
    };
    match ctx
        .recoveries
        .recovery_save(EventSource::Stripe, &looked)
        .await?
    {
        Written::Now | Written::Stale => Ok(()),
    }
}

/// The types that no enabled endpoint with one of our addresses sends. `None` if there is no such
/// endpoint.
fn missing(endpoints: &[WebhookEndpoint], urls: &[String]) -> Option<Vec<&'static str>> {
    let ours: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| endpoint.status == EndpointStatus::Enabled)
        .filter(|endpoint| urls.contains(&endpoint.url))
        .collect();
    if ours.is_empty() {
        return None;
    }
    let sent: BTreeSet<&str> = ours
        .iter()
        .flat_map(|endpoint| endpoint.enabled_events.iter().map(String::as_str))
        .collect();
    let lacks = |name: &&str| !sent.contains(ALL) && !sent.contains(*name);
    Some(EVENTS.into_iter().filter(lacks).collect())
}
