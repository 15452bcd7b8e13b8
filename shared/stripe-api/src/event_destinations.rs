//! Event destinations: where Stripe sends events of its second API, such as errors about meters.
//! They contain only an id. A destination has a signing secret of its own, which it shows once.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{open_words, secret};
use crate::transport::Family;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDestination {
    pub id: String,
    /// Absent if it sends to no web address.
    pub url: Option<String>,
    pub enabled_events: Vec<String>,
    pub status: DestinationStatus,
}

/// A new destination with its signing secret.
#[derive(Debug, Clone)]
pub struct NewEventDestination {
    pub destination: EventDestination,
    pub secret: SecretString,
}

pub struct EventDestinationOrder<'a> {
    /// The name for operators.
    pub name: &'a str,
    pub url: &'a str,
    pub events: &'a [&'a str],
}

open_words! {
    DestinationStatus {
        Enabled = "enabled",
        /// An operator disabled it, or Stripe did because it never answered.
        Disabled = "disabled",
    }
}

#[derive(Deserialize)]
struct Shape {
    id: String,
    enabled_events: Vec<String>,
    status: DestinationStatus,
    #[serde(default)]
    webhook_endpoint: Option<Web>,
}

#[derive(Deserialize)]
struct Web {
    #[serde(default)]
    url: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    signing_secret: Option<SecretString>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Shape>,
    #[serde(default)]
    next_page_url: Option<String>,
}

impl Shape {
    fn parts(self) -> (EventDestination, Option<SecretString>) {
        let (url, secret) = self
            .webhook_endpoint
            .map_or((None, None), |web| (web.url, web.signing_secret));
        let destination = EventDestination {
            id: self.id,
            url,
            enabled_events: self.enabled_events,
            status: self.status,
        };
        (destination, secret)
    }
}

const CREATE: &str = "create the event destination";
const ENABLE: &str = "enable the event destination";
const LIST: &str = "list the event destinations";
const UPDATE: &str = "update the event destination";
const DESTINATIONS: [&str; 2] = ["core", "event_destinations"];
const PAGE_ITEMS: u64 = 20;
const URL: &str = "webhook_endpoint.url";
const SECRET: &str = "webhook_endpoint.signing_secret";

impl StripeApi {
    /// All event destinations. Stripe allows sixteen, which is less than a page.
    pub async fn event_destination_list(&self) -> Result<Vec<EventDestination>, StripeError> {
        let operation = self.to(LIST);
        let query = json!({ "limit": PAGE_ITEMS, "include": [URL] });
        let body = operation.fetch(Family::V2, &DESTINATIONS, query).await?;
        let page: Page = operation.parse(&body)?;
        if page.next_page_url.is_some() {
            return Err(StripeError::Malformed {
                why: "there are more event destinations than Stripe allows".to_owned(),
            });
        }
        let parts = page.data.into_iter().map(|shape| shape.parts().0);
        Ok(parts.collect())
    }

    /// Creates a destination that sends events with their ids only.
    pub async fn event_destination_create(
        &self,
        order: &EventDestinationOrder<'_>,
        key: &str,
    ) -> Result<NewEventDestination, StripeError> {
        let body = json!({
            "name": order.name,
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": order.events,
            "webhook_endpoint": { "url": order.url },
            "include": [SECRET, URL],
        });
        let made: Shape = self.to(CREATE).write_json(&DESTINATIONS, body, key).await?;
        let (destination, secret) = made.parts();
        let secret = secret.ok_or_else(|| StripeError::Malformed {
            why: "a new event destination has no secret".to_owned(),
        })?;
        Ok(NewEventDestination {
            destination,
            secret,
        })
    }

    /// Sets the event types of a destination, and enables it.
    pub async fn event_destination_mend(
        &self,
        id: &str,
        events: &[String],
        key: &str,
    ) -> Result<(), StripeError> {
        let [first, second] = DESTINATIONS;
        let changed: Shape = self
            .to(UPDATE)
            .write_json(
                &[first, second, id],
                json!({ "enabled_events": events }),
                key,
            )
            .await?;
        if changed.status != DestinationStatus::Enabled {
            let key = format!("{key}-on");
            let _enabled: Shape = self
                .to(ENABLE)
                .write_json(&[first, second, id, "enable"], json!({}), &key)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use secrecy::ExposeSecret;

    fn destination(status: &str) -> String {
        format!(
            r#"{{"id":"ed_1","object":"v2.core.event_destination","enabled_events":["v1.billing.meter.no_meter_found"],
            "event_payload":"thin","name":"x","status":"{status}","type":"webhook_endpoint",
            "webhook_endpoint":{{"url":"https://a.test/hook","signing_secret":"whsec_canary"}}}}"#
        )
    }

    #[tokio::test]
    async fn a_new_destination_says_its_secret() {
        let peer = Peer::script([Reply::ok(&destination("enabled"))]);
        let order = EventDestinationOrder {
            name: "Tallyhook",
            url: "https://a.test/hook",
            events: &["v1.billing.meter.no_meter_found"],
        };
        let made = peer.api().event_destination_create(&order, "k").await;
        let made = made.expect("a destination");
        assert_eq!(made.secret.expose_secret(), "whsec_canary");
        assert!(!format!("{made:?}").contains("canary"));
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v2/core/event_destinations");
        assert_eq!(heard.header("content-type"), "application/json");
        assert_eq!(heard.header("idempotency-key"), "k");
        let sent: serde_json::Value = serde_json::from_str(&heard.body).expect("JSON");
        assert_eq!(
            sent,
            json!({ "name": "Tallyhook", "type": "webhook_endpoint", "event_payload": "thin",
                "enabled_events": ["v1.billing.meter.no_meter_found"], "webhook_endpoint": { "url": "https://a.test/hook" },
                "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"] })
        );
    }

    #[tokio::test]
    async fn destinations_are_listed_and_mended() {
        let page = format!(
            r#"{{"data":[{}],"next_page_url":null,"previous_page_url":null}}"#,
            destination("disabled")
        );
        let peer = Peer::script([
            Reply::ok(&page),
            Reply::ok(&destination("disabled")),
            Reply::ok(&destination("enabled")),
            Reply::ok(&destination("enabled")),
            Reply::ok(&page.replace("\"next_page_url\":null", "\"next_page_url\":\"/v2/more\"")),
        ]);
        let listed = peer.api().event_destination_list().await.expect("a list");
        assert_eq!(listed[0].url.as_deref(), Some("https://a.test/hook"));
        assert_eq!(listed[0].status, DestinationStatus::Disabled);
        for _ in 0..2 {
            let events = ["a".to_owned()];
            let mended = peer
                .api()
                .event_destination_mend("ed_1", &events, "m")
                .await;
            mended.expect("it is mended");
        }
        let lines: Vec<_> = peer
            .heard()
            .iter()
            .map(|heard| heard.line.clone())
            .collect();
        let more = peer.api().event_destination_list().await;
        assert!(
            matches!(more, Err(StripeError::Malformed { .. })),
            "{more:?}"
        );
        assert_eq!(
            lines,
            [
                "GET /v2/core/event_destinations?include[0]=webhook_endpoint.url&limit=20",
                "POST /v2/core/event_destinations/ed_1",
                "POST /v2/core/event_destinations/ed_1/enable",
                "POST /v2/core/event_destinations/ed_1",
            ]
        );
    }
}
