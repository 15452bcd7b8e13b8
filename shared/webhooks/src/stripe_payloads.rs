//! The few fields of Stripe's bodies that we need, in the shapes of its API versions from 2020 on.
//!
//! Owns which event is read as what; the shapes stand in files by what they are about. An object that lacks what we would
//! act on (an invoice of nobody, a refund of nothing) is ignored like an event we do not know; a field of another type than
//! Stripe's is an error.

mod customers;
mod meters;
mod payments;
mod subscriptions;

pub(crate) use meters::errors as meter_errors;
pub use meters::{MeterErrors, Uncounted};

use customers::{customer, method};
use domain::ids::BadId;
use domain::inbox::events::{StripeEnvelope, StripeEvent, StripeMode};
use domain::time::Timestamp;
use meters::thin;
use payments::{Movement, charge, checkout, dispute, intent, refund};
use serde::de::{DeserializeOwned, Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use subscriptions::{invoice, subscription};

/// What was read: the envelope, and the event if its object has what we need.
type Read = Result<(StripeEnvelope, Option<StripeEvent>), serde_json::Error>;

/// What a body says; without the envelope where nothing of the body was read.
pub(crate) fn parse(
    name: &str,
    body: &[u8],
) -> Result<(Option<StripeEnvelope>, StripeEvent), serde_json::Error> {
    let ignored = || StripeEvent::Ignored {
        name: name.to_owned(),
    };
    let Some(read) = of_money(name, body).or_else(|| of_standing(name, body)) else {
        return Ok((None, ignored()));
    };
    let (envelope, event) = read?;
    Ok((Some(envelope), event.unwrap_or_else(ignored)))
}

/// Events about payments.
fn of_money(name: &str, body: &[u8]) -> Option<Read> {
    use StripeEvent as Is;
    Some(match name {
        "checkout.session.completed" => checkout(body, Is::CheckoutSessionCompleted),
        "checkout.session.async_payment_succeeded" => {
            checkout(body, Is::CheckoutSessionAsyncPaymentSucceeded)
        }
        "checkout.session.async_payment_failed" => {
            checkout(body, Is::CheckoutSessionAsyncPaymentFailed)
        }
        "checkout.session.expired" => checkout(body, Is::CheckoutSessionExpired),
        "payment_intent.succeeded" => intent(body, Is::PaymentIntentSucceeded),
        "payment_intent.payment_failed" => intent(body, Is::PaymentIntentPaymentFailed),
        "charge.refunded" => charge(body, Is::ChargeRefunded),
        "refund.created" => refund(body, Is::RefundCreated),
        "refund.updated" => refund(body, Is::RefundUpdated),
        "refund.failed" => refund(body, Is::RefundFailed),
        "charge.dispute.created" => dispute(body, Movement::None, Is::ChargeDisputeCreated),
        "charge.dispute.updated" => dispute(body, Movement::None, Is::ChargeDisputeUpdated),
        "charge.dispute.closed" => dispute(body, Movement::None, Is::ChargeDisputeClosed),
        "charge.dispute.funds_withdrawn" => {
            dispute(body, Movement::Withdrawn, Is::ChargeDisputeFundsWithdrawn)
        }
        "charge.dispute.funds_reinstated" => {
            dispute(body, Movement::Reinstated, Is::ChargeDisputeFundsReinstated)
        }
        _ => return None,
    })
}

/// Events about who somebody is to us and what he has subscribed to.
fn of_standing(name: &str, body: &[u8]) -> Option<Read> {
    use StripeEvent as Is;
    Some(match name {
        "customer.created" => customer(body, Is::CustomerCreated),
        "customer.updated" => customer(body, Is::CustomerUpdated),
        "customer.deleted" => customer(body, Is::CustomerDeleted),
        "customer.subscription.created" => subscription(body, Is::CustomerSubscriptionCreated),
        "customer.subscription.updated" => subscription(body, Is::CustomerSubscriptionUpdated),
        "customer.subscription.deleted" => subscription(body, Is::CustomerSubscriptionDeleted),
        "customer.subscription.paused" => subscription(body, Is::CustomerSubscriptionPaused),
        "customer.subscription.resumed" => subscription(body, Is::CustomerSubscriptionResumed),
        "customer.subscription.trial_will_end" => {
            subscription(body, Is::CustomerSubscriptionTrialWillEnd)
        }
        "invoice.created" => invoice(body, Is::InvoiceCreated),
        "invoice.finalized" => invoice(body, Is::InvoiceFinalized),
        "invoice.finalization_failed" => invoice(body, Is::InvoiceFinalizationFailed),
        "invoice.paid" => invoice(body, Is::InvoicePaid),
        "invoice.payment_succeeded" => invoice(body, Is::InvoicePaymentSucceeded),
        "invoice.payment_failed" => invoice(body, Is::InvoicePaymentFailed),
        "invoice.payment_action_required" => invoice(body, Is::InvoicePaymentActionRequired),
        "invoice.voided" => invoice(body, Is::InvoiceVoided),
        "invoice.marked_uncollectible" => invoice(body, Is::InvoiceMarkedUncollectible),
        "payment_method.attached" => method(body, Is::PaymentMethodAttached),
        "payment_method.detached" => method(body, Is::PaymentMethodDetached),
        "v1.billing.meter.error_report_triggered" => {
            thin(body, Is::V1BillingMeterErrorReportTriggered)
        }
        "v1.billing.meter.no_meter_found" => thin(body, Is::V1BillingMeterNoMeterFound),
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Envelope<T, P> {
    created: i64,
    livemode: bool,
    data: Data<T, P>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>, P: Deserialize<'de>"))]
struct Data<T, P> {
    object: T,
    /// What was there before, of what has changed.
    #[serde(default)]
    previous_attributes: Option<P>,
}

/// What a reader of an object is told of the event around it.
struct Around<P = IgnoredAny> {
    as_of: Timestamp,
    previous: Option<P>,
}

fn mode(livemode: bool) -> StripeMode {
    if livemode {
        StripeMode::Live
    } else {
        StripeMode::Test
    }
}

/// Reads the object of an event, and what it comes in.
fn read<T: DeserializeOwned, P: DeserializeOwned, E>(
    body: &[u8],
    is: fn(E) -> StripeEvent,
    of: impl FnOnce(T, Around<P>) -> Result<Option<E>, serde_json::Error>,
) -> Read {
    let Envelope {
        created,
        livemode,
        data,
    } = serde_json::from_slice::<Envelope<T, P>>(body)?;
    let created_at = Timestamp::from_seconds(created);
    let event = of(
        data.object,
        Around {
            as_of: created_at,
            previous: data.previous_attributes,
        },
    )?;
    Ok((
        StripeEnvelope {
            created_at,
            mode: mode(livemode),
        },
        event.map(is),
    ))
}

/// An object's id, whether it stands alone or was expanded to the object.
struct Ref(String);

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(id) => Ok(Self(id)),
            Value::Object(object) => match object.get("id") {
                Some(Value::String(id)) => Ok(Self(id.clone())),
                _ => Err(D::Error::custom("an expanded object without an id")),
            },
            _ => Err(D::Error::custom("neither an id nor an object")),
        }
    }
}

impl Ref {
    fn parsed<T>(&self, parse: fn(&str) -> Result<T, BadId>) -> Result<T, serde_json::Error> {
        parse(&self.0).map_err(serde_json::Error::custom)
    }
}

/// The same where there may be none.
fn maybe<T>(
    id: Option<&Ref>,
    parse: fn(&str) -> Result<T, BadId>,
) -> Result<Option<T>, serde_json::Error> {
    id.map(|id| id.parsed(parse)).transpose()
}

fn seconds(seconds: Option<i64>) -> Option<Timestamp> {
    seconds.map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests;
