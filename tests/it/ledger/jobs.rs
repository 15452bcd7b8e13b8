//! Jobs and their payment: what is reserved, spent and released on each plan.

use crate::world::money::{Sold, built_in};
use crate::world::{FaultPlan, World};
use domain::billing::plans::{PlanId, cost};
use domain::ids::AccountId;
use domain::jobs::{JobState, cost_to_customer};
use domain::ledger::Balance;
use domain::units::Credits;
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};

fn whole(credits: u64) -> Credits {
    Credits::whole(credits).expect("an amount")
}

fn has(available: Credits, held: u64) -> Balance {
    Balance {
        available,
        held: whole(held),
        debt: Credits::ZERO,
    }
}

/// A world whose account is on the plan `credits` with this balance.
pub async fn prepaid(
    fault_plan: FaultPlan,
    credits: &str,
    settings: &[(&str, &str)],
) -> (World, AccountId) {
    let settings: Vec<_> = settings
        .iter()
        .copied()
        .chain([("DASHBOARD_URL", "https://tallyhook.test/billing")])
        .collect();
    let (world, account) = World::on_plan(fault_plan, "credits", &settings).await;
    if credits != "0" {
        assert_eq!(
            world.adjusts(&account, credits, "the first").await.0,
            StatusCode::CREATED
        );
    }
    (world, account)
}

