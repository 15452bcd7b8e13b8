//! Tests the same facts in the shapes of several versions of Stripe's API.

mod payments;
mod subscriptions;

use super::{meter_errors, parse};
use domain::ids::{CustomerId, PaymentMethodId, StripeEventId};
use domain::inbox::events::{
    MeterEvent, PaymentMethodChange, PaymentMethodEvent, StripeEnvelope, StripeEvent, StripeMode,
};
use domain::time::Timestamp;
use serde_json::{Value, json};

const SECOND: i64 = 1_795_164_001;

/// Parses an event with this name about this object.
fn read(name: &str, object: &Value) -> Result<StripeEvent, serde_json::Error> {
    read_change(name, object, &json!({}))
}

fn read_change(
    name: &str,
    object: &Value,
    before: &Value,
) -> Result<StripeEvent, serde_json::Error> {
    let event = json!({ "id": "evt_1", "object": "event", "api_version": "2020-08-27", "created": SECOND,
        "type": name, "livemode": false, "data": { "object": object, "previous_attributes": before } });
    parse(name, &serde_json::to_vec(&event).expect("JSON")).map(|(_, event)| event)
}

/// The same object with fields added or replaced.
fn with(base: &Value, more: &Value) -> Value {
    let mut object = base.clone();
    object
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    object
}

fn is_ignored(event: &StripeEvent) -> bool {
    matches!(event, StripeEvent::Ignored { .. })
}

#[test]
fn the_envelope_says_when_and_in_which_mode() {
    for (live, mode) in [(false, StripeMode::Test), (true, StripeMode::Live)] {
        let body =
            json!({ "created": SECOND, "livemode": live, "data": { "object": { "id": "cus_1" } } })
                .to_string();
        let (envelope, _) = parse("customer.created", body.as_bytes()).expect("an event");
        assert_eq!(
            envelope,
            Some(StripeEnvelope {
                created_at: Timestamp::from_seconds(SECOND),
                mode
            })
        );
    }
    for odd in [
        json!({ "livemode": false, "data": { "object": { "id": "cus_1" } } }),
        json!({ "created": "soon", "livemode": false, "data": { "object": { "id": "cus_1" } } }),
        json!({ "created": 1, "livemode": null, "data": { "object": { "id": "cus_1" } } }),
        json!({ "created": 1, "livemode": false, "data": {} }),
    ] {
        assert!(
            parse("customer.created", odd.to_string().as_bytes()).is_err(),
            "{odd}"
        );
    }
}

#[test]
fn other_events_are_not_read() {
    for name in [
        "charge.updated",
        "customer.subscription.pending_update_applied",
        "v1.billing.meter.other",
        "",
    ] {
        let ignored = StripeEvent::Ignored {
            name: name.to_owned(),
        };
        assert_eq!(
            parse(name, b"not even JSON").expect("ignored"),
            (None, ignored)
        );
    }
}

#[test]
fn a_payment_method_keeps_its_former_customer() {
    let method = json!({ "id": "pm_1", "object": "payment_method", "customer": "cus_1" });
    let gone = with(&method, &json!({ "customer": null }));
    let expected = |change| PaymentMethodEvent {
        change,
        customer: CustomerId::parse("cus_1").expect("an id"),
        method: PaymentMethodId::parse("pm_1").expect("an id"),
    };
    let attached = read("payment_method.attached", &method).expect("an event");
    assert_eq!(
        attached,
        StripeEvent::PaymentMethod(expected(PaymentMethodChange::Attached))
    );
    let before = json!({ "customer": "cus_1", "billing_details": { "email": null } });
    let detached = read_change("payment_method.detached", &gone, &before).expect("an event");
    assert_eq!(
        detached,
        StripeEvent::PaymentMethod(expected(PaymentMethodChange::Detached))
    );
    for before in [
        json!({}),
        json!({ "customer": null }),
        json!({ "metadata": {} }),
    ] {
        assert!(is_ignored(
            &read_change("payment_method.detached", &gone, &before).expect("an event")
        ));
    }
    assert!(read_change("payment_method.detached", &gone, &json!({ "customer": 1 })).is_err());
}

#[test]
fn a_thin_event_has_its_time_as_text() {
    let thin = |created: Value| {
        let event = json!({ "id": "evt_test_65", "object": "v2.core.event", "created": created, "livemode": true,
            "type": "v1.billing.meter.error_report_triggered",
            "related_object": { "id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1" } });
        parse(
            "v1.billing.meter.error_report_triggered",
            event.to_string().as_bytes(),
        )
    };
    let (envelope, event) = thin(json!("2026-11-20T21:23:00.250Z")).expect("an event");
    let created_at = Timestamp::parse("2026-11-20T21:23:00.250Z").expect("a moment");
    assert_eq!(
        envelope,
        Some(StripeEnvelope {
            created_at,
            mode: StripeMode::Live
        })
    );
    let id = StripeEventId::parse("evt_test_65").expect("an id");
    assert_eq!(event, StripeEvent::Meter(MeterEvent { id }));
    for odd in [json!("yesterday"), json!(1_795_164_001), Value::Null] {
        assert!(thin(odd).is_err());
    }
}

#[test]
fn only_our_usage_is_taken_from_meter_errors() {
    let ours = "use_01hzy3v7q0m8n4s2e6r5t9w1xa-pull_requests";
    let fetched = json!({ "id": "evt_1", "object": "v2.core.event", "data": {
        "developer_message_summary": "There are 4 invalid events",
        "reason": { "error_count": 4, "error_types": [
            { "code": "meter_event_customer_not_found", "error_count": 3, "sample_errors": [
                { "error_message": "No such customer", "request": { "identifier": ours } },
                { "error_message": "No such customer", "request": { "identifier": "somebody-elses" } },
                { "error_message": "No such customer", "request": {} },
            ] },
            { "code": "archived_meter", "error_count": 1, "sample_errors": [{ "error_message": "x".repeat(500),
                "request": { "identifier": "use_01hzy3v7q0m8n4s2e6r5t9w1xb-tokens" } }] },
        ] }, "validation_start": "2026-11-20T21:00:00Z", "validation_end": "2026-11-20T21:10:00Z" } });
    let errors = meter_errors(fetched.to_string().as_bytes()).expect("details");
    assert_eq!(errors.count, 4);
    let named: Vec<_> = errors
        .uncounted
        .iter()
        .map(|one| one.identifier.to_string())
        .collect();
    assert_eq!(named, [ours, "use_01hzy3v7q0m8n4s2e6r5t9w1xb-tokens"]);
    assert_eq!(
        errors.uncounted[0].why,
        "meter_event_customer_not_found: No such customer"
    );
    assert_eq!(errors.uncounted[1].why.len(), 200);
    for nothing in [
        json!({}),
        json!({ "data": null }),
        json!({ "data": {} }),
        json!({ "data": { "reason": {} } }),
    ] {
        assert_eq!(
            meter_errors(nothing.to_string().as_bytes()).expect("nothing"),
            super::MeterErrors::default()
        );
    }
    assert!(meter_errors(br#"{"data":{"reason":{"error_types":"many"}}}"#).is_err());
}
