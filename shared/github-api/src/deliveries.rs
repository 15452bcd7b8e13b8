//! The App's own log of its webhook deliveries, which GitHub keeps for three days.
//!
//! Each attempt to deliver an event is an entry of its own, under a number above 2^53; all attempts
//! of one event have the same `guid`. The list has no filter by date, its status filter hides a
//! later success, and its next page is named only in the `Link` header.

use crate::GithubApi;
use crate::call::Call;
use crate::error::GithubError;
use crate::route::Route;
use bytes::Bytes;
use domain::time::Timestamp;
use http::HeaderMap;
use http::header::LINK;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookDelivery {
    pub id: u64,
    /// The event's id: `X-GitHub-Delivery`.
    pub guid: String,
    #[serde(deserialize_with = "time")]
    pub delivered_at: Timestamp,
    /// The status of the receiver's answer; no 2xx if there was none.
    pub status_code: u16,
    /// `X-GitHub-Event`.
    pub event: String,
    pub action: Option<String>,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    pub deliveries: Vec<HookDelivery>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A delivery with what was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct FullDelivery {
    pub guid: String,
    pub event: String,
    /// The event as JSON. GitHub returns it parsed, so its bytes are not the signed ones.
    pub payload: Bytes,
}

/// Omits the payload.
impl std::fmt::Debug for FullDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FullDelivery")
            .field("guid", &self.guid)
            .field("event", &self.event)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

#[derive(Deserialize)]
struct Full {
    guid: String,
    event: String,
    request: Sent,
}

#[derive(Deserialize)]
struct Sent {
    payload: Option<Box<RawValue>>,
}

const LIST: &str = "list the deliveries";
const FIND: &str = "find the delivery";
const REDELIVER: &str = "ask for a redelivery";
/// The most that GitHub returns.
const PER_PAGE: &str = "100";

impl GithubApi {
    /// Lists a page of all deliveries of the App, newest first.
    pub async fn delivery_list(
        &self,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Deliveries, GithubError> {
        let mut route = Route::new("/app/hook/deliveries").query("per_page", PER_PAGE);
        if let Some(cursor) = cursor {
            route = route.query("cursor", cursor);
        }
        let call = Call::get(LIST, route);
        let answer = self.sessions.send_as_app(&call, now).await?;
        Ok(Deliveries {
            deliveries: answer.read()?,
            next: next_cursor(&answer.headers),
        })
    }

    /// Finds a delivery with its payload. Returns `None` if GitHub no longer has it.
    pub async fn delivery_find(
        &self,
        id: u64,
        now: Timestamp,
    ) -> Result<Option<FullDelivery>, GithubError> {
        let call = Call::get(FIND, Route::new("/app/hook/deliveries/").number(id));
        let full: Full = match self.sessions.send_as_app(&call, now).await {
            Err(GithubError::NotThere { .. }) => return Ok(None),
            answer => answer?.read()?,
        };
        Ok(full.request.payload.map(|payload| FullDelivery {
            guid: full.guid,
            event: full.event,
            payload: Bytes::from(String::from(Box::<str>::from(payload))),
        }))
    }

    /// Asks GitHub to deliver an event once more, with the same id and the same bytes. GitHub does
    /// so later.
    pub async fn delivery_repeat(&self, id: u64, now: Timestamp) -> Result<(), GithubError> {
        let route = Route::new("/app/hook/deliveries/")
            .number(id)
            .fixed("/attempts");
        let call = Call::post_nothing(REDELIVER, route);
        self.sessions.send_as_app(&call, now).await.map(|_| ())
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("not a time"))
}

/// The cursor in `<https://…/app/hook/deliveries?per_page=100&cursor=v1_1>; rel="next"`.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let next = links
        .split(',')
        .find(|link| link.contains("rel=\"next\""))?;
    let (address, _) = next.split_once('<')?.1.split_once('>')?;
    let (_, query) = address.split_once('?')?;
    let cursor = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="))?;
    decoded(cursor)
}

/// Undoes percent-encoding, because the cursor is encoded again in the next request.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use crate::testing::{NOW, Peer, Reply, api};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    const BIG: u64 = 3_804_004_623_172_239_366;
    const FIRST: &str = "GET /app/hook/deliveries?per_page=100";
    const DETAIL: &str = "GET /app/hook/deliveries/3804004623172239366";
    const ATTEMPT: &str = "POST /app/hook/deliveries/3804004623172239366/attempts";

    fn item() -> serde_json::Value {
        json!({ "id": BIG, "guid": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "delivered_at": "2026-11-20T10:00:00Z", "redelivery": false, "duration": 0.27, "status": "OK",
            "status_code": 200, "event": "issues", "action": "opened", "installation_id": 7,
            "repository_id": null, "throttled_at": null })
    }

    #[tokio::test]
    async fn pages_follow_the_link_header() {
        let link = "<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_12%3D>; rel=\"next\"";
        let peer = Peer::script([
            (FIRST, Reply::with(200, &[("link", link)], json!([item()]))),
            (
                "GET /app/hook/deliveries?per_page=100&cursor=v1_12%3D",
                Reply::json(200, json!([])),
            ),
        ]);
        let api = api(&peer);
        let page = api.delivery_list(None, NOW).await.expect("a page");
        assert_eq!(page.next.as_deref(), Some("v1_12="));
        let one = &page.deliveries[0];
        assert_eq!((one.id, one.status_code), (BIG, 200));
        assert_eq!(one.delivered_at.to_string(), "2026-11-20T10:00:00.000Z");
        let last = api.delivery_list(Some("v1_12="), NOW).await;
        assert_eq!(last.expect("a page").next, None);
        assert!(peer.heard(FIRST)[0].authorization.starts_with("Bearer ey"));
        peer.assert_done();
    }

    #[tokio::test]
    async fn a_payload_keeps_its_text() {
        let mut full = item();
        full["request"] = json!({ "headers": {}, "payload": { "action": "opened", "id": BIG } });
        let peer = Peer::script([
            (DETAIL, Reply::json(200, full)),
            (DETAIL, Reply::json(404, json!({ "message": "Not Found" }))),
        ]);
        let api = api(&peer);
        let found = api.delivery_find(BIG, NOW).await.expect("an answer");
        let found = found.expect("a delivery");
        assert_eq!(found.event, "issues");
        let text = format!("{{\"action\":\"opened\",\"id\":{BIG}}}");
        assert_eq!(found.payload.as_ref(), text.as_bytes());
        assert!(!format!("{found:?}").contains("opened"));
        assert_eq!(api.delivery_find(BIG, NOW).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn a_redelivery_is_asked_for_once() {
        let limited = Reply::with(
            429,
            &[("retry-after", "30")],
            json!({ "message": "slow down" }),
        );
        let peer = Peer::script([
            (ATTEMPT, Reply::json(202, json!({}))),
            (ATTEMPT, Reply::Lost),
            (ATTEMPT, limited),
        ]);
        let api = api(&peer);
        api.delivery_repeat(BIG, NOW).await.expect("accepted");
        let lost = api.delivery_repeat(BIG, NOW).await.expect_err("no answer");
        assert_eq!(lost.retry(), Retry::Outage);
        let limited = api.delivery_repeat(BIG, NOW).await.expect_err("a limit");
        assert!(matches!(limited.retry(), Retry::After(_)), "{limited}");
        assert_eq!(peer.heard(ATTEMPT).len(), 3);
    }
}
