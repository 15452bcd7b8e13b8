//! While Stripe is unreachable, work continues and every usage record is kept, up to a limit for
//! each account.

use crate::billing::metering::billing_on;
use crate::world::money::Sold;
use crate::world::wire::{ALWAYS, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::{JobId, RepositoryId};
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY, REPOSITORY_ID};
use std::time::Duration;

const METERS: &str = "pays = \"meters\"\ncharges = [{ meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]";

/// A pay-as-you-go plan on which two delivered jobs may wait for Stripe.
fn two_may_wait(name: &str) -> Sold {
    Sold::with(name, &[(METERS, &format!("{METERS}\nunbilled_max = 2"))])
}

impl World {
    /// Opens or comments on another issue and runs every function except the one that reports
    /// usage.
    async fn asked_for(&self, sample: &str, number: u64) {
        if sample == "issues.opened" {
            self.vendors
                .github
                .add_issue(OWNER, REPOSITORY, number, "Another", "thing");
        }
        let change = |event: &mut serde_json::Value| {
            event["issue"]["number"] = number.into();
            event["issue"]["id"] = (90_000 + number).into();
            if event["comment"].is_object() {
                event["comment"]["id"] = (65_000 + number).into();
            }
        };
        let delivery = self.github_sends_changed(sample, change).await;
        for _ in 0..200 {
            let event = self
                .event(EventSource::Github, &delivery)
                .await
                .expect("it is recorded");
            let words = self.last_words(number);
            let ended =
                words.contains("The pull request is ready") || words.contains("cannot start a job");
            if event.state != EventState::Pending && ended {
                return;
            }
            let mut handed = 0;
            for queue in Queue::ALL
                .into_iter()
                .filter(|queue| *queue != Queue::Usage)
            {
                handed += self.turn(queue).await;
            }
            if handed == 0 {
                self.elapse(Duration::from_secs(31)).await;
                self.sweep().await;
            }
        }
        panic!(
            "nothing becomes of issue {number}: {:?}",
            self.pending().await
        );
    }

    async fn open_job_of(&self, number: u64) -> Option<JobId> {
        let found = self
            .stack
            .store
            .job_find_open(RepositoryId::new(REPOSITORY_ID), number)
            .await;
        found.expect("the store answers")
    }

    fn pulls_open(&self) -> usize {
        self.vendors.github.pulls(OWNER, REPOSITORY).len()
    }

    fn last_words(&self, number: u64) -> String {
        let comments = self.vendors.github.comments(OWNER, REPOSITORY, number);
        comments
            .last()
            .map(|comment| comment.body.clone())
            .unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn while_stripe_is_out_of_reach_jobs_go_on_to_a_limit_and_nothing_is_lost() {
    for (name, fault_plan) in [("fair", FaultPlan::None), ("bad", FaultPlan::Seeded(71))] {
        let sold = two_may_wait(name);
        let [github, stripe, model] = WIRED;
        let world = World::with(
            fault_plan,
            &[github, stripe, model, ("CATALOGUE", sold.path())],
        )
        .await;
        world.wire.cut("stripe.wire", ALWAYS);
        for number in 30..33 {
            world.asked_for("issues.opened", number).await;
            world.drain(Queue::Usage).await;
        }
        assert_eq!(
            (world.pulls_open(), world.owed().await),
            (2, 2),
            "two may wait, and no third"
        );
        let words = world.last_words(32);
        assert!(
            words.contains("cannot start a job") && !words.contains("Stripe"),
            "{words}"
        );
        assert!(world.open_job_of(32).await.is_none(), "the issue is free");

        world.wire.clear();
        world.settle().await;
        assert_eq!(
            world.vendors.stripe.meter_events().len(),
            2,
            "both were kept"
        );
        world.asked_for("issue_comment.created", 32).await;
        world.settle().await;
        assert_eq!(
            (
                world.pulls_open(),
                world.vendors.stripe.meter_events().len()
            ),
            (3, 3),
            "it continues"
        );
        world.done().await;
    }
}

/// Billing that is switched off is treated the same, and an issue that has a job keeps it.
#[tokio::test(start_paused = true)]
async fn with_billing_off_the_limit_holds_and_an_open_job_is_joined() {
    let sold = two_may_wait("off");
    let [github, stripe, model] = WIRED;
    let settings = [
        github,
        stripe,
        model,
        ("BILLING_ENABLED", "false"),
        ("CATALOGUE", sold.path()),
    ];
    let mut world = World::with(FaultPlan::None, &settings).await;
    for number in 30..32 {
        world.asked_for("issues.opened", number).await;
    }
    world.asked_for("issue_comment.created", 31).await;
    let job = world.open_job_of(31).await.expect("it is open");
    assert_eq!(world.job(&job).await.state, JobState::PrOpened);
    assert!(
        !world.last_words(31).contains("cannot start a job"),
        "nothing was refused"
    );
    world.asked_for("issues.opened", 32).await;
    assert_eq!((world.pulls_open(), world.owed().await), (2, 2));

    let function = billing_on(&world);
    let usage = world
        .stack
        .mappings
        .iter_mut()
        .find(|(queue, _)| *queue == Queue::Usage);
    usage.expect("the queue is there").1.function = function;
    world.settle().await;
    world.asked_for("issue_comment.created", 32).await;
    world.settle().await;
    assert_eq!(
        (
            world.pulls_open(),
            world.vendors.stripe.meter_events().len()
        ),
        (3, 3)
    );
    world.done().await;
}
