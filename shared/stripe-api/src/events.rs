//! Events that are fetched instead of received. Their bytes are kept unchanged, because they are
//! parsed later like a webhook's body.

use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::id;
use crate::transport::Family;
use bytes::Bytes;
use domain::ids::StripeEventId;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// An event, parsed only for its id.
#[derive(Clone, PartialEq, Eq)]
pub struct RawEvent {
    pub id: StripeEventId,
    /// The whole event as JSON.
    pub body: Bytes,
}

/// Omits the payload.
impl std::fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawEvent")
            .field("id", &self.id)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "id")]
    id: StripeEventId,
}

const FIND: &str = "find the event";
const FIND_THIN: &str = "find the thin event";
const LIST: &str = "list the events";
/// The most events that Stripe puts on a page.
const PAGE: u64 = 100;

impl StripeApi {
    /// Finds an event of the last thirty days.
    pub async fn event_find(&self, id: &StripeEventId) -> Result<Option<RawEvent>, StripeError> {
        self.event_of(FIND, Family::V1, &["events", id.as_str()])
            .await
    }

    /// Finds a thin event, which does not contain its object.
    pub async fn v2_event_find(&self, id: &StripeEventId) -> Result<Option<RawEvent>, StripeError> {
        self.event_of(FIND_THIN, Family::V2, &["core", "events", id.as_str()])
            .await
    }

    /// Lists a page of the events of the last thirty days that were created at or after a second,
    /// newest first: those older than `after`. Stripe's `delivery_success` speaks of all endpoints,
    /// and says nothing about a type that none is sent, so only the ids tell what is missing.
    pub async fn event_list(
        &self,
        created_from: Timestamp,
        after: Option<&StripeEventId>,
    ) -> Result<Page<RawEvent>, StripeError> {
        let query = json!({
            "created": { "gte": created_from.seconds() },
            "starting_after": after.map(StripeEventId::as_str),
            "limit": PAGE,
        });
        let operation = self.to(LIST);
        let page: Page<Box<RawValue>> = operation.read(&["events"], query).await?;
        let data: Result<_, _> = page
            .data
            .into_iter()
            .map(|event| {
                let body = Bytes::from(String::from(Box::<str>::from(event)));
                operation
                    .parse(&body)
                    .map(|Head { id }| RawEvent { id, body })
            })
            .collect();
        Ok(Page {
            data: data?,
            has_more: page.has_more,
        })
    }

    async fn event_of(
        &self,
        operation: &'static str,
        family: Family,
        path: &[&str],
    ) -> Result<Option<RawEvent>, StripeError> {
        let operation = self.to(operation);
        let Some(body) = operation.find_bytes(family, path, json!({})).await? else {
            return Ok(None);
        };
        let head: Head = operation.parse(&body)?;
        Ok(Some(RawEvent { id: head.id, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    #[tokio::test]
    async fn events_keep_their_bytes() {
        let body = "{\n  \"id\": \"evt_1\", \"zeta\": 1.50, \"alpha\": \"canary\"}";
        let peer = Peer::script([Reply::ok(body), Reply::with(404, &[], MISSING)]);
        let id = StripeEventId::parse("evt_1").expect("an id");
        let found = peer
            .api()
            .event_find(&id)
            .await
            .expect("an answer")
            .expect("an event");
        assert_eq!(peer.heard()[0].line, "GET /v1/events/evt_1");
        assert_eq!((&found.id, found.body.as_ref()), (&id, body.as_bytes()));
        assert!(!format!("{found:?}").contains("canary"));
        assert_eq!(peer.api().event_find(&id).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn thin_events_are_of_the_second_version() {
        let missing = r#"{"error":{"code":"not_found","message":"Event not found"}}"#;
        let peer = Peer::script([
            Reply::ok(r#"{"id":"evt_2","object":"v2.core.event"}"#),
            Reply::with(404, &[], missing),
        ]);
        let id = StripeEventId::parse("evt_2").expect("an id");
        assert!(
            peer.api()
                .v2_event_find(&id)
                .await
                .expect("an answer")
                .is_some()
        );
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "GET /v2/core/events/evt_2");
        assert_eq!(
            heard.header("stripe-version"),
            stripe_shared::version::VERSION.as_str()
        );
        assert_eq!(
            peer.api().v2_event_find(&id).await.expect("an answer"),
            None
        );
    }

    #[tokio::test]
    async fn lists_keep_the_bytes_of_each() {
        let peer = Peer::script([
            Reply::ok(
                "{\"data\": [{ \"zeta\": 1.50, \"id\": \"evt_2\" }, {\"id\":\"evt_1\"}], \"has_more\": true}",
            ),
            Reply::ok(r#"{"data":[],"has_more":false}"#),
        ]);
        let from = Timestamp::from_seconds(1_795_000_000);
        let page = peer.api().event_list(from, None).await.expect("a page");
        assert_eq!(page.data[0].id.as_str(), "evt_2");
        assert_eq!(
            page.data[0].body.as_ref(),
            br#"{ "zeta": 1.50, "id": "evt_2" }"#
        );
        assert!(page.has_more && page.data.len() == 2);
        let last = &page.data[1].id;
        let next = peer.api().event_list(from, Some(last)).await;
        assert!(next.expect("a page").data.is_empty());
        let lines: Vec<_> = peer.heard().into_iter().map(|heard| heard.line).collect();
        assert_eq!(
            lines,
            [
                "GET /v1/events?created[gte]=1795000000&limit=100",
                "GET /v1/events?created[gte]=1795000000&limit=100&starting_after=evt_1",
            ]
        );
    }
}
