//! Tests which of several subscriptions counts.

use super::*;

#[test]
fn of_several_subscriptions_one_counts_whatever_their_order() {
    let of = |name, plan, status, created| Subscription {
        created_at: day(created),
        ..subscription(name, plan, status)
    };
    for (winner, subscriptions) in [
        (
            "teams",
            [
                of("1", "teams", Status::Active, 0),
                of("2", "pro", Status::Canceled, 9),
                of("3", "pro", Status::PastDue, 9),
            ],
        ),
        (
            "pro",
            [
                of("1", "teams", Status::Active, 0),
                of("2", "pro", Status::Trialing, 5),
                of("3", "teams", Status::PastDue, 9),
            ],
        ),
        (
            "teams",
            [
                of("1", "teams", Status::Active, 5),
                of("2", "pro", Status::Active, 5),
                of("3", "pro", Status::Active, 5),
            ],
        ),
        (
            "teams",
            [
                of("1", "teams", Status::PastDue, 0),
                of("2", "pro", Status::Incomplete, 9),
                of("3", "pro", Status::Unpaid, 9),
            ],
        ),
        (
            "payg",
            [
                of("1", "pro", Status::Incomplete, 0),
                of("2", "teams", Status::Unpaid, 9),
                of("3", "teams", Status::Canceled, 9),
            ],
        ),
        (
            "pro",
            [
                of("1", "unknown", Status::Active, 9),
                of("2", "pro", Status::Active, 0),
                of("3", "unknown", Status::Active, 9),
            ],
        ),
    ] {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let list = order.map(|at: usize| subscriptions[at].clone());
            assert_eq!(seen("payg", &list, day(32)).0, winner, "{list:?}");
        }
    }
}
