//! Tests how long a plan stays active after a failed payment.

use super::*;

/// A bank debit of day 30 fails on day 38: the grace counts from then.
#[test]
fn grace_ends_some_days_after_the_payment_failed() {
    let catalogue = catalogue();
    let late = subscription("1", "teams", Status::PastDue);
    let failure = PaymentFailure {
        since: day(38),
        invoice: InvoiceId::parse("in_1").expect("an id"),
    };
    let contracts = |failures: &[PaymentFailure]| Contracts {
        subscriptions: vec![late.clone()],
        purchases: vec![],
        failures: failures
            .iter()
            .map(|failure| (late.id.clone(), failure.clone()))
            .collect(),
        planned: BTreeMap::new(),
    };
    let seen = |failures: &[PaymentFailure], now| {
        let found = entitlements(&catalogue, &account("payg"), &contracts(failures), now);
        let found = found.expect("entitlements");
        (found.plan.id.to_string(), found.coverage)
    };
    let until = day(38 + GRACE_DAYS);
    let before = Timestamp::from_millis(until.millis() - 1);
    let failed = std::slice::from_ref(&failure);
    assert_eq!(
        seen(failed, before),
        ("teams".to_owned(), Coverage::Grace { until })
    );
    assert_eq!(seen(failed, until), ("free".to_owned(), Coverage::Lapsed));
    let until = day(31 + GRACE_DAYS);
    assert_eq!(
        seen(&[], day(32)),
        ("teams".to_owned(), Coverage::Grace { until }),
        "until the invoice's event arrives, since Stripe reported the subscription"
    );
}

#[test]
fn a_reminder_comes_before_the_grace_ends() {
    let catalogue = catalogue();
    let mut plan = catalogue
        .plan(&PlanId::parse("teams").expect("a plan"))
        .expect("it is sold")
        .clone();
    for (days, hours) in [(0, None), (1, Some(12)), (2, Some(24)), (7, Some(5 * 24))] {
        plan.grace_days = days;
        let after = |hours: i64| Timestamp::from_seconds(38 * DAY_SECONDS + hours * 3_600);
        assert_eq!(grace_reminder(&plan, day(38)), hours.map(after), "{days}");
        assert_eq!(grace_end(&plan, day(38)), day(38 + i64::from(days)));
    }
}

/// An invoice created on this day, with its status and the day on which its payment failed.
fn billed(
    id: &str,
    created: i64,
    status: &str,
    failed: Option<i64>,
) -> (Invoice, Option<Timestamp>) {
    let invoice = Invoice {
        id: InvoiceId::parse(id).expect("an id"),
        number: None,
        status: status.to_owned(),
        amount_due_minor: 2_900,
        amount_paid_minor: 0,
        currency: "usd".to_owned(),
        subscription: SubscriptionId::parse("sub_1").ok(),
        url: None,
        created_at: day(created),
        as_of: day(created),
    };
    (invoice, failed.map(day))
}

#[test]
fn the_payment_that_a_subscription_waits_for() {
    let first = |invoices: &[(Invoice, Option<Timestamp>)]| {
        let failures = payment_failures(invoices);
        let failure = failures.into_values().next();
        failure.map(|failure| (failure.invoice.to_string(), failure.since))
    };
    let of = |id: &str, since| Some((id.to_owned(), day(since)));
    let january = || billed("in_1", 0, "open", Some(8));
    let february = || billed("in_2", 31, "open", Some(31));
    for (what, expected, mut invoices) in [
        (
            "nothing failed",
            None,
            vec![billed("in_1", 0, "open", None)],
        ),
        ("it is open", of("in_1", 8), vec![january()]),
        (
            "it failed and was paid",
            None,
            vec![billed("in_1", 0, "paid", Some(8))],
        ),
        (
            "it was voided",
            None,
            vec![billed("in_1", 0, "void", Some(8))],
        ),
        (
            "the first of two counts",
            of("in_1", 8),
            vec![january(), february()],
        ),
        (
            "an older one that is left open no longer counts",
            of("in_3", 60),
            vec![
                january(),
                billed("in_2", 31, "paid", None),
                billed("in_3", 59, "open", Some(60)),
            ],
        ),
    ] {
        assert_eq!(first(&invoices), expected, "{what}");
        invoices.reverse();
        assert_eq!(first(&invoices), expected, "{what}, in the other order");
    }
}
