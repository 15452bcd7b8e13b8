//! Stripe's webhooks. The header `Stripe-Signature: t=…,v1=…[,v1=…]` signs the time and the body.
//! The body contains the event's id and type.

use crate::signing::{self, SIGNATURES_MAX, SigningSecrets};
use crate::stripe_payloads as payloads;
use crate::{BadPayload, Rejected, Signed};
use domain::ids::StripeEventId;
use domain::inbox::events::{StripeEnvelope, StripeEvent};
use domain::inbox::{Delivery, EventKey, EventSource, Provenance, Verified};
use domain::time::Timestamp;
use http::HeaderMap;
use serde::Deserialize;
use std::borrow::Cow;

pub use crate::stripe_types::{EVENTS, THIN_EVENTS};
pub use payloads::{MeterErrors, Uncounted};

/// The maximum age of a signature, and the maximum time that it may lie in the future.
const TOLERANCE_SECONDS: i64 = 300;
const TYPE_BYTES_MAX: usize = 100;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// An event in Stripe's list, without its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: EventKey,
    /// Its type.
    pub name: String,
    pub created_at: Timestamp,
}

/// Reads which event of Stripe's list this is.
pub fn listed(body: &[u8]) -> Result<Listed, Rejected> {
    #[derive(Deserialize)]
    struct Created {
        created: i64,
    }
    let (key, name) = head(body)?;
    let Created { created } = serde_json::from_slice(body)
        .map_err(|_| Rejected::BadBody("the event does not say when it was created"))?;
    Ok(Listed {
        key,
        name,
        created_at: Timestamp::from_seconds(created),
    })
}

/// Takes an event that Stripe's API returned. Stripe renders it again for each read, so its bytes are
/// not the ones that are signed.
pub fn fetched(body: Vec<u8>) -> Result<Verified<Delivery>, Rejected> {
    let (key, name) = head(&body)?;
    Ok(crate::vouched(key, name, body, Provenance::ProviderApi))
}

/// The event's id and type.
fn head(body: &[u8]) -> Result<(EventKey, String), Rejected> {
    let envelope: Envelope<'_> = serde_json::from_slice(body)
        .map_err(|_| Rejected::BadBody("the body is not an event with an id and a type"))?;
    let id = StripeEventId::parse(&envelope.id)
        .map_err(|_| Rejected::BadBody("the event's id is not one of Stripe"))?;
    let key = EventKey::parse(EventSource::Stripe, id.as_str())
        .map_err(|_| Rejected::BadBody("the event's id is invalid"))?;
    if !is_type(&envelope.kind) {
        return Err(Rejected::BadBody("the event's type is not one of Stripe"));
    }
    Ok((key, envelope.kind.into_owned()))
}

/// Verifies a body's signature and its age, and reads the event's id and type. The age is checked
/// only here: an event that is replayed from our own log may be of any age.
pub fn verify(
    secrets: &SigningSecrets,
    headers: &HeaderMap,
    body: Vec<u8>,
    now: Timestamp,
) -> Result<Signed, Rejected> {
    let mut values = headers.get_all("stripe-signature").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Rejected::BadSignature);
    };
    let text = value.to_str().map_err(|_| Rejected::BadSignature)?;
    let (time, signatures) = read(text).ok_or(Rejected::BadSignature)?;
    let secret_index = secrets
        .find(&signatures, &[time.as_bytes(), b".", &body])
        .ok_or(Rejected::BadSignature)?;
    let signed_at: i64 = time.parse().map_err(|_| Rejected::BadSignature)?;
    let age_seconds = now.seconds().saturating_sub(signed_at);
    if age_seconds.saturating_abs() > TOLERANCE_SECONDS {
        return Err(Rejected::OutOfTime { age_seconds });
    }

    let (key, name) = head(&body)?;
    let delivery = crate::vouched(key, name, body, Provenance::Signature);
    Ok(Signed {
        delivery,
        secret_index,
    })
}

/// Parses the signed time and the signatures of the scheme `v1`. Returns `None` if the header is
/// malformed.
fn read(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        match name {
            "t" if time.is_none() => time = Some(value),
            "t" => return None,
            "v1" if signatures.len() < SIGNATURES_MAX => {
                signatures.extend(signing::signature(value))
            }
            "v1" => return None,
            _ => {}
        }
    }
    let time = time.filter(|time| {
        !time.is_empty() && time.len() <= 12 && time.bytes().all(|byte| byte.is_ascii_digit())
    })?;
    (!signatures.is_empty()).then_some((time, signatures))
}

fn is_type(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b']' | b'-');
    !text.is_empty() && text.len() <= TYPE_BYTES_MAX && text.bytes().all(plain)
}

/// Parses a recorded body. Returns no envelope if Tallyhook does not act on the type, because such
/// a body is not read.
pub fn parse(name: &str, body: &[u8]) -> Result<(Option<StripeEnvelope>, StripeEvent), BadPayload> {
    payloads::parse(name, body).map_err(|error| BadPayload::new(name, Some(error)))
}

/// Parses the fetched details of a meter error.
pub fn meter_errors(body: &[u8]) -> Result<MeterErrors, BadPayload> {
    payloads::meter_errors(body).map_err(|error| BadPayload::new("meter error", Some(error)))
}
