//! Checkout sessions, payments, refunds and disputes.
//!
//! A payment is identified by its payment intent, or by its charge if it is older than payment
//! intents.

use super::{Around, Read, Ref, maybe, read};
use domain::billing::payments::{Dispute, DisputePhase, Observed, Refund, RefundOutcome};
use domain::ids::{CheckoutSessionId, CustomerId, DisputeId, PaymentId, RefundId};
use domain::inbox::events::{
    ChargeEvent, CheckoutChange, CheckoutEvent, CheckoutPayment, CheckoutPurpose, DisputeEvent,
    PaymentChange, PaymentEvent, RefundEvent, StripeEvent,
};
use domain::time::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Session {
    id: Ref,
    mode: String,
    customer: Option<Ref>,
    payment_intent: Option<Ref>,
    payment_status: String,
    amount_total: Option<i64>,
    currency: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Intent {
    id: Ref,
    customer: Option<Ref>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Charge {
    id: Ref,
    payment_intent: Option<Ref>,
    amount_refunded: i64,
    /// Contained in the event up to API version 2022-08; from 2022-11 on only if expanded.
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
    created: i64,
    status: String,
    payment_intent: Option<Ref>,
    charge: Option<Ref>,
}

/// Whether a dispute's event moves money. Only the event's name says so; the object does not.
#[derive(Clone, Copy)]
pub(super) enum Movement {
    None,
    Withdrawn,
    Reinstated,
}

fn payment(
    intent: Option<&Ref>,
    charge: Option<&Ref>,
) -> Result<Option<PaymentId>, serde_json::Error> {
    maybe(intent.or(charge), PaymentId::parse)
}

pub(super) fn checkout(body: &[u8], change: CheckoutChange) -> Read {
    read(body, |session: Session, _: Around| {
        let purpose = match session.mode.as_str() {
            "payment" => CheckoutPurpose::Payment,
            "subscription" => CheckoutPurpose::Subscription,
            "setup" => CheckoutPurpose::Setup,
            // A mode that is newer than this code does not sell a pack of credits.
            _ => return Ok(None),
        };
        let paid = match session.payment_status.as_str() {
            "paid" => CheckoutPayment::Paid,
            "no_payment_required" => CheckoutPayment::NotRequired,
            _ => CheckoutPayment::Unpaid,
        };
        Ok(Some(StripeEvent::Checkout(CheckoutEvent {
            change,
            session: session.id.parsed(CheckoutSessionId::parse)?,
            purpose,
            customer: maybe(session.customer.as_ref(), CustomerId::parse)?,
            payment: maybe(session.payment_intent.as_ref(), PaymentId::parse)?,
            paid,
            total_minor: session.amount_total.unwrap_or(0),
            currency: session.currency.unwrap_or_default(),
            metadata: session.metadata.unwrap_or_default(),
        })))
    })
}

pub(super) fn intent(body: &[u8], change: PaymentChange) -> Read {
    read(body, |intent: Intent, _: Around| {
        Ok(Some(StripeEvent::Payment(PaymentEvent {
            change,
            payment: intent.id.parsed(PaymentId::parse)?,
            customer: maybe(intent.customer.as_ref(), CustomerId::parse)?,
            metadata: intent.metadata.unwrap_or_default(),
        })))
    })
}

pub(super) fn charge(body: &[u8]) -> Read {
    read(body, |charge: Charge, _: Around| {
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
        Ok(Some(StripeEvent::Charge(ChargeEvent {
            payment,
            refunded_minor: charge.amount_refunded,
            refunds,
        })))
    })
}

pub(super) fn refund(body: &[u8]) -> Read {
    read(body, |object: RefundBody, _: Around| {
        let Some(payment) = payment(object.payment_intent.as_ref(), object.charge.as_ref())? else {
            return Ok(None);
        };
        let (id, refund) = refund_of(&object)?;
        Ok(Some(StripeEvent::Refund(RefundEvent {
            payment,
            id,
            refund,
        })))
    })
}

fn refund_of(object: &RefundBody) -> Result<(RefundId, Refund), serde_json::Error> {
    let outcome = match object.status.as_deref() {
        Some("failed" | "canceled") => RefundOutcome::Failed,
        _ => RefundOutcome::Made,
    };
    Ok((
        object.id.parsed(RefundId::parse)?,
        Refund {
            minor: object.amount,
            outcome,
        },
    ))
}

pub(super) fn dispute(body: &[u8], movement: Movement) -> Read {
    read(body, |object: DisputeBody, _: Around| {
        let Some(payment) = payment(object.payment_intent.as_ref(), object.charge.as_ref())? else {
            return Ok(None);
        };
        let (withdrawn, reinstated) = match movement {
            Movement::None => (Observed::No, Observed::No),
            Movement::Withdrawn => (Observed::Yes, Observed::No),
            Movement::Reinstated => (Observed::No, Observed::Yes),
        };
        let phase = DisputePhase::of_status(&object.status);
        let dispute = Dispute {
            minor: object.amount,
            phase,
            withdrawn,
            reinstated,
        };
        Ok(Some(StripeEvent::Dispute(DisputeEvent {
            payment,
            id: object.id.parsed(DisputeId::parse)?,
            opened_at: Timestamp::from_seconds(object.created),
            dispute,
        })))
    })
}
