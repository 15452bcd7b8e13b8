//! One fact, however an API version of Stripe writes it.

use super::parse;
use domain::events::{InvoiceEvent, StripeEvent, SubscriptionEvent};
use domain::time::Timestamp;
use serde_json::{Value, json};

fn envelope(object: &Value) -> Vec<u8> {
    let event = json!({ "id": "evt_1", "object": "event", "api_version": "2020-08-27", "created": 1_795_164_001,
        "type": "x", "livemode": false, "data": { "object": object } });
    serde_json::to_vec(&event).expect("JSON")
}

fn subscription(object: &Value) -> Result<SubscriptionEvent, serde_json::Error> {
    match parse("customer.subscription.updated", &envelope(object))? {
        StripeEvent::CustomerSubscriptionUpdated(event) => Ok(event),
        other => panic!("{other:?}"),
    }
}

fn invoice(object: &Value) -> Result<InvoiceEvent, serde_json::Error> {
    match parse("invoice.paid", &envelope(object))? {
        StripeEvent::InvoicePaid(event) => Ok(event),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_period_reads_the_same_on_the_subscription_and_on_its_items() {
    let base = |more: Value| {
        let mut object = json!({ "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active" });
        object.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        subscription(&object).expect("a subscription")
    };
    let old = base(json!({ "current_period_end": 1_797_756_000, "current_period_start": 1_795_164_000 }));
    let new =
        base(json!({ "items": { "object": "list", "data": [{ "id": "si_1", "current_period_end": 1_797_756_000 }] } }));
    let both = base(
        json!({ "current_period_end": 1_797_756_000, "items": { "data": [{ "current_period_end": 1_797_756_000 }] } }),
    );
    assert_eq!(old.subscription.period_end, Some(Timestamp::from_seconds(1_797_756_000)));
    assert_eq!((&old, &old), (&new, &both));
    let several = base(
        json!({ "items": { "data": [{ "current_period_end": 5 }, {}, { "current_period_end": 9 }, { "current_period_end": 7 }] } }),
    );
    assert_eq!(several.subscription.period_end, Some(Timestamp::from_seconds(9)), "paid for until the last item's end");
    for none in [
        json!({}),
        json!({ "items": { "data": [] } }),
        json!({ "items": {} }),
        json!({ "items": null }),
        json!({ "current_period_end": null }),
    ] {
        assert_eq!(base(none).subscription.period_end, None);
    }
}

#[test]
fn a_customer_reads_the_same_alone_and_expanded() {
    let of = |customer: Value| subscription(&json!({ "id": "sub_1", "customer": customer, "status": "active" }));
    let alone = of(json!("cus_1")).expect("a subscription");
    for customer in [
        json!({ "id": "cus_1", "object": "customer" }),
        json!({ "object": "customer", "deleted": true, "id": "cus_1" }),
    ] {
        assert_eq!(of(customer).expect("a subscription"), alone);
    }
    for customer in [Value::Null, json!(1), json!({}), json!({ "id": 1 }), json!([]), json!("sub_1"), json!("")] {
        assert!(of(customer.clone()).is_err(), "{customer}");
    }
}

#[test]
fn an_event_tells_when_it_was_made_and_not_when_its_object_was() {
    let event = subscription(&json!({ "id": "sub_1", "customer": "cus_1", "status": "active", "created": 1 }));
    assert_eq!(event.expect("a subscription").subscription.as_of, Timestamp::from_seconds(1_795_164_001));
}

#[test]
fn an_invoice_keeps_what_was_asked_in_minor_units() {
    let event = invoice(
        &json!({ "id": "in_1", "customer": "cus_1", "status": "paid", "amount_due": 1_999, "currency": "usd" }),
    );
    let event = event.expect("an invoice");
    assert_eq!((event.invoice.amount_due_minor, event.invoice.currency.as_str()), (1_999, "usd"));
    let bare = invoice(&json!({ "id": "in_1", "customer": "cus_1", "currency": "jpy" })).expect("an invoice");
    assert_eq!((bare.invoice.status.as_str(), bare.invoice.amount_due_minor), ("draft", 0));
    for bad in [
        json!({ "id": "in_1", "customer": "cus_1", "amount_due": 19.99, "currency": "usd" }),
        json!({ "id": "ch_1", "customer": "cus_1", "currency": "usd" }),
        json!({ "id": "in_1", "customer": "cus_1" }),
    ] {
        assert!(invoice(&bad).is_err(), "{bad}");
    }
}

#[test]
fn words_of_tomorrow_are_no_errors() {
    let event = subscription(
        &json!({ "id": "sub_1", "customer": "cus_1", "status": "hibernating", "a_new_field": { "deep": [1] } }),
    );
    assert_eq!(event.expect("a subscription").subscription.status, "hibernating");
    for name in ["charge.updated", "customer.subscription.paused", "v1.billing.meter.error_report_triggered", ""] {
        assert_eq!(parse(name, b"not even JSON").expect("ignored"), StripeEvent::Ignored { name: name.to_owned() });
    }
}
