//! Tests who may do metered work: somebody is billed for it, or an operator says that it is free.

use super::*;

#[test]
fn metered_work_needs_a_live_subscription_to_its_own_plan() {
    let (payg, now) = (account("payg"), day(31));
    assert_eq!(metered_to(&payg, &[], now), MeteredTo::Missing);
    for (plan, status, expected) in [
        ("payg", Status::Active, MeteredTo::Subscription),
        ("payg", Status::Trialing, MeteredTo::Subscription),
        ("payg", Status::PastDue, MeteredTo::Subscription),
        ("payg", Status::Incomplete, MeteredTo::Missing),
        ("teams", Status::Active, MeteredTo::Subscription),
        // Without a fallback of `pro`, the account is back on its own metered plan.
        ("pro", Status::Canceled, MeteredTo::Missing),
        ("pro", Status::Active, MeteredTo::NothingMetered),
        ("payg", Status::Canceled, MeteredTo::NothingMetered),
    ] {
        let known = subscription("1", plan, status.clone());
        assert_eq!(
            metered_to(&payg, &[known], now),
            expected,
            "{plan} {status:?}"
        );
    }
    let lapsed = subscription("1", "payg", Status::PastDue);
    assert_eq!(
        metered_to(&payg, &[lapsed], day(31 + GRACE_DAYS)),
        MeteredTo::NothingMetered,
        "the fallback is free"
    );
}

#[test]
fn an_operators_word_makes_metered_work_free() {
    let free = Account {
        billing: AccountBilling::None,
        ..account("payg")
    };
    let known = subscription("1", "payg", Status::Active);
    for subscriptions in [&[][..], &[known]] {
        assert_eq!(metered_to(&free, subscriptions, day(31)), MeteredTo::Free);
    }
    let unmetered = Account {
        plan: "free".to_owned(),
        ..free
    };
    assert_eq!(
        metered_to(&unmetered, &[], day(31)),
        MeteredTo::NothingMetered
    );
}
