//! Tests subscriptions and invoices in every shape.

use super::{SECOND, is_ignored, read, with};
use domain::billing::subscriptions::Status;
use domain::inbox::events::{InvoiceEvent, StripeEvent, SubscriptionEvent};
use domain::time::Timestamp;
use serde_json::{Value, json};

fn subscription(more: &Value) -> Result<SubscriptionEvent, serde_json::Error> {
    let base =
        json!({ "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active" });
    match read("customer.subscription.updated", &with(&base, more))? {
        StripeEvent::Subscription(event) => Ok(event),
        other => panic!("{other:?}"),
    }
}

fn invoice(more: &Value) -> Result<InvoiceEvent, serde_json::Error> {
    let base = json!({ "id": "in_1", "object": "invoice", "customer": "cus_1", "currency": "usd" });
    match read("invoice.paid", &with(&base, more))? {
        StripeEvent::Invoice(event) => Ok(event),
        other => panic!("{other:?}"),
    }
}

const START: i64 = 1_795_164_000;
const END: i64 = 1_797_756_000;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(seconds))
}

#[test]
fn a_period_reads_the_same_on_the_subscription_and_on_its_items() {
    let period = json!({ "current_period_start": START, "current_period_end": END });
    let item = with(
        &period,
        &json!({ "id": "si_1", "price": { "id": "price_1", "product": "prod_1" }, "quantity": 1 }),
    );
    let bare =
        json!({ "id": "si_1", "price": { "id": "price_1", "product": "prod_1" }, "quantity": 1 });
    let old = subscription(&with(&period, &json!({ "items": { "data": [bare] } })))
        .expect("a subscription");
    let new = subscription(&json!({ "items": { "object": "list", "data": [item.clone()] } }))
        .expect("a subscription");
    let both = subscription(&with(&period, &json!({ "items": { "data": [item] } })))
        .expect("a subscription");
    let span = old.subscription.period.expect("a period");
    assert_eq!((Some(span.start), Some(span.end)), (at(START), at(END)));
    assert_eq!((&old, &old), (&new, &both));
    let several = [(1, Some(5)), (2, None), (3, Some(9)), (4, Some(7))]
        .map(|(start, end)| json!({ "current_period_start": start, "current_period_end": end }));
    let several = subscription(&json!({ "items": { "data": several } })).expect("a subscription");
    let span = several.subscription.period.expect("a period");
    assert_eq!(
        (span.start.seconds(), span.end.seconds()),
        (3, 9),
        "paid for until the last item's end"
    );
    for none in [
        json!({}),
        json!({ "items": { "data": [] } }),
        json!({ "items": null }),
        json!({ "items": {} }),
    ] {
        assert_eq!(
            subscription(&none)
                .expect("a subscription")
                .subscription
                .period,
            None
        );
    }
}

#[test]
fn an_item_reads_the_same_by_its_plan_and_by_its_price() {
    let items = |item: &Value| {
        let event = subscription(&json!({ "items": { "data": [item] } }))?;
        Ok::<_, serde_json::Error>(event.subscription.items)
    };
    let whole = json!({ "id": "price_1", "object": "price", "product": "prod_1" });
    let expected = items(&json!({ "price": whole, "quantity": 3 })).expect("items");
    assert_eq!(
        (expected[0].price.as_str(), expected[0].quantity),
        ("price_1", Some(3))
    );
    assert_eq!(
        expected[0]
            .product
            .as_ref()
            .map(domain::ids::ProductId::as_str),
        Some("prod_1")
    );
    let expanded = json!({ "id": "price_1", "product": { "id": "prod_1", "object": "product", "name": "Teams" } });
    for same in [
        json!({ "plan": whole, "quantity": 3 }),
        json!({ "plan": { "id": "plan_other", "product": "prod_9" }, "price": whole, "quantity": 3 }),
        json!({ "price": expanded, "quantity": 3 }),
    ] {
        assert_eq!(items(&same).expect("items"), expected, "{same}");
    }
    let metered = items(&json!({ "price": "price_1" })).expect("items");
    assert_eq!(
        (metered[0].product.as_ref(), metered[0].quantity),
        (None, None)
    );
    assert_eq!(items(&json!({ "id": "si_1" })).expect("items"), []);
    for odd in [
        json!({ "price": 7 }),
        json!({ "price": {} }),
        json!({ "price": { "id": "price_1", "product": 7 } }),
        json!({ "price": "price_1", "quantity": -1 }),
        json!({ "price": "a price" }),
    ] {
        assert!(items(&odd).is_err(), "{odd}");
    }
}

