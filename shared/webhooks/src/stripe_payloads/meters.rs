//! Usage that Stripe had taken and then could not count: told by events that come without their particulars, which have
//! to be fetched.

use super::{Read, Ref, mode};
use domain::billing::usage::UsageIdentifier;
use domain::ids::StripeEventId;
use domain::inbox::events::{MeterErrorEvent, StripeEnvelope, StripeEvent};
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

/// What Stripe could not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterErrors {
    /// How many reports it was, all in all.
    pub count: u64,
    /// Those of ours that Stripe names; it names samples only.
    pub uncounted: Vec<Uncounted>,
}

/// One report that was taken and not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Which telling of which usage.
    pub identifier: UsageIdentifier,
    /// Why, in Stripe's words.
    pub why: String,
}

/// The most of Stripe's words that are kept.
const WHY_CHARS_MAX: usize = 200;

pub(super) fn thin(body: &[u8], is: fn(MeterErrorEvent) -> StripeEvent) -> Read {
    let Thin {
        id,
        created,
        livemode,
    } = serde_json::from_slice(body)?;
    let created_at = Timestamp::parse(&created)
        .ok_or_else(|| serde_json::Error::custom("the event's time is not RFC 3339"))?;
    let event = MeterErrorEvent {
        id: id.parsed(StripeEventId::parse)?,
    };
    Ok((
        StripeEnvelope {
            created_at,
            mode: mode(livemode),
        },
        Some(is(event)),
    ))
}

/// Reads the particulars of such an event.
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

/// One of ours, told by its [`UsageIdentifier`]. Who else reports to the same account names his
/// otherwise.
fn uncounted(kind: &ErrorType, sample: &Sample) -> Option<Uncounted> {
    let identifier = sample.request.as_ref()?.identifier.as_deref()?;
    let words = [kind.code.as_deref(), sample.error_message.as_deref()];
    let why: Vec<_> = words.into_iter().flatten().collect();
    Some(Uncounted {
        identifier: UsageIdentifier::parse(identifier)?,
        why: why.join(": ").chars().take(WHY_CHARS_MAX).collect(),
    })
}
