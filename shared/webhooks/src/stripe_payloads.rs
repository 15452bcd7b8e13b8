//! The few fields of Stripe's bodies that we need, in the shapes of its API versions from 2020 on.

use domain::events::{InvoiceEvent, StripeEvent, SubscriptionEvent};
use domain::ids::{CustomerId, InvoiceId, SubscriptionId};
use domain::subscriptions::{Invoice, Subscription};
use domain::time::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
struct Envelope<T> {
    created: i64,
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

/// An id, whether it stands alone or was expanded to its object.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(id) => Ok(id),
        serde_json::Value::Object(object) => match object.get("id") {
            Some(serde_json::Value::String(id)) => Ok(id.clone()),
            _ => Err(D::Error::custom("an expanded object without an id")),
        },
        _ => Err(D::Error::custom("neither an id nor an object")),
    }
}

#[derive(Deserialize)]
struct SubscriptionBody {
    id: String,
    #[serde(deserialize_with = "id")]
    customer: String,
    status: String,
    /// Up to 2025-02.
    current_period_end: Option<i64>,
    /// From 2025-03 on the period stands on the items.
    items: Option<Items>,
}

#[derive(Deserialize)]
struct Items {
    #[serde(default)]
    data: Vec<SubscriptionItem>,
}

#[derive(Deserialize)]
struct SubscriptionItem {
    current_period_end: Option<i64>,
}

#[derive(Deserialize)]
struct InvoiceBody {
    id: String,
    #[serde(deserialize_with = "id")]
    customer: String,
    status: Option<String>,
    #[serde(default)]
    amount_due: i64,
    currency: String,
}

pub(crate) fn parse(name: &str, body: &[u8]) -> Result<StripeEvent, serde_json::Error> {
    Ok(match name {
        "customer.subscription.created" => StripeEvent::CustomerSubscriptionCreated(subscription(body)?),
        "customer.subscription.updated" => StripeEvent::CustomerSubscriptionUpdated(subscription(body)?),
        "customer.subscription.deleted" => StripeEvent::CustomerSubscriptionDeleted(subscription(body)?),
        "invoice.paid" => StripeEvent::InvoicePaid(invoice(body)?),
        "invoice.payment_failed" => StripeEvent::InvoicePaymentFailed(invoice(body)?),
        _ => StripeEvent::Ignored { name: name.to_owned() },
    })
}

fn object<T: DeserializeOwned>(body: &[u8]) -> Result<(T, Timestamp), serde_json::Error> {
    let envelope: Envelope<T> = serde_json::from_slice(body)?;
    Ok((envelope.data.object, Timestamp::from_seconds(envelope.created)))
}

fn customer(text: &str) -> Result<CustomerId, serde_json::Error> {
    CustomerId::parse(text).map_err(serde_json::Error::custom)
}

fn subscription(body: &[u8]) -> Result<SubscriptionEvent, serde_json::Error> {
    let (object, as_of): (SubscriptionBody, _) = object(body)?;
    let items = object.items.map(|items| items.data).unwrap_or_default();
    let of_items = items.iter().filter_map(|item| item.current_period_end).max();
    Ok(SubscriptionEvent {
        customer: customer(&object.customer)?,
        subscription: Subscription {
            id: SubscriptionId::parse(&object.id).map_err(serde_json::Error::custom)?,
            status: object.status,
            period_end: object.current_period_end.or(of_items).map(Timestamp::from_seconds),
            as_of,
        },
    })
}

fn invoice(body: &[u8]) -> Result<InvoiceEvent, serde_json::Error> {
    let (object, as_of): (InvoiceBody, _) = object(body)?;
    Ok(InvoiceEvent {
        customer: customer(&object.customer)?,
        invoice: Invoice {
            id: InvoiceId::parse(&object.id).map_err(serde_json::Error::custom)?,
            status: object.status.unwrap_or_else(|| "draft".to_owned()),
            amount_due_minor: object.amount_due,
            currency: object.currency,
            as_of,
        },
    })
}

#[cfg(test)]
mod tests;
