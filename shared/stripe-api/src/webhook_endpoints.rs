//! Webhook endpoints: where Stripe sends events, and the signing secret, which it shows once.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{open_words, or_empty, secret};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    /// The event types; `*` means nearly all of them.
    pub enabled_events: Vec<String>,
    pub status: EndpointStatus,
    /// Absent if the endpoint uses the account's default version.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The description for operators.
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A new endpoint with its signing secret.
#[derive(Debug, Clone)]
pub struct NewWebhookEndpoint {
    pub endpoint: WebhookEndpoint,
    /// Only this response, and its replays with the same key, contain the secret.
    pub secret: SecretString,
}

pub struct WebhookEndpointOrder<'a> {
    pub url: &'a str,
    pub events: &'a [&'a str],
    /// The version returned by [`crate::api_version`].
    pub api_version: &'a str,
    pub description: Option<&'a str>,
    pub metadata: &'a BTreeMap<String, String>,
}

/// The fields to change; absent ones stay. An endpoint's version cannot change.
#[derive(Default)]
pub struct WebhookEndpointChange<'a> {
    pub url: Option<&'a str>,
    pub events: Option<&'a [&'a str]>,
    pub disabled: Option<bool>,
}

open_words! {
    EndpointStatus {
        Enabled = "enabled",
        /// An operator disabled it, or Stripe did because it never answered.
        Disabled = "disabled",
    }
}

#[derive(Deserialize)]
struct Secret {
    #[serde(default, deserialize_with = "secret")]
    secret: Option<SecretString>,
}

const CREATE: &str = "create the webhook endpoint";
const LIST: &str = "list the webhook endpoints";
const UPDATE: &str = "update the webhook endpoint";

impl StripeApi {
    pub async fn webhook_endpoint_list(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        self.to(LIST)
            .list(
                &["webhook_endpoints"],
                json!({}),
                |endpoint: &WebhookEndpoint| &endpoint.id,
            )
            .await
    }

    /// Creates an endpoint. Stripe allows several endpoints with the same URL, so look up first.
    pub async fn webhook_endpoint_create(
        &self,
        order: &WebhookEndpointOrder<'_>,
        key: &str,
    ) -> Result<NewWebhookEndpoint, StripeError> {
        let form = json!({
            "url": order.url,
            "enabled_events": order.events,
            "api_version": order.api_version,
            "description": order.description,
            "metadata": order.metadata,
        });
        let operation = self.to(CREATE);
        let body = operation
            .write_bytes(&["webhook_endpoints"], form, key)
            .await?;
        let endpoint = operation.parse(&body)?;
        let Secret { secret } = operation.parse(&body)?;
        let secret = secret.ok_or_else(|| StripeError::Malformed {
            why: "a new endpoint has no secret".to_owned(),
        })?;
        Ok(NewWebhookEndpoint { endpoint, secret })
    }

    pub async fn webhook_endpoint_update(
        &self,
        id: &str,
        change: &WebhookEndpointChange<'_>,
        key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        let form = json!({ "url": change.url, "enabled_events": change.events, "disabled": change.disabled });
        self.to(UPDATE)
            .write(&["webhook_endpoints", id], form, key)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::retry::{Retry, Retryable};

    const ENDPOINT: &str = r#""id":"we_1","object":"webhook_endpoint","api_version":"2026-09-30.endive","description":null,
        "enabled_events":["invoice.paid"],"livemode":false,"metadata":{},"status":"enabled","url":"https://a.test/stripe/webhook""#;

    #[tokio::test]
    async fn a_new_endpoint_says_its_secret_and_nobody_prints_it() {
        let with = format!(r#"{{{ENDPOINT},"secret":"whsec_canary"}}"#);
        let peer = Peer::script([Reply::ok(&with), Reply::ok(&format!("{{{ENDPOINT}}}"))]);
        let order = WebhookEndpointOrder {
            url: "https://a.test/stripe/webhook",
            events: &["invoice.paid", "charge.refunded"],
            api_version: crate::api_version(),
            description: None,
            metadata: &BTreeMap::new(),
        };
        let made = peer
            .api()
            .webhook_endpoint_create(&order, "endpoint-1")
            .await
            .expect("an endpoint");
        assert!(!format!("{made:?}").contains("canary"));
        assert_eq!(made.endpoint.status, EndpointStatus::Enabled);
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/webhook_endpoints");
        assert_eq!(heard.header("idempotency-key"), "endpoint-1");
        assert_eq!(
            heard.fields(),
            [
                "api_version=2026-09-30.endive",
                "enabled_events[0]=invoice.paid",
                "enabled_events[1]=charge.refunded",
                "url=https://a.test/stripe/webhook"
            ]
        );
        let error = peer
            .api()
            .webhook_endpoint_create(&order, "endpoint-1")
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), Retry::Soon);
    }

    #[tokio::test]
    async fn endpoints_are_listed_and_changed() {
        let page = format!(r#"{{"data":[{{{ENDPOINT}}}],"has_more":false}}"#);
        let peer = Peer::script([Reply::ok(&page), Reply::ok(&format!("{{{ENDPOINT}}}"))]);
        let endpoints = peer.api().webhook_endpoint_list().await.expect("endpoints");
        assert_eq!(endpoints[0].enabled_events, ["invoice.paid"]);
        let change = WebhookEndpointChange {
            disabled: Some(true),
            ..WebhookEndpointChange::default()
        };
        peer.api()
            .webhook_endpoint_update("we_1", &change, "k")
            .await
            .expect("an endpoint");
        assert_eq!(peer.heard()[1].line, "POST /v1/webhook_endpoints/we_1");
        assert_eq!(peer.heard()[1].fields(), ["disabled=true"]);
    }
}
