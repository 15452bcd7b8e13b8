//! GitHub's webhooks. `X-Hub-Signature-256` signs the body and `X-GitHub-Delivery` contains the id.
//! The event's name is in `X-GitHub-Event` and in the body's `action`.

use crate::github_payloads as payloads;
use crate::signing::{self, SigningSecrets};
use crate::{BadPayload, Rejected, Signed};
use domain::ids::DeliveryId;
use domain::inbox::events::GithubEvent;
use domain::inbox::{Delivery, EventKey, EventSource, Provenance, Verified};
use http::HeaderMap;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
}

const NAME_BYTES_MAX: usize = 64;

/// Verifies a body's signature, and reads the event's name.
pub fn verify(
    secrets: &SigningSecrets,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<Signed, Rejected> {
    let mut values = headers.get_all("x-hub-signature-256").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Rejected::BadSignature);
    };
    let text = value.to_str().map_err(|_| Rejected::BadSignature)?;
    let given = text
        .strip_prefix("sha256=")
        .and_then(signing::signature)
        .ok_or(Rejected::BadSignature)?;
    let secret_index = secrets
        .find(&[given], &[&body])
        .ok_or(Rejected::BadSignature)?;

    let id = header(headers, "x-github-delivery")
        .ok_or(Rejected::BadBody("X-GitHub-Delivery is missing"))?;
    let id = DeliveryId::parse(id)
        .map_err(|_| Rejected::BadBody("X-GitHub-Delivery is not a valid id"))?;
    let key = EventKey::parse(EventSource::Github, id.as_str())
        .map_err(|_| Rejected::BadBody("X-GitHub-Delivery is not a valid id"))?;
    let event = header(headers, "x-github-event").filter(|name| is_word(name));
    let event = event.ok_or(Rejected::BadBody("X-GitHub-Event is missing"))?;
    let name = name_of(event, &body)?;
    let delivery = crate::vouched(key, name, body, Provenance::Signature);
    Ok(Signed {
        delivery,
        secret_index,
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain)
}

/// The names of the events that Tallyhook acts on. The others are recorded if they arrive, and are
/// not missed if they do not.
pub const EVENTS: [&str; 17] = [
    "installation.created",
    "installation.deleted",
    "installation.suspend",
    "installation.unsuspend",
    "installation_repositories.added",
    "installation_repositories.removed",
    "issue_comment.created",
    "issues.closed",
    "issues.labeled",
    "issues.opened",
    "marketplace_purchase.cancelled",
    "marketplace_purchase.changed",
    "marketplace_purchase.pending_change",
    "marketplace_purchase.pending_change_cancelled",
    "marketplace_purchase.purchased",
    "pull_request.closed",
    "pull_request.opened",
];

/// Takes a body that GitHub's API returned for a delivery, with the id and the event that it names.
/// GitHub returns it parsed, so its bytes are not the ones that were signed.
pub fn fetched(id: &str, event: &str, body: Vec<u8>) -> Result<Verified<Delivery>, Rejected> {
    let id =
        DeliveryId::parse(id).map_err(|_| Rejected::BadBody("the delivery has no valid id"))?;
    let key = EventKey::parse(EventSource::Github, id.as_str())
        .map_err(|_| Rejected::BadBody("the delivery has no valid id"))?;
    if !is_word(event) {
        return Err(Rejected::BadBody("the delivery names no event"));
    }
    let name = name_of(event, &body)?;
    Ok(crate::vouched(key, name, body, Provenance::ProviderApi))
}

/// `issues.opened` for the event `issues` with the action `opened`.
fn name_of(event: &str, body: &[u8]) -> Result<String, Rejected> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|_| {
        Rejected::BadBody("the body is not a JSON object; choose application/json for the webhook")
    })?;
    Ok(
        match envelope.action.as_deref().filter(|action| is_word(action)) {
            Some(action) => format!("{event}.{action}"),
            None => event.to_owned(),
        },
    )
}

/// Parses a recorded body.
pub fn parse(name: &str, body: &[u8]) -> Result<GithubEvent, BadPayload> {
    payloads::parse(name, body).map_err(|error| BadPayload::new(name, Some(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acted_on_is_listed() {
        for name in EVENTS {
            assert!(parse(name, b"{}").is_err(), "{name} is not acted on");
        }
        let text = include_str!("github_payloads.rs");
        let (_, arms) = text.split_once("match name {").expect("the match");
        let (arms, _) = arms.split_once("_ =>").expect("its end");
        let acted_on = arms.split('"').skip(1).step_by(2).count();
        assert_eq!(acted_on, EVENTS.len());
    }

    #[test]
    fn a_fetched_body_is_vouched_for_by_githubs_api() {
        let body = br#"{"action":"opened","issue":{}}"#.to_vec();
        let fetched = fetched("72d3162e-cc78-11e3-81ab-4c9367dc0958", "issues", body);
        let fetched = fetched.expect("a delivery");
        assert_eq!(fetched.get().name, "issues.opened");
        assert_eq!(fetched.provenance(), Provenance::ProviderApi);
        assert!(super::fetched("a b", "issues", b"{}".to_vec()).is_err());
        assert!(super::fetched("a", "issues", b"[]".to_vec()).is_err());
        assert!(super::fetched("a", "Issues!", b"{}".to_vec()).is_err());
    }
}