#[tokio::test(start_paused = true)]
async fn a_job_reserves_its_budget_and_pays_what_it_used() {
    let (world, account) = prepaid(FaultPlan::Seeded(7), "1000", &[]).await;
    let delivery = world.github_sends("issues.opened").await;
    world.turn(::queues::Queue::GithubEvents).await;
    assert_eq!(
        world.balance(&account).await,
        has(whole(400), 600),
        "reserved before the model is asked"
    );
    assert_eq!(world.vendors.model.calls().len(), 0);
    world.settle().await;

    let job = world.job_of(&delivery).await;
    assert_eq!(job.state, JobState::PrOpened);
    let model = built_in();
    let model = model.model("stand-in-1").expect("the stand-in has a price");
    assert_eq!(
        Some(job.cost),
        cost(job.tokens, model),
        "what was used, by the price of the model that answered"
    );
    let price = cost_to_customer(&job);
    assert_eq!(
        price.micros(),
        (job.cost.micros() * 12).div_ceil(10),
        "and a fifth on top"
    );
    assert_eq!(
        world.balance(&account).await,
        has(whole(1_000).less(price), 0)
    );
    assert_eq!(
        world.kinds(&account).await,
        ["adjustment", "hold", "capture"]
    );
    assert_eq!(
        world.vendors.stripe.meter_events().len(),
        0,
        "paid from credits and not by Stripe too"
    );
    let shown = world.shown_job(&job.facts.id).await;
    assert_eq!(
        (&shown["payment"]["by"], &shown["payment"]["price"]),
        (&"credits".into(), &price.to_string().into())
    );
    world.assert_ledger_agrees().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_delivered_costs_nothing() {
    let reject = r#"{"verdict":"reject","notes":"it breaks everything"}"#;
    let (world, account) = prepaid(FaultPlan::Seeded(3), "1000", &[]).await;
    world
        .vendors
        .model
        .script("review", vec![reject.to_owned()]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Rejected, "it breaks everything")
        .await;
    assert_eq!(world.balance(&account).await, has(whole(1_000), 0));
    assert_eq!(
        world.kinds(&account).await,
        ["adjustment", "hold", "release"]
    );
    let entries = world
        .stack
        .store
        .entry_all(&account)
        .await
        .expect("the entries");
    let receipt = &entries.last().expect("a release").note;
    assert!(
        receipt.contains("nothing to pay") && receipt.contains("it breaks everything"),
        "{receipt}"
    );
    world.assert_ledger_agrees().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_gives_everything_back() {
    for queues in 1..=4 {
        let (world, account) = prepaid(FaultPlan::None, "1000", &[]).await;
        world.github_sends("issues.opened").await;
        let way = [
            ::queues::Queue::GithubEvents,
            ::queues::Queue::Plan,
            ::queues::Queue::Code,
            ::queues::Queue::Review,
        ];
        for queue in &way[..queues] {
            world.turn(*queue).await;
        }
        world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
        world.github_sends("issues.closed").await;
        world.settle().await;
        world
            .assert_not_delivered(JobState::Cancelled, "the issue was closed")
            .await;
        assert_eq!(
            world.balance(&account).await,
            has(whole(1_000), 0),
            "after {queues} steps"
        );
        world.assert_ledger_agrees().await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_enough_credits_there_is_no_work_and_the_issue_says_what_to_do() {
    let (world, account) = prepaid(FaultPlan::Seeded(5), "599.999999", &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_nothing_delivered();
    assert_eq!(world.vendors.model.calls().len(), 0, "no work was done");
    let reason = world.commented_job().await.reason.unwrap_or_default();
    for part in [
        "reserves 600 credits",
        "599.999999 are available",
        "https://tallyhook.test/billing",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    // Everybody can read the comment.
    let comment = world.comment();
    assert!(comment.contains("nothing is billed"), "{comment}");
    for secret in ["credits", "available", "599.9", "600 "] {
        assert!(!comment.contains(secret), "{secret}: {comment}");
    }
    assert_eq!(
        world.balance(&account).await.available.to_string(),
        "599.999999"
    );
    assert_eq!(world.notices(&account).await, ["top_up_needed#0"]);
    assert_eq!(world.open_job().await, None, "the issue is free");

    // With enough credits, the same issue can be requested again.
    world.adjusts(&account, "0.000001", "a little more").await;
    world.github_sends("issue_comment.created").await;
    world.settle().await;
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(
        world.notices(&account).await.len(),
        2,
        "the balance is low now"
    );
    world.assert_ledger_agrees().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn as_many_jobs_begin_as_there_are_credits_for() {
    let (world, account) = prepaid(FaultPlan::Seeded(11), "2000", &[]).await;
    let issues = 30..40_u64;
    for number in issues.clone() {
        world.issue_opens(number).await;
    }
    world.drain(::queues::Queue::GithubEvents).await;
    assert_eq!(
        world.balance(&account).await,
        has(whole(200), 1_800),
        "three of ten"
    );
    world.settle().await;
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 3);
    assert_eq!(world.balance(&account).await.held, Credits::ZERO);
    world.assert_ledger_agrees().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_too_small_stops_the_work_before_the_model_is_asked() {
    let sold = Sold::with(
        "poor",
        &[(
            "pays = \"credits\"\nbudget = 600",
            "pays = \"credits\"\nbudget = 1",
        )],
    );
    let (world, account) =
        prepaid(FaultPlan::Seeded(2), "1000", &[("CATALOGUE", sold.path())]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "the job's budget does not suffice")
        .await;
    assert_eq!(world.vendors.model.calls().len(), 0);
    assert_eq!(world.balance(&account).await, has(whole(1_000), 0));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_does_no_work_for_credits() {
    let (world, account) = prepaid(
        FaultPlan::Seeded(2),
        "1000",
        &[("MODEL_NAME", "a-model-of-tomorrow")],
    )
    .await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(
            JobState::Failed,
            "no price for the model a-model-of-tomorrow",
        )
        .await;
    assert_eq!(world.balance(&account).await, has(whole(1_000), 0));
    world.done().await;
}

/// If merging is billed, the hold stays until the merge, and closing releases it.
#[tokio::test(start_paused = true)]
async fn where_merging_bills_the_hold_waits_for_it() {
    let billed = (
        "pays = \"credits\"\nbudget = 600",
        "pays = \"credits\"\nbillable = \"merged\"\nbudget = 600",
    );
    let sold = Sold::with("merged", &[billed]);
    for (merged, kind) in [(true, "capture"), (false, "release")] {
        let (world, account) =
            prepaid(FaultPlan::Seeded(13), "1000", &[("CATALOGUE", sold.path())]).await;
        let delivery = world.github_sends("issues.opened").await;
        world.settle().await;
        assert_eq!(
            world.balance(&account).await,
            has(whole(400), 600),
            "open, and not billed yet"
        );
        let pull = world.vendors.github.pulls(OWNER, REPOSITORY).remove(0);
        world
            .github_sends_changed("pull_request.closed", |event| {
                event["pull_request"]["number"] = pull.number.into();
                event["number"] = pull.number.into();
                event["pull_request"]["head"]["ref"] = pull.head.clone().into();
                event["pull_request"]["merged"] = merged.into();
            })
            .await;
        world.settle().await;
        let job = world.job_of(&delivery).await;
        assert_eq!(
            job.state,
            if merged {
                JobState::Merged
            } else {
                JobState::Closed
            }
        );
        assert_eq!(world.kinds(&account).await, ["adjustment", "hold", kind]);
        assert_eq!(world.balance(&account).await.held, Credits::ZERO);
        world.assert_ledger_agrees().await;
        world.done().await;
    }
}

/// The trial counts delivered jobs up to its limit, and then asks the customer to choose another
/// plan.
#[tokio::test(start_paused = true)]
async fn a_trial_counts_to_its_limit_and_asks_to_convert() {
    let limit = (
        "quotas.pull_requests = { limit = 10,",
        "quotas.pull_requests = { limit = 2,",
    );
    let sold = Sold::with("trial", &[limit]);
    let settings = [
        ("CATALOGUE", sold.path()),
        ("DASHBOARD_URL", "https://tallyhook.test/billing"),
    ];
    let (world, account) = World::on_plan(FaultPlan::Seeded(17), "trial", &settings).await;
    // A job that is not delivered does not count.
    world.vendors.model.script(
        "review",
        vec![r#"{"verdict":"reject","notes":"no"}"#.to_owned()],
    );
    for number in 30..=33_u64 {
        world.issue_opens(number).await;
        world.settle().await;
    }
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 2);
    assert_eq!(
        world.vendors.stripe.meter_events().len(),
        0,
        "a trial costs nothing"
    );
    let comments = world.vendors.github.comments(OWNER, REPOSITORY, 33);
    let comment = &comments[0].body;
    assert!(
        comment.contains("cannot start a job") && !comment.contains("Trial"),
        "{comment}"
    );
    assert_eq!(
        world.notices(&account).await,
        ["quota_used#pull_requests#ever"],
        "said once"
    );
    world.done().await;
}

/// The Teams plan: 60 jobs are included and further ones cost extra. The customer is notified once
/// at 80 percent and once at the end, and nothing stops.
#[tokio::test(start_paused = true)]
async fn work_beyond_the_included_quota_is_reported_to_stripe() {
    let included = (
        "quotas.pull_requests = { limit = 60,",
        "quotas.pull_requests = { limit = 5,",
    );
    let sold = Sold::with("teams", &[included]);
    let (world, account) =
        World::on_plan(FaultPlan::None, "teams", &[("CATALOGUE", sold.path())]).await;
    for (count, number) in (1_usize..).zip(30..=36_u64) {
        world.issue_opens(number).await;
        world.settle().await;
        assert_eq!(
            world.vendors.stripe.meter_events().len(),
            count,
            "every one is reported; Stripe's tiers price them"
        );
        let warned = match count {
            0..4 => 0,
            4 => 1,
            _ => 2,
        };
        assert_eq!(world.notices(&account).await.len(), warned, "after {count}");
    }
    world.done().await;
}

/// A plan priced by tokens reports only tokens to Stripe.
#[tokio::test(start_paused = true)]
async fn a_plan_by_tokens_reports_the_tokens() {
    let (world, _) = World::on_plan(FaultPlan::Seeded(19), "hybrid", &[]).await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.job_of(&delivery).await;
    let sent = world.vendors.stripe.meter_events();
    let sent: Vec<_> = sent
        .iter()
        .map(|event| (event.event_name.as_str(), event.value))
        .collect();
    let tokens = i64::try_from(job.tokens.input + job.tokens.output).expect("few");
    assert_eq!(sent, [("tokens", tokens)]);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn every_plan_on_sale_can_do_a_job() {
    for plan in built_in().plans {
        let (world, account) = World::on_plan(FaultPlan::None, plan.id.as_str(), &[]).await;
        world.adjusts(&account, "100000", "enough").await;
        world.github_sends("issues.opened").await;
        world.settle().await;
        let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
        assert_eq!(pulls.len(), 1, "{}", plan.id);
        world.assert_ledger_agrees().await;
        world.done().await;
    }
    assert!(PlanId::parse("No Such Plan").is_none());
}
