//! Events: what Stripe wanted to tell us, asked for instead of awaited. Their bytes are kept as they came, since whoever
//! reads them later reads them as a webhook's.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::id;
use crate::transport::Family;
use bytes::Bytes;
use domain::ids::StripeEventId;
use serde::Deserialize;
use serde_json::json;

/// An event, unread but for its id.
#[derive(Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// Its id.
    pub id: StripeEventId,
    /// All of it, as JSON.
    pub body: Bytes,
}

/// A payload is not for the log.
impl std::fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawEvent").field("id", &self.id).field("body_bytes", &self.body.len()).finish()
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "id")]
    id: StripeEventId,
}

const FIND: &str = "find the event";
const FIND_THIN: &str = "find the thin event";

impl StripeApi {
    /// An event of the last thirty days.
    pub async fn event_find(&self, id: &StripeEventId) -> Result<Option<RawEvent>, StripeError> {
        self.event_of(FIND, Family::V1, &["events", id.as_str()]).await
    }

    /// An event of the kind that comes without its object.
    pub async fn v2_event_find(&self, id: &StripeEventId) -> Result<Option<RawEvent>, StripeError> {
        self.event_of(FIND_THIN, Family::V2, &["core", "events", id.as_str()]).await
    }

    async fn event_of(
        &self,
        operation: &'static str,
        family: Family,
        path: &[&str],
    ) -> Result<Option<RawEvent>, StripeError> {
        let operation = self.to(operation);
        let Some(body) = operation.find_bytes(family, path, json!({})).await? else { return Ok(None) };
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
        let found = peer.api().event_find(&id).await.expect("an answer").expect("an event");
        assert_eq!(peer.heard()[0].line, "GET /v1/events/evt_1");
        assert_eq!((&found.id, found.body.as_ref()), (&id, body.as_bytes()));
        assert!(!format!("{found:?}").contains("canary"));
        assert_eq!(peer.api().event_find(&id).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn thin_events_are_of_the_second_version() {
        let missing = r#"{"error":{"code":"not_found","message":"Event not found"}}"#;
        let peer =
            Peer::script([Reply::ok(r#"{"id":"evt_2","object":"v2.core.event"}"#), Reply::with(404, &[], missing)]);
        let id = StripeEventId::parse("evt_2").expect("an id");
        assert!(peer.api().v2_event_find(&id).await.expect("an answer").is_some());
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "GET /v2/core/events/evt_2");
        assert_eq!(heard.header("stripe-version"), stripe_shared::version::VERSION.as_str());
        assert_eq!(peer.api().v2_event_find(&id).await.expect("an answer"), None);
    }
}
