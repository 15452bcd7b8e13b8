//! Usage that Stripe accepted but could not count. Its events are thin: their details have to be
//! fetched.

use super::{Read, Ref, mode};
use domain::billing::usage::UsageIdentifier;
use domain::ids::StripeEventId;
use domain::inbox::events::{MeterEvent, StripeEnvelope, StripeEvent};
use domain::time::Timestamp;
use serde::Deserialize;
use serde::de::Error;

/// An event of the second version of Stripe's API.
#[derive(Deserialize)]
struct Thin {
    id: Ref,
    /// In RFC 3339.
    created: String,
    livemode: bool,
}

#[derive(Deserialize)]
struct Fetched {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    reason: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    error_count: Option<u64>,
    #[serde(default)]
    error_types: Vec<ErrorType>,
}

#[derive(Deserialize)]
struct ErrorType {
    code: Option<String>,
    #[serde(default)]
    sample_errors: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    error_message: Option<String>,
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Request {
    identifier: Option<String>,
}

/// The reports that Stripe could not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterErrors {
    /// The number of all such reports.
    pub count: u64,
    /// Our reports among those that Stripe names. Stripe names samples only.
    pub uncounted: Vec<Uncounted>,
}

/// A report that was accepted but not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    pub identifier: UsageIdentifier,
    /// Stripe's reason.
    pub why: String,
}

const WHY_CHARS_MAX: usize = 200;

pub(super) fn thin(body: &[u8]) -> Read {
    let Thin {
        id,
        created,
        livemode,
    } = serde_json::from_slice(body)?;
    let created_at = Timestamp::parse(&created)
        .ok_or_else(|| serde_json::Error::custom("the event's time is not RFC 3339"))?;
    let event = MeterEvent {
        id: id.parsed(StripeEventId::parse)?,
    };
    Ok((
        StripeEnvelope {
            created_at,
            mode: mode(livemode),
        },
        Some(StripeEvent::Meter(event)),
    ))
}

/// Parses the fetched details of a meter event.
pub(crate) fn errors(body: &[u8]) -> Result<MeterErrors, serde_json::Error> {
    let fetched: Fetched = serde_json::from_slice(body)?;
    let Some(reason) = fetched.data.and_then(|data| data.reason) else {
        return Ok(MeterErrors::default());
    };
    let uncounted: Vec<_> = reason
        .error_types
        .iter()
        .flat_map(|kind| {
            kind.sample_errors
                .iter()
                .filter_map(|sample| uncounted(kind, sample))
        })
        .collect();
    let named = u64::try_from(uncounted.len()).unwrap_or(u64::MAX);
    Ok(MeterErrors {
        count: reason.error_count.unwrap_or(named),
        uncounted,
    })
}

/// Returns a report of ours, recognized by its [`UsageIdentifier`]. Other programs that report to
/// the same Stripe account use other formats.
fn uncounted(kind: &ErrorType, sample: &Sample) -> Option<Uncounted> {
    let identifier = sample.request.as_ref()?.identifier.as_deref()?;
    let words = [kind.code.as_deref(), sample.error_message.as_deref()];
    let why: Vec<_> = words.into_iter().flatten().collect();
    Some(Uncounted {
        identifier: UsageIdentifier::parse(identifier)?,
        why: why.join(": ").chars().take(WHY_CHARS_MAX).collect(),
    })
}
