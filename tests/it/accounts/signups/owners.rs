//! Installing the App is enough: its owner gets an account with a trial, whichever of its events
//! arrives first.

use crate::world::{FaultPlan, World};
use domain::accounts::signups::{Applicant, SignUpState};
use domain::ids::OwnerId;
use domain::inbox::{EventSource, EventState};
use domain::notices::NoticeOutcome;
use local_stack::world::OWNER_ID;
use stand_in_shared::faults::{Called, Moment, deaths};
use std::time::Duration;

pub fn acme() -> Applicant {
    Applicant::Owner(OwnerId::new(OWNER_ID))
}

#[tokio::test(start_paused = true)]
async fn installing_the_app_is_enough_for_a_trial() {
    for (fault_plan, first) in [
        (
            FaultPlan::Seeded(31),
            ["installation.created", "issues.opened"],
        ),
        (
            FaultPlan::Seeded(32),
            ["issues.opened", "installation.created"],
        ),
    ] {
        let world = World::bare(fault_plan, &[]).await;
        for sample in first {
            world.github_sends(sample).await;
        }
        world.settle().await;
        let account = world
            .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
            .await;
        assert_eq!(
            (account.plan.as_str(), account.wish.as_deref()),
            ("trial", None)
        );
        assert_eq!(world.payer().await, Some(account.id.clone()));
        world.assert_pulled_once();
        assert_eq!(world.commented_job().await.facts.account, account.id);
        assert_eq!(
            world.vendors.stripe.meter_events().len(),
            0,
            "a trial costs nothing"
        );
        // A repeated event changes nothing, not even from another installation of the same owner.
        world.github_sends("installation.created").await;
        world
            .github_sends_changed("installation.created", |event| {
                event["installation"]["id"] = 7_077.into()
            })
            .await;
        world.settle().await;
        assert_eq!(world.made_customers().len(), 1);
        world
            .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
            .await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_has_an_account_is_not_signed_up() {
    let world = World::start().await;
    world.github_sends("installation.created").await;
    world.settle().await;
    assert_eq!(
        world
            .stack
            .store
            .signup_find(&acme())
            .await
            .expect("the store answers"),
        None
    );
    assert_eq!(world.made_customers().len(), 0);
    world.done().await;
}

/// While Stripe cannot create a customer, the sign-up waits, and so do events that request a job.
/// Nothing is lost.
#[tokio::test(start_paused = true)]
async fn without_billing_a_sign_up_waits() {
    let world = World::bare(FaultPlan::Seeded(33), &[("BILLING_ENABLED", "false")]).await;
    world.github_sends("installation.created").await;
    let delivery = world.github_sends("issues.opened").await;
    for _ in 0..40 {
        world.turn_all().await;
        world.elapse(Duration::from_secs(61)).await;
        world.sweep().await;
    }
    let row = world.signup(&acme()).await;
    assert_eq!(
        (row.state, row.why.as_deref()),
        (SignUpState::Owed, Some("billing is off"))
    );
    assert_eq!(
        world.outcome(EventSource::Github, &delivery).await.0,
        EventState::Pending
    );
    assert_eq!(world.made_customers().len(), 0);
    world.abandoned();
}

/// The operator's switch overrides the setting, in a running function.
#[tokio::test(start_paused = true)]
async fn a_sign_up_waits_while_billing_is_switched_off() {
    for setting in ["true", "false"] {
        let world = World::bare(FaultPlan::None, &[("BILLING_ENABLED", setting)]).await;
        world.switch("billing_enabled", false).await;
        world.github_sends("installation.created").await;
        world.minutes(30).await;
        let row = world.signup(&acme()).await;
        assert_eq!(
            (row.state, row.why.as_deref()),
            (SignUpState::Owed, Some("billing is off")),
            "{setting}"
        );
        assert_eq!(world.made_customers().len(), 0, "{setting}");
        world.switch("billing_enabled", true).await;
        world.settle().await;
        world
            .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
            .await;
        world.done().await;
    }
}

/// An operator's decision counts even if it comes before the queued work.
#[tokio::test(start_paused = true)]
async fn an_operator_s_account_goes_before_a_sign_up() {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.github_sends("installation.created").await;
    world.drain(queues::Queue::GithubEvents).await;
    let account = world.provision().await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    let row = world.signup(&acme()).await;
    assert_eq!(
        (row.state, &row.sign_up.account),
        (SignUpState::Done, &account)
    );
    world.assert_delivered_once();
    world.done().await;
}

/// The journey, which may die at this call. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let world = World::bare(FaultPlan::None, &[]).await;
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(call, moment);
    }
    let body =
        serde_json::to_vec(&crate::world::fixture("github", "installation.created")).expect("JSON");
    let delivery = world.fresh_delivery();
    while !world
        .github_delivers("installation", &delivery, &body)
        .await
        .status()
        .is_success()
    {}
    world.settle().await;
    let calls = world.stack.faults.since(0);
    world
        .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
        .await;
    assert_eq!(world.made_customers().len(), 1, "{call:?}");
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_an_owner_s_sign_up() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 12, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
