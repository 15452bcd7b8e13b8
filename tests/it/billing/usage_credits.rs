//! `POST /api/v1/admin/accounts/{id}/usage/{meter}/{usage}/credit`: an operator gives back what was
//! billed wrongly and can no longer be cancelled, and the next invoice is lower by it, once.

use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months};
use crate::world::operator::assert_problem;
use crate::world::wire::{ALWAYS, Reply};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Effect, Fault, Moment};
use stand_in_stripe::Fault as StripeFault;
use store::UsageState;

const ENTRIES: &str = "POST stripe.wire/v1/customers/cus_TallyhookDemo1/balance_transactions";
const LINE: &str = "POST /v1/customers/cus_TallyhookDemo1/balance_transactions";
/// What a fix costs with the plan of these customers.
pub const FIX: i64 = 1_500;

pub fn why() -> Value {
    json!({ "reason": "the fix was of another customer" })
}

/// Two fixes on a final invoice, and the path to what can be done about the first one.
pub async fn invoiced(fault_plan: FaultPlan) -> (Months, String) {
    let mut months = Months::begin(fault_plan).await;
    assert!(ENTRIES.contains(CUSTOMER));
    months.fix().await;
    months.fix().await;
    months.pass(2 * HOUR).await;
    months.jump(months.period_end());
    months.pass(3 * HOUR).await;
    assert_eq!(months.billed().await, 2);
    let records = months.records(UsageState::Reported).await;
    let id = records[0]["id"].as_str().expect("an id");
    let path = format!(
        "/api/v1/admin/accounts/{}/usage/pull_requests/{id}",
        months.account
    );
    (months, path)
}

pub async fn credits(months: &Months, path: &str, body: &Value) -> (StatusCode, Value) {
    let path = format!("{path}/credit");
    loop {
        let answer = months.world.operator("POST", &path, Some(body)).await;
        if !answer.0.is_server_error() {
            return answer;
        }
    }
}

fn balance(months: &Months) -> Value {
    let customer = months.world.vendors.stripe.customer(CUSTOMER);
    customer.expect("a customer")["balance"].clone()
}

/// Asserts that the customer was credited once, and that the next fix is paid with the credit.
pub async fn assert_credited(mut months: Months, minor: i64) {
    months.pass(6 * HOUR).await;
    assert_eq!(balance(&months), -minor);
    let records = months.records(UsageState::Reported).await;
    let credits: Vec<_> = records
        .iter()
        .map(|record| &record["credit"])
        .filter(|credit| credit.is_object())
        .collect();
    let [credit] = credits.as_slice() else {
        panic!("one credit: {credits:?}");
    };
    assert_eq!(
        (&credit["state"], &credit["amount_minor"], &credit["by"]),
        (&json!("credited"), &json!(minor), &json!("local")),
        "{credit}"
    );
    let entries = months.world.vendors.stripe.balance_transactions();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["id"], credit["stripe_balance_transaction_id"]);
    months.fix().await;
    months.pass(2 * HOUR).await;
    months.jump(months.period_end());
    months.pass(3 * HOUR).await;
    let invoices = months.world.vendors.stripe.invoices();
    let last = invoices.last().expect("an invoice");
    assert_eq!(
        (&last["total"], &last["amount_due"]),
        (&json!(FIX), &json!(FIX - minor)),
        "{last}"
    );
    assert_eq!((balance(&months), months.billed().await), (json!(0), 3));
    assert_eq!(months.sum(UsageState::Reported).await, 3);
    months.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn usage_on_a_final_invoice_is_credited_once() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(529)] {
        let (months, path) = invoiced(fault_plan).await;
        for (body, code) in [
            (json!({}), "bad_body"),
            (json!({ "reason": " " }), "bad_reason"),
            (json!({ "reason": "x", "amount_minor": 0 }), "bad_amount"),
            (
                json!({ "reason": "x", "amount_minor": FIX + 1 }),
                "bad_amount",
            ),
        ] {
            let (status, answer) = credits(&months, &path, &body).await;
            assert_eq!(
                (status, &answer["code"]),
                (StatusCode::BAD_REQUEST, &json!(code)),
                "{body}"
            );
        }
        let (status, shown) = credits(&months, &path, &why()).await;
        assert_eq!(
            (status, &shown["state"], &shown["credit"]["state"]),
            (
                StatusCode::ACCEPTED,
                &json!("reported"),
                &json!("requested")
            ),
            "{shown}"
        );
        let other = json!({ "reason": "again", "amount_minor": 1 });
        let (status, again) = credits(&months, &path, &other).await;
        assert_eq!(
            (status, &again["credit"]["amount_minor"]),
            (StatusCode::OK, &json!(FIX)),
            "{again}"
        );
        assert_credited(months, FIX).await;
    }
}

