//! Usage that Stripe accepted and then could not count.

use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use domain::inbox::EventState;
use serde_json::json;

/// F-F6: an alarm is raised, and the usage that Stripe names waits for an operator; a repeated
/// event changes nothing.
#[tokio::test(start_paused = true)]
async fn what_was_not_counted_waits_for_a_person() {
    let world = World::with(FaultPlan::Seeded(161), &WIRED).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let job = world.commented_job().await;
    let usage = UsageId::of_job(&job.facts.id);
    let debts = AccountMeter {
        account: job.facts.account.clone(),
        meter: Meter::pull_requests(),
    };
    let reported = async || {
        world
            .stack
            .store
            .usage_find(&debts, &usage)
            .await
            .expect("the store answers")
    };
    assert!(reported().await.is_some(), "it was reported to Stripe");
    for (nth, sample) in [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    .into_iter()
    .enumerate()
    {
        let event = fixture("stripe", sample);
        let id = event["id"].as_str().expect("an id");
        let samples = [
            json!({ "error_message": "No such customer", "request": { "identifier": format!("{usage}-pull_requests") } }),
            json!({ "error_message": "No such customer", "request": { "identifier": "use_01hzy3v7q0m8n4s2e6r5t9w1xa-tokens" } }),
            json!({ "error_message": "No such customer", "request": { "identifier": "not-of-ours" } }),
        ];
        let kind = json!({ "code": "meter_event_customer_not_found", "error_count": 3, "sample_errors": samples });
        let full = json!({ "id": id, "object": "v2.core.event", "type": sample,
            "data": { "reason": { "error_count": 3, "error_types": [kind] } } });
        world.wire.answer(
            &format!("GET stripe.wire/v2/core/events/{id}"),
            ALWAYS,
            Reply::json(200, full),
        );
        let (state, says) = world.acts_on(&event).await;
        assert_eq!(state, EventState::Processed);
        assert_eq!(
            says, "Stripe could not count 3 reports; 1 of ours wait for a person",
            "{nth}"
        );
        assert_eq!(reported().await, None, "it does not pass for billed");
    }
    assert_eq!(world.owed().await, 0, "and is not sent again automatically");
    world.settle().await;
    world.done().await;
}