#[test]
fn a_cancellation_is_read_from_two_fields() {
    let period = json!({ "current_period_start": START, "current_period_end": END });
    for (more, ends_at) in [
        (json!({}), None),
        (
            json!({ "cancel_at": null, "cancel_at_period_end": false }),
            None,
        ),
        (json!({ "cancel_at_period_end": true }), at(END)),
        (
            json!({ "cancel_at": END, "cancel_at_period_end": true }),
            at(END),
        ),
        (
            json!({ "cancel_at": 5, "cancel_at_period_end": false }),
            at(5),
        ),
    ] {
        assert_eq!(
            subscription(&with(&period, &more))
                .expect("one")
                .subscription
                .ends_at,
            ends_at,
            "{more}"
        );
    }
    assert_eq!(
        subscription(&json!({ "trial_end": 9 }))
            .expect("one")
            .subscription
            .trial_end,
        at(9)
    );
}

#[test]
fn a_customer_reads_the_same_alone_and_expanded() {
    let of = |customer: Value| subscription(&json!({ "customer": customer }));
    let alone = of(json!("cus_1")).expect("a subscription");
    for customer in [
        json!({ "id": "cus_1", "object": "customer" }),
        json!({ "object": "customer", "deleted": true, "id": "cus_1" }),
    ] {
        assert_eq!(of(customer).expect("a subscription"), alone);
    }
    for customer in [
        Value::Null,
        json!(1),
        json!({}),
        json!({ "id": 1 }),
        json!([]),
        json!("sub_1"),
        json!(""),
    ] {
        assert!(of(customer.clone()).is_err(), "{customer}");
    }
}

#[test]
fn an_event_and_its_object_have_times_of_their_own() {
    let event = subscription(&json!({ "created": 1 })).expect("a subscription");
    assert_eq!(
        (
            Some(event.subscription.as_of),
            Some(event.subscription.created_at)
        ),
        (at(SECOND), at(1))
    );
    let event = subscription(&json!({})).expect("a subscription");
    assert_eq!(Some(event.subscription.created_at), at(SECOND));
}

#[test]
fn unknown_words_are_accepted() {
    let event = subscription(&json!({ "status": "hibernating", "a_new_field": { "deep": [1] } }));
    assert_eq!(
        event.expect("a subscription").subscription.status,
        Status::Other("hibernating".to_owned())
    );
}

#[test]
fn an_invoice_keeps_amounts_in_minor_units() {
    let event = invoice(
        &json!({ "status": "paid", "amount_due": 1_999, "amount_paid": 999, "number": "A-1",
        "hosted_invoice_url": "https://invoice.example/1", "created": 5 }),
    );
    let kept = event.expect("an invoice").invoice;
    assert_eq!(
        (
            kept.amount_due_minor,
            kept.amount_paid_minor,
            kept.currency.as_str()
        ),
        (1_999, 999, "usd")
    );
    assert_eq!(
        (kept.number.as_deref(), kept.url.as_deref()),
        (Some("A-1"), Some("https://invoice.example/1"))
    );
    assert_eq!(
        (Some(kept.created_at), Some(kept.as_of)),
        (at(5), at(SECOND))
    );
    let bare = invoice(&json!({ "number": null }))
        .expect("an invoice")
        .invoice;
    assert_eq!(
        (bare.status.as_str(), bare.amount_due_minor, bare.url),
        ("draft", 0, None)
    );
    for odd in [
        json!({ "amount_due": 19.99 }),
        json!({ "id": "ch_1" }),
        json!({ "currency": null }),
        json!({ "customer": 7 }),
    ] {
        assert!(invoice(&odd).is_err(), "{odd}");
    }
}

#[test]
fn an_invoices_subscription_reads_the_same_in_both_places() {
    let parent = |details: Value| json!({ "parent": { "type": "subscription_details", "subscription_details": details } });
    let of = |more: &Value| {
        invoice(more)
            .expect("an invoice")
            .invoice
            .subscription
            .map(|id| id.as_str().to_owned())
    };
    for (more, expected) in [
        (json!({ "subscription": "sub_1" }), Some("sub_1")),
        (
            json!({ "subscription": { "id": "sub_1", "object": "subscription" } }),
            Some("sub_1"),
        ),
        (
            parent(json!({ "subscription": "sub_1", "metadata": {} })),
            Some("sub_1"),
        ),
        (
            parent(json!({ "subscription": { "id": "sub_1" } })),
            Some("sub_1"),
        ),
        (parent(Value::Null), None),
        (json!({ "parent": null, "subscription": null }), None),
        (json!({}), None),
    ] {
        assert_eq!(of(&more).as_deref(), expected, "{more}");
    }
}

#[test]
fn an_invoice_without_a_customer_is_ignored() {
    let without_customer = json!({ "id": "in_1", "customer": null, "currency": "usd" });
    assert!(is_ignored(
        &read("invoice.paid", &without_customer).expect("an event")
    ));
}
