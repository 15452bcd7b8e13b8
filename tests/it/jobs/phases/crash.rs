//! A process may die at any call of a report.

use super::*;

/// Reports with a death at this call; the retry ends in one charge. Returns its calls.
async fn dies_at(plan: &str, sold: &Sold, call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) =
        World::on_plan(FaultPlan::None, plan, &[("CATALOGUE", sold.path())]).await;
    world.adjusts(&account, "20", "a gift").await;
    let key = world.key_of(&account, "the first").await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let body = phase("mitigate", "success", 12);
    let _ = world
        .customer_once(&key, "POST", PHASES, "once", Some(&body))
        .await;
    let calls = world.stack.faults.since(before);
    let (_, answer) = world
        .customer(&key, "POST", PHASES, "once", Some(&body))
        .await;
    assert_eq!(answer["billing"], "billed", "{call:?}: {answer}");
    world.settle().await;
    let expected = if plan == "payg" { (1, "20") } else { (0, "5") };
    assert_eq!(
        world.vendors.stripe.total(CUSTOMER, "pull_requests"),
        expected.0,
        "{plan} {call:?}"
    );
    assert_eq!(
        world.balance(&account).await.available.to_string(),
        expected.1,
        "{plan} {call:?}"
    );
    world.assert_ledger_agrees().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_report() {
    let sold = Sold::with(
        "phases_deaths",
        &[(
            "[[plan]]\nid = \"credits\"",
            "[[plan]]\nid = \"credits\"\nfee = 15",
        )],
    );
    for plan in ["payg", "credits"] {
        let calls = dies_at(plan, &sold, None).await;
        assert!(calls.len() >= 4, "{calls:?}");
        for death in deaths(&calls) {
            dies_at(plan, &sold, Some(death)).await;
        }
    }
}
