//! Customers and their ways to pay.

use super::{Around, Read, Ref, maybe, read};
use domain::ids::{CustomerId, PaymentMethodId};
use domain::inbox::events::{CustomerEvent, PaymentMethodEvent, StripeEvent};
use serde::Deserialize;

#[derive(Deserialize)]
struct Customer {
    id: Ref,
}

#[derive(Deserialize)]
struct Method {
    id: Ref,
    customer: Option<Ref>,
}

/// What a way to pay was before.
#[derive(Deserialize)]
struct Before {
    customer: Option<Ref>,
}

pub(super) fn customer(body: &[u8], is: fn(CustomerEvent) -> StripeEvent) -> Read {
    read(body, is, |object: Customer, _: Around| {
        Ok(Some(CustomerEvent {
            customer: object.id.parsed(CustomerId::parse)?,
        }))
    })
}

/// Whose it is, or, if it is nobody's any more, whose it was.
pub(super) fn method(body: &[u8], is: fn(PaymentMethodEvent) -> StripeEvent) -> Read {
    read(body, is, |object: Method, around: Around<Before>| {
        let customer = object.customer.or_else(|| around.previous?.customer);
        let Some(customer) = maybe(customer.as_ref(), CustomerId::parse)? else {
            return Ok(None);
        };
        Ok(Some(PaymentMethodEvent {
            customer,
            method: object.id.parsed(PaymentMethodId::parse)?,
        }))
    })
}
