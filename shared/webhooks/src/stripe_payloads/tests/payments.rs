//! Tests checkout sessions, payments, refunds and disputes in every shape.

use super::{is_ignored, read, with};
use domain::billing::payments::{DisputePhase, Observed, RefundOutcome};
use domain::ids::{CustomerId, PaymentId};
use domain::inbox::events::{CheckoutEvent, CheckoutPayment, CheckoutPurpose, StripeEvent};
use serde_json::{Value, json};

fn session(more: &Value) -> Result<StripeEvent, serde_json::Error> {
    let base = json!({ "id": "cs_test_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "customer": "cus_1", "payment_intent": "pi_1", "amount_total": 1_000, "currency": "usd" });
    read("checkout.session.completed", &with(&base, more))
}

fn checkout(more: &Value) -> CheckoutEvent {
    match session(more).expect("an event") {
        StripeEvent::Checkout(event) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_says_whether_it_is_paid() {
    for (word, paid) in [
        ("paid", CheckoutPayment::Paid),
        ("unpaid", CheckoutPayment::Unpaid),
        ("no_payment_required", CheckoutPayment::NotRequired),
        ("of_tomorrow", CheckoutPayment::Unpaid),
    ] {
        assert_eq!(
            checkout(&json!({ "payment_status": word })).paid,
            paid,
            "{word}"
        );
    }
    for (word, purpose) in [
        ("payment", CheckoutPurpose::Payment),
        ("subscription", CheckoutPurpose::Subscription),
        ("setup", CheckoutPurpose::Setup),
    ] {
        assert_eq!(
            checkout(&json!({ "mode": word })).purpose,
            purpose,
            "{word}"
        );
    }
    assert!(is_ignored(
        &session(&json!({ "mode": "of_tomorrow" })).expect("an event")
    ));
    for odd in [
        json!({ "payment_status": null }),
        json!({ "mode": null }),
        json!({ "amount_total": "1000" }),
    ] {
        assert!(session(&odd).is_err(), "{odd}");
    }
}

#[test]
fn a_sessions_customer_and_payment_come_alone_expanded_or_not_at_all() {
    let (customer, payment) = (
        CustomerId::parse("cus_1").ok(),
        PaymentId::parse("pi_1").ok(),
    );
    for (more, expected) in [
        (json!({}), (&customer, &payment)),
        (
            json!({ "customer": { "id": "cus_1" }, "payment_intent": { "id": "pi_1" } }),
            (&customer, &payment),
        ),
        (
            json!({ "customer": null, "payment_intent": null }),
            (&None, &None),
        ),
    ] {
        let event = checkout(&more);
        assert_eq!((&event.customer, &event.payment), expected, "{more}");
    }
    let setup = checkout(&json!({ "mode": "setup", "amount_total": null, "currency": null }));
    assert_eq!((setup.total_minor, setup.currency.as_str()), (0, ""));
}

#[test]
fn a_charge_has_its_refunds_or_only_their_sum() {
    let charge = |more: Value| {
        let base = json!({ "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 1_000,
            "amount_refunded": 750, "refunded": false });
        match read("charge.refunded", &with(&base, &more)).expect("an event") {
            StripeEvent::Charge(event) => event,
            other => panic!("{other:?}"),
        }
    };
    let refund = |id: &str, minor: i64, status: Value| {
        json!({ "id": id, "object": "refund", "amount": minor,
        "status": status, "charge": "ch_1", "payment_intent": "pi_1" })
    };
    let old = charge(
        json!({ "refunds": { "object": "list", "has_more": false, "data":
        [refund("re_2", 250, json!("failed")), refund("re_1", 500, Value::Null)] } }),
    );
    let refunds: Vec<_> = old
        .refunds
        .iter()
        .map(|(id, refund)| (id.as_str(), refund.minor, refund.outcome))
        .collect();
    assert_eq!(
        refunds,
        [
            ("re_2", 250, RefundOutcome::Failed),
            ("re_1", 500, RefundOutcome::Made)
        ]
    );
    for new in [
        json!({}),
        json!({ "refunds": null }),
        json!({ "refunds": { "data": [] } }),
    ] {
        let new = charge(new);
        assert_eq!((new.refunded_minor, new.refunds.len()), (750, 0));
        assert_eq!(new.payment, old.payment);
    }
    assert_eq!(
        charge(json!({ "payment_intent": null })).payment.as_str(),
        "ch_1",
        "older than payment intents"
    );
}

#[test]
fn a_refund_knows_its_payment_and_whether_it_failed() {
    let base = json!({ "id": "re_1", "object": "refund", "amount": 250, "charge": "ch_1", "payment_intent": "pi_1" });
    let refund = |more: Value| match read("refund.updated", &with(&base, &more)).expect("an event")
    {
        StripeEvent::Refund(event) => event,
        other => panic!("{other:?}"),
    };
    for (status, outcome) in [
        (json!("pending"), RefundOutcome::Made),
        (json!("requires_action"), RefundOutcome::Made),
        (json!("succeeded"), RefundOutcome::Made),
        (json!("failed"), RefundOutcome::Failed),
        (json!("canceled"), RefundOutcome::Failed),
        (json!("of_tomorrow"), RefundOutcome::Made),
        (Value::Null, RefundOutcome::Made),
    ] {
        let event = refund(json!({ "status": status }));
        assert_eq!(
            (event.refund.outcome, event.refund.minor),
            (outcome, 250),
            "{status}"
        );
    }
    assert_eq!(refund(json!({})).payment.as_str(), "pi_1");
    assert_eq!(
        refund(json!({ "payment_intent": { "id": "pi_1" } }))
            .payment
            .as_str(),
        "pi_1"
    );
    assert_eq!(
        refund(json!({ "payment_intent": null })).payment.as_str(),
        "ch_1"
    );
    let without_payment = with(&base, &json!({ "payment_intent": null, "charge": null }));
    assert!(is_ignored(
        &read("refund.created", &without_payment).expect("an event")
    ));
    assert!(read("refund.created", &with(&base, &json!({ "amount": 2.5 }))).is_err());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
fn a_dispute_has_a_phase_and_its_event_names_the_movement_of_money() {
    let base = json!({ "id": "du_1", "object": "dispute", "amount": 1_000, "created": 1_795_000_000, "charge": "ch_1", "payment_intent": "pi_1" });
    for (name, status, phase, withdrawn, reinstated) in [
        (
            "created",
            "needs_response",
            DisputePhase::Open,
            Observed::No,
            Observed::No,
        ),
        (
            "created",
            "warning_needs_response",
            DisputePhase::Inquiry,
            Observed::No,
            Observed::No,
        ),
        (
            "updated",
            "warning_under_review",
            DisputePhase::Inquiry,
            Observed::No,
            Observed::No,
        ),
        (
            "updated",
            "of_tomorrow",
            DisputePhase::Open,
            Observed::No,
            Observed::No,
        ),
        (
            "closed",
            "warning_closed",
            DisputePhase::InquiryClosed,
            Observed::No,
            Observed::No,
        ),
        (
            "closed",
            "won",
            DisputePhase::Won,
            Observed::No,
            Observed::No,
        ),
        (
            "closed",
            "lost",
            DisputePhase::Lost,
            Observed::No,
            Observed::No,
        ),
        (
            "funds_withdrawn",
            "needs_response",
            DisputePhase::Open,
            Observed::Yes,
            Observed::No,
        ),
        (
            "funds_reinstated",
            "won",
            DisputePhase::Won,
            Observed::No,
            Observed::Yes,
        ),
    ] {
        let name = format!("charge.dispute.{name}");
        let event = match read(&name, &with(&base, &json!({ "status": status }))).expect("an event")
        {
            StripeEvent::Dispute(event) => event,
            other => panic!("{other:?}"),
        };
        let dispute = event.dispute;
        let found = (dispute.phase, dispute.withdrawn, dispute.reinstated);
        assert_eq!(found, (phase, withdrawn, reinstated), "{name} {status}");
        assert_eq!(
            (event.payment.as_str(), event.id.as_str(), dispute.minor),
            ("pi_1", "du_1", 1_000)
        );
    }
    let old = with(&base, &json!({ "status": "lost", "payment_intent": null }));
    assert!(
        matches!(read("charge.dispute.closed", &old).expect("an event"),
        StripeEvent::Dispute(event) if event.payment.as_str() == "ch_1")
    );
    let without_payment = with(&old, &json!({ "charge": null }));
    assert!(is_ignored(
        &read("charge.dispute.closed", &without_payment).expect("an event")
    ));
    assert!(
        read("charge.dispute.closed", &base).is_err(),
        "a dispute has a status"
    );
}

#[test]
fn a_payment_may_have_no_customer() {
    let intent = |customer: Value| {
        read(
            "payment_intent.succeeded",
            &json!({ "id": "pi_1", "customer": customer }),
        )
    };
    for (customer, expected) in [
        (json!("cus_1"), CustomerId::parse("cus_1").ok()),
        (Value::Null, None),
    ] {
        assert!(matches!(intent(customer).expect("an event"),
            StripeEvent::Payment(event) if event.customer == expected));
    }
    assert!(intent(json!("acct_1")).is_err());
}
