//! Where Stripe sends events: a webhook endpoint, and an event destination for those that no endpoint
//! gets. Both have the same address.

use super::changes::Change;
use std::collections::BTreeSet;
use stripe_api::{
    DestinationStatus, EndpointStatus, EventDestination, StripeApi, StripeError, WebhookEndpoint,
    api_version,
};
use webhooks::stripe::{EVENTS, THIN_EVENTS};

/// What Stripe has for the address of the webhook.
pub struct Receivers {
    url: String,
    endpoint: Option<WebhookEndpoint>,
    destination: Destination,
}

enum Destination {
    There(EventDestination),
    Missing,
    /// Stripe does not list them, and says this. A restricted key may lack the right.
    Unseen(String),
}

impl Receivers {
    pub async fn look(api: &StripeApi, url: &str) -> Result<Self, StripeError> {
        let endpoints = api.webhook_endpoint_list().await?;
        let destination = match api.event_destination_list().await {
            Ok(all) => all
                .into_iter()
                .find(|one| one.url.as_deref() == Some(url))
                .map_or(Destination::Missing, Destination::There),
            Err(
                error @ (StripeError::Refused { .. }
                | StripeError::Credentials { .. }
                | StripeError::Malformed { .. }),
            ) => Destination::Unseen(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(Self {
            url: url.to_owned(),
            endpoint: endpoints.into_iter().find(|one| one.url == url),
            destination,
        })
    }

    /// Differences that a push cannot resolve, each with what to do about it.
    pub fn obstacles(&self) -> Vec<String> {
        let foreign = self
            .endpoint
            .iter()
            .filter(|endpoint| endpoint.api_version.as_deref() != Some(api_version()));
        let foreign = foreign.map(|endpoint| {
            let speaks = endpoint.api_version.as_deref().unwrap_or("the account's own version");
            format!(
                "endpoint {} uses API version {speaks} instead of {}, which cannot be changed; delete it in the Stripe dashboard and \
                 run this command again, or keep it as long as the versions are compatible",
                endpoint.id,
                api_version()
            )
        });
        let unseen = match &self.destination {
            Destination::Unseen(why) => Some(format!(
                "errors about meters have no destination ({why}); create one in the Stripe dashboard for the types {}",
                THIN_EVENTS.join(" and ")
            )),
            Destination::There(_) | Destination::Missing => None,
        };
        foreign.chain(unseen).collect()
    }

    pub fn changes(&self) -> Vec<Change> {
        let changes = [self.endpoint_change(), self.destination_change()];
        changes.into_iter().flatten().collect()
    }

    fn endpoint_change(&self) -> Option<Change> {
        let url = self.url.clone();
        let Some(endpoint) = &self.endpoint else {
            return Some(Change::EndpointCreate { url });
        };
        let told: BTreeSet<_> = endpoint.enabled_events.iter().map(String::as_str).collect();
        let all = told.contains("*") || EVENTS.iter().all(|event| told.contains(event));
        if all && endpoint.status == EndpointStatus::Enabled {
            return None;
        }
        // Events that someone else subscribed the endpoint to are kept.
        let events = if told.contains("*") {
            told
        } else {
            told.into_iter().chain(EVENTS).collect()
        };
        let events = events.into_iter().map(str::to_owned).collect();
        Some(Change::EndpointUpdate {
            id: endpoint.id.clone(),
            url,
            events,
        })
    }

    fn destination_change(&self) -> Option<Change> {
        let url = self.url.clone();
        let known = match &self.destination {
            Destination::There(known) => known,
            Destination::Missing => return Some(Change::DestinationCreate { url }),
            Destination::Unseen(_) => return None,
        };
        let told: BTreeSet<_> = known.enabled_events.iter().map(String::as_str).collect();
        let all = THIN_EVENTS.iter().all(|event| told.contains(event));
        if all && known.status == DestinationStatus::Enabled {
            return None;
        }
        let events = told.into_iter().chain(THIN_EVENTS);
        let events: BTreeSet<_> = events.map(str::to_owned).collect();
        Some(Change::DestinationUpdate {
            id: known.id.clone(),
            url,
            events: events.into_iter().collect(),
        })
    }
}