/// Stripe fails, keeps its failure, or credits and its answer is lost, and forgets its keys.
#[tokio::test(start_paused = true)]
async fn a_credit_survives_stripes_failures() {
    let part = json!({ "reason": "a part", "amount_minor": 500 });
    let (months, path) = invoiced(FaultPlan::None).await;
    months
        .world
        .vendors
        .stripe
        .fail_next_at(LINE, StripeFault::StoredFailure);
    credits(&months, &path, &part).await;
    assert_credited(months, 500).await;

    let (months, path) = invoiced(FaultPlan::None).await;
    months
        .world
        .vendors
        .stripe
        .fail_next_at(LINE, StripeFault::DoneAndFailed);
    credits(&months, &path, &part).await;
    assert_credited(months, 500).await;

    let (months, path) = invoiced(FaultPlan::None).await;
    months.world.stack.faults.inject(Fault {
        on: ENTRIES.to_owned(),
        times: 2,
        effect: Effect::AnswerLost,
    });
    credits(&months, &path, &part).await;
    assert_credited(months, 500).await;
}

/// The process that credits at Stripe dies around the call, and nothing runs for two days.
#[tokio::test(start_paused = true)]
async fn a_credit_survives_a_death() {
    for moment in [Moment::Before, Moment::After] {
        let (months, path) = invoiced(FaultPlan::None).await;
        credits(&months, &path, &why()).await;
        let held = months.world.wire.hold(ENTRIES, moment);
        tokio::select! {
            () = months.run() => panic!("it is held"),
            () = held.reached() => {}
        }
        months.jump(months.now() + 2 * 86_400);
        assert_credited(months, FIX).await;
    }
}

/// Stripe refuses: the record says why, and the operator may try again.
#[tokio::test(start_paused = true)]
async fn a_credit_that_stripe_refuses_is_shown_on_the_record() {
    let (mut months, path) = invoiced(FaultPlan::None).await;
    let no = json!({ "error": { "type": "invalid_request_error", "message": "Not this one." } });
    months
        .world
        .wire
        .answer(ENTRIES, ALWAYS, Reply::json(400, no));
    credits(&months, &path, &why()).await;
    months.pass(HOUR).await;
    months.world.wire.clear();
    let records = months.records(UsageState::Reported).await;
    let refused = records
        .iter()
        .filter_map(|record| record["credit"]["refused"].as_str())
        .collect::<Vec<_>>();
    assert!(
        matches!(refused.as_slice(), [why] if why.contains("Not this one")),
        "{records:?}"
    );
    let (status, _) = credits(&months, &path, &why()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_credited(months, FIX).await;
}

/// The customer is gone at Stripe: the record says so, and nothing is repeated for ever.
#[tokio::test(start_paused = true)]
async fn a_credit_for_a_deleted_customer_is_refused() {
    let (mut months, path) = invoiced(FaultPlan::None).await;
    let stripe = months.world.vendors.stripe.clone();
    stripe.delete_customer(CUSTOMER).expect("a customer");
    credits(&months, &path, &why()).await;
    months.pass(HOUR).await;
    let records = months.records(UsageState::Reported).await;
    let refused = records
        .iter()
        .filter(|record| record["credit"]["state"] == "refused");
    assert_eq!(refused.count(), 1, "{records:?}");
    assert_eq!(stripe.balance_transactions().len(), 0);
    months.world.done().await;
}

/// What can be cancelled is not credited, and what was credited is not cancelled.
#[tokio::test(start_paused = true)]
async fn usage_is_cancelled_or_credited() {
    let mut months = Months::begin(FaultPlan::None).await;
    months.fix().await;
    months.pass(2 * HOUR).await;
    let records = months.records(UsageState::Reported).await;
    let id = records[0]["id"].as_str().expect("an id");
    let path = format!(
        "/api/v1/admin/accounts/{}/usage/pull_requests/{id}",
        months.account
    );
    let ask = async |months: &Months, path: &str| {
        let admin = &months.world;
        admin
            .admin_request("POST", path, Some("local-token"), Some(&why()))
            .await
    };
    let credit = format!("{path}/credit");
    let early = ask(&months, &credit).await;
    assert_problem("early", &early, 409, "still_cancellable");
    let unknown = credit.replace("/use_", "/use_0");
    assert_problem("no id", &ask(&months, &unknown).await, 404, "not_found");
    // An hour after Stripe's limit, the invoice is still open.
    months.pass(24 * HOUR).await;
    assert_eq!(ask(&months, &credit).await.status(), StatusCode::ACCEPTED);
    months.pass(HOUR).await;
    assert_eq!(balance(&months), -FIX);
    let cancel = format!("{path}/cancel");
    let late = ask(&months, &cancel).await;
    assert_problem("credited", &late, 409, "too_late");
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.fix().await;
    let owed = months.records(UsageState::Owed).await;
    let id = owed[0]["id"].as_str().expect("an id");
    let (head, _) = path.split_once("/use_").expect("a path");
    let owed = format!("{head}/{id}/credit");
    assert_problem("owed", &ask(&months, &owed).await, 409, "not_reported");
    months.world.wire.clear();
    months.pass(HOUR).await;
    months.world.done().await;
}
