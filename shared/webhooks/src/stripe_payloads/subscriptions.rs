//! Subscriptions and invoices.

use super::{Around, Read, Ref, maybe, read, seconds};
use domain::billing::plans::Span;
use domain::billing::subscriptions::{Invoice, Status, Subscription, SubscriptionItem};
use domain::ids::{CustomerId, InvoiceId, PriceId, ProductId, SubscriptionId};
use domain::inbox::events::{
    InvoiceChange, InvoiceEvent, ScheduleEvent, StripeEvent, SubscriptionChange, SubscriptionEvent,
};
use domain::time::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Deserialize)]
struct SubscriptionBody {
    id: Ref,
    customer: Ref,
    status: String,
    items: Option<Items>,
    /// Present up to API version 2025-02; from 2025-03 on the period is in the items.
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: Option<bool>,
    trial_end: Option<i64>,
    created: Option<i64>,
}

#[derive(Deserialize)]
struct Items {
    #[serde(default)]
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    price: Option<Price>,
    /// The previous name of `price`; newer versions send both.
    plan: Option<Price>,
    quantity: Option<u64>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

/// A price as an id or as an object. Its product is also an id or an object.
struct Price {
    id: Ref,
    product: Option<Ref>,
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let product = value
            .get("product")
            .filter(|product| !product.is_null())
            .cloned();
        let of = |value| serde_json::from_value(value).map_err(D::Error::custom);
        Ok(Self {
            product: product.map(of).transpose()?,
            id: of(value)?,
        })
    }
}

#[derive(Deserialize)]
struct InvoiceBody {
    id: Ref,
    customer: Option<Ref>,
    number: Option<String>,
    status: Option<String>,
    amount_due: Option<i64>,
    amount_paid: Option<i64>,
    currency: String,
    /// Present up to API version 2025-02; from 2025-03 on it is in `parent`.
    subscription: Option<Ref>,
    parent: Option<Parent>,
    hosted_invoice_url: Option<String>,
    created: Option<i64>,
}

#[derive(Deserialize)]
struct ScheduleBody {
    customer: Ref,
    subscription: Option<Ref>,
    /// The subscription that it managed, once it is released.
    released_subscription: Option<Ref>,
}

#[derive(Deserialize)]
struct Parent {
    subscription_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    subscription: Option<Ref>,
}

fn span(start: Option<i64>, end: Option<i64>) -> Option<Span> {
    Some(Span {
        start: Timestamp::from_seconds(start?),
        end: Timestamp::from_seconds(end?),
    })
}

pub(super) fn schedule(body: &[u8]) -> Read {
    read(body, |object: ScheduleBody, _: Around| {
        let managed = object.subscription.or(object.released_subscription);
        // A schedule that never began manages nothing.
        let Some(subscription) = maybe(managed.as_ref(), SubscriptionId::parse)? else {
            return Ok(None);
        };
        Ok(Some(StripeEvent::Schedule(ScheduleEvent {
            customer: object.customer.parsed(CustomerId::parse)?,
            subscription,
        })))
    })
}

pub(super) fn subscription(body: &[u8], change: SubscriptionChange) -> Read {
    read(
        body,
        |object: SubscriptionBody, Around { as_of, .. }: Around| {
            let items = object.items.map(|items| items.data).unwrap_or_default();
            // Items may renew at different times, so the subscription is paid until the last item's
            // period ends.
            let of_items = items
                .iter()
                .filter_map(|item| span(item.current_period_start, item.current_period_end));
            let of_items = of_items.max_by_key(|span| (span.end, span.start));
            let period = span(object.current_period_start, object.current_period_end).or(of_items);
            let with_period = period
                .filter(|_| object.cancel_at_period_end == Some(true))
                .map(|period| period.end);
            let items = items
                .iter()
                .filter_map(|item| item_of(item).transpose())
                .collect::<Result<_, _>>()?;
            let subscription = Subscription {
                id: object.id.parsed(SubscriptionId::parse)?,
                status: Status::parse(&object.status),
                items,
                period,
                ends_at: seconds(object.cancel_at).or(with_period),
                trial_end: seconds(object.trial_end),
                created_at: seconds(object.created).unwrap_or(as_of),
                as_of,
            };
            Ok(Some(StripeEvent::Subscription(SubscriptionEvent {
                change,
                customer: object.customer.parsed(CustomerId::parse)?,
                subscription,
            })))
        },
    )
}

fn item_of(item: &Item) -> Result<Option<SubscriptionItem>, serde_json::Error> {
    let Some(price) = item.price.as_ref().or(item.plan.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(SubscriptionItem {
        price: price.id.parsed(PriceId::parse)?,
        product: maybe(price.product.as_ref(), ProductId::parse)?,
        quantity: item.quantity,
    }))
}

pub(super) fn invoice(body: &[u8], change: InvoiceChange) -> Read {
    read(body, |object: InvoiceBody, Around { as_of, .. }: Around| {
        let Some(customer) = maybe(object.customer.as_ref(), CustomerId::parse)? else {
            return Ok(None);
        };
        let in_parent = object
            .parent
            .and_then(|parent| parent.subscription_details?.subscription);
        let invoice = Invoice {
            id: object.id.parsed(InvoiceId::parse)?,
            number: object.number,
            status: object.status.unwrap_or_else(|| "draft".to_owned()),
            amount_due_minor: object.amount_due.unwrap_or(0),
            amount_paid_minor: object.amount_paid.unwrap_or(0),
            currency: object.currency,
            subscription: maybe(
                object.subscription.or(in_parent).as_ref(),
                SubscriptionId::parse,
            )?,
            url: object.hosted_invoice_url,
            created_at: seconds(object.created).unwrap_or(as_of),
            as_of,
        };
        Ok(Some(StripeEvent::Invoice(InvoiceEvent {
            change,
            customer,
            invoice,
        })))
    })
}
