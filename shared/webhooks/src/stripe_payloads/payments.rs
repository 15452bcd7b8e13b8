//! Checkout sessions, payments, refunds and disputes.
//!
//! A payment is known by its payment intent; by its charge where it is so old that it has none.

use super::{Around, Read, Ref, maybe, read};
use domain::billing::payments::{Dispute, DisputePhase, Observed, Refund, RefundOutcome};
use domain::ids::{CheckoutSessionId, CustomerId, DisputeId, PaymentId, RefundId};
use domain::inbox::events::{
    ChargeEvent, CheckoutEvent, CheckoutPayment, CheckoutPurpose, DisputeEvent, PaymentEvent,
    RefundEvent, StripeEvent,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Session {
    id: Ref,
    mode: String,
    customer: Option<Ref>,
    payment_intent: Option<Ref>,
    payment_status: String,
    amount_total: Option<i64>,
    currency: Option<String>,
}

#[derive(Deserialize)]
struct Intent {
    id: Ref,
    customer: Option<Ref>,
}

#[derive(Deserialize)]
struct Charge {
    id: Ref,
    payment_intent: Option<Ref>,
    amount_refunded: i64,
    /// Up to 2022-08 the event tells them; from 2022-11 on nobody does unless he is asked.
    refunds: Option<Refunds>,
}

#[derive(Deserialize)]
struct Refunds {
    #[serde(default)]
    data: Vec<RefundBody>,
}

#[derive(Deserialize)]
struct RefundBody {
    id: Ref,
    amount: i64,
    status: Option<String>,
    payment_intent: Option<Ref>,
    charge: Option<Ref>,
}

#[derive(Deserialize)]
struct DisputeBody {
    id: Ref,
    amount: i64,
    status: String,
    payment_intent: Option<Ref>,
    charge: Option<Ref>,
}

/// What an event says of a dispute by its name alone.
#[derive(Clone, Copy)]
pub(super) enum Movement {
    /// Nothing about money.
    None,
    /// It was taken from us.
    Withdrawn,
    /// It was given back.
    Reinstated,
}

fn payment(
    intent: Option<&Ref>,
    charge: Option<&Ref>,
) -> Result<Option<PaymentId>, serde_json::Error> {
    maybe(intent.or(charge), PaymentId::parse)
}

pub(super) fn checkout(body: &[u8], is: fn(CheckoutEvent) -> StripeEvent) -> Read {
    read(body, is, |session: Session, _: Around| {
        let purpose = match session.mode.as_str() {
            "payment" => CheckoutPurpose::Payment,
            "subscription" => CheckoutPurpose::Subscription,
            "setup" => CheckoutPurpose::Setup,
            // What is sold in a way that is new to us is not a pack of credits.
            _ => return Ok(None),
        };
        let paid = match session.payment_status.as_str() {
            "paid" => CheckoutPayment::Paid,
            "no_payment_required" => CheckoutPayment::NotRequired,
            _ => CheckoutPayment::Unpaid,
        };
        Ok(Some(CheckoutEvent {
            session: session.id.parsed(CheckoutSessionId::parse)?,
            purpose,
            customer: maybe(session.customer.as_ref(), CustomerId::parse)?,
            payment: maybe(session.payment_intent.as_ref(), PaymentId::parse)?,
            paid,
            total_minor: session.amount_total.unwrap_or(0),
            currency: session.currency.unwrap_or_default(),
        }))
    })
}

pub(super) fn intent(body: &[u8], is: fn(PaymentEvent) -> StripeEvent) -> Read {
    read(body, is, |intent: Intent, _: Around| {
        let customer = maybe(intent.customer.as_ref(), CustomerId::parse)?;
        Ok(Some(PaymentEvent {
            payment: intent.id.parsed(PaymentId::parse)?,
            customer,
        }))
    })
}

pub(super) fn charge(body: &[u8], is: fn(ChargeEvent) -> StripeEvent) -> Read {
    read(body, is, |charge: Charge, _: Around| {
        let refunds = charge
            .refunds
            .map(|refunds| refunds.data)
            .unwrap_or_default();
        let payment = charge
            .payment_intent
            .as_ref()
            .unwrap_or(&charge.id)
            .parsed(PaymentId::parse)?;
        let refunds = refunds.iter().map(refund_of).collect::<Result<_, _>>()?;
        Ok(Some(ChargeEvent {
            payment,
            refunded_minor: charge.amount_refunded,
            refunds,
        }))
    })
}

pub(super) fn refund(body: &[u8], is: fn(RefundEvent) -> StripeEvent) -> Read {
    read(body, is, |told: RefundBody, _: Around| {
        let Some(payment) = payment(told.payment_intent.as_ref(), told.charge.as_ref())? else {
            return Ok(None);
        };
        let (id, refund) = refund_of(&told)?;
        Ok(Some(RefundEvent {
            payment,
            id,
            refund,
        }))
    })
}

fn refund_of(told: &RefundBody) -> Result<(RefundId, Refund), serde_json::Error> {
    let outcome = match told.status.as_deref() {
        Some("failed" | "canceled") => RefundOutcome::Failed,
        _ => RefundOutcome::Made,
    };
    Ok((
        told.id.parsed(RefundId::parse)?,
        Refund {
            minor: told.amount,
            outcome,
        },
    ))
}

pub(super) fn dispute(
    body: &[u8],
    movement: Movement,
    is: fn(DisputeEvent) -> StripeEvent,
) -> Read {
    read(body, is, |told: DisputeBody, _: Around| {
        let Some(payment) = payment(told.payment_intent.as_ref(), told.charge.as_ref())? else {
            return Ok(None);
        };
        let (withdrawn, reinstated) = match movement {
            Movement::None => (Observed::No, Observed::No),
            Movement::Withdrawn => (Observed::Yes, Observed::No),
            Movement::Reinstated => (Observed::No, Observed::Yes),
        };
        let phase = DisputePhase::of_status(&told.status);
        let dispute = Dispute {
            minor: told.amount,
            phase,
            withdrawn,
            reinstated,
        };
        Ok(Some(DisputeEvent {
            payment,
            id: told.id.parsed(DisputeId::parse)?,
            dispute,
        }))
    })
}
