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
    let envelope: Envelope<'_> = serde_json::from_slice(&body).map_err(|_| {
        Rejected::BadBody("the body is not a JSON object; choose application/json for the webhook")
    })?;
    let name = match envelope.action.as_deref().filter(|action| is_word(action)) {
        Some(action) => format!("{event}.{action}"),
        None => event.to_owned(),
    };
    let digest = signing::digest(&body);
    #[expect(
        clippy::disallowed_methods,
        reason = "the signature has just been verified"
    )]
    let delivery = Verified::vouch(
        Delivery {
            key,
            name,
            body,
            digest,
        },
        Provenance::Signature,
    );
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

/// Parses a recorded body.
pub fn parse(name: &str, body: &[u8]) -> Result<GithubEvent, BadPayload> {
    payloads::parse(name, body).map_err(|error| BadPayload::new(name, Some(error)))
}
