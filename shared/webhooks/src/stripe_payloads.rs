//! The fields of Stripe's bodies that Tallyhook reads, in the shapes of its API versions from 2020
//! on.
//!
//! This file maps each event to the object it is about; each object's shapes have their own file.
//! An object that lacks what a handler needs (an invoice without a customer, a refund without a
//! payment) is ignored like an unknown event. A field with another type than Stripe's is an error.

mod customers;
mod meters;
mod payments;
mod subscriptions;

pub(crate) use meters::errors as meter_errors;
pub use meters::{MeterErrors, Uncounted};

use customers::{customer, method};
use domain::ids::BadId;
use domain::inbox::events::{
    CheckoutChange, CustomerChange, InvoiceChange, PaymentChange, PaymentMethodChange,
    StripeEnvelope, StripeEvent, StripeMode, SubscriptionChange,
};
use domain::time::Timestamp;
use meters::thin;
use payments::{Movement, charge, checkout, dispute, intent, refund};
use serde::de::{DeserializeOwned, Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use subscriptions::{invoice, schedule, subscription};

/// The envelope, and the event if its object contains what a handler needs.
type Read = Result<(StripeEnvelope, Option<StripeEvent>), serde_json::Error>;

/// Parses a body. Returns no envelope if Tallyhook does not act on the event, because such a body
/// is not read.
pub(crate) fn parse(
    name: &str,
    body: &[u8],
) -> Result<(Option<StripeEnvelope>, StripeEvent), serde_json::Error> {
    let ignored = || StripeEvent::Ignored {
        name: name.to_owned(),
    };
    let Some(read) = of_payments(name, body).or_else(|| of_customers(name, body)) else {
        return Ok((None, ignored()));
    };
    let (envelope, event) = read?;
    Ok((Some(envelope), event.unwrap_or_else(ignored)))
}

fn of_payments(name: &str, body: &[u8]) -> Option<Read> {
    Some(match name {
        "checkout.session.completed" => checkout(body, CheckoutChange::Completed),
        "checkout.session.async_payment_succeeded" => {
            checkout(body, CheckoutChange::PaymentSucceeded)
        }
        "checkout.session.async_payment_failed" => checkout(body, CheckoutChange::PaymentFailed),
        "checkout.session.expired" => checkout(body, CheckoutChange::Expired),
        "payment_intent.succeeded" => intent(body, PaymentChange::Succeeded),
        "payment_intent.payment_failed" => intent(body, PaymentChange::Failed),
        "charge.refunded" => charge(body),
        "refund.created" | "refund.updated" | "refund.failed" => refund(body),
        "charge.dispute.created" | "charge.dispute.updated" | "charge.dispute.closed" => {
            dispute(body, Movement::None)
        }
        "charge.dispute.funds_withdrawn" => dispute(body, Movement::Withdrawn),
        "charge.dispute.funds_reinstated" => dispute(body, Movement::Reinstated),
        _ => return None,
    })
}

fn of_customers(name: &str, body: &[u8]) -> Option<Read> {
    use {InvoiceChange as Invoice, SubscriptionChange as Subscription};
    Some(match name {
        "customer.created" => customer(body, CustomerChange::Created),
        "customer.updated" => customer(body, CustomerChange::Updated),
        "customer.deleted" => customer(body, CustomerChange::Deleted),
        "subscription_schedule.canceled"
        | "subscription_schedule.completed"
        | "subscription_schedule.released"
        | "subscription_schedule.updated" => schedule(body),
        "customer.subscription.created" => subscription(body, Subscription::Created),
        "customer.subscription.updated" => subscription(body, Subscription::Updated),
        "customer.subscription.deleted" => subscription(body, Subscription::Deleted),
        "customer.subscription.paused" => subscription(body, Subscription::Paused),
        "customer.subscription.resumed" => subscription(body, Subscription::Resumed),
        "customer.subscription.trial_will_end" => subscription(body, Subscription::TrialWillEnd),
        "invoice.created" => invoice(body, Invoice::Created),
        "invoice.finalized" => invoice(body, Invoice::Finalized),
        "invoice.finalization_failed" => invoice(body, Invoice::FinalizationFailed),
        "invoice.paid" => invoice(body, Invoice::Paid),
        "invoice.payment_succeeded" => invoice(body, Invoice::PaymentSucceeded),
        "invoice.payment_failed" => invoice(body, Invoice::PaymentFailed),
        "invoice.payment_action_required" => invoice(body, Invoice::ActionRequired),
        "invoice.voided" => invoice(body, Invoice::Voided),
        "invoice.marked_uncollectible" => invoice(body, Invoice::MarkedUncollectible),
        "payment_method.attached" => method(body, PaymentMethodChange::Attached),
        "payment_method.detached" => method(body, PaymentMethodChange::Detached),
        "v1.billing.meter.error_report_triggered" | "v1.billing.meter.no_meter_found" => thin(body),
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
    /// The previous values of the fields that changed.
    #[serde(default)]
    previous_attributes: Option<P>,
}

/// The parts of an event besides its object.
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

/// Parses an event by its object.
fn read<T: DeserializeOwned, P: DeserializeOwned>(
    body: &[u8],
    of: impl FnOnce(T, Around<P>) -> Result<Option<StripeEvent>, serde_json::Error>,
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
        event,
    ))
}

/// An object's id. Stripe sends the id alone or the expanded object.
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

/// Converts an optional id.
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
