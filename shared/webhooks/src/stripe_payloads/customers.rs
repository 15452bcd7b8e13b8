//! Customers and their payment methods.

use super::{Around, Read, Ref, maybe, read};
use domain::ids::{CustomerId, PaymentMethodId};
use domain::inbox::events::{
    CustomerChange, CustomerEvent, PaymentMethodChange, PaymentMethodEvent, StripeEvent,
};
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

/// The previous values of a payment method.
#[derive(Deserialize)]
struct Before {
    customer: Option<Ref>,
}

pub(super) fn customer(body: &[u8], change: CustomerChange) -> Read {
    read(body, |object: Customer, _: Around| {
        Ok(Some(StripeEvent::Customer(CustomerEvent {
            change,
            customer: object.id.parsed(CustomerId::parse)?,
        })))
    })
}

/// A detached payment method no longer has a customer; the previous attributes contain it.
pub(super) fn method(body: &[u8], change: PaymentMethodChange) -> Read {
    read(body, |object: Method, around: Around<Before>| {
        let customer = object.customer.or_else(|| around.previous?.customer);
        let Some(customer) = maybe(customer.as_ref(), CustomerId::parse)? else {
            return Ok(None);
        };
        Ok(Some(StripeEvent::PaymentMethod(PaymentMethodEvent {
            change,
            customer,
            method: object.id.parsed(PaymentMethodId::parse)?,
        })))
    })
}
